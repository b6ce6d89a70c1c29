"""Frechet distance of two sets of features.

Computed in float64 whatever the precision of the input. Linear algebra runs on one thread: on a
busy machine several BLAS threads are slower, and their order of summation would change the last
digits from run to run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from reports.scores.inputs import FloatArray, feature_sets


def fid(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Squared Frechet distance of the Gaussians of two sets of features (FID for InceptionV3's).

    ``|mean_a - mean_b|^2 + Tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))`` (Heusel et al. 2017,
    equation 6), with the sample covariances (divisor n - 1). No covariance is formed and no matrix
    square root taken: with ``cov = F^T F`` for each side, the trace of the root is the nuclear norm
    of ``F_a F_b^T``, and the centred features themselves are the factors. So fewer images than
    dimensions is exact and fast.

    Args:
        features_a: N_a x D, any real dtype, N_a >= 2.
        features_b: N_b x D, N_b >= 2. N_a and N_b may differ.

    Returns:
        The squared distance, never negative. Its bias falls with n: compare values at equal n,
        beside their floor (real against real).

    Raises:
        ScoreError: shapes that do not fit or values that are not finite.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        a, b = feature_sets("FID", features_a, features_b)
        factor_a, factor_b = _factor(a), _factor(b)
        difference = a.mean(axis=0) - b.mean(axis=0)
        root_trace = float(np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum())
        spread = float(np.square(factor_a).sum() + np.square(factor_b).sum())
        # Rounding may leave a tiny negative number where the true distance is zero.
        return max(0.0, float(difference @ difference) + spread - 2.0 * root_trace)


def _factor(features: FloatArray) -> FloatArray:
    """F (at most D x D) with F^T F = sample covariance of the rows."""
    centred: FloatArray = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    if centred.shape[0] <= centred.shape[1]:
        return centred
    # Many rows: R of the QR decomposition has the same Gram matrix and only D rows.
    return np.asarray(np.linalg.qr(centred, mode="r"), dtype=np.float64)
