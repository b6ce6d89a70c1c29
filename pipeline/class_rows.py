"""The first images of each class: how pools, queries and scored images are chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def first_of_each_class(labels: np.ndarray, per_class: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the rows of the first images of each class, class by class: int64.

    Args:
        labels: of the images, int64.
        per_class: how many of each class; of a class that has fewer, all.
    """
    return np.concatenate([np.flatnonzero(labels == c)[:n] for c, n in enumerate(per_class)])
