"""Pictures: samples by class, epochs under one another, reconstructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.sheets import ROOM, WIDEST_IMAGE, Tile, check_images, draw_sheet, gap_between
from reports.style import INK, SERIES, WIDTH, house_style, new_figure, plain

_GAP = 2
_MOST_CLASSES = 24
_MOST_EPOCHS = 8
_COLLAGE_COLUMNS = 12
_PAIR_COLUMNS = 16
_ENOUGH_COLUMNS = 8
# Room for the rows' labels, in pixels of the PNG.
_LABEL_WIDTH = 156


@house_style
def sample_grid(
    groups: Mapping[str, tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]],
    class_names: Sequence[str],
    *,
    per_class: int = 8,
) -> Figure:
    """Images by class, one row a class and one panel a group, side by side.

    Args:
        groups: panel title -> (uint8 N x H x W x C images with C 1 or 3, N labels); for example
            ``{"Generated": (...), "Real": (...)}``. The first images of each class are shown; one
            size for all groups.
        class_names: names in label order; at most the first 24 classes are drawn.
        per_class: images in a row of each panel.

    Returns:
        The figure; absent images are left blank.

    Raises:
        ReportError: no groups, or images of another kind.
    """
    if not groups or per_class < 1:
        raise ReportError("sample grid: no images to show")
    shown = min(len(class_names), _MOST_CLASSES)
    sheets = {
        title: _sheet(images, labels, shown, per_class)
        for title, (images, labels) in groups.items()
    }
    shapes = {sheet.shape[:2] for sheet in sheets.values()}
    if len(shapes) > 1:
        raise ReportError(f"sample grid: groups of different image sizes; sheets {sorted(shapes)}")
    rows, columns = shapes.pop()
    left = 0.3 + 0.085 * max(len(plain(name)) for name in class_names[:shown])
    panel_width = (WIDTH - left) / len(sheets)
    panel_width = min(panel_width, 0.52 * per_class)
    height = panel_width * rows / columns + 0.5
    figure = new_figure(left + panel_width * len(sheets), height)
    panels = figure.subplots(1, len(sheets), squeeze=False)[0]
    for index, (axes, (title, sheet)) in enumerate(zip(panels, sheets.items(), strict=True)):
        # "none" keeps the pixels: sharp squares in the PNG, one small picture in the SVG.
        axes.imshow(sheet, interpolation="none")
        axes.set_title(plain(title, 40))
        axes.grid(visible=False)
        axes.set_xticks([])
        step = rows / shown
        if index == 0:
            centres = [step * (row + 0.5) - 0.5 for row in range(shown)]
            axes.set_yticks(centres, [plain(name) for name in class_names[:shown]], color=INK)
        else:
            axes.set_yticks([])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


@house_style
def epoch_collage(
    grids: Mapping[int, NDArray[np.uint8]],
    scores: Mapping[int, float],
    best_epoch: int | None = None,
) -> Figure:
    """What the generator made of the same noise at different epochs, one row an epoch.

    Args:
        grids: epoch -> uint8 M x H x W x C images with C 1 or 3, drawn from the same noise in the
            same order; one size for all. The epochs of `chosen_epochs` are shown, and the first
            12 images of each, or as many as the page holds side by side.
        scores: epoch -> FID; an epoch without one, or with NaN, is shown without.
        best_epoch: the epoch whose weights were kept; its row is framed.

    Returns:
        The figure. In its PNG every pixel of an image is a square of whole pixels.

    Raises:
        ReportError: no epochs, or images of another kind.
    """
    epochs = chosen_epochs(list(grids), best_epoch)
    n = min((len(grids[epoch]) for epoch in epochs), default=0)
    rows = []
    for epoch in epochs:
        lines = [f"epoch {epoch}"]
        score = scores.get(epoch, np.nan)
        if not np.isnan(score):
            lines.append(f"FID {score:.1f}")
        if epoch == best_epoch:
            lines.append("kept")
        rows.append(_Row(grids[epoch][:n], "\n".join(lines), framed=epoch == best_epoch))
    return _picture_rows("epoch collage", rows, _COLLAGE_COLUMNS)


def chosen_epochs(
    epochs: Sequence[int], best_epoch: int | None = None, most: int = _MOST_EPOCHS
) -> list[int]:
    """Which epochs a collage shows: evenly spaced, the first, best and last among them.

    Args:
        epochs: all there are, in any order.
        best_epoch: shown in place of its nearest neighbour; ignored where it is not among them.
        most: epochs to choose, at least 3.

    Returns:
        The chosen ones in order; all where there are no more than ``most``.
    """
    known = sorted(set(epochs))
    if len(known) <= most:
        return known
    places = np.linspace(0, len(known) - 1, most).round().astype(int).tolist()
    if best_epoch in known:
        best = known.index(best_epoch)
        if best not in places:
            # Never the first or the last.
            nearest = min(range(1, most - 1), key=lambda i: abs(places[i] - best))
            places[nearest] = best
    return [known[place] for place in sorted(places)]


@house_style
def reconstructions(pairs: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> Figure:
    """What an autoencoder makes of real images, and what it makes of noise.

    Args:
        pairs: uint8 2 x N x H x W x C with C 1 or 3, real images and their reconstructions. At
            most 16 are shown, evenly spaced where there are more.
        drawn: uint8 M x H x W x C, images decoded from noise; the first ones are shown.

    Returns:
        The figure: three rows. In its PNG every pixel of an image is a square of whole pixels.

    Raises:
        ReportError: no images, or images of another kind.
    """
    if pairs.ndim != 5 or len(pairs) != 2:
        raise ReportError(
            f"reconstructions: pairs of shape {pairs.shape}; allowed: 2 x N x H x W x C"
        )
    n = min(pairs.shape[1], _fitting(pairs.shape[3], _PAIR_COLUMNS))
    spread = np.arange(n) * pairs.shape[1] // max(1, n)
    rows = [
        _Row(pairs[0, spread], "Real"),
        _Row(pairs[1, spread], "Reconstructed"),
        _Row(drawn[:n], "From noise"),
    ]
    return _picture_rows("reconstructions", rows, n)


@dataclass(frozen=True)
class _Row:
    """Images side by side, with a label on their left."""

    images: NDArray[np.uint8]
    label: str
    framed: bool = False


def _fitting(side: int, most: int) -> int:
    """How many images fit side by side: at twice their size if those are enough."""
    gap = gap_between(side)
    room = ROOM - _LABEL_WIDTH
    twice, once = ((room // scale - gap) // (side + gap) for scale in (2, 1))
    return max(1, min(most, twice if twice >= min(most, _ENOUGH_COLUMNS) else once))


def _picture_rows(what: str, rows: Sequence[_Row], most: int) -> Figure:
    """Rows of images, each image pixel a square of whole pixels of the PNG."""
    shapes = {row.images.shape[1:] for row in rows}
    if len(shapes) > 1:
        raise ReportError(f"{what}: images of different shapes: {sorted(shapes)}")
    if not rows or not len(rows[0].images):
        raise ReportError(f"{what}: no images to show")
    for row in rows:
        check_images(what, row.images)
    height, width = rows[0].images.shape[1:3]
    columns = min(max(len(row.images) for row in rows), _fitting(width, most))
    gap = gap_between(width)
    tiles = [
        Tile(image, gap + i * (height + gap), gap + k * (width + gap))
        for i, row in enumerate(rows)
        for k, image in enumerate(row.images[:columns])
    ]
    size = len(rows) * (height + gap) + gap, columns * (width + gap) + gap
    scale = max(1, min((ROOM - _LABEL_WIDTH) // size[1], WIDEST_IMAGE // width))
    figure, axes = draw_sheet(tiles, size, scale, left=_LABEL_WIDTH)
    for i, row in enumerate(rows):
        top = gap + i * (height + gap) - 0.5
        axes.text(
            -0.5 - 4 / scale, top + height / 2, row.label, ha="right", va="center", fontsize=9,
            linespacing=1.15, fontweight="bold" if row.framed else "normal", color=INK,
        )  # fmt: skip
        if row.framed:
            edge = gap / 2
            axes.add_patch(
                Rectangle(
                    (edge - 0.5, top - edge),
                    size[1] - gap,
                    height + gap,
                    fill=False,
                    edgecolor=SERIES[1],
                    linewidth=1.5,
                )
            )
    return figure


def _sheet(
    images: NDArray[np.uint8], labels: NDArray[np.integer[Any]], n_classes: int, per_class: int
) -> NDArray[np.uint8]:
    """One RGBA picture of all rows; gaps and absent images are transparent."""
    check_images("sample grid", images)
    if labels.shape != (len(images),):
        raise ReportError(f"sample grid: {len(images)} images with labels of shape {labels.shape}")
    height, width = images.shape[1:3]
    gap = max(_GAP, height // 14)
    sheet = np.zeros((n_classes * (height + gap), per_class * (width + gap), 4), dtype=np.uint8)
    for label in range(n_classes):
        for place, index in enumerate(np.flatnonzero(labels == label)[:per_class]):
            top = label * (height + gap) + gap // 2
            left = place * (width + gap) + gap // 2
            sheet[top : top + height, left : left + width, :3] = images[index]
            sheet[top : top + height, left : left + width, 3] = 255
    return sheet
