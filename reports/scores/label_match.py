"""Label match: how often a classifier predicts the class of a generated image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reports.scores.inputs import ScoreError, class_probabilities


def label_match(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Share of images whose most probable class is the one that they were generated for.

    Args:
        probabilities: N x K class probabilities, rows summing to 1; a tie goes to the lower class.
        labels: N integers in [0, K): the classes that the images were generated for.

    Returns:
        A fraction from 0 to 1.

    Raises:
        ScoreError: shapes that do not fit, or labels out of range.
    """
    table = class_probabilities(probabilities)
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
