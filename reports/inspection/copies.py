"""Copies: generated images that are nearer to a training image than real images ever are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

SHIFT = 2
"""Pixels by which a copy may be moved, either way: classical augmentation is no new image."""

_LOW_QUANTILE = 0.002
"""Of the test images, where some are identical to training images: others are then likely to be
nearly so, and the smallest distance says nothing. Below the 0.5 points that a share of copies is
worth telling by."""

_LEVEL = 0.05
"""Below this probability the images nearer than the threshold are not by chance."""

_BYTES = 1 << 26
"""Of the matrix of distances that is in memory at a time."""


@dataclass(frozen=True)
class Copies:
    """How many generated images are copies, and what that was measured with."""

    n_generated: int  # generated images that were looked at
    n_test: int  # test images that they are compared with; identical ones are left out
    n_identical_test: int  # test images that are identical to a training image
    threshold: float  # distance below which an image is too near; NaN without a test image
    rank: int  # of the threshold among the test images' distances: 1 is the smallest
    n_near: int  # generated images below the threshold
    n_identical: int  # of these, those that are identical to a training image
    chance: float  # probability of as many where generated images are like test images

    @property
    def found(self) -> bool:
        """Whether more are near than chance gives."""
        return self.n_near > 0 and self.chance < _LEVEL


def copies(generated: NDArray[np.floating[Any]], test: NDArray[np.floating[Any]]) -> Copies:
    """Count the generated images that are nearer to a training image than every test image is.

    Where generated images are as far from the training images as test images are, any order of all
    their distances is equally likely, which gives ``chance`` (a hypergeometric distribution).

    Where test images are identical to training images, these are left out, and the threshold is
    the 0.2 % quantile of the others' distances in place of the smallest.

    Args:
        generated: distances to the nearest training image, as from `shifted_distances`, N.
        test: those of real images that no generator saw, M.
    """
    others = np.sort(test[test > 0])
    n_identical = len(test) - len(others)
    rank = max(1, math.ceil(_LOW_QUANTILE * len(others))) if n_identical else 1
    threshold = float(others[rank - 1]) if len(others) else math.nan
    near = int((generated < threshold).sum())
    # As many or more are near: among the first ``near + rank - 1`` of all, fewer than ``rank`` are
    # test images.
    n, m = len(generated), len(others)
    chance = float(hypergeom.cdf(rank - 1, n + m, m, near + rank - 1)) if near else 1.0
    return Copies(
        n_generated=n,
        n_test=m,
        n_identical_test=n_identical,
        threshold=threshold,
        rank=rank,
        n_near=near,
        n_identical=int((generated == 0).sum()) if near else 0,
        chance=chance,
    )


def shifted_distances(
    queries: NDArray[np.uint8], training: NDArray[np.uint8], shift: int = SHIFT
) -> NDArray[np.float64]:
    """Return how far each image is from its nearest training image, moved or not.

    Args:
        queries: uint8 N x H x W x C. Each is moved by up to ``shift`` pixels in both directions,
            and what comes in from beyond its edge is black. So a moved copy is found where the
            edges are black; of other images copies that were not moved are.
        training: uint8 M x H x W x C, M >= 1; a memory-mapped array is read block by block.
        shift: pixels, 0 or more and below H and W.

    Returns:
        The smallest Euclidean distance over all training images and shifts, on the scale of pixels
        from 0 to 1, float64 N; exactly 0 for an image that is identical to one.
    """
    best = np.full(len(queries), np.inf)
    block = max(1, _BYTES // (4 * training[0].size))
    for start in range(0, len(training), block):
        part = np.asarray(training[start : start + block]).reshape(-1, training[0].size)
        flat = part.astype(np.float32)
        squares = np.einsum("ij,ij->i", flat, flat)
        rows = max(1, _BYTES // (4 * len(part)))
        for dy, dx in product(range(-shift, shift + 1), repeat=2):
            for first in range(0, len(queries), rows):
                mine = slice(first, first + rows)
                moved = _moved(np.asarray(queries[mine]), dy, dx).reshape(-1, flat.shape[1])
                nearest = _nearest(moved.astype(np.float32), flat, squares)
                # The products have rounding errors; what they find is measured exactly.
                difference = moved.astype(np.int64) - part[nearest]
                exact = np.einsum("ij,ij->i", difference, difference)
                best[mine] = np.minimum(best[mine], exact)
    distances: NDArray[np.float64] = np.sqrt(best) / 255
    return distances


def _nearest(
    queries: NDArray[np.float32], training: NDArray[np.float32], squares: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return the row of the nearest training image of each query, by one matrix product."""
    distances = queries @ training.T
    distances *= -2
    distances += squares
    nearest: NDArray[np.int64] = distances.argmin(axis=1)
    return nearest


def _moved(images: NDArray[np.uint8], dy: int, dx: int) -> NDArray[np.uint8]:
    """Move images down by ``dy`` and right by ``dx`` pixels, black coming in."""
    height, width = images.shape[1:3]
    moved = np.zeros_like(images)
    to_y, from_y = slice(max(dy, 0), height + min(dy, 0)), slice(max(-dy, 0), height - max(dy, 0))
    to_x, from_x = slice(max(dx, 0), width + min(dx, 0)), slice(max(-dx, 0), width - max(dx, 0))
    moved[:, to_y, to_x] = images[:, from_y, from_x]
    return moved
