"""What every cell gains over its baseline: exploratory, corrected for how many are looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.errors import StatisticsError
from reports.verdict.choice import CONTROLS, Cell, by_cell
from reports.verdict.crossed import crossed_interval, holm


def correct_predictions(
    rows: pd.DataFrame, predictions: NDArray[Any], labels: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    """Whether each classifier predicts each test image right: bool, rows x test images.

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


def seed_mean(right: NDArray[np.bool_], rows: list[int]) -> NDArray[np.float64]:
    """Share of some classifiers that predict each image right: test images, in [0, 1]."""
    mean: NDArray[np.float64] = right[rows].mean(axis=0, dtype=np.float64)
    return mean


def contrast_table(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    unit_real: int,
) -> pd.DataFrame:
    """What each cell gains over the same real images alone: exploratory, corrected for the number.

    Args:
        cells: a row for each classifier: unit, unit_real, strategy, n_real, n_synthetic; one of
            each unit, cell and seed.
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
        StatisticsError: predictions that do not fit.
    """
    right = correct_predictions(cells, predictions, labels)
    numbered = cells.reset_index(drop=True)
    mine = numbered[numbered["unit_real"] == unit_real]
    means: dict[Cell, dict[str, NDArray[np.float64]]] = {}
    seeds: dict[Cell, dict[str, int]] = {}
    for cell, unit, rows in by_cell(mine):
        means.setdefault(cell, {})[unit] = seed_mean(right, rows.index.tolist())
        seeds.setdefault(cell, {})[unit] = len(rows)
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
            n_seeds = min(seeds[c][u] for c in (cell, baseline) for u in units)
            row = [found.gain, found.low, found.high, found.n_units, n_seeds, found.p]
            table.append([unit_real, *cell, against, *row])
    columns = ["unit_real", "strategy", "n_real", "n_synthetic", "against"]
    columns += ["gain", "low", "high", "n_units", "n_seeds", "p"]
    result = pd.DataFrame(table, columns=columns)
    return result.assign(p_holm=holm(result["p"].to_numpy(np.float64)))


def rows_of_arms(confirmed: pd.DataFrame) -> dict[str, dict[str, list[int]]]:
    """Row numbers of the classifiers of every arm and unit, by seed.

    Args:
        confirmed: as in `verdict.reach_verdict`.
    """
    # By seed: the order of the rows must not change the last digit of a variance.
    each = confirmed.reset_index(drop=True).explode("arms").sort_values("seed", kind="stable")
    arms: dict[str, dict[str, list[int]]] = {}
    for key, rows in each.groupby(["arms", "unit"]):
        arm, unit = map(str, key)
        arms.setdefault(arm, {})[unit] = rows.index.tolist()
    return arms
