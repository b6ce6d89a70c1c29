"""Inception score: how certain predictions are, and how evenly they are spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from reports.scores.inputs import ScoreError, class_probabilities


def inception_score(probabilities: ArrayLike, splits: int = 1) -> float:
    """Inception score: exp of the mean KL divergence of ``p(y|x)`` from ``p(y)``.

    Salimans et al. 2016, section 4. From 1 (every image alike or unrecognisable) to K (every image
    certain, every class equally frequent).

    Args:
        probabilities: N x K class probabilities, rows summing to 1.
        splits: parts of consecutive rows; the mean over the parts is returned. Shuffle the rows
            first if they are sorted by class.

    Returns:
        The score.

    Raises:
        ScoreError: rows that are not probabilities, or more splits than rows.
    """
    return inception_score_interval(probabilities, splits)[0]


def inception_score_interval(probabilities: ArrayLike, splits: int = 10) -> tuple[float, float]:
    """`inception_score` with its standard deviation over the splits.

    Args:
        probabilities: N x K class probabilities, rows summing to 1.
        splits: parts of consecutive rows, 1 to N.

    Returns:
        Mean and population standard deviation over the splits (0 with one split), as in the
        paper's code.

    Raises:
        ScoreError: as `inception_score`.
    """
    table = class_probabilities(probabilities)
    if not 1 <= splits <= len(table):
        raise ScoreError(
            f"Inception score: {splits} splits of {len(table)} rows; allowed: 1 to {len(table)}"
        )
    scores = [
        float(np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean()))
        for part in np.array_split(table, splits)
    ]
    return float(np.mean(scores)), float(np.std(scores))
