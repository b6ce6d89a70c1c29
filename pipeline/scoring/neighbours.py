"""Which training images are nearest to generated ones, and to test images beside them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from augment.images.image_sets import ImageSet
from augment.images.splits import apportion, spread_rows
from augment.streams import numpy_stream
from pipeline.class_rows import first_of_each_class
from pipeline.errors import PipelineError
from reports.inspection.copies import SHIFT, copies, shifted_distances
from reports.inspection.neighbours import nearest_images, neighbour_coverage

N_QUERIES = 2000
"""Generated images, and test images beside them, whose nearest training image is looked for."""

_MOST_PRODUCTS = 2e12
"""Multiplications that the search for copies takes at the most: about a minute on one core.
With 54,000 digits these are 940 generated and 940 test images, with 3,600 all 2,000."""

_FEWEST_CHECKED = 100
"""Images that are checked for copies all the same: with fewer a share says nothing."""

N_NEIGHBOURS = 4
N_SHOWN = 10


def neighbour_tables(
    pool: ImageSet, train: ImageSet, index: np.ndarray, test: ImageSet
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the neighbours of a few generated images, and how many are a nearest one.

    Args:
        pool: generated images.
        train: the unit's training images.
        index: their rows in the whole training set.
        test: real images that no generator saw.
    """
    # As many queries of each class in both groups, or their shares could not be compared.
    per_class = _queried(min(N_QUERIES, len(test), len(pool)), pool, test)
    n_neighbours = min(N_NEIGHBOURS, len(train))
    found: list[tuple[int | float, ...]] = []
    coverage = []
    for name, images in (("generated", pool), ("test", test)):
        rows = first_of_each_class(images.labels, per_class)
        labels = images.labels[rows]
        distances, nearest = nearest_images(images.images[rows], train.images, n_neighbours)
        table = neighbour_coverage(nearest[:, 0], labels, train.labels, train.n_classes)
        table.insert(0, "class_name", [train.class_names[label] for label in table["label"]])
        coverage.append(table.assign(group=name))
        if name == "generated":
            found = [
                (rows[i], labels[i], rank + 1, index[nearest[i, rank]], distances[i, rank])
                for i in _in_turn(labels, N_SHOWN)
                for rank in range(n_neighbours)
            ]
    columns = ["query", "label", "rank", "row", "distance"]
    return pd.DataFrame(found, columns=columns), pd.concat(coverage)


def _queried(n: int, images: ImageSet, test: ImageSet) -> np.ndarray:
    """Return how many of n images are looked at of each class: int64, by the test images' shares.

    Raises:
        PipelineError: there is no test image of a class that the images have.
    """
    per_class: np.ndarray = np.minimum(apportion(n, test.counts()), images.counts())
    if not per_class.any():  # a few images, of classes that are few among the test images
        both = np.minimum(test.counts(), images.counts())
        per_class = apportion(min(n, int(both.sum())), both)
    if not per_class.any():
        raise PipelineError("no class has both generated and test images; nothing can be compared")
    return per_class


def copy_counts(pool: ImageSet, train: ImageSet, test: ImageSet, seed: int) -> dict[str, Any]:
    """Return how many generated images are copies of training images, and of how many.

    Args:
        pool: generated images; of many a random part is looked at, in the classes' shares of the
            test images where the pool has them.
        train: the unit's training images.
        test: real images that no generator saw.
        seed: decides which are looked at.

    Returns:
        The fields of `reports.inspection.copies.Copies` (threshold None where there is none),
        found, n_pool and shift.
    """
    of_one = (2 * SHIFT + 1) ** 2 * len(train) * train.images[0].size
    most = max(_FEWEST_CHECKED, min(N_QUERIES, int(_MOST_PRODUCTS / (2 * of_one))))
    distances = []
    for name, images in (("generated", pool), ("test", test)):
        per_class = _queried(min(most, len(images)), images, test)
        rng = numpy_stream(seed, "copies", name)
        rows = [
            rng.permutation(np.flatnonzero(images.labels == c))[:n]
            for c, n in enumerate(per_class.tolist())
        ]
        chosen = images.images[np.sort(np.concatenate(rows))]
        distances.append(shifted_distances(chosen, train.images))
    found = copies(*distances)
    threshold = None if math.isnan(found.threshold) else found.threshold
    about = {"found": found.found, "n_pool": len(pool), "shift": SHIFT}
    return asdict(found) | {"threshold": threshold} | about


def _in_turn(labels: np.ndarray, n: int) -> list[int]:
    """Return the places of ``n`` entries: the first of each label, then the second, in turn."""
    places = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    if len(places) > n:
        places = [places[i] for i in spread_rows(len(places), n)]
    turns = max(map(len, places))
    chosen = [mine[turn] for turn in range(turns) for mine in places if turn < len(mine)]
    return sorted(chosen[:n])
