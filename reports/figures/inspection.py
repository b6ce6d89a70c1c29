"""Looking into a generator and a classifier: neighbours, scores, activations, right and wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.figures.sheets import ImageRow, draw_rows
from reports.figures.style import (
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
        ReportError: no image.
    """
    rows = [
        ImageRow(
            (queries[i : i + 1], neighbours[i]),
            captions=([class_names[int(label)]], [f"{d:.2f}" for d in distances[i]]),
        )
        for i, label in enumerate(labels)
    ]
    return draw_rows(
        "nearest neighbours", rows, (1, distances.shape[1]),
        headings=("Generated", "Nearest training images"), noun="generated images",
    )  # fmt: skip


@house_style
def examples(
    successes: Mapping[int, NDArray[np.uint8]],
    failures: Mapping[int, tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]],
    class_names: Sequence[str],
) -> Figure:
    """Test images that a classifier predicts right, and those that it predicts as another class.

    Args:
        successes: each label -> uint8 N x H x W x C images with C 1 or 3 that are predicted right;
            N may be 0.
        failures: each label -> M images that are not, and the predicted labels. One size for all;
            the first 4 of each class are shown.
        class_names: names in label order.

    Returns:
        The figure: a row a class, under each wrong prediction the predicted class. Absent images
        are left blank. Classes for which there is no room are left out, and the figure says how
        many. In its PNG every pixel of an image is a square of whole pixels.

    Raises:
        ReportError: no image.
    """
    rows = []
    for label, name in enumerate(class_names):
        wrong, predicted = failures[label]
        groups = (successes[label][:_MOST_EXAMPLES], wrong[:_MOST_EXAMPLES])
        if any(map(len, groups)):
            predictions = [class_names[int(k)] for k in predicted][:_MOST_EXAMPLES]
            rows.append(ImageRow(groups, plain(name), captions=([], predictions)))
    return draw_rows(
        "examples", rows, (_MOST_EXAMPLES, _MOST_EXAMPLES),
        headings=("Predicted right", "Predicted wrong, as"), noun="classes",
    )  # fmt: skip


class _Look(NamedTuple):
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
    """How many training images are a nearest neighbour, class by class.

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
    """
    names = list(dict.fromkeys(table["class_name"]))
    n_classes = len(names)
    if n_classes > _MOST_CLASSES:
        shares = table[table["group"] == "generated"].groupby("class_name", sort=False)["share"]
        lowest = shares.min().sort_values(kind="stable").index[:_MOST_CLASSES]
        names = [name for name in names if name in set(lowest)]
    figure = new_figure(WIDTH, 1.55 + 0.29 * len(names))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, column in zip(panels, ("share", "most"), strict=True):
        values = table.pivot_table(index="class_name", columns="group", values=column)
        _draw_coverage(axes, values.reindex(index=names, columns=["test", "generated"]))
    panels[0].set_title("Training images that are a nearest neighbour", fontsize=10.5)
    panels[0].set_xlabel("Share of the class's training images")
    panels[1].set_title("Images with the same nearest neighbour", fontsize=10.5)
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
            to 1 (real); one row or more. Of more than two epochs the last two are drawn.

    Returns:
        The figure: a panel an epoch, in each a histogram a group and its share above 0.5.

    Raises:
        ReportError: scores out of range.
    """
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
    """
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
