"""Keeping the generated images whose requested label is the judge's prediction.

A generator without labels takes no request: the judge's predictions become the labels of its
images, as pseudo-labels (Lee, 2013).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Scored = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
"""(start, stop) -> uint8 generated images, from ``start`` up to ``stop`` or less far but at least
one, and the judge's class probabilities of them, float N x n_classes."""


@dataclass(frozen=True)
class Accepted:
    """What of a block passed the judge for one label."""

    images: np.ndarray  # uint8 n x H x W x C, in the order generated; n may be 0
    drawn: int  # images generated so far; at the end, until the last one that was needed


def accepted(probabilities: np.ndarray, label: int, threshold: float) -> np.ndarray:
    """Return which images pass: the label is predicted, with confidence >= threshold.

    Args:
        probabilities: float N x n_classes.
        label: requested class index.
        threshold: least probability of the label, 0 to 1.

    Returns:
        bool N.
    """
    predicted = probabilities.argmax(axis=1) == label
    passed: np.ndarray = predicted & (probabilities[:, label] >= threshold)
    return passed


def draw_accepted(
    scored: Scored, label: int, n: int, *, threshold: float, limit: int, block: int = 500
) -> Iterator[Accepted]:
    """Generate images of one label until ``n`` have passed the judge, or ``limit`` are there.

    Args:
        scored: gives images of the label by index, with the judge's probabilities.
        label: requested class index.
        n: images to keep.
        threshold: least confidence.
        limit: images generated at the most.
        block: images generated at a time; never changes which are kept.

    Yields:
        What passed, a block at a time: fewer than ``n`` in all where ``limit`` images did not hold
        as many.
    """
    kept = start = 0
    while kept < n and start < limit:
        images, probabilities = scored(start, min(start + block, limit))
        passed = np.flatnonzero(accepted(probabilities, label, threshold))[: n - kept]
        kept += len(passed)
        needed = len(images) if kept < n else int(passed[-1]) + 1
        yield Accepted(images[passed], start + needed)
        start += len(images)


@dataclass(frozen=True)
class PseudoLabelled:
    """What is kept of a block of one stream, labelled by the judge's predictions."""

    images: np.ndarray  # uint8 n x H x W x C, in the order generated
    labels: np.ndarray  # int64 n: the predictions
    # int64 n_classes: images predicted as each class, of a full class until the last one kept
    predicted: np.ndarray
    drawn: int  # images generated until the last one of these; all, at the end of a short stream


def draw_pseudo_labelled(
    scored: Scored,
    counts: Sequence[int] | np.ndarray,
    *,
    threshold: float,
    limit: int,
    block: int = 500,
) -> Iterator[PseudoLabelled]:
    """Generate images of one stream until every class has its number, or ``limit`` are there.

    A class gets its first images in the order generated; what a full class would get is dropped.

    Args:
        scored: gives images by index, with the judge's probabilities.
        counts: images to keep of each predicted class, n_classes numbers from 0.
        threshold: least confidence of a prediction, 0 to 1; 0 keeps every prediction.
        limit: images generated at the most, over all classes.
        block: images generated at a time; changes where the pieces end, never what they hold
            together.

    Yields:
        Pieces in the order generated, of up to ``block`` images: fewer than ``counts`` in all where
        ``limit`` images did not hold as many. The last one's ``predicted`` and ``drawn`` hold for
        all; it alone may be without an image, where classes are not full.
    """
    missing = np.array(counts, dtype=np.int64)
    predicted = np.zeros_like(missing)
    start = 0
    while missing.any() and start < limit:
        images, probabilities = scored(start, min(start + block, limit))
        labels = probabilities.argmax(axis=1)
        confidence = probabilities[np.arange(len(images)), labels]
        keep = np.zeros(len(images), dtype=bool)
        for label in np.flatnonzero(missing):
            mine = labels == label
            passed = np.flatnonzero(mine & (confidence >= threshold))[: missing[label]]
            keep[passed] = True
            missing[label] -= len(passed)
            predicted[label] += mine[: None if missing[label] else passed[-1] + 1].sum()
        kept = np.flatnonzero(keep)
        if len(kept):
            yield PseudoLabelled(
                images[kept], labels[kept], predicted.copy(), start + int(kept[-1]) + 1
            )
        start += len(images)
    if start and missing.any():
        yield PseudoLabelled(images[:0], labels[:0], predicted.copy(), start)


def acceptance_by_threshold(
    probabilities: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    thresholds: Sequence[float],
) -> list[dict[str, str | float | int]]:
    """Count, for each class and threshold, the images that would pass.

    Args:
        probabilities: the judge's, float N x n_classes, of images generated without selection.
        labels: the requested labels, int64 N.
        class_names: one a class.
        thresholds: in [0, 1].

    Returns:
        One row a class and threshold: class_name, threshold, drawn, accepted, rate.
    """
    rows: list[dict[str, str | float | int]] = []
    for label, name in enumerate(class_names):
        mine = probabilities[labels == label]
        for threshold in thresholds:
            passed = int(accepted(mine, label, threshold).sum())
            rows.append(
                {
                    "class_name": name,
                    "threshold": threshold,
                    "drawn": len(mine),
                    "accepted": passed,
                    "rate": passed / len(mine) if len(mine) else 0.0,
                }
            )
    return rows
