"""The verdict: first the sign of the gain, then its size, then what more repeats would buy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.errors import StatisticsError
from reports.tables import rows_of
from reports.verdict.choice import CELL_KEYS
from reports.verdict.contrasts import correct_predictions, rows_of_arms, seed_mean
from reports.verdict.crossed import CrossedInterval, crossed_interval, holm
from reports.verdict.intervals import CONFIDENCE
from reports.verdict.precision import Precision, precision

FEWEST_UNITS = 3
"""With fewer units nothing helps or hurts: two say almost nothing of how much units differ."""

PRIMARY = ("mix", "control")
"""The verdict: the accuracy of the first arm minus that of the second."""

SECONDARY = (("mix-classical", "classical"), ("mix", "real"))
"""Exploratory, corrected for their number; those whose arms were not trained are left out."""

Word = Literal["helps", "hurts", "no relevant difference", "cannot tell", "too few repeats"]


@dataclass(frozen=True)
class Chosen:
    """A cell, and in how many units it was the one chosen."""

    strategy: str
    n_real: int
    n_synthetic: int
    n_units: int


@dataclass(frozen=True)
class Contrast:
    """One arm minus another."""

    arm: str
    against: str
    word: Word
    below_margin: bool  # 'helps' or 'hurts', but all of the interval is inside the margin
    accuracy: float  # of ``arm``: mean over units, in [0, 1]
    accuracy_against: float
    interval: CrossedInterval
    precision: Precision | None  # None with fewer than `FEWEST_UNITS` units
    p_holm: float | None  # over the secondary contrasts; None for the primary one


@dataclass(frozen=True)
class Verdict:
    """What the confirmation of a study says. Fractions: 0.01 is one percentage point."""

    primary: Contrast
    secondary: tuple[Contrast, ...]
    chosen: Mapping[str, tuple[Chosen, ...]]  # of each arm, the most frequent first
    chosen_by: str | None
    margin: float | None
    confidence: float
    shared: float  # share of training images that two units have in common, in [0, 1]
    unit_real: int
    n_units: int
    n_seeds: int  # classifiers of an arm in a unit, at least
    n_test: int

    @property
    def word(self) -> Word:
        """The primary contrast's."""
        return self.primary.word

    @property
    def below_margin(self) -> bool:
        """The primary contrast's."""
        return self.primary.below_margin

    def to_json(self) -> dict[str, Any]:
        """Plain types for a file: NaN becomes None."""
        found = {"word": self.word, "below_margin": self.below_margin, **asdict(self)}
        for contrast in (found["primary"], *found["secondary"]):
            contrast |= contrast.pop("interval")
        plain: dict[str, Any] = _plain(found)
        return plain


def reach_verdict(
    confirmed: pd.DataFrame,
    predictions: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    margin: float | None,
    *,
    shared: float = 0.0,
    chosen_by: str | None = None,
) -> Verdict:
    """Judge the classifiers that confirm what was chosen without them.

    Classifier seeds are averaged within a unit; units and test images are left to chance
    (`crossed_interval`). The primary contrast is `PRIMARY`. 'helps' and 'hurts': its interval
    excludes 0. Else 'no relevant difference': it is inside plus and minus the margin. Else 'cannot
    tell'. With fewer than `FEWEST_UNITS` units 'too few repeats', whatever the interval. The sign
    of a contrast of `SECONDARY` is told where its corrected p-value is low enough, too.

    Args:
        confirmed: a row for each fresh classifier: unit, unit_real (one size), arms (list of the
            arms that it stands for; all arms are in the same units, as `choice.choose` makes
            them), strategy, n_real, n_synthetic, seed.
        predictions: rows x test images, predicted classes, in row order.
        labels: true classes of the test images: two or more.
        margin: smallest relevant difference, a fraction above 0; None: none was set.
        shared: share of training images that units have in common; 0 where they are disjoint.
        chosen_by: what chose the cells, in words (`choice.Choice.by`).

    Raises:
        StatisticsError: missing columns, no row of a primary arm, or an arm with two cells in a
            unit or a seed twice.
    """
    margin = None if margin is None else float(margin)
    chosen = _chosen(_check(confirmed))
    arms = rows_of_arms(confirmed)
    right = correct_predictions(confirmed, predictions, labels)
    means = {
        arm: {unit: seed_mean(right, rows) for unit, rows in units.items()}
        for arm, units in arms.items()
    }
    pairs = [pair for pair in (PRIMARY, *SECONDARY) if arms.keys() >= set(pair)]
    if PRIMARY not in pairs:
        raise StatisticsError(f"no classifiers of arms {PRIMARY}; arms: {', '.join(sorted(arms))}")
    units = sorted(arms[PRIMARY[0]])
    intervals = {}
    for arm, against in pairs:
        difference = [means[arm][unit] - means[against][unit] for unit in units]
        intervals[arm, against] = crossed_interval(difference)
    corrected = holm([intervals[pair].p for pair in pairs[1:]])
    accuracies = right.mean(axis=1)
    contrasts = []
    for pair, p in zip(pairs, (None, *corrected.tolist()), strict=True):
        interval = intervals[pair]
        word = _word(interval, margin, p)
        figures = None
        if interval.n_units >= FEWEST_UNITS:
            by_seed = [(accuracies[arms[pair[0]][u]], accuracies[arms[pair[1]][u]]) for u in units]
            figures = precision(interval, by_seed, margin)
        own, other = (float(np.mean([means[arm][unit].mean() for unit in units])) for arm in pair)
        below = word in ("helps", "hurts") and _inside(interval, margin)
        contrasts.append(Contrast(*pair, word, below, own, other, interval, figures, p))
    primary_rows = [arms[arm][unit] for arm in PRIMARY for unit in units]
    return Verdict(
        primary=contrasts[0],
        secondary=tuple(contrasts[1:]),
        chosen=chosen,
        chosen_by=chosen_by,
        margin=margin,
        confidence=CONFIDENCE,
        shared=shared,
        unit_real=int(confirmed["unit_real"].iloc[0]),
        n_units=contrasts[0].interval.n_units,
        n_seeds=min(len(rows) for rows in primary_rows),
        n_test=len(labels),
    )


def _word(interval: CrossedInterval, margin: float | None, p: float | None) -> Word:
    if interval.n_units < FEWEST_UNITS:
        return "too few repeats"
    if p is None or p <= 1 - CONFIDENCE:
        if interval.low > 0:
            return "helps"
        if interval.high < 0:
            return "hurts"
    return "no relevant difference" if _inside(interval, margin) else "cannot tell"


def _inside(interval: CrossedInterval, margin: float | None) -> bool:
    return margin is not None and -margin < interval.low and interval.high < margin


def _check(confirmed: pd.DataFrame) -> pd.DataFrame:
    """Refuse a table that `reach_verdict` refuses; return the cell of every arm and unit."""
    needed = ["unit", "unit_real", "arms", *CELL_KEYS, "seed"]
    missing = [name for name in needed if name not in confirmed.columns]
    if missing:
        raise StatisticsError(f"the confirmed table has no column {missing[0]!r}; needed: {needed}")
    each = confirmed.explode("arms")
    cells = each.drop_duplicates(["arms", "unit", *CELL_KEYS])
    for table, of, what in ((cells, "cells", []), (each, "classifiers of one seed", ["seed"])):
        twice = table[table.duplicated(["arms", "unit", *what])]
        if len(twice):
            arm, unit = twice.iloc[0][["arms", "unit"]]
            raise StatisticsError(f"two {of} of arm {arm!r} in unit {unit}; allowed: one")
    return cells


def _chosen(cells: pd.DataFrame) -> dict[str, tuple[Chosen, ...]]:
    """How often each cell stands for each arm, once a unit."""
    counted = cells.groupby(["arms", *CELL_KEYS]).size().rename("n_units").reset_index()
    ordered = counted.sort_values(
        ["arms", "n_units", *CELL_KEYS], ascending=[True, False, True, True, True]
    )
    found: dict[str, tuple[Chosen, ...]] = {}
    for row in rows_of(ordered):
        chosen = Chosen(row.strategy, row.n_real, row.n_synthetic, row.n_units)
        found[row.arms] = (*found.get(row.arms, ()), chosen)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
