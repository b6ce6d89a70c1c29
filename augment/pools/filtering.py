"""Keeping the generated images that a judge reads as asked.

A generator without labels cannot be asked for a class: the judge's answers become the labels of
its images, as pseudo-labels (Lee, 2013).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Look = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
"""(start, stop) -> uint8 images of a stream, from ``start`` up to ``stop`` or less far but at least
one, and their class probabilities, float N x n_classes."""


@dataclass(frozen=True)
class Accepted:
    """What of a block passed the judge for one label."""

    images: np.ndarray  # uint8 n x H x W x C, in the order drawn; n may be 0
    drawn: int  # images of all blocks so far; at the end, until the last one that was needed


def accepted(probabilities: np.ndarray, label: int, threshold: float) -> np.ndarray:
    """Return which images pass: the label is the judge's answer, with confidence >= threshold.

    Args:
        probabilities: float N x n_classes.
        label: class index asked for.
        threshold: least probability of the label, 0 to 1.

    Returns:
        bool N.
    """
    answer = probabilities.argmax(axis=1) == label
    passed: np.ndarray = answer & (probabilities[:, label] >= threshold)
    return passed


def draw_accepted(
    look: Look, label: int, n: int, *, threshold: float, limit: int, block: int = 500
) -> Iterator[Accepted]:
    """Draw images of one label until ``n`` have passed the judge, or ``limit`` are drawn.

    Args:
        look: gives images of the label by index, and what the judge says of them.
        label: class index asked for.
        n: images to keep.
        threshold: least confidence.
        limit: images drawn at the most.
        block: images drawn at a time; never changes which are kept.

    Yields:
        What passed, a block at a time: fewer than ``n`` in all where ``limit`` images did not hold
        as many.
    """
    kept = start = 0
    while kept < n and start < limit:
        images, probabilities = look(start, min(start + block, limit))
        passed = np.flatnonzero(accepted(probabilities, label, threshold))[: n - kept]
        kept += len(passed)
        needed = len(images) if kept < n else int(passed[-1]) + 1
        yield Accepted(images[passed], start + needed)
        start += len(images)


@dataclass(frozen=True)
class PseudoLabelled:
    """What a block of one stream gave, labelled by the judge's answers."""

    images: np.ndarray  # uint8 n x H x W x C, in the order drawn
    labels: np.ndarray  # int64 n: the judge's answers
    # int64 n_classes: images with that answer so far, until the last one kept of a full class
    answered: np.ndarray
    drawn: int  # images drawn until the last one of these; all, at the end of a short stream


def draw_pseudo_labelled(
    look: Look,
    counts: Sequence[int] | np.ndarray,
    *,
    threshold: float,
    limit: int,
    block: int = 500,
) -> Iterator[PseudoLabelled]:
    """Draw images of one stream until every class has its number, or ``limit`` are drawn.

    A class gets its first images in the order drawn; what a full class would get is dropped.

    Args:
        look: gives images by index, and what the judge says of them.
        counts: images to keep of each class by the judge's answers, n_classes numbers from 0.
        threshold: least confidence of an answer, 0 to 1; 0 keeps every answer.
        limit: images drawn at the most, over all classes.
        block: images drawn at a time; changes where the pieces end, never what they hold together.

    Yields:
        Pieces in the order drawn, of up to ``block`` images: fewer than ``counts`` in all where
        ``limit`` images did not hold as many. The last one's ``answered`` and ``drawn`` hold for
        all; it alone may be without an image, where classes are not full.
    """
    missing = np.array(counts, dtype=np.int64)
    answered = np.zeros_like(missing)
    start = 0
    while missing.any() and start < limit:
        images, probabilities = look(start, min(start + block, limit))
        answers = probabilities.argmax(axis=1)
        confidence = probabilities[np.arange(len(images)), answers]
        keep = np.zeros(len(images), dtype=bool)
        for label in np.flatnonzero(missing):
            mine = answers == label
            passed = np.flatnonzero(mine & (confidence >= threshold))[: missing[label]]
            keep[passed] = True
            missing[label] -= len(passed)
            answered[label] += mine[: None if missing[label] else passed[-1] + 1].sum()
        kept = np.flatnonzero(keep)
        if len(kept):
            yield PseudoLabelled(
                images[kept], answers[kept], answered.copy(), start + int(kept[-1]) + 1
            )
        start += len(images)
    if start and missing.any():
        yield PseudoLabelled(images[:0], answers[:0], answered.copy(), start)


def acceptance_by_threshold(
    probabilities: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    thresholds: Sequence[float],
) -> list[dict[str, str | float | int]]:
    """Count, for each class and threshold, the images that would pass.

    Args:
        probabilities: the judge's, float N x n_classes, of images drawn without selection.
        labels: the labels asked for, int64 N.
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
