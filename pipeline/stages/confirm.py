"""Stage confirm: the chosen cells with classifiers of fresh seeds; they alone make the verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from augment.files import read_json
from augment.mixing.recipes import Cell, cells_from_table
from pipeline.cells.results import (
    result_row,
    validation_accuracy,
    write_predictions,
    write_results,
)
from pipeline.cells.tasks import CellTasks, train_tasks
from pipeline.errors import PipelineError
from pipeline.project import Project

_STREAM = "confirm"
_COLUMNS = [
    *("unit", "unit_real", "arms", "strategy", "n_real", "n_synthetic", "seed", "steps"),
    *("n_validation", "validation_accuracy", "half_validation_accuracy", "test_accuracy"),
]


def run(project: Project) -> list[str]:
    """Write ``results/confirmed.parquet`` and ``results/confirmed.npy`` (rows x test images).

    Each chosen cell is also trained for half the steps, and evaluated on validation images alone:
    where the second half still raised accuracy, more steps may change the answer.
    """
    project.require(project.recipes, project.train, project.test)
    tasks = CellTasks(project)
    chosen = _chosen(project)
    seeds = range(project.parameters.study.confirm_seeds)
    runs = [(cell, replace(cell, seed=seed)) for cell in chosen for seed in seeds]
    by_half = [cell for cell in chosen if "validation" in tasks.evaluations(cell.unit)]
    results = train_tasks(
        project,
        "confirm",
        [tasks.task(fresh, _STREAM) for _, fresh in runs]
        + [tasks.task(cell, f"{_STREAM} half", half=True) for cell in by_half],
    )
    whole, half = results[: len(runs)], results[len(runs) :]
    of_half = {
        cell: validation_accuracy(cell, result, tasks)[0]
        for cell, result in zip(by_half, half, strict=True)
    }
    rows = [
        result_row(fresh, result, tasks)
        | {"arms": chosen[cell], "half_validation_accuracy": of_half.get(cell, math.nan)}
        for (cell, fresh), result in zip(runs, whole, strict=True)
    ]
    write_results(project.results / "confirmed.parquet", rows, _COLUMNS)
    write_predictions(project.results / "confirmed.npy", whole, len(tasks.test))
    cached = sum(result.cached for result in results)
    return [f"{len(results)} classifiers: {len(results) - cached} trained, {cached} from the cache"]


def _chosen(project: Project) -> dict[Cell, list[str]]:
    """Return the chosen cells, each with the arms that it serves in its unit."""
    recipes = project.read(project.recipes, lambda path: cells_from_table(pd.read_parquet(path)))
    by_name = {(c.unit, c.strategy, c.n_real, c.n_synthetic): c for c in recipes}
    choices = project.read(project.results / "choices.json", read_json)["choices"]
    largest = max((choice["unit_real"] for choice in choices), default=0)
    chosen: dict[Cell, list[str]] = {}
    for choice in choices:
        if choice["unit_real"] < largest:
            continue
        key = choice["unit"], choice["strategy"], choice["n_real"], choice["n_synthetic"]
        if key not in by_name:
            raise PipelineError(
                f"results/choices.json has the cell {key}, which data/recipes.parquet has not; "
                "`dvc repro choose` makes it again"
            )
        chosen.setdefault(by_name[key], []).append(choice["arm"])
    return chosen
