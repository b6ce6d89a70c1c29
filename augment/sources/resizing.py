"""Bringing images to one size and one number of channels.

Every image goes the same way: centre crop to a square, then Lanczos resampling (Pillow's, which
widens the filter when it reduces, so that nothing aliases). An image that already has the size
keeps its pixels. Gray from colour is the luma of ITU-R BT.601; colour from gray repeats it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

#: Name of the resampling filter, for ``meta.json``.
RESAMPLING = "lanczos"


def square_resize(image: Image.Image, size: int) -> Image.Image:
    """Crop ``image`` to its central square and resize it to ``size`` x ``size`` pixels.

    Args:
        image: mode ``L`` or ``RGB``, any size from 1 x 1.
        size: side of the result in pixels.
    """
    width, height = image.size
    side = min(width, height)
    # Whole pixels: half a pixel of offset would blur an image that needs no resampling.
    left, top = (width - side) // 2, (height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    if side == size:
        return square
    # Averaging whole blocks first makes large photographs fast; the gap keeps Lanczos' quality.
    return square.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)


def to_array(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """Return ``image`` (mode ``L`` or ``RGB``) as uint8, ``size`` x ``size`` x ``channels``."""
    mode = "L" if channels == 1 else "RGB"
    square = square_resize(image if image.mode == mode else image.convert(mode), size)
    return np.asarray(square, dtype=np.uint8).reshape(size, size, channels)


def fit_gray(images: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Resize a batch of gray images and give it the wanted number of channels.

    Args:
        images: uint8, N x H x W.
        size: side of the result in pixels; images of that size keep their values.
        channels: 1, or 3 for the gray value three times.

    Returns:
        uint8, N x size x size x channels.
    """
    if images.shape[1:] != (size, size):
        images = np.stack(
            [np.asarray(square_resize(Image.fromarray(image), size)) for image in images]
        )
    return np.repeat(images[..., None], channels, axis=3)
