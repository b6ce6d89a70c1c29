"""Images on one sheet: every pixel of an image is a square of whole pixels of the PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.figures.style import DPI, INK, MUTED, SERIES, WIDTH, new_figure, plain

ROOM = round(WIDTH * DPI)
"""Pixels of the PNG side by side."""
WIDEST_IMAGE = 128
"""In pixels of the PNG."""

_NARROWEST = 4 * DPI
# In pixels of the PNG: text under images, above the first row, and under the sheet; between two
# groups; a letter of a caption and of a label or heading; the least side of an image that is drawn
# smaller for lack of room; the height from which that is, and that from which rows are left out.
_CAPTION_HEIGHT = 26
_HEADING_HEIGHT = 30
_NOTE_HEIGHT = 34
_GROUP_GAP = 40
_CAPTION_LETTER = 10
_LETTER = 11
_SMALLEST_IMAGE = 84
_TALL, _TALLEST = 1250, 1700


@dataclass(frozen=True)
class ImageRow:
    """Groups of images side by side, with a label on their left and captions under them."""

    groups: tuple[NDArray[np.uint8], ...]  # each N x H x W x C with C 1 or 3
    label: str = ""
    captions: tuple[Sequence[str], ...] = ()  # for each group at most one an image
    framed: bool = False


@dataclass(frozen=True)
class Tile:
    """An image and its place, in image pixels from the upper left corner of the sheet."""

    image: NDArray[np.uint8]  # H x W x C with C 1 or 3
    top: int
    left: int


def gap_between(side: int) -> int:
    """Pixels left free between images of this many pixels."""
    return max(2, side // 16)


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


def draw_rows(
    what: str,
    rows: Sequence[ImageRow],
    widths: Sequence[int],
    *,
    headings: Sequence[str] = (),
    noun: str = "rows",
) -> Figure:
    """Draw rows of images as large as the page allows.

    Args:
        what: the figure's name, for the message.
        rows: with as many groups each, all images of one size. Rows for which there is no room are
            left out, and the figure says how many.
        widths: how many images of each group are drawn; absent ones are left blank.
        headings: what stands above each group.
        noun: what a row is, in the plural.

    Raises:
        ReportError: no image.
    """
    if not any(len(images) for row in rows for images in row.groups):
        raise ReportError(f"{what}: no images to show")
    height, width = rows[0].groups[0].shape[1:3]
    gap = gap_between(width)
    longest = max(len(line) for row in rows for line in row.label.split("\n"))
    label_width = _LETTER * (longest + 2) if longest else 0
    caption_height = _CAPTION_HEIGHT if any(row.captions for row in rows) else 0
    room = ROOM - label_width - (len(widths) - 1) * _GROUP_GAP
    scale = max(1, min(room // (sum(widths) * (width + gap) + gap), WIDEST_IMAGE // width))
    while (scale - 1) * width >= _SMALLEST_IMAGE and (
        (scale * (height + gap) + caption_height) * len(rows) > _TALL
    ):
        scale -= 1
    pitch = height + gap + -(-caption_height // scale)
    shown = rows[: max(1, _TALLEST // (scale * pitch))]
    lefts = _lefts(widths, headings, width, scale)
    size = len(shown) * pitch + gap, lefts[-1][-1] + width + gap
    figure, axes = draw_sheet(
        [
            Tile(image, gap + i * pitch, left)
            for i, row in enumerate(shown)
            for images, columns in zip(row.groups, lefts, strict=True)
            for image, left in zip(images, columns, strict=False)
        ],
        size,
        scale,
        left=label_width,
        top=_HEADING_HEIGHT if headings else 0,
        bottom=_NOTE_HEIGHT if len(shown) < len(rows) else 0,
    )
    for i, row in enumerate(shown):
        top = gap + i * pitch - 0.5
        axes.text(
            -0.5 - 4 / scale, top + height / 2, row.label, ha="right", va="center", fontsize=9,
            linespacing=1.15, fontweight="bold" if row.framed else "normal", color=INK,
        )  # fmt: skip
        if row.framed:
            place, across = (gap / 2 - 0.5, top - gap / 2), size[1] - gap
            axes.add_patch(
                Rectangle(
                    place, across, height + gap, fill=False, edgecolor=SERIES[1], linewidth=1.5
                )
            )
        for captions, columns in zip_longest(row.captions, lefts, fillvalue=()):
            _write_captions(axes, captions, columns, top + height + 3 / scale, width, scale)
    for heading, columns in zip(headings, lefts, strict=False):
        axes.text(
            columns[0] - 0.5, -0.5 - 7 / scale, heading, ha="left", va="bottom", fontsize=9,
            fontweight="bold", color=INK,
        )  # fmt: skip
    if len(shown) < len(rows):
        note = f"{len(shown)} of {len(rows)} {noun} are shown."
        figure.text(0.5, 0.008, note, ha="center", va="bottom", fontsize=9, color=MUTED)
    return figure


def _lefts(
    widths: Sequence[int], headings: Sequence[str], width: int, scale: int
) -> list[list[int]]:
    """Left edges of a row's images, group by group, in image pixels."""
    gap = gap_between(width)
    lefts, start = [], gap
    for n, heading in zip_longest(widths, headings, fillvalue=""):
        columns = [start + k * (width + gap) for k in range(int(n))]
        lefts.append(columns)
        # The next group's heading stands beside this one.
        needed = -(-_LETTER * (len(str(heading)) + 1) // scale)
        start = max(columns[-1] + width + -(-_GROUP_GAP // scale), start + needed)
    return lefts


def _write_captions(
    axes: Axes, captions: Sequence[str], columns: Sequence[int], top: float, width: int, scale: int
) -> None:
    """Write captions under a group's images: each up to the next image, or into the gap."""
    room = columns[1] - columns[0] if len(columns) > 1 else width + 0.9 * _GROUP_GAP / scale
    for caption, left in zip(captions, columns, strict=False):
        text = _shortened(caption, int(scale * room // _CAPTION_LETTER))
        # One that is wider than its image must not leave the sheet on the left.
        wide = _CAPTION_LETTER * len(text) > scale * width
        axes.text(
            left - 0.5 + (0 if wide else width / 2), top, text, ha="left" if wide else "center",
            va="top", fontsize=8, color=INK,
        )  # fmt: skip


def _shortened(caption: str, longest: int) -> str:
    """A caption that fits; names of classes often differ at their ends only."""
    text = plain(caption, 40)
    if len(text) <= longest:
        return text
    end = max(1, (longest - 1) // 2)
    return f"{text[: longest - 1 - end]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"
