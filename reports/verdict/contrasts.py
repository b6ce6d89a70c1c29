"""What every cell gains over its baseline: exploratory, corrected for how many are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.verdict.choice import CONTROLS
from reports.verdict.crossed import crossed_interval, holm
from reports.verdict.intervals import StatisticsError

_Cell = tuple[str, int, int]


def right_answers(
    rows: pd.DataFrame, predictions: NDArray[Any], labels: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    """Whether each classifier reads each test image right: bool, rows x test images.

    Raises:
        StatisticsError: predictions that are not rows x labels.
    """
    if predictions.shape != (len(rows), len(labels)):
        raise StatisticsError(
            f"predictions of shape {predictions.shape}; "
            f"allowed: {len(rows)} classifiers x {len(labels)} test images"
        )
    right: NDArray[np.bool_] = predictions == labels
    return right


def seed_mean(right: NDArray[np.bool_], rows: Sequence[int]) -> NDArray[np.float64]:
    """Share of some classifiers that read each image right: test images, in [0, 1]."""
    mean: NDArray[np.float64] = right[list(rows)].mean(axis=0, dtype=np.float64)
    return mean


def contrast_table(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    unit_real: int,
) -> pd.DataFrame:
    """What each cell gains over the same real images alone: exploratory, corrected for the number.

    Args:
        cells: a row for each classifier: unit, unit_real, strategy, n_real, n_synthetic, seed.
        predictions: rows x test images, predicted classes, in row order of ``cells``.
        labels: true classes of the test images.
        unit_real: the units to look at: those that see so many training images.

    Returns:
        A row for each cell with added or classically augmented images whose baseline was trained:
        unit_real, strategy, n_real, n_synthetic, against (the baseline's strategy: 'none'; for
        'mix-classical' also 'classical', and so on, in a row of its own), gain, low, high
        (fractions, 95 %, each for itself), n_units, n_seeds (classifiers a unit and cell, at
        least), p, p_holm (`holm` over all rows). Only units that have both cells count. With one
        unit bounds and p are NaN.

    Raises:
        StatisticsError: a missing column, two rows of one cell, unit and seed, or predictions that
            do not fit.
    """
    right = right_answers(cells, predictions, labels)
    rows = _rows_of_cells(cells, unit_real)
    means: dict[_Cell, dict[str, NDArray[np.float64]]] = {}
    for cell, by_unit in rows.items():
        means[cell] = {unit: seed_mean(right, found) for unit, found in by_unit.items()}
    table = []
    for cell in sorted(means):
        strategy, n_real, _ = cell
        # Images alone add nothing and are the baseline; without real images there is none.
        if strategy == "none" or n_real == 0:
            continue
        own = strategy.removeprefix("mix-")
        for against in ("none", own) if own in CONTROLS and own != strategy else ("none",):
            baseline = (against, n_real, 0)
            units = sorted(means[cell].keys() & means.get(baseline, {}).keys())
            if not units:
                continue
            found = crossed_interval([means[cell][u] - means[baseline][u] for u in units])
            n_seeds = min(len(rows[c][u]) for c in (cell, baseline) for u in units)
            row = [found.gain, found.low, found.high, found.n_units, n_seeds, found.p]
            table.append([unit_real, *cell, against, *row])
    columns = ["unit_real", "strategy", "n_real", "n_synthetic", "against"]
    columns += ["gain", "low", "high", "n_units", "n_seeds", "p"]
    result = pd.DataFrame(table, columns=columns)
    return result.assign(p_holm=holm(result["p"].to_numpy(np.float64)))


def _rows_of_cells(cells: pd.DataFrame, unit_real: int) -> dict[_Cell, dict[str, list[int]]]:
    """Of every cell and unit the rows of its classifiers, by seed."""
    keys = ["strategy", "n_real", "n_synthetic", "unit", "seed"]
    missing = [name for name in ["unit_real", *keys] if name not in cells.columns]
    if missing:
        raise StatisticsError(f"the cells table has no column {missing[0]!r}")
    columns = [cells[name].tolist() for name in keys]
    sizes = cells["unit_real"].tolist()
    found: dict[_Cell, dict[str, dict[int, int]]] = {}
    for row, (strategy, n_real, n_synthetic, unit, seed) in enumerate(zip(*columns, strict=True)):
        if sizes[row] != unit_real:
            continue
        cell = (str(strategy), int(n_real), int(n_synthetic))
        by_seed = found.setdefault(cell, {}).setdefault(str(unit), {})
        if int(seed) in by_seed:
            raise StatisticsError(
                f"two classifiers of cell {cell}, unit {unit} and seed {seed}; allowed: one"
            )
        by_seed[int(seed)] = row
    return {
        cell: {unit: [row for _, row in sorted(seeds.items())] for unit, seeds in units.items()}
        for cell, units in found.items()
    }
