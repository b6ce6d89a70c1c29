"""Which cells a verdict is about: chosen on validation, for each unit on the other units.

The best of many mixes owes its place partly to luck: to its seeds, and to the subset and the
generator of the units that chose it. Fresh seeds on those same units keep the second kind of luck.
So for each unit the choice is made on all others, and the unit itself only confirms, with
classifiers of fresh seeds. No function here reads a column of the test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from reports.verdict.intervals import StatisticsError

CONTROLS = ("none", "duplicated", "classical", "classical-half")
"""Strategies without a generated image; every other one needs some to compete."""

FEWEST_POOLED = 500
"""With fewer validation images, over all units together, nothing is chosen: the standard error of
an accuracy of 95 % is then above one point, more than separates most mixes, so that a choice would
be a lottery."""

MARGIN_SHARE = 0.2
"""The margin is this share of the best control's validation error: removing less than every fifth
error is called no relevant difference."""

By = Literal["validation of the other units", "fixed beforehand"]
BY_VALIDATION: By = "validation of the other units"
BEFOREHAND: By = "fixed beforehand"

# Mean accuracies that differ by rounding only are a tie.
_TIE_DECIMALS = 12

_NEEDED = [
    "unit",
    "unit_real",
    "strategy",
    "n_real",
    "n_synthetic",
    "seed",
    "validation_accuracy",
]


@dataclass(frozen=True)
class Choice:
    """The cell that stands for an arm in one unit's confirmation."""

    unit: str
    arm: str
    strategy: str
    n_real: int
    n_synthetic: int
    by: By
    n_candidates: int  # cells that competed
    validation: float | None  # mean over the other units, in [0, 1]; None where nothing was chosen


def choose(
    cells: pd.DataFrame, arms: Mapping[str, Sequence[str]], n_validation: Mapping[str, int]
) -> list[Choice]:
    """For each unit of the largest size and each arm, the cell that its confirmation trains.

    Cells compete that every unit of that size has, with all real images (``n_real`` equal to
    ``unit_real``) and, unless the strategy is one of `CONTROLS`, with generated ones. For a unit,
    the cell is chosen whose accuracy on validation is highest: the mean over the other units of the
    mean over classifier seeds. Ties go to fewer generated images, then to the first name.

    Nothing is chosen with a single unit, below `FEWEST_POOLED` validation images or where an
    accuracy is NaN: then the arm's first strategy that has a cell stands, with its largest
    ``n_synthetic``.

    Args:
        cells: a row for each classifier: unit, unit_real, strategy, n_real, n_synthetic, seed,
            validation_accuracy (in [0, 1], or NaN without a validation part). Other columns are not
            read.
        arms: the strategies that compete in each arm, that of the fixed choice first.
        n_validation: validation images of each unit of the largest size.

    Returns:
        Sorted by unit, arms in the order given. An arm without a cell is left out.

    Raises:
        StatisticsError: no rows, a missing column, a unit without its number of validation images,
            or accuracies out of range.
    """
    mine = largest_units(cells)
    units = sorted(mine["unit"].unique())
    missing = [unit for unit in units if unit not in n_validation]
    if missing:
        raise StatisticsError(f"no number of validation images for unit {missing[0]!r}")
    pooled = sum(int(n_validation[unit]) for unit in units)
    full = mine[mine["n_real"] == mine["unit_real"]]
    generated = ~full["strategy"].isin(CONTROLS)
    table = _by_unit(full[~generated | (full["n_synthetic"] > 0)], len(units))
    choices = {arm: _of_arm(table, strategies, pooled) for arm, strategies in arms.items()}
    return [
        Choice(unit, arm, *found)
        for unit in units
        for arm, by_unit in choices.items()
        for found in by_unit.get(unit, ())
    ]


def default_margin(
    cells: pd.DataFrame, choices: Sequence[Choice], arm: str = "control"
) -> float | None:
    """A fifth of the best control's validation error: what a relevant difference is, at least.

    For each unit the error is that of the control chosen for it, on its own validation images,
    averaged over seeds. They had no part in the choice, so the choice does not flatter it.

    Args:
        cells: as for `choose`.
        choices: what `choose` returned.
        arm: the arm of controls.

    Returns:
        A fraction (0.01 is one point), above 0. None without validation, without such an arm, and
        where the controls make no error at all.

    Raises:
        StatisticsError: as `choose`; or a chosen cell that is not in the table.
    """
    mine = largest_units(cells)
    errors = []
    for choice in choices:
        if choice.arm != arm:
            continue
        cell = mine[
            (mine["unit"] == choice.unit)
            & (mine["strategy"] == choice.strategy)
            & (mine["n_real"] == choice.n_real)
            & (mine["n_synthetic"] == choice.n_synthetic)
        ]
        if cell.empty:
            raise StatisticsError(f"the cells table has no row of {choice}")
        errors.append(1 - float(cell["validation_accuracy"].mean(skipna=False)))
    # Not true for NaN either.
    if errors and sum(errors) > 0:
        return MARGIN_SHARE * sum(errors) / len(errors)
    return None


def largest_units(cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of the units that see the most training images, checked; units as text."""
    missing = [name for name in _NEEDED if name not in cells.columns]
    if missing:
        raise StatisticsError(f"the cells table has no column {missing[0]!r}; needed: {_NEEDED}")
    if cells.empty:
        raise StatisticsError("the cells table has no rows")
    accuracy = cells["validation_accuracy"]
    if ((accuracy < 0) | (accuracy > 1)).any():
        raise StatisticsError(
            f"validation_accuracy from {accuracy.min():g} to {accuracy.max():g}; allowed: 0 to 1"
        )
    mine = pd.DataFrame(
        cells.loc[cells["unit_real"] == cells["unit_real"].max(), _NEEDED], copy=True
    )
    mine["unit"], mine["strategy"] = mine["unit"].astype(str), mine["strategy"].astype(str)
    return mine


def _by_unit(competing: pd.DataFrame, n_units: int) -> pd.DataFrame:
    """Mean validation accuracy, cells x units; a cell that lacks a unit is left out.

    The index is (strategy, n_real, n_synthetic). A mean of which a part is NaN is NaN.
    """
    # By seed first: the order of the rows must not change the last digit of a mean.
    ordered = competing.sort_values("seed", kind="stable")
    groups = ordered.groupby(["strategy", "n_real", "n_synthetic", "unit"], sort=True)
    accuracy = groups["validation_accuracy"]
    found: pd.DataFrame = accuracy.agg(["mean", "size", "count"])
    mean: pd.DataFrame = found["mean"].where(found["size"] == found["count"]).unstack("unit")
    complete = found["size"].unstack("unit").notna().sum(axis=1) == n_units
    return pd.DataFrame(mean[complete])


_Found = tuple[str, int, int, By, int, float | None]


def _of_arm(table: pd.DataFrame, strategies: Sequence[str], pooled: int) -> dict[str, list[_Found]]:
    """For each unit what stands for an arm, as the last fields of a `Choice`; empty without one."""
    mine = table[table.index.get_level_values("strategy").isin(list(strategies))]
    if mine.empty:
        return {}
    cells = [(str(s), int(real), int(added)) for s, real, added in mine.index]
    accuracy = mine.to_numpy(float)
    n_units = accuracy.shape[1]
    units = [str(unit) for unit in mine.columns]
    if n_units < 2 or pooled < FEWEST_POOLED or mine.isna().any(axis=None):
        first = next(s for s in strategies if any(cell[0] == s for cell in cells))
        cell = max((c for c in cells if c[0] == first), key=lambda c: c[2])
        return {unit: [(*cell, BEFOREHAND, len(cells), None)] for unit in units}
    found: dict[str, list[_Found]] = {}
    for column, unit in enumerate(units):
        others = np.delete(accuracy, column, axis=1).mean(axis=1)
        score = others.round(_TIE_DECIMALS)
        best = min(range(len(cells)), key=lambda i: (-score[i], cells[i][2], cells[i][0]))
        value = float(others[best])
        found[unit] = [(*cells[best], BY_VALIDATION, len(cells), value)]
    return found
