"""Which cells a verdict is about: chosen on validation, for each unit on the other units.

The best of many mixes owes its place partly to luck: to its seeds, and to the subset and the
generator of the units that chose it. Fresh seeds on those same units keep the second kind of luck.
So for each unit the choice is made on others, and the unit itself only confirms, with classifiers
of fresh seeds. No function here reads a column of the test set.

Nor do two units choose for each other. If they did, a mix that happens to suit both would be chosen
for both and flatter both: where generators differ in which mix suits them, intervals would be too
narrow (docs/statistics.md). If of any two units one alone chooses for the other, their gains are
uncorrelated. It costs half of the validation: a worse choice, but an honest interval of its gain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

CONTROLS = ("none", "duplicated", "classical", "classical-half")
"""Strategies without a generated image; every other one needs some to compete."""

FEWEST_POOLED = 500
"""With fewer validation images, over all units together, nothing is chosen: the standard error of
an accuracy of 95 % is then above one point, more than separates most mixes, so that a choice would
be a lottery. An image counts once for every unit that has it, for each has classifiers of its own:
that also averages what generators and seeds do, but images less than as many others would."""

MARGIN_SHARE = 0.2
"""The margin is this share of the best control's validation error: removing less than every fifth
error is called no relevant difference."""

By = Literal["validation of the other units", "fixed beforehand"]
BY_VALIDATION: By = "validation of the other units"
BEFOREHAND: By = "fixed beforehand"

# Mean accuracies that differ by rounding only are a tie.
_TIE_DECIMALS = 12

CELL_KEYS = ["strategy", "n_real", "n_synthetic"]
"""What names a cell among those of one ``unit_real``."""

Cell = tuple[str, int, int]
"""Of `CELL_KEYS`."""


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
    validation: float | None  # mean over the choosers, in [0, 1]; None if nothing was chosen


def by_cell(cells: pd.DataFrame) -> Iterator[tuple[Cell, str, pd.DataFrame]]:
    """Yield every cell and unit of a cells table with their rows, in order."""
    for key, rows in cells.groupby([*CELL_KEYS, "unit"]):
        strategy, n_real, n_synthetic, unit = map(str, key)
        yield (strategy, int(n_real), int(n_synthetic)), unit, rows


def choose(
    cells: pd.DataFrame,
    arms: Mapping[str, Sequence[str]],
    n_validation: Mapping[str, int],
    *,
    mutual: bool = False,
) -> list[Choice]:
    """For each unit of the largest size and each arm, the cell that its confirmation trains.

    Cells compete that every unit of that size has, with all real images (``n_real`` equal to
    ``unit_real``) and, unless the strategy is one of `CONTROLS`, with generated ones. For a unit,
    the cell is chosen whose accuracy on validation is highest: the mean over its `choosers` of the
    mean over classifier seeds. Ties go to fewer generated images, then to the first name.

    Nothing is chosen with a single unit, below `FEWEST_POOLED` validation images or where an
    accuracy is NaN: then the arm's first strategy that has a cell stands, with its largest
    ``n_synthetic``.

    Args:
        cells: one row or more, one for each classifier: unit, unit_real, strategy, n_real,
            n_synthetic, seed, validation_accuracy (in [0, 1], or NaN without a validation part).
            Other columns are not read.
        arms: the strategies that compete in each arm, that of the fixed choice first.
        n_validation: validation images of each unit of the largest size.
        mutual: whether all other units choose for each; the verdict's interval is then too narrow
            where units differ in which mix suits them.

    Returns:
        Sorted by unit, arms in the order given. An arm without a cell is left out.
    """
    means = _means(cells)
    units = sorted({unit for by_unit in means.values() for unit in by_unit})
    pooled = sum(int(n_validation[unit]) for unit in units)
    unit_real = int(cells["unit_real"].max())
    competing = {
        cell: [by_unit[unit] for unit in units]
        for cell, by_unit in means.items()
        if cell[1] == unit_real and len(by_unit) == len(units)
        if cell[0] in CONTROLS or cell[2] > 0
    }
    choices = []
    for arm, strategies in arms.items():
        mine = {cell: found for cell, found in competing.items() if cell[0] in strategies}
        if mine:
            nothing = pooled < FEWEST_POOLED or len(units) < 2
            by = None if nothing else choosers(len(units), mutual=mutual)
            choices += _of_arm(arm, strategies, mine, units, by)
    # Stable: the arms stay in their order.
    return sorted(choices, key=lambda choice: choice.unit)


def choosers(n_units: int, *, mutual: bool = False) -> list[list[int]]:
    """For each of two units or more, by number, the units that choose for it.

    The units stand in a circle, and those of the half that follows a unit choose for it; of an even
    number, opposite ones choose one way only. So of any two units just one chooses for the other.
    Two units, which reach no verdict, choose for each other, as all do if ``mutual``.
    """
    if mutual or n_units == 2:
        return [[other for other in range(n_units) if other != unit] for unit in range(n_units)]
    steps = range(1, n_units // 2 + 1)
    return [
        [(unit + step) % n_units for step in steps if 2 * step < n_units or unit < step]
        for unit in range(n_units)
    ]


def default_margin(
    cells: pd.DataFrame, choices: Sequence[Choice], arm: str = "control"
) -> float | None:
    """A fifth of the best control's validation error: what a relevant difference is, at least.

    For each unit the error is that of the control chosen for it, on its own validation images,
    averaged over seeds. Its classifiers had no part in the choice, so the choice does not flatter
    it.

    Args:
        cells: as for `choose`.
        choices: what `choose` returned.
        arm: the arm of controls.

    Returns:
        A fraction (0.01 is one point), above 0. None without validation, without such an arm, and
        where the controls make no error at all.
    """
    means = _means(cells)
    errors = [
        1 - means[choice.strategy, choice.n_real, choice.n_synthetic][choice.unit]
        for choice in choices
        if choice.arm == arm
    ]
    # Not true for NaN either.
    if errors and sum(errors) > 0:
        return MARGIN_SHARE * sum(errors) / len(errors)
    return None


def _means(cells: pd.DataFrame) -> dict[Cell, dict[str, float]]:
    """Mean validation accuracy over seeds, of every cell and unit of the largest size.

    A mean of which a part is NaN is NaN.
    """
    # By seed: the order of the rows must not change the last digit of a mean.
    mine = cells[cells["unit_real"] == cells["unit_real"].max()].sort_values("seed", kind="stable")
    found: dict[Cell, dict[str, float]] = {}
    for cell, unit, rows in by_cell(mine):
        found.setdefault(cell, {})[unit] = sum(rows["validation_accuracy"]) / len(rows)
    return found


def _of_arm(
    arm: str,
    strategies: Sequence[str],
    competing: Mapping[Cell, Sequence[float]],
    units: Sequence[str],
    by: Sequence[Sequence[int]] | None,
) -> list[Choice]:
    """For each unit what stands for an arm.

    ``competing`` holds a mean accuracy a unit; ``by`` the choosers of each; None: nothing chooses.
    """
    n = len(competing)
    cells = list(competing)
    accuracy = np.array(list(competing.values()))
    if by is None or np.isnan(accuracy).any():
        first = next(s for s in strategies if any(cell[0] == s for cell in cells))
        largest = max((cell for cell in cells if cell[0] == first), key=lambda cell: cell[2])
        return [Choice(unit, arm, *largest, BEFOREHAND, n, None) for unit in units]
    choices = []
    for unit, columns in zip(units, by, strict=True):
        others = accuracy[:, columns].mean(axis=1)
        score = others.round(_TIE_DECIMALS)
        best = min(range(n), key=lambda i: (-score[i], cells[i][2], cells[i][0]))
        choices.append(Choice(unit, arm, *cells[best], BY_VALIDATION, n, float(others[best])))
    return choices
