"""Keeping the generated images that a judge reads as asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from augment.errors import AugmentError

Draw = Callable[[int, int, int], np.ndarray]
"""(label, start, stop) -> uint8 images ``start`` to ``stop`` of that label."""

Judge = Callable[[np.ndarray], np.ndarray]
"""uint8 images -> float class probabilities, N x n_classes."""


class AcceptanceError(AugmentError):
    """A class did not give enough accepted images within the limit."""


@dataclass(frozen=True)
class Accepted:
    """What passed the judge for one label."""

    images: np.ndarray  # uint8 n x H x W x C, in the order drawn
    index: np.ndarray  # int64 n: which images of the label these are
    confidence: np.ndarray  # float n: the judge's probability of the label
    drawn: int  # images drawn until the last accepted one

    @property
    def rate(self) -> float:
        """Share of the drawn images that were accepted."""
        return len(self.index) / self.drawn if self.drawn else 0.0


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
    draw: Draw,
    judge: Judge,
    label: int,
    n: int,
    *,
    threshold: float,
    limit: int,
    block: int = 500,
    name: str = "",
    advice: str = "lower the confidence asked for",
) -> Accepted:
    """Draw images of one label until ``n`` have passed the judge.

    Args:
        draw: gives images of a label by index.
        judge: gives class probabilities.
        label: class index asked for.
        n: images to keep.
        threshold: least confidence.
        limit: images drawn at the most.
        block: images drawn at a time; never changes which are kept.
        name: the label's name, for the error.
        advice: what to change, for the error.

    Raises:
        AcceptanceError: when ``limit`` images did not hold ``n`` that pass.
    """
    images: list[np.ndarray] = []
    index: list[np.ndarray] = []
    confidence: list[np.ndarray] = []
    kept = start = 0
    while kept < n and start < limit:
        stop = min(start + block, limit)
        drawn = draw(label, start, stop)
        probabilities = judge(drawn)
        passed = np.flatnonzero(accepted(probabilities, label, threshold))[: n - kept]
        images.append(drawn[passed])
        index.append(passed + start)
        confidence.append(probabilities[passed, label])
        kept += len(passed)
        start = stop
    if kept < n:
        rate = kept / limit if limit else 0.0
        raise AcceptanceError(
            f"class {name or label}: {kept} of {limit} images reached confidence {threshold:g} "
            f"({rate:.1%}), {n} were asked for; {advice}"
        )
    where = np.concatenate(index) if index else np.empty(0, dtype=np.int64)
    return Accepted(
        images=np.concatenate(images) if images else draw(label, 0, 0),
        index=where,
        confidence=np.concatenate(confidence) if confidence else np.empty(0),
        drawn=int(where[-1]) + 1 if len(where) else 0,
    )


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
