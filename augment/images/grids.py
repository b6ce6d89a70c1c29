"""Grids of images as one picture."""

from __future__ import annotations

import numpy as np

GAP = 2
"""White pixels between images."""


def tile(images: np.ndarray, columns: int = 8) -> np.ndarray:
    """Lay images out in rows on a white ground.

    Args:
        images: uint8 N x H x W x C.
        columns: images a row.

    Returns:
        uint8 H' x W' (gray) or H' x W' x 3.
    """
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    page = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), 255, np.uint8
    )
    for i, image in enumerate(images):
        top = GAP + i // columns * (height + GAP)
        left = GAP + i % columns * (width + GAP)
        page[top : top + height, left : left + width] = image
    return page[..., 0] if channels == 1 else page


def untile(page: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut a picture made by `tile` back into its places.

    Args:
        page: uint8 H' x W' (gray) or H' x W' x 3.
        height: of one image, in pixels.
        width: of one image, in pixels.

    Returns:
        uint8 rows x columns x H x W x C; places that no image was laid on are white.

    Raises:
        ValueError: when images of this size do not make up the picture.
    """
    channels = 1 if page.ndim == 2 else page.shape[-1]
    across, down = width + GAP, height + GAP
    # A picture is one gap larger than its rows and columns of an image and a gap each.
    rows, rest_down = divmod(page.shape[0] - GAP, down)
    columns, rest_across = divmod(page.shape[1] - GAP, across)
    if rest_down or rest_across or min(rows, columns) < 1 or page.dtype != np.uint8:
        raise ValueError(
            f"a picture of {page.shape[1]} x {page.shape[0]} pixels is not made up of images of "
            f"{width} x {height} with gaps of {GAP}"
        )
    places = page[GAP:, GAP:].reshape(rows, down, columns, across, channels)
    return places[:, :height, :, :width].transpose(0, 2, 1, 3, 4)
