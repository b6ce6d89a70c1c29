"""Nearest training images of generated ones: copies, and collapse onto a few of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

_BLOCK = 10_000
"""Training images held in memory as float at a time."""


def nearest_images(
    queries: NDArray[np.uint8], training: NDArray[np.uint8], k: int = 4
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the nearest training images by Euclidean distance of pixels.

    Args:
        queries: uint8 N x H x W x C.
        training: uint8 M x H x W x C; a memory-mapped array is read block by block.
        k: neighbours of each query, 1 to M.

    Returns:
        Distances on the scale of pixels from 0 to 1, float64 N x k, nearest first, and rows of
        ``training``, int64 N x k. Of equally distant images the one with the lower row is nearer.
    """
    flat = _flat(queries)
    distances = np.empty((len(queries), 0))
    rows = np.empty((len(queries), 0), dtype=np.int64)
    for start in range(0, len(training), _BLOCK):
        block = _flat(training[start : start + _BLOCK])
        search = NearestNeighbors(n_neighbors=min(k, len(block)), algorithm="brute").fit(block)
        near, index = search.kneighbors(flat)
        distances = np.concatenate([distances, near.astype(np.float64)], axis=1)
        rows = np.concatenate([rows, index.astype(np.int64) + start], axis=1)
        order = np.lexsort((rows, distances), axis=1)[:, :k]
        distances = np.take_along_axis(distances, order, axis=1)
        rows = np.take_along_axis(rows, order, axis=1)
    return distances, rows


def neighbour_coverage(
    nearest: NDArray[np.integer[Any]],
    query_labels: NDArray[np.integer[Any]],
    training_labels: NDArray[np.integer[Any]],
    n_classes: int,
) -> pd.DataFrame:
    """Count the training images that are a nearest neighbour, class by class.

    The test of Bohnstedt for collapse: a generator that makes few different images has few training
    images as everyone's neighbour.

    Args:
        nearest: row of the nearest training image of each query, N.
        query_labels: label of each query, N.
        training_labels: label of each training image, M.
        n_classes: classes of both.

    Returns:
        A row a class: label, n_queries, n_train, share (of the class's training images that are
        the nearest of a query) and most (largest share of the class's queries that have one image
        as their nearest; NaN without a query).
    """
    hit = np.zeros(len(training_labels), dtype=bool)
    hit[nearest] = True
    rows = []
    for label in range(n_classes):
        mine = nearest[query_labels == label]
        of_class = hit[training_labels == label]
        most = np.bincount(mine).max() / len(mine) if len(mine) else np.nan
        share = of_class.mean() if len(of_class) else np.nan
        rows.append((label, len(mine), len(of_class), float(share), float(most)))
    return pd.DataFrame(rows, columns=["label", "n_queries", "n_train", "share", "most"])


def _flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = images.reshape(len(images), -1).astype(np.float32)
    flat /= 255
    return flat
