"""Images on one sheet: every pixel of an image is a square of whole pixels of the PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.style import DPI, WIDTH, new_figure

ROOM = round(WIDTH * DPI)
"""Pixels of the PNG side by side."""
WIDEST_IMAGE = 128
"""In pixels of the PNG."""

_NARROWEST = 4 * DPI


@dataclass(frozen=True)
class Tile:
    """An image and its place, in image pixels from the upper left corner of the sheet."""

    image: NDArray[np.uint8]  # H x W x C with C 1 or 3
    top: int
    left: int


def gap_between(side: int) -> int:
    """Pixels left free between images of this many pixels."""
    return max(2, side // 16)


def check_images(what: str, images: NDArray[Any], ndim: int = 4) -> None:
    """Check that images can be drawn.

    Args:
        what: the figure's name, for the message.
        images: the images, their last three axes being height, width and channels.
        ndim: how many axes there are.

    Raises:
        ReportError: other than uint8 with 1 or 3 channels, or images without pixels.
    """
    if (
        images.ndim != ndim
        or images.shape[-1] not in (1, 3)
        or images.dtype != np.uint8
        or 0 in images.shape[-3:]
    ):
        raise ReportError(
            f"{what}: images of shape {images.shape} and type {images.dtype}; "
            f"allowed: uint8, {'N x K' if ndim == 5 else 'N'} x H x W x C with 1 or 3 channels"
        )


def draw_sheet(
    tiles: Sequence[Tile],
    size: tuple[int, int],
    scale: int,
    *,
    left: int = 0,
    top: int = 0,
    bottom: int = 0,
) -> tuple[Figure, Axes]:
    """Draw images on a sheet that is transparent between them.

    Args:
        tiles: the images, which lie within the sheet.
        size: height and width of the sheet in image pixels.
        scale: side of an image pixel in pixels of the PNG.
        left: pixels of the PNG kept free for text on the left of the sheet.
        top: the same above it.
        bottom: the same below it.

    Returns:
        The figure, and the axes of the sheet, in image pixels with the origin in the middle of the
        upper left one.
    """
    sheet = np.zeros((*size, 4), dtype=np.uint8)
    for tile in tiles:
        height, width = tile.image.shape[:2]
        place = sheet[tile.top : tile.top + height, tile.left : tile.left + width]
        place[..., :3] = tile.image
        place[..., 3] = 255
    # Everything is placed by whole pixels: an image scaled by a fraction has uneven pixels.
    down, across = scale * size[0], scale * size[1]
    total, high = max(across + left, _NARROWEST), down + top + bottom
    figure = new_figure(total / DPI, high / DPI)
    figure.set_layout_engine("none")
    axes = figure.add_axes((left / total, bottom / high, across / total, down / high))
    axes.imshow(sheet, interpolation="none", aspect="auto")
    axes.set_axis_off()
    return figure, axes
