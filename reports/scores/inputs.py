"""Arrays that scores are computed from, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reports.errors import ReportError

FloatArray = NDArray[np.float64]

_ROW_SUM_TOLERANCE = 1e-3


class ScoreError(ReportError):
    """Arrays that a score cannot be computed from."""


def finite(name: str, values: ArrayLike, dimensions: int) -> FloatArray:
    """Return an array of real numbers as float64.

    Raises:
        ScoreError: another number of dimensions, no numbers, or some that are not finite.
    """
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != dimensions or array.size == 0 or array.dtype.kind not in "fiu":
        raise ScoreError(
            f"{name} of shape {array.shape} and type {array.dtype}; "
            f"allowed: {dimensions} dimension(s) of real numbers, not empty"
        )
    converted: FloatArray = array.astype(np.float64)
    if not np.isfinite(converted).all():
        raise ScoreError(f"{name} with values that are not finite (NaN or infinity)")
    return converted


def feature_sets(score: str, a: ArrayLike, b: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return two sets of features, N x D with N of 2 or more, as float64.

    Raises:
        ScoreError: shapes that do not fit or values that are not finite; ``score`` names it.
    """
    first, second = (finite("features", features, 2) for features in (a, b))
    if first.shape[1] != second.shape[1]:
        raise ScoreError(
            f"{score}: features of {first.shape[1]} and {second.shape[1]} dimensions; "
            "allowed: the same number on both sides"
        )
    rows = min(len(first), len(second))
    if rows < 2:
        raise ScoreError(f"{score}: {rows} rows of features; allowed: 2 or more")
    return first, second


def class_probabilities(values: ArrayLike) -> FloatArray:
    """Return N x K class probabilities as float64, rows summing to 1.

    Raises:
        ScoreError: rows that are not probabilities.
    """
    table = finite("probabilities", values, 2)
    sums = table.sum(axis=1, keepdims=True)
    if table.min() < 0 or np.abs(sums - 1).max() > _ROW_SUM_TOLERANCE:
        raise ScoreError(
            "class probabilities must be 0 or more and every row must sum to 1; "
            f"smallest value {table.min():.3g}, row sums {sums.min():.6g} to {sums.max():.6g}"
        )
    # float32 probabilities sum to 1 within rounding only.
    normalised: FloatArray = table / sums
    return normalised
