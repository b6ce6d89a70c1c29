"""Which epoch of a training is kept, and whether its images have all become alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from torch import Tensor

from augment.generators.budget import LEAST_STEPS

_COLLAPSED_SHARE = 0.1
# Images that are all alike end the training after this many epochs of them and LEAST_STEPS, and
# from the start after this share of it: a generator begins slowly.
_COLLAPSED_EPOCHS = 3
_SLOW_START = 0.25


@dataclass
class Best:
    """The epoch that would be kept if training ended now."""

    epoch: int = 0
    fid: float = math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)


class Selection:
    """Chooses the epoch as training goes on."""

    def __init__(self, keep: Literal["best", "last"], total: int, real_spread: float) -> None:
        """Start with no epoch.

        Args:
            keep: "best" is the lowest FID, and collapse ends the training; "last" the last epoch.
            total: steps of the whole training.
            real_spread: `spread_within_classes` of real images.
        """
        self.keep = keep
        self.total = total
        self.real_spread = real_spread
        self.best = Best()
        self.collapsed = 0  # Last epochs in a row whose images are all alike.

    def takes(self, spread: float, fid: float) -> bool:
        """Return whether an epoch of this spread and FID is the one to keep, up to now."""
        # Where every real image is the only one of its class, nothing is known of spread.
        known = math.isfinite(self.real_spread)
        alike = known and spread < _COLLAPSED_SHARE * self.real_spread
        self.collapsed = self.collapsed + 1 if alike else 0
        return self.keep == "last" or (self.collapsed == 0 and fid < self.best.fid)

    def take(self, epoch: int, fid: float, weights: Mapping[str, Tensor]) -> None:
        """Keep an epoch instead of the one before."""
        self.best = Best(epoch, fid, dict(weights))

    def collapse(self, epochs: list[int], ends: list[int]) -> str | None:
        """Return why the training has to end, or None.

        Args:
            epochs: numbers of the epochs that were scored.
            ends: steps done at the end of each.
        """
        begun = len(epochs) - self.collapsed
        alike_steps = ends[-1] - (ends[begun - 1] if begun else 0)
        if (
            self.keep == "best"
            and self.collapsed >= _COLLAPSED_EPOCHS
            and alike_steps >= LEAST_STEPS
            and (begun or ends[-1] >= _SLOW_START * self.total)
        ):
            return f"the images of epochs {epochs[begun]} to {epochs[-1]} are all alike (collapse)"
        return None


def spread_within_classes(images: np.ndarray, labels: np.ndarray) -> float:
    """Return how different images of one class are: pixel deviation, averaged over classes.

    A conditional generator that gives one image for each class has spread 0.

    Args:
        images: uint8 N x H x W x C.
        labels: int64 N; classes with one image do not count.
    """
    classes, counts = np.unique(labels, return_counts=True)
    spreads = [images[labels == c].std(axis=0).mean() for c in classes[counts > 1]]
    return float(np.mean(spreads)) if spreads else math.inf
