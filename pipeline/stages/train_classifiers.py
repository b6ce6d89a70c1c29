"""Stage train-classifiers: one classifier a cell, evaluated on validation and test images."""

from __future__ import annotations

import pandas as pd

from augment.mixing.recipes import cells_from_table
from pipeline.cells.results import log_times, result_row, write_predictions, write_results
from pipeline.cells.tasks import CellTasks, train_tasks
from pipeline.project import Project

_COLUMNS = [
    *("protocol", "unit", "unit_real", "generator", "strategy", "n_real", "n_synthetic", "seed"),
    *("steps", "images_seen", "n_validation", "validation_accuracy", "test_accuracy"),
    *("balanced_accuracy", "class_accuracy"),
]


def run(project: Project) -> list[str]:
    """Write ``results/cells.parquet`` and ``results/predictions.npy`` (cells x test images)."""
    p = project.parameters
    project.require(project.recipes, project.train, project.test)
    cells = project.read(project.recipes, lambda path: cells_from_table(pd.read_parquet(path)))
    tasks = CellTasks(project)
    results = train_tasks(project, "train-classifiers", [tasks.task(cell) for cell in cells])
    generator = "folder" if p.generate.source == "folder" else p.train_gan.system
    rows = [
        result_row(cell, result, tasks) | {"generator": generator}
        for cell, result in zip(cells, results, strict=True)
    ]
    write_results(project.results / "cells.parquet", rows, _COLUMNS)
    write_predictions(project.results / "predictions.npy", results, len(tasks.test))
    log_times(cells, results, project.cell_times)
    cached = sum(result.cached for result in results)
    images = sum(result.images_seen for result in results)
    seconds = sum(result.seconds for result in results)
    return [
        f"{len(cells)} cells: {len(cells) - cached} trained, {cached} from the cache",
        f"the whole grid: {images:,} images, {seconds / 60:.1f} minutes of one core, "
        f"{images / max(seconds, 1e-9):,.0f} images/s a core",
    ]
