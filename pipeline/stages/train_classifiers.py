"""Stage train-classifiers: one classifier a cell, evaluated on validation and test images."""

from __future__ import annotations

import joblib
import pandas as pd

from augment.mixing.recipes import cells_from_table
from classifiers.grid import train_cells
from pipeline.cell_results import log_times, write_results
from pipeline.cell_tasks import CellTasks
from pipeline.compute.cache import make_cache
from pipeline.compute.progress import Progress
from pipeline.project import Project


def run(project: Project) -> list[str]:
    """Write ``results/cells.parquet`` and ``results/predictions.npy`` (cells x test images)."""
    p = project.parameters
    project.require(project.recipes, project.train, project.test)
    cells = project.read(project.recipes, lambda path: cells_from_table(pd.read_parquet(path)))
    tasks = CellTasks(project)
    cache = project.cache / "cells"
    make_cache(cache)
    with Progress("train-classifiers", "cells") as progress:
        results = train_cells(
            [tasks.task(cell) for cell in cells],
            # joblib counts the cores that this process may use, in a container too.
            processes=p.compute.processes or joblib.cpu_count(),
            cache=cache,
            on_done=lambda done, total, result: progress.update(done, total),
        )
    sets = {name: images for name, (_, images) in tasks.evaluations.items()}
    name = "folder" if p.generate.source == "folder" else p.train_gan.system
    write_results(project.results, cells, results, sets["test"], sets.get("validation"), name)
    log_times(cells, results, project.cell_times)
    cached = sum(result.cached for result in results)
    images = sum(result.images_seen for result in results)
    seconds = sum(result.seconds for result in results)
    return [
        f"{len(cells)} cells: {len(cells) - cached} trained, {cached} from the cache",
        f"the whole grid: {images:,} images, {seconds / 60:.1f} minutes of one core, "
        f"{images / max(seconds, 1e-9):,.0f} images/s a core",
    ]
