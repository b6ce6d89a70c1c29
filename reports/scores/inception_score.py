"""Inception score: how certain predictions are, and how evenly they are spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from reports.scores.inputs import class_probabilities


def inception_score(probabilities: ArrayLike) -> float:
    """Inception score: exp of the mean KL divergence of ``p(y|x)`` from ``p(y)``.

    Salimans et al. 2016, section 4, over all rows at once. From 1 (every image alike or
    unrecognisable) to K (every image certain, every class equally frequent).

    Args:
        probabilities: N x K class probabilities, rows summing to 1.

    Returns:
        The score.

    Raises:
        ScoreError: rows that are not probabilities.
    """
    table = class_probabilities(probabilities)
    return float(np.exp(rel_entr(table, table.mean(axis=0)).sum(axis=1).mean()))
