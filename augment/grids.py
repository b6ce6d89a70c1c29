"""Grids of images as one picture."""

from __future__ import annotations

import numpy as np


def tile(images: np.ndarray, columns: int = 8, gap: int = 2) -> np.ndarray:
    """Lay images out in rows on a white ground.

    Args:
        images: uint8 N x H x W x C.
        columns: images a row.
        gap: white pixels between images.

    Returns:
        uint8 H' x W' (gray) or H' x W' x 3.
    """
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    page = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, np.uint8
    )
    for i, image in enumerate(images):
        top = gap + i // columns * (height + gap)
        left = gap + i % columns * (width + gap)
        page[top : top + height, left : left + width] = image
    return page[..., 0] if channels == 1 else page
