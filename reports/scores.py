"""How close generated images are to real ones: Frechet distance, Inception score, label match.

Pure functions of arrays, computed in float64 whatever the precision of the input. Linear algebra
runs on one thread: on a busy machine several BLAS threads are slower, and their order of
summation would change the last digits from run to run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr
from threadpoolctl import threadpool_limits

from reports.errors import ReportError

FloatArray = NDArray[np.float64]

_ROW_SUM_TOLERANCE = 1e-3
_COVARIANCE_TOLERANCE = 1e-6


class ScoreError(ReportError):
    """Arrays that a score cannot be computed from."""


def frechet_distance(
    mean_a: ArrayLike, cov_a: ArrayLike, mean_b: ArrayLike, cov_b: ArrayLike
) -> float:
    """Squared Frechet distance between two Gaussians.

    ``|mean_a - mean_b|^2 + Tr(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))`` (Heusel et al. 2017,
    equation 6). No matrix square root is taken: with ``cov = F^T F`` for each side, the trace of
    the root is the nuclear norm of ``F_a F_b^T``, which is accurate for singular covariances too.
    Directions whose variance is below ``d`` machine epsilons of the largest count as zero.

    Args:
        mean_a: D values.
        cov_a: D x D, symmetric and positive semidefinite.
        mean_b: D values.
        cov_b: D x D, symmetric and positive semidefinite.

    Returns:
        The squared distance, never negative.

    Raises:
        ScoreError: shapes that do not fit, values that are not finite, or a matrix that is not a
            covariance.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        means = [_finite("a mean", mean, 1) for mean in (mean_a, mean_b)]
        covariances = [_finite("a covariance", cov, 2) for cov in (cov_a, cov_b)]
        size = means[0].shape[0]
        for mean, covariance in zip(means, covariances, strict=True):
            if mean.shape != (size,) or covariance.shape != (size, size):
                raise ScoreError(
                    f"Frechet distance: a mean of shape {mean.shape} and a covariance of shape "
                    f"{covariance.shape}; allowed: ({size},) and ({size}, {size}) for both sides"
                )
        factor_a, factor_b = (_covariance_factor(covariance) for covariance in covariances)
        return _distance(means[0] - means[1], factor_a, factor_b)


def fid(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Frechet distance between two sets of features (FID when they are InceptionV3's pool3).

    The same number as `frechet_distance` of the means and the sample covariances (divisor n - 1),
    without forming a covariance: the features themselves are the factors, so fewer images than
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
        sets = [_finite("features", features, 2) for features in (features_a, features_b)]
        if sets[0].shape[1] != sets[1].shape[1]:
            raise ScoreError(
                f"FID: features of {sets[0].shape[1]} and {sets[1].shape[1]} dimensions; "
                "allowed: the same number on both sides"
            )
        for features in sets:
            if len(features) < 2:
                raise ScoreError(f"FID: {len(features)} rows of features; allowed: 2 or more")
        factor_a, factor_b = (_features_factor(features) for features in sets)
        return _distance(sets[0].mean(axis=0) - sets[1].mean(axis=0), factor_a, factor_b)


def inception_score(probabilities: ArrayLike, splits: int = 1) -> float:
    """Inception score: exp of the mean KL divergence of ``p(y|x)`` from ``p(y)``.

    Salimans et al. 2016, section 4. From 1 (every image alike or unrecognisable) to K (every image
    certain, every class equally frequent).

    Args:
        probabilities: N x K class probabilities, rows summing to 1.
        splits: parts of consecutive rows; the mean over the parts is returned. Shuffle the rows
            first if they are sorted by class.

    Returns:
        The score.

    Raises:
        ScoreError: rows that are not probabilities, or more splits than rows.
    """
    return inception_score_interval(probabilities, splits)[0]


def inception_score_interval(probabilities: ArrayLike, splits: int = 10) -> tuple[float, float]:
    """`inception_score` with its standard deviation over the splits.

    Args:
        probabilities: N x K class probabilities, rows summing to 1.
        splits: parts of consecutive rows, 1 to N.

    Returns:
        Mean and population standard deviation over the splits (0 with one split), as in the
        paper's code.

    Raises:
        ScoreError: as `inception_score`.
    """
    table = _probabilities(probabilities)
    if not 1 <= splits <= len(table):
        raise ScoreError(
            f"Inception score: {splits} splits of {len(table)} rows; allowed: 1 to {len(table)}"
        )
    scores = [
        float(np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean()))
        for part in np.array_split(table, splits)
    ]
    return float(np.mean(scores)), float(np.std(scores))


def label_match(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Share of images whose most probable class is the class that was asked for.

    Args:
        probabilities: N x K class probabilities, rows summing to 1; a tie goes to the lower class.
        labels: N integers in [0, K): the classes asked for.

    Returns:
        A fraction from 0 to 1.

    Raises:
        ScoreError: shapes that do not fit, or labels out of range.
    """
    table = _probabilities(probabilities)
    wanted = np.asarray(labels)
    if wanted.shape != (len(table),) or wanted.dtype.kind not in "iu":
        raise ScoreError(
            f"label match: labels of shape {wanted.shape} and type {wanted.dtype}; "
            f"allowed: {len(table)} integers"
        )
    if wanted.min() < 0 or wanted.max() >= table.shape[1]:
        raise ScoreError(
            f"label match: labels from {wanted.min()} to {wanted.max()}; "
            f"allowed: 0 to {table.shape[1] - 1}"
        )
    return float((table.argmax(axis=1) == wanted).mean())


def _distance(difference: FloatArray, factor_a: FloatArray, factor_b: FloatArray) -> float:
    """Squared Frechet distance from the difference of means and two factors (rows x D)."""
    root_trace = float(np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum())
    spread = float(np.square(factor_a).sum() + np.square(factor_b).sum())
    # Rounding may leave a tiny negative number where the true distance is zero.
    return max(0.0, float(difference @ difference) + spread - 2.0 * root_trace)


def _features_factor(features: FloatArray) -> FloatArray:
    """F (at most D x D) with F^T F = sample covariance of the rows."""
    centred: FloatArray = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    if centred.shape[0] <= centred.shape[1]:
        return centred
    # Many rows: R of the QR decomposition has the same Gram matrix and only D rows.
    return np.asarray(np.linalg.qr(centred, mode="r"), dtype=np.float64)


def _covariance_factor(covariance: FloatArray) -> FloatArray:
    """F (rank x D) with F^T F = covariance."""
    scale = float(np.abs(covariance).max(initial=0.0))
    if scale == 0.0:
        return np.zeros((1, len(covariance)))
    if np.abs(covariance - covariance.T).max() > _COVARIANCE_TOLERANCE * scale:
        raise ScoreError("Frechet distance: a covariance is not symmetric")
    symmetric: FloatArray = (covariance + covariance.T) / 2
    try:
        lower = np.linalg.cholesky(symmetric)
    except np.linalg.LinAlgError:
        pass
    else:
        # Near singular, rounding noise can pass for variance: leave those to the eigenvalues.
        if np.square(lower.diagonal()).min() > 1e-9 * scale:
            return np.ascontiguousarray(lower.T)
    values, vectors = np.linalg.eigh(symmetric)
    if values[0] < -_COVARIANCE_TOLERANCE * values[-1]:
        raise ScoreError(
            f"Frechet distance: a covariance has the eigenvalue {values[0]:.3g}; allowed: 0 or more"
        )
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    factor: FloatArray = (vectors[:, kept] * np.sqrt(values[kept])).T
    return factor


def _finite(name: str, values: ArrayLike, dimensions: int) -> FloatArray:
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


def _probabilities(values: ArrayLike) -> FloatArray:
    table = _finite("probabilities", values, 2)
    sums = table.sum(axis=1, keepdims=True)
    if table.min() < 0 or np.abs(sums - 1).max() > _ROW_SUM_TOLERANCE:
        raise ScoreError(
            "class probabilities must be 0 or more and every row must sum to 1; "
            f"smallest value {table.min():.3g}, row sums {sums.min():.6g} to {sums.max():.6g}"
        )
    # float32 probabilities sum to 1 within rounding only.
    normalised: FloatArray = table / sums
    return normalised
