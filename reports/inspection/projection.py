"""Two groups of features on their joint principal components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA


def joint_projection(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    """Project two groups on the first two principal components of both together.

    Args:
        first: N x D features, D >= 2.
        second: M x D features, N + M >= 2.

    Returns:
        Coordinates N x 2 and M x 2, and the share of the joint variance on each component.
    """
    both = np.concatenate([first, second]).astype(np.float64)
    pca = PCA(n_components=2, svd_solver="full")
    with np.errstate(invalid="ignore"):  # All features alike have no variance to share out.
        placed = pca.fit_transform(both)
    shares = pca.explained_variance_ratio_
    explained = tuple(float(share) if np.isfinite(share) else 0.0 for share in shares)
    return placed[: len(first)], placed[len(first) :], (explained[0], explained[1])
