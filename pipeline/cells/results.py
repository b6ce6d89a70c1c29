"""What the cells' classifiers gave: a table, their predictions, and a log of what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augment.files import atomic_file, write_array, write_csv
from augment.mixing.recipes import Cell
from classifiers.grid import CellResult, accuracies
from pipeline.cells.tasks import CellTasks


def result_row(cell: Cell, result: CellResult, tasks: CellTasks) -> dict[str, Any]:
    """Return what is known of a cell and of its classifier, by column."""
    test = tasks.test
    accuracy, balanced, per_class = accuracies(result.predictions[0], test.labels, test.n_classes)
    on_validation, n_validation = validation_accuracy(cell, result, tasks)
    return vars(cell) | {
        "steps": result.steps,
        "images_seen": result.images_seen,
        "n_validation": n_validation,
        "validation_accuracy": on_validation,
        "test_accuracy": accuracy,
        "balanced_accuracy": balanced,
        "class_accuracy": per_class,
    }


def write_results(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write those columns of the rows as a Parquet table."""
    with atomic_file(path) as file:
        pd.DataFrame(rows, columns=list(columns)).to_parquet(file, index=False)


def validation_accuracy(cell: Cell, result: CellResult, tasks: CellTasks) -> tuple[float, int]:
    """Return the accuracy on the unit's validation images, NaN without any, and their number."""
    found = tasks.evaluations(cell.unit).get("validation")
    if found is None:
        return math.nan, 0
    _, images, rows = found
    # Validation is evaluated last.
    return float((result.predictions[-1] == images.labels[rows]).mean()), len(rows)


def write_predictions(path: Path, results: Sequence[CellResult], n_test: int) -> None:
    """Write the predicted classes on the test images, classifiers x images; there may be none."""
    rows = [result.predictions[0] for result in results]
    write_array(path, np.stack(rows) if rows else np.empty((0, n_test), dtype=np.uint8))


def log_times(cells: Sequence[Cell], results: Sequence[CellResult], path: Path) -> None:
    """Write what every cell cost, whenever it was trained: it differs from run to run."""
    columns = ["unit", "strategy", "n_real", "n_synthetic", "seed", "images", "seconds"]
    rows = [
        vars(cell) | {"images": result.images_seen, "seconds": result.seconds}
        for cell, result in zip(cells, results, strict=True)
    ]
    write_csv(path, pd.DataFrame(rows, columns=columns), float_format="%.3f")
