"""Looking into a generator and a classifier: neighbours, scores, activations, right and wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.sheets import ROOM, WIDEST_IMAGE, Tile, check_images, draw_sheet, gap_between
from reports.style import (
    INK,
    MARKERS,
    MUTED,
    PAPER,
    SERIES,
    WIDTH,
    house_style,
    new_figure,
    percent,
    plain,
    tick_percent,
)

CLASS_COLOURS = (
    *("#2f7fc1", "#d55e00", "#009e73", "#cc6a9f", "#b58900"),
    *("#25a0c4", "#8f6ad8", "#a8694a", "#7f8f1f", "#80868f"),
)
"""Told apart on a light and on a dark ground (contrast 3 or more)."""

_MOST_CLASSES = 24
_MOST_EXAMPLES = 4
_BINS = 20
# In pixels of the PNG: text under images, above the first row, and under the sheet; between two
# groups and between two blocks; a letter of a caption and of a label or heading; the smallest
# image; the height from which images are drawn smaller, and that from which rows are left out.
_CAPTION_HEIGHT = 26
_HEADING_HEIGHT = 30
_NOTE_HEIGHT = 34
_GROUP_GAP = 40
_BLOCK_GAP = 64
_CAPTION_LETTER = 10
_LETTER = 11
_SMALLEST_IMAGE = 56
_TALL, _TALLEST = 1250, 1700
# Letters of a caption that are worth larger images.
_LONG_CAPTION = 14


@house_style
def nearest_neighbours(
    queries: NDArray[np.uint8],
    neighbours: NDArray[np.uint8],
    distances: NDArray[np.floating[Any]],
    class_names: Sequence[str],
    labels: NDArray[np.integer[Any]],
) -> Figure:
    """Generated images, each beside the training images that are nearest to it.

    Args:
        queries: generated images, uint8 N x H x W x C with C 1 or 3; about ten of them.
        neighbours: training images, uint8 N x K x H x W x C, nearest first; four of each.
        distances: Euclidean distances of the neighbours, finite, N x K.
        class_names: names in label order.
        labels: labels of the generated images, N, in [0, len(class_names)).

    Returns:
        The figure: a row a generated image, its class under it and the distances under its
        neighbours. Rows for which there is no room are left out, and the figure says how many. In
        its PNG every pixel of an image is a square of whole pixels.

    Raises:
        ReportError: no images, images of another kind, or arrays that do not fit each other.
    """
    check_images("nearest neighbours", queries)
    check_images("nearest neighbours", neighbours, ndim=5)
    n, k = neighbours.shape[:2]
    fitting = (
        neighbours.shape[2:] == queries.shape[1:]
        and len(queries) == n
        and distances.shape == (n, k)
        and labels.shape == (n,)
    )
    if not fitting or min(n, k) < 1:
        raise ReportError(
            f"nearest neighbours: images of shape {queries.shape}, neighbours of shape "
            f"{neighbours.shape}, {distances.shape} distances and {labels.shape} labels; "
            "allowed: N x H x W x C, N x K x H x W x C, N x K and N, with one or more of each"
        )
    if not np.isfinite(distances).all():
        raise ReportError("nearest neighbours: distances that are not finite; allowed: numbers")
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ReportError(
            f"nearest neighbours: labels from {labels.min()} to {labels.max()}; "
            f"allowed: 0 to {len(class_names) - 1}"
        )
    rows = [
        _Row(
            (queries[i : i + 1], neighbours[i]),
            ([class_names[int(labels[i])]], [f"{distance:.2f}" for distance in distances[i]]),
        )
        for i in range(n)
    ]
    headings = ("Generated", "Nearest training images")
    return _picture_rows(rows, (1, k), headings, "generated images")


@house_style
def examples(
    successes: Mapping[int, NDArray[np.uint8]],
    failures: Mapping[int, tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]],
    class_names: Sequence[str],
) -> Figure:
    """Test images that a classifier reads right, and those that it reads as another class.

    Args:
        successes: label -> uint8 N x H x W x C images with C 1 or 3 that are read right.
        failures: label -> images that are not, and the predicted labels, M. One size for all; the
            first 4 of each class are shown.
        class_names: names in label order; at most the first 24 classes that have an image are
            drawn.

    Returns:
        The figure: a row a class, under each wrong answer the predicted class. Absent images are
        left blank. Classes for which there is no room are left out, and the figure says how many.
        In its PNG every pixel of an image is a square of whole pixels.

    Raises:
        ReportError: no images, images of another kind, or labels without a name.
    """
    wrong = {label: images for label, (images, _) in failures.items()}
    answers = {label: predicted for label, (_, predicted) in failures.items()}
    given = [*successes.values(), *wrong.values()]
    for images in given:
        check_images("examples", images)
    shapes = {images.shape[1:] for images in given}
    if len(shapes) > 1:
        raise ReportError(f"examples: images of different shapes: {sorted(shapes)}")
    for label, predicted in answers.items():
        if predicted.shape != (len(wrong[label]),):
            raise ReportError(
                f"examples: {len(wrong[label])} images with answers of shape {predicted.shape}"
            )
    named = [*successes, *failures, *(int(label) for p in answers.values() for label in p)]
    if named and not 0 <= min(named) <= max(named) < len(class_names):
        raise ReportError(
            f"examples: labels from {min(named)} to {max(named)}; "
            f"allowed: 0 to {len(class_names) - 1}"
        )
    rows = []
    nothing = np.zeros((0, *(shapes.pop() if shapes else (1, 1, 1))), dtype=np.uint8)
    for label, name in enumerate(class_names):
        groups = (
            successes.get(label, nothing)[:_MOST_EXAMPLES],
            wrong.get(label, nothing)[:_MOST_EXAMPLES],
        )
        if any(map(len, groups)):
            said = [class_names[int(k)] for k in answers.get(label, ())][:_MOST_EXAMPLES]
            rows.append(_Row(groups, ([], said), name))
    if not rows:
        raise ReportError("examples: no images to show")
    headings = ("Read right", "Read wrong, as")
    return _picture_rows(rows, (_MOST_EXAMPLES,) * 2, headings, "classes", most=_MOST_CLASSES)


@dataclass(frozen=True)
class _Row:
    """Groups of images side by side, with a label on their left and captions under them."""

    groups: tuple[NDArray[np.uint8], ...]
    captions: tuple[Sequence[str], ...]
    label: str = ""


def _picture_rows(
    rows: Sequence[_Row],
    widths: Sequence[int],
    headings: Sequence[str],
    noun: str,
    most: int | None = None,
) -> Figure:
    """Rows of images in one or two blocks side by side; ``widths`` are images a group."""
    height, width = rows[0].groups[0].shape[1:3]
    shown = list(rows[:most])
    longest = max(len(plain(row.label)) for row in shown)
    label_width = _LETTER * (longest + 2) if longest else 0
    scale, blocks = _fit(shown, widths, headings, label_width)
    lefts = _lefts(widths, headings, width, scale)
    pitch = height + -(-_CAPTION_HEIGHT // scale)
    # The first block's labels have a margin of the sheet; the second one's lie on it.
    step = lefts[-1][-1] + width + -(-(_BLOCK_GAP + label_width) // scale)

    shown = shown[: blocks * max(1, _TALLEST // (scale * pitch))]
    down = -(-len(shown) // blocks)
    note = f"{len(shown)} of {len(rows)} {noun} are shown." if len(shown) < len(rows) else ""
    places = [divmod(index, down) for index in range(len(shown))]
    tiles = [
        Tile(image, place * pitch, block * step + left)
        for row, (block, place) in zip(shown, places, strict=True)
        for images, columns in zip(row.groups, lefts, strict=True)
        for image, left in zip(images, columns, strict=False)
    ]
    figure, axes = draw_sheet(
        tiles, (down * pitch, (blocks - 1) * step + lefts[-1][-1] + width), scale,
        left=label_width, top=_HEADING_HEIGHT, bottom=_NOTE_HEIGHT if note else 0,
    )  # fmt: skip
    for row, (block, place) in zip(shown, places, strict=True):
        top, start = place * pitch - 0.5, block * step - 0.5
        axes.text(
            start - 8 / scale, top + height / 2, plain(row.label), ha="right", va="center",
            fontsize=9, color=INK,
        )  # fmt: skip
        for captions, columns in zip(row.captions, lefts, strict=True):
            room = scale * _caption_room(columns, width, scale)
            for caption, left in zip(captions, columns, strict=False):
                text = _shortened(caption, int(room // _CAPTION_LETTER))
                # One that is wider than its image must not leave the sheet on the left.
                wide = _CAPTION_LETTER * len(text) > scale * width
                axes.text(
                    start + left + (0 if wide else width / 2), top + height + 3 / scale, text,
                    ha="left" if wide else "center", va="top", fontsize=8, color=INK,
                )  # fmt: skip
    for block in {block for block, _ in places}:
        for heading, columns in zip(headings, lefts, strict=True):
            axes.text(
                block * step - 0.5 + columns[0], -0.5 - 7 / scale, heading, ha="left", va="bottom",
                fontsize=9, fontweight="bold", color=INK,
            )  # fmt: skip
    if note:
        figure.text(0.5, 0.008, note, ha="center", va="bottom", fontsize=9, color=MUTED)
    return figure


def _fit(
    rows: Sequence[_Row], widths: Sequence[int], headings: Sequence[str], label_width: int
) -> tuple[int, int]:
    """Scale of the images and number of blocks: two where captions can be read in them."""
    height, width = rows[0].groups[0].shape[1:3]

    def largest(blocks: int) -> int:
        room = ROOM - blocks * (label_width + (len(widths) - 1) * _GROUP_GAP)
        room -= (blocks - 1) * _BLOCK_GAP
        gap = gap_between(width)
        across = blocks * sum(n * (width + gap) - gap for n in widths)
        return int(min(room // across, WIDEST_IMAGE // width))

    def readable(scale: int) -> bool:
        lefts = _lefts(widths, headings, width, scale)
        rooms = [_caption_room(columns, width, scale) for columns in lefts]
        return scale * width >= _SMALLEST_IMAGE and all(
            _CAPTION_LETTER * min(len(caption), _LONG_CAPTION) <= scale * room
            for row in rows
            for captions, room in zip(row.captions, rooms, strict=True)
            for caption in captions
        )

    if len(rows) > 2 and largest(2) and readable(largest(2)):
        return largest(2), 2
    scale = max(1, largest(1))
    while scale > 1 and scale * len(rows) * height > _TALL and readable(scale - 1):
        scale -= 1
    return scale, 1


def _lefts(
    widths: Sequence[int], headings: Sequence[str], width: int, scale: int
) -> list[list[int]]:
    """Left edges of a row's images, group by group, in image pixels."""
    lefts, start = [], 0
    for n, heading in zip(widths, headings, strict=True):
        columns = [start + k * (width + gap_between(width)) for k in range(n)]
        lefts.append(columns)
        # The next group's heading stands beside this one.
        needed = -(-_LETTER * (len(heading) + 1) // scale)
        start = max(columns[-1] + width + -(-_GROUP_GAP // scale), start + needed)
    return lefts


def _shortened(caption: str, longest: int) -> str:
    """A caption that fits; names of classes often differ at their ends only."""
    text = plain(caption, 40)
    if len(text) <= longest:
        return text
    end = max(1, (longest - 1) // 2)
    return f"{text[: longest - 1 - end]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"


def _caption_room(columns: Sequence[int], width: int, scale: int) -> float:
    """Image pixels that a caption may take: to the next image of its group, or into the gap."""
    return columns[1] - columns[0] if len(columns) > 1 else width + 0.9 * _GROUP_GAP / scale


@dataclass(frozen=True)
class _Look:
    """How one group of images is drawn in every figure of this module."""

    colour: str
    linestyle: str
    marker: str


_LOOKS = {
    "generated": _Look(SERIES[1], "-", MARKERS[0]),
    "training": _Look(SERIES[2], "-.", MARKERS[2]),
    "test": _Look(SERIES[0], "--", MARKERS[1]),
    "real": _Look(SERIES[0], "--", MARKERS[1]),
}


@house_style
def neighbour_coverage(table: pd.DataFrame) -> Figure:
    """How many training images are somebody's nearest, class by class.

    The test for collapse of Bohnstedt (FAU Erlangen-Nuernberg): a generator that makes few
    different images has few training images as everyone's neighbour. Test images show what as many
    different images would reach.

    Args:
        table: rows class_name, group ('generated' or 'test'), n_queries, n_train, share (of the
            class's training images that are the nearest of a query) and most (largest share of the
            queries that have one image as their nearest); fractions, NaN where unknown. Of more
            than 24 classes the 24 whose generated images have the lowest share are drawn.

    Returns:
        The figure: a row a class, its generated images beside its test images.

    Raises:
        ReportError: no rows with a known share.
    """
    if table.empty or table["share"].isna().all():
        raise ReportError("neighbour coverage: no class with images whose neighbours are known")
    groups = [name for name in ("test", "generated") if (table["group"] == name).any()]
    names = list(dict.fromkeys(table["class_name"]))
    n_classes = len(names)
    if n_classes > _MOST_CLASSES:
        shares = table[table["group"] == groups[-1]].groupby("class_name", sort=False)["share"]
        lowest = shares.min().sort_values(kind="stable").index[:_MOST_CLASSES]
        names = [name for name in names if name in set(lowest)]
    figure = new_figure(WIDTH, 1.55 + 0.29 * len(names))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, column in zip(panels, ("share", "most"), strict=True):
        values = table.pivot_table(index="class_name", columns="group", values=column)
        _draw_coverage(axes, values.reindex(index=names, columns=groups))
    panels[0].set_title("Training images that are somebody's nearest", fontsize=10.5)
    panels[0].set_xlabel("Share of the class's training images")
    panels[1].set_title("Images with one and the same nearest", fontsize=10.5)
    panels[1].set_xlabel("Largest share of the class's images")
    panels[0].set_yticks(range(len(names)), [plain(name) for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, numpoints=1
    )
    if n_classes > len(names):
        figure.supxlabel(
            f"{len(names)} of {n_classes} classes: those with the lowest share of training images",
            fontsize=9,
        )
    return figure


def _draw_coverage(axes: Axes, values: pd.DataFrame) -> None:
    """A row a class, its groups (columns, fractions) joined by a line."""
    places = np.arange(len(values))
    axes.hlines(places, values.min(axis=1), values.max(axis=1), color=MUTED, linewidth=1.3)
    for group in values:
        look = _LOOKS[str(group)]
        axes.plot(
            values[group].to_numpy(np.float64), places, look.marker, color=look.colour,
            markerfacecolor=PAPER if group == "test" else look.colour, markeredgewidth=1.6,
            markersize=7, label=f"{group} images", clip_on=False,
        )  # fmt: skip
    largest = float(np.nanmax(values.to_numpy(np.float64), initial=0))
    axes.set_xlim(0, max(1.12 * largest, 0.001))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_percent(value)))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


@house_style
def discriminator_scores(table: pd.DataFrame) -> Figure:
    """How real the discriminator takes generated, training and test images for.

    Args:
        table: rows epoch, group ('generated', 'training' or 'test') and score, from 0 (generated)
            to 1 (real). Of more than two epochs the last two are drawn.

    Returns:
        The figure: a panel an epoch, in each a histogram a group and its share above 0.5.

    Raises:
        ReportError: no scores, or scores out of range.
    """
    if table.empty:
        raise ReportError("scores of the discriminator: there are none")
    if not table["score"].between(0, 1).all():
        raise ReportError(
            f"scores of the discriminator from {table['score'].min()} to {table['score'].max()}; "
            "allowed: from 0 to 1"
        )
    epochs = sorted(int(epoch) for epoch in table["epoch"].unique())[-2:]
    figure = new_figure(WIDTH if len(epochs) > 1 else 0.6 * WIDTH, 4.1)
    panels = figure.subplots(1, len(epochs), squeeze=False, sharey=True)[0]
    edges = np.arange(_BINS + 1) / _BINS
    for axes, epoch in zip(panels, epochs, strict=True):
        for group in ("training", "test", "generated"):
            rows = table[(table["epoch"] == epoch) & (table["group"] == group)]
            scores = rows["score"].to_numpy(np.float64)
            if not len(scores):
                continue
            look = _LOOKS[group]
            shares = np.histogram(scores, edges)[0] / len(scores)
            axes.stairs(
                shares, edges, color=look.colour, linestyle=look.linestyle, linewidth=1.9,
                label=f"{group} ({len(scores):,}): {percent(float((scores > 0.5).mean()))}",
            )  # fmt: skip
        axes.axvline(0.5, color=INK, linewidth=1.2, linestyle=":")
        axes.set_title(f"Epoch {epoch}")
        axes.set_xlim(0, 1)
        axes.set_xlabel("Score of the discriminator (1: real)")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_percent(value)))
        axes.legend(
            title="Share above 0.5", loc="upper left", bbox_to_anchor=(0, -0.17), borderaxespad=0,
            alignment="left",
        )  # fmt: skip
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("Share of the group's images")
    return figure


@house_style
def activation_projection(
    table: pd.DataFrame, explained: tuple[float, float], class_names: Sequence[str]
) -> Figure:
    """Real and generated images where a classifier's activations put them.

    Args:
        table: rows group ('real' or 'generated'), label (in [0, len(class_names))), x and y:
            coordinates on the first two joint principal components.
        explained: share of the variance on each component, fractions.
        class_names: names in label order.

    Returns:
        The figure: open squares are real images, filled circles generated ones. Up to 10 classes
        have a colour each, and their names stand in the middle of their real images; with more,
        colour repeats the group.

    Raises:
        ReportError: no images, or a label without a name.
    """
    if table.empty:
        raise ReportError("projection of activations: no images")
    labels = table["label"]
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ReportError(
            f"projection of activations: labels from {labels.min()} to {labels.max()}; "
            f"allowed: 0 to {len(class_names) - 1}"
        )
    by_class = len(class_names) <= len(CLASS_COLOURS)
    figure = new_figure(WIDTH, 5.6)
    axes = figure.subplots()
    groups = [name for name in ("real", "generated") if (table["group"] == name).any()]
    for group in groups:
        rows = table[table["group"] == group]
        look = _LOOKS[group]
        colours: list[str] = (
            [CLASS_COLOURS[int(label)] for label in rows["label"]]
            if by_class
            else [look.colour] * len(rows)
        )
        axes.scatter(
            rows["x"], rows["y"], marker=look.marker, s=38, linewidths=1.4, edgecolors=colours,
            facecolors="none" if group == "real" else colours, alpha=0.85,
        )  # fmt: skip
    if by_class:
        known = table[table["group"] == groups[0]]
        for label, rows in known.groupby("label"):
            axes.annotate(
                plain(class_names[int(str(label))], 14),
                (float(rows["x"].median()), float(rows["y"].median())),
                ha="center", va="center", fontsize=9.5, fontweight="bold",
                color=INK, zorder=5,
                bbox={"boxstyle": "round,pad=0.18", "facecolor": PAPER, "alpha": 0.8,
                      "edgecolor": CLASS_COLOURS[int(str(label))], "linewidth": 1.4},
            )  # fmt: skip
    axes.set_xlabel(f"First component ({percent(explained[0])} of the variance)")
    axes.set_ylabel(f"Second component ({percent(explained[1])} of the variance)")
    figure.legend(
        handles=[_group_handle(group, table, by_class) for group in groups],
        loc="outside upper left", ncols=2,
    )  # fmt: skip
    return figure


def _group_handle(group: str, table: pd.DataFrame, by_class: bool) -> Line2D:
    """Legend entry of a group: its marker, in ink where colours are those of the classes."""
    look = _LOOKS[group]
    colour = INK if by_class else look.colour
    return Line2D(
        [], [], linestyle="none", marker=look.marker, color=colour, markersize=6.5,
        markerfacecolor="none" if group == "real" else colour, markeredgewidth=1.4,
        label=f"{group} images ({int((table['group'] == group).sum()):,})",
    )  # fmt: skip
