"""Features of generated and real images in one plane, and the random images that show them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augment.images.image_sets import ImageSet
from augment.streams import numpy_stream
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from reports.inspection.projection import joint_projection

N_PROJECTED = 100


def projection(
    examiner: Classifier, real: ImageSet, generated: ImageSet, seed: int
) -> tuple[pd.DataFrame, list[float]]:
    """Return where random images of both kinds lie, and the share of variance of each axis.

    Args:
        examiner: whose features are projected.
        real: test images.
        generated: a pool.
        seed: decides which are shown.
    """
    groups = {
        name: random_images(images, N_PROJECTED, seed)
        for name, images in (("real", real), ("generated", generated))
    }
    *places, explained = joint_projection(
        *(predict(examiner, images.images).features for images in groups.values())
    )
    table = pd.concat(
        pd.DataFrame({"group": name, "label": images.labels, "x": xy[:, 0], "y": xy[:, 1]})
        for (name, images), xy in zip(groups.items(), places, strict=True)
    )
    return table, list(explained)


def random_images(images: ImageSet, n: int, seed: int) -> ImageSet:
    """Return ``n`` random images, or all where there are fewer."""
    rows = numpy_stream(seed, "sample", len(images)).permutation(len(images))[:n]
    return images.subset(np.sort(rows))
