"""Stage train-classifiers: one LeNet a cell, evaluated on validation and test images."""

from __future__ import annotations

import io
import math
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from augment.files import atomic_file
from augment.image_sets import ImageSet, open_image_set
from augment.mixing import (
    Cell,
    cells_from_table,
    pool_indices,
    real_indices,
    repeated_indices,
)
from augment.strategies import STRATEGIES
from augment.streams import derive_seed
from classifiers.cells import CellResult, CellTask, Source, accuracies, train_cells
from classifiers.classical import Classical
from pipeline.judging import fit_settings
from pipeline.parameters import Parameters, parse_unit
from pipeline.progress import Progress
from pipeline.project import Project
from pipeline.resume import make_cache


def run(project: Project) -> list[str]:
    """Write ``results/cells.parquet`` and ``results/predictions.npy`` (cells x test images)."""
    p = project.parameters
    project.require(project.recipes, project.train, project.test)
    cells = cells_from_table(project.read(project.recipes, pd.read_parquet))
    sets = {"real": (project.train, open_image_set(project.train))}
    evaluations = {
        name: (folder, open_image_set(folder))
        for name, folder in (("test", project.test), ("validation", project.validation))
        if folder.exists()
    }
    for cell in cells:
        pool = STRATEGIES[cell.strategy].pool
        if pool is not None:
            paths = project.unit(cell.unit)
            folder = paths.generated if pool == "generated" else paths.filtered
            sets.setdefault(f"{pool} {cell.unit}", (folder, open_image_set(folder)))

    def source(name: str, index: np.ndarray) -> Source:
        folder, image_set = (sets | evaluations)[name]
        return Source(folder, image_set.digest, index)

    def added(cell: Cell, pool: str | None) -> Source:
        if pool is None:
            per_class, more = cell.real_per_class, cell.synthetic_per_class
            train, seed = sets["real"][1], parse_unit(cell.unit).seed
            return source("real", repeated_indices(train, per_class, more, seed))
        name = f"{pool} {cell.unit}"
        return source(name, pool_indices(sets[name][1].labels, cell.synthetic_per_class))

    tasks = []
    for cell in cells:
        strategy = STRATEGIES[cell.strategy]
        sources, values = [], []
        if cell.n_real:
            seed = parse_unit(cell.unit).seed
            index = real_indices(sets["real"][1], cell.real_per_class, seed)
            sources.append(source("real", index))
            values.append(1.0)
        if cell.n_synthetic:
            sources.append(added(cell, strategy.pool))
            values.append(-1.0)
        tasks.append(
            CellTask(
                sources=tuple(sources),
                evaluations=tuple(
                    source(name, np.arange(len(image_set)))
                    for name, (_, image_set) in evaluations.items()
                ),
                n_classes=sets["real"][1].n_classes,
                input_size=p.lenet.input_size,
                settings=fit_settings(project, p.train_classifiers),
                seed=derive_seed(p.seed, "cell", cell.seed),
                phases=((1,), (0,)) if strategy.two_phases else (),
                source_values=tuple(values) if strategy.source_channel else (),
                classical=_classical(p) if strategy.classical else None,
            )
        )
    cache = project.cache / "cells"
    make_cache(cache)
    # joblib counts the cores that this process may use, in a container too.
    processes = p.train_classifiers.processes or joblib.cpu_count()
    with Progress("train-classifiers", "cells") as progress:
        results = train_cells(
            tasks,
            processes=processes,
            cache=cache,
            on_done=lambda done, total, result: progress.update(done, total),
        )
    name = p.train_gan.system
    _write(project.results, cells, results, {k: v[1] for k, v in evaluations.items()}, name)
    cached = sum(result.cached for result in results)
    _log_times(cells, results, project.cell_times)
    images, seconds = (
        sum(getattr(r, name) for r in results) for name in ("images_seen", "seconds")
    )
    return [
        f"{len(cells)} cells: {len(cells) - cached} trained, {cached} from the cache",
        f"the whole grid: {images:,} images, {seconds / 60:.1f} minutes of one core, "
        f"{images / max(seconds, 1e-9):,.0f} images/s a core",
    ]


def _log_times(cells: list[Cell], results: list[CellResult], path: Path) -> None:
    """Write what every cell cost, whenever it was trained: it differs from run to run."""
    names = ["strategy", "n_real", "n_synthetic", "seed"]
    rows = [
        [*(getattr(cell, name) for name in names), result.images_seen, result.seconds]
        for cell, result in zip(cells, results, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        table = pd.DataFrame(rows, columns=[*names, "images", "seconds"])
        file.write(table.to_csv(index=False, float_format="%.3f").encode())


def _classical(p: Parameters) -> Classical:
    assert p.classical is not None  # A rule of the parameters.
    settings = p.classical.model_dump(exclude={"transforms"})
    return Classical(transforms=p.classical_transforms, **settings)


def _write(
    folder: Path,
    cells: list[Cell],
    results: list[CellResult],
    evaluations: dict[str, ImageSet],
    generator: str,
) -> None:
    """Write one row a cell, and the predictions on the test images in the same order."""
    test, validation = evaluations["test"], evaluations.get("validation")
    rows = []
    for cell, result in zip(cells, results, strict=True):
        accuracy, balanced, per_class = accuracies(
            result.predictions[0], test.labels, test.n_classes
        )
        on_validation = math.nan
        if validation is not None:
            on_validation = float((result.predictions[1] == validation.labels).mean())
        rows.append(
            {
                "protocol": cell.protocol,
                "unit": cell.unit,
                "generator": generator,
                "strategy": cell.strategy,
                "n_real": cell.n_real,
                "n_synthetic": cell.n_synthetic,
                "seed": cell.seed,
                "steps": result.steps,
                "images_seen": result.images_seen,
                "validation_accuracy": on_validation,
                "test_accuracy": accuracy,
                "balanced_accuracy": balanced,
                "class_accuracy": per_class,
            }
        )
    with atomic_file(folder / "cells.parquet") as file:
        pd.DataFrame(rows).to_parquet(file, index=False)
    buffer = io.BytesIO()
    np.save(buffer, np.stack([result.predictions[0] for result in results]), allow_pickle=False)
    with atomic_file(folder / "predictions.npy") as file:
        file.write(buffer.getvalue())
