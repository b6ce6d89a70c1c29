"""Precision, recall, density and coverage: whether images look real, and whether all kinds come.

FID mixes the two. A generator that makes one good image again and again has a high precision and a
recall near 0; one that makes all kinds of blurred images has it the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from reports.scores.inputs import FloatArray, feature_sets
from reports.scores.threads import one_thread

K = 5
"""Neighbours that reach makes a ball: the number of Naeem et al. 2020, who advise it for density
and coverage; Kynkaanniemi et al. 2019 take 3 for precision and recall. One number keeps the four
comparable."""

_ROWS = 1000
"""Rows of the matrix of distances that are in memory at a time."""


class Closeness(NamedTuple):
    """How two sets of features lie to one another."""

    precision: float  # share of generated images inside a ball of a real one, 0 to 1
    recall: float  # share of real images inside a ball of a generated one, 0 to 1
    density: float  # balls of real images around a generated one, over k: 0 and up; 1 is equal sets
    coverage: float  # share of real images with a generated one inside their ball, 0 to 1


def closeness(
    generated: ArrayLike,
    real: ArrayLike,
    k: int = K,
    *,
    reach: Sequence[FloatArray] | None = None,
) -> Closeness:
    """Precision and recall, density and coverage, by balls around nearest neighbours.

    The ball of an image reaches to its k-th nearest other image of the same set, its edge included.
    Precision and recall are by Kynkaanniemi et al. 2019 (section 2), density and coverage by Naeem
    et al. 2020 (equations 5 and 8). Balls shrink as sets grow: compare at equal sizes.

    Args:
        generated: features N x D, any real dtype, N >= 2.
        real: features M x D, M >= 2.
        k: neighbours that a ball reaches to; one less than the images of a set at the most.
        reach: `squared_reach` of both to the same k, where it is known.

    Returns:
        The four numbers. A set that matches the other one has a precision, recall and coverage
        below 1 all the same: their floor (real against real) says how much.

    Raises:
        ScoreError: shapes that do not fit or values that are not finite.
    """
    a, b = feature_sets("precision and recall", generated, real)
    # Distances of centred features lose fewer digits; nothing else depends on the origin.
    centre = b.mean(axis=0)
    a, b = a - centre, b - centre
    # Equal images differ by rounding; an edge is part of its ball.
    slack = 1e-12 * max(
        float(np.square(a).sum(axis=1).max()), float(np.square(b).sum(axis=1).max())
    )
    if reach is None:
        reach = squared_reach(a, k), squared_reach(b, k)
    reach_a, reach_b = (each + slack for each in reach)
    with one_thread():
        precise, balls = 0, 0
        recalled, covered = (np.zeros(len(b), dtype=bool) for _ in range(2))
        for start in range(0, len(a), _ROWS):
            part = slice(start, start + _ROWS)
            distances = euclidean_distances(a[part], b, squared=True)
            inside = distances <= reach_b
            precise += int(inside.any(axis=1).sum())
            balls += int(inside.sum())
            covered |= inside.any(axis=0)
            recalled |= (distances <= reach_a[part, None]).any(axis=0)
    return Closeness(
        precision=precise / len(a),
        recall=float(recalled.mean()),
        density=balls / (min(k, len(b) - 1) * len(a)),
        coverage=float(covered.mean()),
    )


def squared_reach(features: ArrayLike, k: int = K) -> FloatArray:
    """Return the squared distance of each row (N x D) to its k-th nearest other row, float64 N.

    Raises:
        ScoreError: as `closeness`.
    """
    rows, _ = feature_sets("precision and recall", features, features)
    rows = rows - rows.mean(axis=0)  # fewer digits are lost; distances stay
    search = NearestNeighbors(n_neighbors=min(k, len(rows) - 1), algorithm="brute")
    with one_thread():
        distances, _ = search.fit(rows).kneighbors()
    squared: FloatArray = np.square(distances[:, -1])
    return squared
