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


def untile(page: np.ndarray, height: int, width: int, gap: int = 2) -> np.ndarray:
    """Cut a picture made by `tile` back into its places.

    Args:
        page: uint8 H' x W' (gray) or H' x W' x 3.
        height: of one image, in pixels.
        width: of one image, in pixels.
        gap: pixels between images.

    Returns:
        uint8 rows x columns x H x W x C; places that no image was laid on are white.

    Raises:
        ValueError: when images of this size and gap do not make up the picture.
    """
    channels = 1 if page.ndim == 2 else page.shape[-1]
    across, down = width + gap, height + gap
    # A picture is one gap larger than its rows and columns of an image and a gap each.
    rows, rest_down = divmod(page.shape[0] - gap, down)
    columns, rest_across = divmod(page.shape[1] - gap, across)
    if rest_down or rest_across or min(rows, columns) < 1 or page.dtype != np.uint8:
        raise ValueError(
            f"a picture of {page.shape[1]} x {page.shape[0]} pixels is not made up of images of "
            f"{width} x {height} with gaps of {gap}"
        )
    places = page[gap:, gap:].reshape(rows, down, columns, across, channels)
    return places[:, :height, :, :width].transpose(0, 2, 1, 3, 4)
