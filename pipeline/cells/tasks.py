"""From a recipe to the training of its classifier: which images of which set, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from augment.images.image_sets import ImageSet, open_image_set
from augment.mixing.recipes import Cell, real_indices, repeated
from augment.mixing.strategies import STRATEGIES
from augment.streams import derive_seed
from classifiers.classical import Classical, usual_transforms
from classifiers.fitting import FitSettings
from classifiers.grid import CellResult, CellTask, ImageRef, train_cells
from pipeline.class_rows import first_of_each_class
from pipeline.compute.cache import make_cache
from pipeline.compute.device import chosen_device
from pipeline.compute.progress import Progress
from pipeline.compute.workers import side_by_side
from pipeline.judging import fit_settings, model_settings
from pipeline.parameters.models import Parameters
from pipeline.project import Project, read_array
from pipeline.units import parse_unit


class CellTasks:
    """Makes the task of each cell; sets and subsets are opened once."""

    def __init__(self, project: Project) -> None:
        """Open the real images that every cell reads."""
        self.project = project
        self.train = open_image_set(project.train)
        self.test = open_image_set(project.test)
        self.validation = (
            open_image_set(project.validation) if project.validation.exists() else None
        )
        self._pools: dict[tuple[str, str], ImageSet] = {}
        self._subsets: dict[Path, np.ndarray] = {}

    def task(self, cell: Cell, stream: str = "cell", half: bool = False) -> CellTask:
        """Return everything that the cell's classifier depends on.

        Args:
            cell: the recipe.
            stream: whose seeds: another name, other classifiers.
            half: whether it is trained for half the steps, and evaluated on validation images
                alone.
        """
        p, strategy = self.project.parameters, STRATEGIES[cell.strategy]
        sources, values = [], []
        real = self._real(cell)
        if cell.n_real:
            sources.append(ImageRef(self.project.train, self.train.digest, real))
            values.append(1.0)
        if cell.n_synthetic:
            sources.append(self._added(cell, strategy.pool, real))
            values.append(-1.0)
        repeat = parse_unit(cell.unit).repeat
        # Another repeat is another classifier too.
        names: list[str | int] = [stream, cell.seed]
        if repeat:
            names += ["repeat", repeat]
        return CellTask(
            sources=tuple(sources),
            evaluations=tuple(
                ImageRef(folder, images.digest, rows)
                for name, (folder, images, rows) in self.evaluations(cell.unit).items()
                if not (half and name == "test")
            ),
            n_classes=self.train.n_classes,
            model=model_settings(self.project),
            settings=self._settings(half),
            seed=derive_seed(p.seed, *names),
            phases=((1,), (0,)) if strategy.two_phases else (),
            source_values=tuple(values) if strategy.source_channel else (),
            classical=transforms(p, strategy.classical) if strategy.classical else None,
        )

    def evaluations(self, unit: str) -> dict[str, tuple[Path, ImageSet, np.ndarray]]:
        """Return folder, images and rows that a unit's classifiers are evaluated on, by name."""
        found = {"test": (self.project.test, self.test, np.arange(len(self.test)))}
        if self.validation is not None:
            rows = self._rows(self.project.unit(unit).validation)
            if len(rows):
                found["validation"] = self.project.validation, self.validation, rows
        return found

    def _settings(self, half: bool) -> FitSettings:
        whole = fit_settings(self.project, self.project.parameters.train_classifiers)
        if not half:
            return whole
        if whole.steps is None:
            return replace(whole, epochs=max(1, (whole.epochs or 0) // 2))
        return replace(whole, steps=max(1, whole.steps // 2))

    def _rows(self, path: Path) -> np.ndarray:
        """Return the rows that a file of stage subset lists; each is read once."""
        if path not in self._subsets:
            self._subsets[path] = self.project.read(path, read_array)
        return self._subsets[path]

    def _real(self, cell: Cell) -> np.ndarray:
        """Return the rows of the training set that a cell takes: of those of its unit, int64."""
        subset = self._rows(self.project.unit(cell.unit).subset)
        p, labels = self.project.parameters, self.train.labels[subset]
        repeat = parse_unit(cell.unit).repeat
        index: np.ndarray = subset[
            real_indices(labels, self.train.n_classes, cell.real_per_class, p.seed, repeat)
        ]
        return index

    def _added(self, cell: Cell, pool: str | None, real: np.ndarray) -> ImageRef:
        """Return the images that the strategy adds: of a pool, or real ones again."""
        if pool is None:
            rows = repeated(real, self.train.labels[real], cell.synthetic_per_class)
            return ImageRef(self.project.train, self.train.digest, rows)
        paths = self.project.unit(cell.unit)
        folder = paths.generated if pool == "generated" else paths.filtered
        images = self._pools.get((cell.unit, pool))
        if images is None:
            images = self._pools[cell.unit, pool] = open_image_set(folder)
        return ImageRef(
            folder, images.digest, first_of_each_class(images.labels, cell.synthetic_per_class)
        )


def train_tasks(project: Project, title: str, tasks: Sequence[CellTask]) -> list[CellResult]:
    """Train one classifier a task, side by side, but for those that the user's cache holds."""
    cache, reduced = project.cache / "cells", project.cache / "reduced"
    make_cache(cache)
    with side_by_side(project, len(tasks)) as processes, Progress(title, "cells") as progress:
        return train_cells(
            tasks,
            processes=processes,
            cache=cache,
            device=chosen_device(project.parameters),
            reduced=reduced,
            on_done=lambda done, total, result: progress.update(done, total),
        )


def transforms(p: Parameters, strength: float = 1.0) -> Classical:
    """Return the transforms of the section classical, which there is, so many times as strong."""
    assert p.classical is not None  # A rule of the parameters.
    settings = p.classical.model_dump()
    if p.classical.transforms is None:
        settings["transforms"] = usual_transforms(p.data.source)
    return Classical(**settings).scaled(strength)
