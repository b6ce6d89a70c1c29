"""What the cells' classifiers gave: a table, their predictions, and a log of what they cost."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from augment.files import atomic_file, write_csv
from augment.images.image_sets import ImageSet
from augment.mixing.recipes import Cell
from classifiers.grid import CellResult, accuracies


def write_results(
    folder: Path,
    cells: Sequence[Cell],
    results: Sequence[CellResult],
    test: ImageSet,
    validation: ImageSet | None,
    generator: str,
) -> None:
    """Write one row a cell, and the predictions on the test images in the same order.

    Args:
        folder: gets ``cells.parquet`` and ``predictions.npy``.
        cells: the recipes.
        results: of their classifiers, in the same order.
        test: evaluated first.
        validation: evaluated second, where there is one.
        generator: name of what made the generated images.
    """
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
                "unit_real": cell.unit_real,
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


def log_times(cells: Sequence[Cell], results: Sequence[CellResult], path: Path) -> None:
    """Write what every cell cost, whenever it was trained: it differs from run to run."""
    names = ["unit", "strategy", "n_real", "n_synthetic", "seed"]
    rows = [
        [*(getattr(cell, name) for name in names), result.images_seen, result.seconds]
        for cell, result in zip(cells, results, strict=True)
    ]
    table = pd.DataFrame(rows, columns=[*names, "images", "seconds"])
    write_csv(path, table, float_format="%.3f")
