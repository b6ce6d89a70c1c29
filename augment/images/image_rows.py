"""Chosen images of one or several sets, read only when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augment.images.image_sets import ImageSet


@dataclass(frozen=True)
class ImageRows:
    """A view of chosen rows of image sets, one after the other; no pixel is copied before use.

    Training on memory-mapped sets through it needs memory for one batch only.
    """

    sets: Sequence[ImageSet]  # all of one image shape
    indices: Sequence[np.ndarray]  # for each set, int64 rows

    def __len__(self) -> int:
        return sum(len(index) for index in self.indices)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C), as an array would say."""
        height, width, channels = self.sets[0].images.shape[1:]
        return len(self), height, width, channels

    @property
    def labels(self) -> np.ndarray:
        """Labels of all rows, int64 N."""
        return np.concatenate([s.labels[i] for s, i in zip(self.sets, self.indices, strict=True)])

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of ``rows`` (int64), uint8 len(rows) x H x W x C, writable.

        Raises:
            IndexError: when a row is not in 0 .. N - 1.
        """
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(f"rows {rows.min()} to {rows.max()}; allowed: 0 to {len(self) - 1}")
        out = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        start = 0
        for image_set, index in zip(self.sets, self.indices, strict=True):
            mine = (rows >= start) & (rows < start + len(index))
            out[mine] = image_set.images[index[rows[mine] - start]]
            start += len(index)
        return out


def all_rows(image_set: ImageSet) -> ImageRows:
    """Return every row of a set."""
    return ImageRows([image_set], [np.arange(len(image_set))])
