"""How sure a gain is: where its uncertainty comes from, and what more repeats would buy."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.verdict.crossed import CrossedInterval, half_width
from reports.verdict.intervals import CONFIDENCE

POWER = 0.8

REPEATS = (3, 5, 10, 20)
"""Numbers of repeats whose expected half-width is shown."""

MOST_REPEATS = 10_000
"""What so many repeats do not settle is the test images' to settle."""


@dataclass(frozen=True)
class Sources:
    """Shares of the squared standard error, in [0, 1]; they add up to 1."""

    units: float  # training subset, judge and generator together; with one seed its chance too
    seeds: float | None  # classifier seeds; None with one seed a unit: not to be told from units
    images: float  # which images are in the test set


@dataclass(frozen=True)
class Precision:
    """Fractions: 0.01 is one percentage point."""

    half_width: float  # the longer side of the interval
    sources: Sources | None  # None where nothing varies
    detectable: float  # smallest true gain that would be told from 0 in 80 % of such studies
    half_widths: dict[int, float]  # expected, by repeats; empty where too few predictions differ
    repeats_needed: int | None  # in all, to settle an open verdict if the gain stays as it is
    needs_images: bool  # whether repeats alone would not settle it


def precision(
    interval: CrossedInterval,
    by_seed: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    margin: float | None,
) -> Precision:
    """Read the parts of an interval's variance.

    A study with other repeats is expected to have the same variances. An open verdict is settled
    where the half-width falls below the gain's distance from 0 (then its sign is told) or from the
    margin (then it lies inside), whichever is longer. The detectable gain is the half-width plus
    the 80 % quantile times the standard error, a common approximation of the noncentral t
    distribution that is a little small with three repeats.

    Args:
        interval: of two units or more.
        by_seed: for each unit the accuracies of both arms, one a classifier seed, in [0, 1].
        margin: as in `verdict.reach_verdict`.
    """
    half = max(interval.gain - interval.low, interval.high - interval.gain)
    # Over images the residual is left out, so that this is no more than a standard error asks for.
    parts = (interval.v_units, interval.n_units), (interval.v_choice, interval.n_images)
    more = half_width(1 - POWER, *parts, 0.0)
    distance = abs(interval.gain)
    goal = distance if margin is None else max(distance, margin - distance)
    needed, needs_images = None, False
    inside = margin is not None and max(-interval.low, interval.high) < margin
    if interval.low <= 0 <= interval.high and not inside:
        needed = None if interval.widened else _repeats_for(goal, interval)
        needs_images = needed is None
    # Of few predictions that differ, the variances say too little.
    repeats = () if interval.widened else REPEATS
    return Precision(
        half_width=half,
        sources=_sources(interval, by_seed),
        detectable=half + more,
        half_widths={n: expected_half_width(interval, n) for n in repeats},
        repeats_needed=needed,
        needs_images=needs_images,
    )


def expected_half_width(interval: CrossedInterval, n_units: int) -> float:
    """Half-width at 95 % with another number of units, two or more, on as many test images.

    The variance over units, and the residual within that over images, fall with their number; what
    the choice of test images adds stays.
    """
    ratio = interval.n_units / n_units
    residual = min(interval.v_residual, interval.v_images)
    v_images = interval.v_images - residual + residual * ratio
    of_units, of_images = (interval.v_units * ratio, n_units), (v_images, interval.n_images)
    return half_width((1 - CONFIDENCE) / 2, of_units, of_images, residual * ratio)


def _repeats_for(goal: float, interval: CrossedInterval) -> int | None:
    """The fewest units, above those there are, whose half-width is below the goal."""
    # The half-width falls with the number of units.
    more = range(interval.n_units + 1, MOST_REPEATS + 1)
    first = bisect_left(more, True, key=lambda n: expected_half_width(interval, n) < goal)
    return more[first] if first < len(more) else None


def _sources(
    interval: CrossedInterval,
    by_seed: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> Sources | None:
    total = interval.variance
    if total <= 0:
        return None
    images = interval.v_choice / total
    if min(len(accuracies) for unit in by_seed for accuracies in unit) < 2:
        return Sources(1 - images, None, images)
    within = [
        float(own.var(ddof=1) / len(own) + other.var(ddof=1) / len(other)) for own, other in by_seed
    ]
    # A mean over units of a variance can by chance exceed the variance of their means.
    seeds = min(sum(within) / len(within) / len(within), interval.v_units) / total
    return Sources(1 - images - seeds, seeds, images)
