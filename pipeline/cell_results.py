"""What the cells' classifiers gave: a table, their predictions, and a log of what they cost."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from augment.files import atomic_file, write_csv
from augment.mixing.recipes import Cell
from classifiers.grid import CellResult, accuracies
from pipeline.cell_tasks import CellTasks


def write_results(
    folder: Path,
    cells: Sequence[Cell],
    results: Sequence[CellResult],
    tasks: CellTasks,
    generator: str,
) -> None:
    """Write one row a cell, and the predictions on the test images in the same order.

    Args:
        folder: gets ``cells.parquet`` and ``predictions.npy``.
        cells: the recipes.
        results: of their classifiers, in the same order.
        tasks: what they were evaluated on.
        generator: name of what made the generated images.
    """
    test = tasks.test
    rows = []
    for cell, result in zip(cells, results, strict=True):
        accuracy, balanced, per_class = accuracies(
            result.predictions[0], test.labels, test.n_classes
        )
        on_validation, n_validation = validation_accuracy(cell, result, tasks)
        rows.append(
            {
                "protocol": cell.protocol,
                "unit": cell.unit,
                "unit_real": cell.unit_real,
                "generator": generator,
                "strategy": cell.strategy,
                "n_real": cell.n_real,
                "n_synthetic": cell.n_synthetic,
                "seed": cell.seed,
                "steps": result.steps,
                "images_seen": result.images_seen,
                "n_validation": n_validation,
                "validation_accuracy": on_validation,
                "test_accuracy": accuracy,
                "balanced_accuracy": balanced,
                "class_accuracy": per_class,
            }
        )
    with atomic_file(folder / "cells.parquet") as file:
        pd.DataFrame(rows).to_parquet(file, index=False)
    write_predictions(folder / "predictions.npy", results, len(test))


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
    buffer = io.BytesIO()
    rows = [result.predictions[0] for result in results]
    array = np.stack(rows) if rows else np.empty((0, n_test), dtype=np.uint8)
    np.save(buffer, array, allow_pickle=False)
    with atomic_file(path) as file:
        file.write(buffer.getvalue())


def log_times(cells: Sequence[Cell], results: Sequence[CellResult], path: Path) -> None:
    """Write what every cell cost, whenever it was trained: it differs from run to run."""
    names = ["unit", "strategy", "n_real", "n_synthetic", "seed"]
    rows = [
        [*(getattr(cell, name) for name in names), result.images_seen, result.seconds]
        for cell, result in zip(cells, results, strict=True)
    ]
    table = pd.DataFrame(rows, columns=[*names, "images", "seconds"])
    write_csv(path, table, float_format="%.3f")
