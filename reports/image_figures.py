"""Pictures: samples by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.style import INK, WIDTH, house_style, new_figure, plain

_GAP = 2
_MOST_CLASSES = 24


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


def _sheet(
    images: NDArray[np.uint8], labels: NDArray[np.integer[Any]], n_classes: int, per_class: int
) -> NDArray[np.uint8]:
    """One RGBA picture of all rows; gaps and absent images are transparent."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8:
        raise ReportError(
            f"sample grid: images of shape {images.shape} and type {images.dtype}; "
            "allowed: uint8, N x H x W x C with 1 or 3 channels"
        )
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
