"""Kernel distance between two sets of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from reports.scores.inputs import FloatArray, feature_sets
from reports.scores.threads import one_thread

_ROWS = 1000
"""Rows of a kernel matrix that are in memory at a time."""


def kid(
    features_a: ArrayLike, features_b: ArrayLike, *, within: Sequence[float] | None = None
) -> float:
    """Squared maximum mean discrepancy with the kernel ``(x . y / D + 1)^3``.

    Binkowski et al. 2018, section 4 (KID when the features are InceptionV3's pool3), by the
    unbiased estimator over all pairs, not over random subsets: unlike FID its expectation does not
    depend on the number of images.

    The features are taken as they are, and the kernel is a cubic of their products: the estimate
    grows with up to the sixth power of their scale, so that features twice as large give up to 64
    times as much. Published KIDs are of InceptionV3's small features. A classifier's own features
    have any scale: on LeNet's, two halves of 1,000 digits give -170 with a deviation of 37. So
    compare KIDs of one network only, beside their floor (real against real). The floor lies below
    0 where both sides have as many images of each class: pairs of one class are then rarer within
    a side than between the sides. Generated minus floor has no such part.

    Args:
        features_a: N_a x D, any real dtype, N_a >= 2.
        features_b: N_b x D, N_b >= 2. N_a and N_b may differ.
        within: `kernel_mean` of both, where it is known.

    Returns:
        The estimate; below 0 where the sets are closer than chance has it.

    Raises:
        ScoreError: shapes that do not fit or values that are not finite.
    """
    a, b = feature_sets("KID", features_a, features_b)
    if within is None:
        within = kernel_mean(a), kernel_mean(b)
    with one_thread():
        between = _kernel_sum(a, b) / (len(a) * len(b))
    return sum(within) - 2 * between


def kernel_mean(features: ArrayLike) -> float:
    """Return the kernel's mean over all pairs of different rows of features N x D, N >= 2.

    Raises:
        ScoreError: as `kid`.
    """
    rows, _ = feature_sets("KID", features, features)
    n, size = rows.shape
    diagonal = float(((np.square(rows).sum(axis=1) / size + 1) ** 3).sum())
    with one_thread():
        return float((_kernel_sum(rows, rows) - diagonal) / (n * (n - 1)))


def _kernel_sum(a: FloatArray, b: FloatArray) -> float:
    total = 0.0
    for start in range(0, len(a), _ROWS):
        part = a[start : start + _ROWS]
        kernel = part @ b.T / a.shape[1] + 1
        # numpy's power of 3 takes ten times as long as two products.
        total += float(np.einsum("ij,ij,ij->", kernel, kernel, kernel))
    return total
