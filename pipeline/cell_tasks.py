"""From a recipe to the training of its classifier: which images of which set, in which order."""

from __future__ import annotations

import numpy as np

from augment.images.image_sets import ImageSet, open_image_set
from augment.mixing.recipes import Cell, pool_indices, real_indices, repeated
from augment.mixing.strategies import STRATEGIES
from augment.streams import derive_seed
from classifiers.classical import Classical, usual_transforms
from classifiers.grid import CellTask, ImageRef
from pipeline.judging import fit_settings, model_settings
from pipeline.parameters.models import Parameters
from pipeline.parameters.units import parse_unit
from pipeline.project import Project, read_array


class CellTasks:
    """Makes the task of each cell; sets and subsets are opened once."""

    def __init__(self, project: Project) -> None:
        """Open the real images that every cell reads."""
        self.project = project
        self.train = open_image_set(project.train)
        self.evaluations = {
            name: (folder, open_image_set(folder))
            for name, folder in (("test", project.test), ("validation", project.validation))
            if folder.exists()
        }
        self._pools: dict[tuple[str, str], ImageSet] = {}
        self._subsets: dict[str, np.ndarray] = {}

    def task(self, cell: Cell) -> CellTask:
        """Return everything that the cell's classifier depends on."""
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
        stream: list[str | int] = ["cell", cell.seed]
        if repeat:
            stream += ["repeat", repeat]
        return CellTask(
            sources=tuple(sources),
            evaluations=tuple(
                ImageRef(folder, images.digest, np.arange(len(images)))
                for folder, images in self.evaluations.values()
            ),
            n_classes=self.train.n_classes,
            model=model_settings(self.project),
            settings=fit_settings(self.project, p.train_classifiers),
            seed=derive_seed(p.seed, *stream),
            phases=((1,), (0,)) if strategy.two_phases else (),
            source_values=tuple(values) if strategy.source_channel else (),
            classical=_classical(p, strategy.classical) if strategy.classical else None,
        )

    def _real(self, cell: Cell) -> np.ndarray:
        """Return the rows of the training set that a cell takes: of those of its unit, int64."""
        subset = self._subsets.get(cell.unit)
        if subset is None:
            subset = self.project.read(self.project.unit(cell.unit).subset, read_array)
            self._subsets[cell.unit] = subset
        labels, repeat = self.train.labels[subset], parse_unit(cell.unit).repeat
        index: np.ndarray = subset[
            real_indices(labels, self.train.n_classes, cell.real_per_class, repeat)
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
            folder, images.digest, pool_indices(images.labels, cell.synthetic_per_class)
        )


def _classical(p: Parameters, strength: float) -> Classical:
    """Return the transforms of the section classical, so many times as strong."""
    assert p.classical is not None  # A rule of the parameters.
    settings = p.classical.model_dump()
    if p.classical.transforms is None:
        settings["transforms"] = usual_transforms(p.data.source)
    return Classical(**settings).scaled(strength)
