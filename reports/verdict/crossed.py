"""Intervals of a difference measured in several units, on one test set; many at once by Holm.

A unit is a subset of the training images with its own judge, generator and classifiers. Chance of
every kind is drawn anew with it, so it is the replicate (Bouthillier et al., 2021, "Accounting for
variance in machine learning benchmarks", MLSys). Classifier seeds of one unit share its subset and
its generator: they are averaged first and never counted as replicates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, stdtrit

from reports.verdict.intervals import (
    CONFIDENCE,
    FEW_DIFFERENCES,
    ROUNDING,
    as_differences,
    widened,
)

SMALLEST_P = 1e-12
"""Smaller p-values are given as this one: the tails say nothing so far out."""


@dataclass(frozen=True)
class CrossedInterval:
    """A mean difference over units and test images; bounds and p are NaN with one unit."""

    gain: float  # a fraction, in [-1, 1]: 0.01 is one point
    low: float
    high: float
    p: float  # two-sided, of no difference
    n_units: int
    n_images: int
    v_units: float  # parts of the squared standard error; NaN with one unit
    v_images: float
    v_residual: float
    widened: bool = False  # whether an exact interval of few predictions that differ is the wider

    @property
    def v_choice(self) -> float:
        """What the choice of test images adds: their part without the residual, 0 or more."""
        return max(self.v_images - self.v_residual, 0.0)

    @property
    def variance(self) -> float:
        """Squared standard error of the gain."""
        return self.v_units + self.v_choice


def half_width(
    tail: float, of_units: tuple[float, int], of_images: tuple[float, int], v_residual: float
) -> float:
    """Half-width of an interval over units and images.

    Student's half-widths of both are put together as the method of variance estimates recovery does
    (Zou and Donner, 2008, Statistics in Medicine 27): their squares are added. The residual is in
    both variances. It is left with the units: what rests on few of them must not count as if it
    rested on many images. The interval is never narrower than that over images alone.

    One quantile weighted by the variances (Cochran, 1964) is a little narrower and holds as well at
    95 %, but not far out, where many contrasts are corrected: with three units that happen to agree
    it takes that of the images.

    Args:
        tail: probability outside, on each side, in (0, 0.5).
        of_units: variance over units of the gain, and how many units: two or more.
        of_images: the same of the test images.
        v_residual: the part of both variances that is neither unit nor image alone.
    """
    (v_units, n_units), (v_images, n_images) = of_units, of_images
    by_units, by_images = (-float(stdtrit(n - 1, tail)) for n in (n_units, n_images))
    choice = max(v_images - v_residual, 0.0)
    half = math.hypot(by_units * v_units**0.5, by_images * choice**0.5)
    return max(half, float(by_images * v_images**0.5))


def crossed_interval(difference: ArrayLike, confidence: float = CONFIDENCE) -> CrossedInterval:
    """Mean of a difference that was measured for each unit on each test image.

    Two things are left to chance: the unit, and which images are in the test set. With ``d[u, i]``
    the difference, ``v_units`` is the variance over units of the mean over images, divided by the
    number of units; ``v_images`` the variance over images of the mean over units, divided by the
    number of images; ``v_residual`` the variance of what neither explains, divided by both numbers.
    The squared standard error is ``v_units + v_images - v_residual``, not below ``v_units``; bounds
    are those of `half_width`: few units make the interval wide where units differ.

    Where the predictions differ on fewer than `FEW_DIFFERENCES` images the interval is widened to
    hold an exact one (`intervals.difference_interval`). So it is never a point.

    Args:
        difference: numbers in [-1, 1], units x test images, averaged over classifier seeds.
        confidence: coverage, in (0, 1).

    Returns:
        The mean as the gain, its bounds, and a two-sided p-value: the level at which the same
        interval would just reach 0. With one unit bounds, p and variances are NaN.

    Raises:
        StatisticsError: no units, fewer than two images, or numbers out of range.
    """
    d = as_differences(difference, "unit")
    n_units, n_images = d.shape
    by_unit, by_image = d.mean(axis=1), d.mean(axis=0)
    gain = float(by_unit.mean())
    if n_units == 1:
        nan = float("nan")
        return CrossedInterval(gain, nan, nan, nan, 1, n_images, nan, nan, nan)
    v_units = float(by_unit.var(ddof=1)) / n_units
    v_images = float(by_image.var(ddof=1)) / n_images
    residual = d - by_unit[:, None] - (by_image - gain)
    squares = float(np.vdot(residual, residual))
    v_residual = squares / ((n_units - 1) * (n_images - 1)) / (n_units * n_images)
    parts = (v_units, n_units), (v_images, n_images), v_residual
    half = half_width((1 - confidence) / 2, *parts)
    low, high = widened(gain, half, by_image, confidence)
    p = _p_value(abs(gain), *parts)
    if np.count_nonzero(np.abs(by_image) > ROUNDING) < FEW_DIFFERENCES:
        p = max(p, _sign_p_value(by_image, gain))
    variances = v_units, v_images, v_residual
    is_wider = low < gain - half or high > gain + half
    return CrossedInterval(gain, low, high, p, n_units, n_images, *variances, is_wider)


def _p_value(
    distance: float, of_units: tuple[float, int], of_images: tuple[float, int], v_residual: float
) -> float:
    """The level whose half-width is ``distance``."""
    if distance <= ROUNDING:
        return 1.0

    def beyond(log_p: float) -> float:
        return half_width(math.exp(log_p) / 2, of_units, of_images, v_residual) - distance

    least = math.log(SMALLEST_P)
    if beyond(least) <= 0:
        return SMALLEST_P
    return math.exp(float(brentq(beyond, least, 0.0, xtol=1e-9)))


def _sign_p_value(by_image: NDArray[np.float64], gain: float) -> float:
    """The level at which the exact interval just reaches 0: that of the sign test."""
    better, worse = int((by_image > ROUNDING).sum()), int((by_image < -ROUNDING).sum())
    # More images for the worse, yet better on average: at no level do both intervals exclude 0.
    if (better - worse) * gain <= 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(better, worse), better + worse, 0.5)))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values corrected for their number, so that all of them together err in 5 % at most.

    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6: the smallest of m is multiplied by m, the next by m - 1, and so on; none is
    smaller than the one before, nor above 1.

    Args:
        p_values: one dimension, in [0, 1]. NaN stays NaN and is not counted.

    Returns:
        float64, in the order given.
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(p)
    order = np.argsort(np.where(known, p, np.inf), kind="stable")[: known.sum()]
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(p.shape, np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return corrected
