"""Frechet distance of two sets of features.

Computed in float64 whatever the precision of the input. Linear algebra runs on one thread: on a
busy machine several BLAS threads are slower, and their order of summation would change the last
digits from run to run.

At 2,048 dimensions and 5,000 images a side, about half of the time goes to the two covariances and
a quarter to the eigenvalues, whose reduction to three diagonals waits for memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import blas, lapack

from reports.scores.inputs import FloatArray, feature_sets
from reports.scores.threads import one_thread

_FEW_DIMENSIONS = 256
"""With no more, singular values take milliseconds."""

_LARGEST_DOUBT = 1e-6
"""Of the distance. Where it is smaller, errors that were measured are a ninth of it or less."""


def fid(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Squared Frechet distance of the Gaussians of two sets of features (FID for InceptionV3's).

    ``|mean_a - mean_b|^2 + Tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))`` (Heusel et al. 2017,
    equation 6), with the sample covariances (divisor n - 1). No matrix square root is taken: with
    ``cov = F^T F`` for each side, the trace of the root is the nuclear norm of ``F_a F_b^T``. So
    fewer images than dimensions is exact and fast: the centred features themselves are the factors.

    The norm is the sum of singular values. With many dimensions it is taken from the eigenvalues of
    the symmetric product ``F_a cov_b F_a^T``, their squares, at a fraction of the time; where
    rounding of small ones might show in the distance, from the singular values all the same.

    Args:
        features_a: N_a x D, any real dtype, N_a >= 2.
        features_b: N_b x D, N_b >= 2. N_a and N_b may differ.

    Returns:
        The squared distance, never negative. Its bias falls with n: compare values at equal n,
        beside their floor (real against real).

    Raises:
        ScoreError: shapes that do not fit or values that are not finite.
    """
    with one_thread():
        a, b = feature_sets("FID", features_a, features_b)
        difference = a.mean(axis=0) - b.mean(axis=0)
        apart = float(difference @ difference)
        a, b = _scaled(a), _scaled(b)
        if a.shape[1] > _FEW_DIMENSIONS:
            spread = float(np.vdot(a, a) + np.vdot(b, b))
            of_root, doubt = _by_eigenvalues(a, b)
            distance = apart + spread - 2.0 * of_root
            if 2.0 * doubt <= _LARGEST_DOUBT * distance:
                return distance
        factor_a, factor_b = _factor(a), _factor(b)
        of_root = float(np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum())
        spread = float(np.square(factor_a).sum() + np.square(factor_b).sum())
        # Rounding may leave a tiny negative number where the true distance is zero.
        return max(0.0, apart + spread - 2.0 * of_root)


def _scaled(features: FloatArray) -> FloatArray:
    """N x D whose Gram matrix of columns is the sample covariance of the rows."""
    scaled: FloatArray = features - features.mean(axis=0)
    scaled /= np.sqrt(len(features) - 1)
    return scaled


def _factor(scaled: FloatArray) -> FloatArray:
    """F (at most D x D) with F^T F = sample covariance."""
    if scaled.shape[0] <= scaled.shape[1]:
        return scaled
    # Many rows: R of the QR decomposition has the same Gram matrix and only D rows.
    return np.asarray(np.linalg.qr(scaled, mode="r"), dtype=np.float64)


def root_trace(cov_a: FloatArray, cov_b: FloatArray) -> tuple[float, float]:
    """Trace of ``(cov_a cov_b)^(1/2)``, and how far rounding may have moved it.

    Args:
        cov_a: float64 D x D, a covariance; only its lower triangle is read.
        cov_b: float64 D x D, likewise.

    Returns:
        Both numbers; the second is infinite, and the first 0, where ``cov_a`` is singular.
    """
    scale = float(np.linalg.norm(cov_a) * np.linalg.norm(cov_b))
    triangle, failed = lapack.dpotrf(cov_a, lower=1, clean=0)
    if failed:
        return 0.0, np.inf
    symmetric, _ = lapack.dsygst(cov_b, triangle, itype=2, lower=1)
    return _sum_of_roots(symmetric, scale)


def _by_eigenvalues(a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """As `root_trace`, of features from `_scaled`."""
    few, many = sorted((a, b), key=len)
    if len(few) > few.shape[1]:
        return root_trace(_covariance(few), _covariance(many))
    product = few @ many.T
    symmetric = product @ product.T
    # The rows of each side sum to zero, so one eigenvalue is 0.
    return _sum_of_roots(symmetric, float(np.linalg.norm(symmetric)), n_zeros=1)


def _covariance(scaled: FloatArray) -> FloatArray:
    """Lower triangle of the covariance, zero above it: half the operations."""
    return np.asarray(blas.dsyrk(1.0, scaled.T, lower=1), dtype=np.float64)


def _sum_of_roots(symmetric: FloatArray, scale: float, n_zeros: int = 0) -> tuple[float, float]:
    """Sum of the roots of a symmetric matrix's eigenvalues, and how far rounding may have moved it.

    Args:
        symmetric: D x D; only its lower triangle is read.
        scale: of the numbers that it was computed from.
        n_zeros: eigenvalues that are known to be 0.
    """
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # torch's LAPACK takes half the time of scipy's.
        found = torch.linalg.eigvalsh(torch.from_numpy(symmetric), UPLO="L").numpy()
    finally:
        torch.set_num_threads(n_threads)
    eigenvalues = np.clip(found[n_zeros:], 0.0, None)
    roots = np.sqrt(eigenvalues)
    # Each is wrong by about the precision of the largest. Roots of small ones are moved most; those
    # of zeros always upwards, so that they add up.
    error = np.finfo(np.float64).eps * scale
    moved = np.sqrt(eigenvalues + error) - roots
    small = eigenvalues <= error
    return float(roots.sum()), float(moved[small].sum() + np.linalg.norm(moved[~small]))
