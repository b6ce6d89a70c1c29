"""Intervals of accuracies and of their differences, over classifier seeds and test images."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv
from scipy.stats import t as student_t

from reports.errors import StatisticsError

CONFIDENCE = 0.95

FEW_DIFFERENCES = 30
"""With fewer test images whose predictions differ an interval is widened to an exact one."""

# Means of differences that are 0 but for rounding, and numbers of right predictions.
ROUNDING = 1e-9


class MeanInterval(NamedTuple):
    """A mean with its confidence interval; bounds are NaN where there is none."""

    mean: float
    low: float
    high: float
    n: int


class GainInterval(NamedTuple):
    """The difference of two accuracies with its 95 % interval, as fractions."""

    gain: float
    low: float
    high: float
    n_seeds: int  # replicates: with one unit, classifier seeds
    n_images: int
    standard_error: float
    degrees_of_freedom: float


def mean_interval(values: ArrayLike) -> MeanInterval:
    """Mean of independent values with Student's t interval, at 95 %.

    Args:
        values: one finite number a seed, or a unit.

    Returns:
        Mean, lower and upper bound, number of values. One value, or values that are all the same,
        say nothing of their spread: the bounds are NaN.

    Raises:
        StatisticsError: no values, or values that are not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise StatisticsError(
            f"mean: {array.size} values of shape {array.shape}; allowed: one or more finite numbers"
        )
    mean, n = float(array.mean()), int(array.size)
    if np.ptp(array) == 0:
        return MeanInterval(mean, float("nan"), float("nan"), n)
    half = _t_quantile(n - 1) * float(array.std(ddof=1)) / n**0.5
    return MeanInterval(mean, mean - half, mean + half, n)


def accuracy_interval(values: ArrayLike, n_images: int) -> MeanInterval:
    """Mean accuracy over seeds, with a 95 % interval for other seeds and other test images.

    Two intervals, Student's t over the seeds and Clopper and Pearson's (1934) of the mean over the
    test images, are put together as the method of variance estimates recovery does (Zou and Donner,
    2008, Statistics in Medicine 27): squared distances from the mean are added, each side for
    itself. Seeds that all agree leave the interval of the images, so it is never a point.

    Args:
        values: one accuracy a seed, in [0, 1], all on the same test images.
        n_images: number of test images, one or more.

    Returns:
        Mean, bounds in [0, 1], number of seeds. One seed has no interval: its bounds are NaN.

    Raises:
        StatisticsError: as `mean_interval`.
    """
    over_seeds = mean_interval(values)
    mean, n = over_seeds.mean, over_seeds.n
    if n == 1:
        return over_seeds
    # A mean over seeds need not be a whole number of right predictions.
    low, high = _share_interval(mean * n_images, n_images)
    half = 0.0 if math.isnan(over_seeds.low) else over_seeds.high - mean
    low, high = mean - math.hypot(half, mean - low), mean + math.hypot(half, high - mean)
    return MeanInterval(mean, max(low, 0.0), min(high, 1.0), n)


def difference_interval(difference: ArrayLike) -> GainInterval:
    """Mean of a difference that was measured for each seed on each test image.

    A row of ``d`` is a replicate: a classifier seed or, with several units, a unit and a seed. Two
    things are left to chance: the replicate and which images are in the test set. With ``d[s, i]``
    the difference, the standard error is ``sqrt(v_seeds + v_images)``, where ``v_seeds`` is the
    variance over replicates of the mean over images, divided by the number of replicates, and
    ``v_images`` the variance over images of the mean over replicates, divided by the number of
    images. Each holds the part of the noise that is neither replicate nor image alone, so that part
    is counted twice. Degrees of freedom by Welch (1947) and Satterthwaite (1946). With one
    replicate there is no variance over them: the interval then covers the choice of test images
    only.

    With one unit no chance in training its generator and judge is covered. With several, some of
    it is: replicates of one unit share a generator but count as independent, so that the interval
    is too narrow where generators differ more than seeds do.

    Where the predictions differ on fewer than `FEW_DIFFERENCES` images, a variance over images says
    too little, and the interval is widened to hold an exact one as well. Of ``n`` images ``m``
    differ, ``k`` of them for the better. Clopper and Pearson (1934) bound the share ``k / m``,
    which may be a half just where the two-sided sign test does not reject, and the share ``m / n``;
    with ``c`` the mean of ``|d|`` over the images that differ and one more of size 1, the bounds
    are ``(m / n) (2 k / m - 1) c`` at the ends that make the interval wider.

    In simulated studies (benchmarks/intervals.py; accuracies of 80 to 99 %, gains of 0 to 3 points,
    500 studies a setting) it held the truth, over all settings and in the worst of them: on 20 to
    200 images with 1 to 3 seeds, whose variance is at most that of the images, in 97.9 to 100 % and
    94.0 %; with a variance over seeds of four times that in 94.6 to 99.2 % and 89.0 %. On 1,000
    images, where little is widened, in 95.4 to 98.4 % and 92.6 %; at four times the variance in
    91.6 % and 86.8 % with 2 seeds, 94.6 % and 92.4 % with 3: few seeds can make it too narrow.

    Args:
        difference: numbers in [-1, 1], replicates x test images: for one pair of cells -1, 0 or 1;
            averages over several pairs lie between.

    Returns:
        The mean as the gain, bounds, and what they rest on; standard error and degrees of freedom
        are those of the first interval.

    Raises:
        StatisticsError: no seeds, fewer than two images, or numbers out of range.
    """
    d = as_differences(difference, "seed")
    n_seeds, n_images = d.shape
    by_seed, by_image = d.mean(axis=1), d.mean(axis=0)
    gain = float(by_seed.mean())
    v_images = float(by_image.var(ddof=1)) / n_images
    v_seeds = float(by_seed.var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    freedom = float(n_images - 1)
    if v_seeds > 0:
        parts = v_seeds**2 / (n_seeds - 1) + v_images**2 / (n_images - 1)
        freedom = (v_seeds + v_images) ** 2 / parts
    error = (v_seeds + v_images) ** 0.5
    low, high = widened(gain, _t_quantile(freedom) * error, by_image)
    return GainInterval(gain, low, high, n_seeds, n_images, error, freedom)


def as_differences(difference: ArrayLike, replicate: str) -> NDArray[np.float64]:
    """Differences as an array, checked.

    Args:
        difference: numbers in [-1, 1], replicates x test images.
        replicate: what a row is, for the error.

    Raises:
        StatisticsError: no rows, fewer than two images, or numbers out of range.
    """
    d = np.asarray(difference, dtype=np.float64)
    # False for NaN too.
    if d.ndim != 2 or d.shape[0] < 1 or d.shape[1] < 2 or not (np.abs(d) <= 1 + ROUNDING).all():
        raise StatisticsError(
            f"gain: differences of shape {d.shape}; "
            f"allowed: numbers from -1 to 1, one {replicate} or more x two images or more"
        )
    return d


def widened(
    gain: float, half: float, by_image: NDArray[np.float64], confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Bounds ``half`` to either side of a gain; of few images that differ, exact ones as well.

    Args:
        gain: the mean of ``by_image``.
        half: the half-width where many images differ.
        by_image: the difference on each test image, averaged over replicates.
        confidence: coverage of both, in (0, 1).
    """
    low, high = gain - half, gain + half
    if np.count_nonzero(np.abs(by_image) > ROUNDING) < FEW_DIFFERENCES:
        exact = _exact_difference(by_image, confidence)
        low, high = min(low, exact[0]), max(high, exact[1])
    return low, high


def _exact_difference(by_image: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Bounds of a mean difference from the signs of those that are not 0."""
    size = np.abs(by_image)
    differs = size > ROUNDING
    n, m, k = len(by_image), int(differs.sum()), int((by_image > ROUNDING).sum())
    least, most = _share_interval(m, n, confidence)
    worst, best = (2 * share - 1 for share in _share_interval(k, m, confidence))
    # One image more that differs in full: of few, or none, the sizes say little.
    mean_size = (float(size[differs].sum()) + 1) / (m + 1)
    low = worst * (most if worst < 0 else least) * mean_size
    high = best * (least if best < 0 else most) * mean_size
    return low, high


def _share_interval(k: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share ``k / n``; of nothing nothing is known.

    By quantiles of the beta distribution: many times as fast as the root that `scipy.stats`
    searches, and between whole numbers defined too.
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def _t_quantile(freedom: float) -> float:
    return float(student_t.ppf((1 + CONFIDENCE) / 2, freedom))
