"""Subsets of a training set: disjoint as long as there are images, each with the shares of all."""

from __future__ import annotations

import numpy as np

from augment.images.splits import class_ordering
from augment.streams import numpy_stream


def subset_indices(
    labels: np.ndarray, n_classes: int, n: int | None, repeat: int, seed: int
) -> np.ndarray:
    """Return which images the ``repeat``-th subset of ``n`` holds, sorted int64.

    Subsets of one size are disjoint while ``repeat`` is below ``len(labels) // n``; the next ones
    are drawn anew from all images. Each holds the classes in the shares of the whole, but for one
    or two images.

    Args:
        labels: of the training set, int64 N.
        n_classes: number of classes.
        n: images, at most N; None is all of them.
        repeat: from 0.
        seed: of the study.
    """
    if n is None:
        return np.arange(len(labels), dtype=np.int64)
    draw, place = divmod(repeat, max(1, len(labels) // max(1, n)))
    of_classes = class_ordering(labels, n_classes, numpy_stream(seed, "subset", draw))
    mixed = np.concatenate(of_classes)[_spread([len(rows) for rows in of_classes])]
    return np.sort(mixed[place * n : (place + 1) * n])


def subset_counts(per_class: np.ndarray, n: int | None, repeat: int) -> np.ndarray:
    """Return how many images of each class `subset_indices` takes, int64, by their numbers alone.

    Args:
        per_class: training images of each class, int64.
        n: images, at most their sum; None is all of them.
        repeat: from 0.
    """
    if n is None:
        return np.asarray(per_class, dtype=np.int64)
    place = repeat % max(1, int(per_class.sum()) // n)
    mixed = np.repeat(np.arange(len(per_class)), per_class)[_spread(per_class.tolist())]
    return np.bincount(mixed[place * n : (place + 1) * n], minlength=len(per_class))


def _spread(counts: list[int]) -> np.ndarray:
    """Return an order of the images, class after class, that spreads each class evenly."""
    places = [(np.arange(count) + 0.5) / max(1, count) for count in counts]
    return np.argsort(np.concatenate(places), kind="stable")


def shared_part(subsets: list[np.ndarray]) -> float:
    """Return the mean share of images that two subsets have in common; 0 where there is one.

    Args:
        subsets: indices of subsets of one size.
    """
    shares = [
        len(np.intersect1d(one, other)) / len(one)
        for i, one in enumerate(subsets)
        for other in subsets[:i]
    ]
    return float(np.mean(shares)) if shares else 0.0
