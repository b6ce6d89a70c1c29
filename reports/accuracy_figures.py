"""Accuracy over real and generated images: contour, surface, lines and gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation
from mpl_toolkits.mplot3d import Axes3D
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.style import (
    GRID,
    INK,
    MARKERS,
    MUTED,
    ORDERED,
    PAPER,
    SERIES,
    WIDTH,
    AccuracyScale,
    count,
    house_style,
    new_figure,
    percent,
    plain,
    tick_percent,
)
from reports.tables import rows_of

REAL_LABEL = "Real training images"
SYNTHETIC_LABEL = "Generated training images"


@house_style
def accuracy_contour(summary: pd.DataFrame) -> Figure:
    """Filled contours of test accuracy over real x generated counts, one panel a strategy.

    Counts are spaced by rank, so that 0, 300 and 1,200 can be told apart beside 60,000. Every
    trained cell is a dot with its value; between dots the colour is interpolated. Cells of
    strategy 'none' are the lower edge of every panel.

    Args:
        summary: from `reports.statistics.summarise_cells`.

    Returns:
        The figure.

    Raises:
        ReportError: no cells.
    """
    panels = _panels(summary)
    scale = AccuracyScale(summary["test_mean"].to_numpy(np.float64))
    rows = -(-len(panels) // 2)
    columns = min(2, len(panels))
    figure = new_figure(WIDTH if columns == 2 else 0.72 * WIDTH, 0.6 + 3.9 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    edges, norm, colours = _bands(scale)
    for axes, (name, table) in zip(grid.flat, panels, strict=False):
        _draw_contour(axes, table, scale, edges, norm, colours)
        axes.set_title(plain(name))
        axes.set_xlabel(REAL_LABEL)
        axes.set_ylabel(SYNTHETIC_LABEL)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    bar = figure.colorbar(
        mpl.cm.ScalarMappable(norm, colours),
        ax=grid,
        orientation="horizontal",
        fraction=0.04,
        aspect=45,
        label="Test accuracy",
    )
    bar.outline.set_visible(False)
    bar.set_ticks([float(place) for place in scale.place(np.array(edges))])
    bar.set_ticklabels([_edge_label(edge) for edge in edges])
    return figure


@house_style
def accuracy_surface(summary: pd.DataFrame) -> Figure:
    """Test accuracy as a surface over real x generated counts, one panel a strategy.

    Args:
        summary: from `reports.statistics.summarise_cells`.

    Returns:
        The figure; without two real and two generated counts the cells are drawn as pins.

    Raises:
        ReportError: no cells.
    """
    panels = _panels(summary)
    scale = AccuracyScale(summary["test_mean"].to_numpy(np.float64))
    rows = -(-len(panels) // 2)
    columns = min(2, len(panels))
    figure = new_figure(WIDTH if columns == 2 else 0.72 * WIDTH, 0.3 + 4.2 * rows)
    lowest, highest = (float(scale.place(edge)) for edge in (scale.low, scale.high))
    for index, (name, table) in enumerate(panels):
        axes: Any = figure.add_subplot(rows, columns, index + 1, projection="3d")
        assert isinstance(axes, Axes3D)
        x, y, x_counts, y_counts = _ranks(table)
        z = scale.place(table["test_mean"].to_numpy(np.float64))
        triangles = _triangles(x, y)
        if triangles is not None:
            axes.plot_trisurf(
                triangles, z, cmap="viridis", vmin=lowest, vmax=highest, alpha=0.92, linewidth=0.4,
                edgecolor="#ffffff",
            )  # fmt: skip
        else:
            axes.stem(x, y, z, bottom=lowest)
        axes.scatter(x, y, z, color=INK, s=9, depthshade=False)
        axes.set_title(plain(name), y=0.98)
        axes.set_xticks(range(len(x_counts)), [count(n) for n in x_counts], fontsize=8.5)
        axes.set_yticks(range(len(y_counts)), [count(n) for n in y_counts], fontsize=8.5)
        axes.set_xlabel("Real", labelpad=2)
        axes.set_ylabel("Generated", labelpad=5)
        scale.label_axis(axes.zaxis)
        axes.tick_params(axis="z", labelsize=8.5, pad=3)
        axes.tick_params(axis="x", pad=-1)
        axes.tick_params(axis="y", pad=-1)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color(PAPER)
            axis._axinfo["grid"].update(color=GRID, linewidth=0.8)
        axes.view_init(elev=24, azim=-128)
        axes.set_box_aspect((1, 1, 0.78), zoom=0.86)
    return figure


@house_style
def accuracy_over_real(summary: pd.DataFrame) -> Figure:
    """Test accuracy over the real count, one line for each generated count.

    Args:
        summary: from `reports.statistics.summarise_cells`. Bands are its 95 % intervals over seeds.

    Returns:
        The figure, one panel a strategy.

    Raises:
        ReportError: no cells.
    """
    return _lines(summary, "n_real", "n_synthetic", REAL_LABEL, "Generated images")


@house_style
def accuracy_over_synthetic(summary: pd.DataFrame) -> Figure:
    """Test accuracy over the generated count, one line for each real count.

    Args:
        summary: from `reports.statistics.summarise_cells`. Bands are its 95 % intervals over seeds.

    Returns:
        The figure, one panel a strategy.

    Raises:
        ReportError: no cells.
    """
    return _lines(summary, "n_synthetic", "n_real", SYNTHETIC_LABEL, "Real images")


@house_style
def gain_chart(gains: pd.DataFrame) -> Figure:
    """What each mix gains over the same real images alone, with its 95 % interval.

    Args:
        gains: from `reports.statistics.gain_table`; at most the first 40 rows are drawn.

    Returns:
        The figure: one row a mix, grouped by real count; filled dots where the interval excludes 0.

    Raises:
        ReportError: no rows.
    """
    if gains.empty:
        raise ReportError("gain chart: no mix has a real-only cell to be compared with")
    strategies = sorted(gains["strategy"].unique(), key=lambda name: (name != "mix", name))
    table = (
        gains.assign(place=gains["strategy"].map(strategies.index))
        .sort_values(["n_real", "n_synthetic", "place"], kind="stable")
        .head(40)
    )
    figure = new_figure(WIDTH, 1.3 + 0.3 * len(table) + 0.12 * table["n_real"].nunique())
    axes = figure.subplots()
    axes.axvline(0, color=MUTED, linewidth=1.2)
    places, labels, place, group = [], [], 0.0, None
    for row in rows_of(table):
        if group is not None and row.n_real != group:
            place += 0.7
            axes.axhline(place - 0.85, color=GRID, linewidth=0.9)
        group = row.n_real
        index = strategies.index(row.strategy)
        colour = SERIES[index % len(SERIES)]
        low, high = (row.gain, row.gain) if np.isnan(row.low) else (row.low, row.high)
        axes.plot([100 * low, 100 * high], [place, place], color=colour, solid_capstyle="round")
        axes.plot(
            100 * row.gain,
            place,
            marker=MARKERS[index % len(MARKERS)],
            color=colour,
            markerfacecolor=PAPER if row.verdict == "cannot tell" else colour,
            markeredgewidth=1.6,
            markersize=6.5,
            linestyle="none",
        )
        places.append(place)
        labels.append(f"{count(row.n_real)} real + {count(row.n_synthetic)} generated")
        place += 1
    for index, name in enumerate(strategies):
        axes.plot(
            [], [], marker=MARKERS[index % len(MARKERS)], color=SERIES[index % len(SERIES)],
            label=plain(name),
        )  # fmt: skip
    axes.set_yticks(places, labels)
    axes.set_ylim(place - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Gain in test accuracy over the same real images alone (percentage points)")
    figure.legend(loc="outside upper left", ncols=len(strategies))
    return figure


def _panels(summary: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """One table a strategy, each with the real-only cells."""
    if summary.empty:
        raise ReportError("accuracy figures: no cells")
    none = summary[summary["strategy"] == "none"]
    names = sorted(set(summary["strategy"]) - {"none"}, key=lambda name: (name != "mix", name))
    if not names:
        return [("real only", none)]
    return [
        (f"Strategy: {name}", pd.concat([none, summary[summary["strategy"] == name]]))
        for name in names
    ]


def _ranks(
    table: pd.DataFrame,
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int], list[int]]:
    """Positions by rank of real and generated counts, and the counts."""
    x_counts, x = np.unique(table["n_real"].to_numpy(), return_inverse=True)
    y_counts, y = np.unique(table["n_synthetic"].to_numpy(), return_inverse=True)
    return x.astype(np.float64), y.astype(np.float64), x_counts.tolist(), y_counts.tolist()


def _triangles(x: NDArray[np.float64], y: NDArray[np.float64]) -> Triangulation | None:
    """Triangles between the cells there are: the missing corner stays empty; None on a line."""
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2 or len(x) < 3:
        return None
    try:
        return Triangulation(x, y)
    except (RuntimeError, ValueError):  # all on one diagonal
        return None


def _bands(scale: AccuracyScale) -> tuple[list[float], BoundaryNorm, Colormap]:
    """Edges of the colour bands (accuracies) and their colours."""
    lowest, highest = scale.low, max(scale.high, scale.low + 1e-3)
    start, end = float(scale.place(lowest)), float(scale.place(highest))
    # A round edge next to the lowest or highest value would print its label twice.
    inner = [
        tick
        for tick in scale.ticks(8)
        if 0.05 < (float(scale.place(tick)) - start) / (end - start) < 0.95
    ]
    edges = [lowest, *inner, highest]
    norm = BoundaryNorm([float(place) for place in scale.place(np.array(edges))], 256)
    return edges, norm, mpl.colormaps["viridis"]


def _edge_label(edge: float) -> str:
    return tick_percent(round(edge, 3))


def _draw_contour(
    axes: Axes,
    table: pd.DataFrame,
    scale: AccuracyScale,
    edges: Sequence[float],
    norm: BoundaryNorm,
    colours: Colormap,
) -> None:
    x, y, x_counts, y_counts = _ranks(table)
    accuracy = table["test_mean"].to_numpy(np.float64)
    z = scale.place(accuracy)
    levels = [float(place) for place in scale.place(np.array(edges))]
    triangles = _triangles(x, y)
    if triangles is not None:
        # The lowest and highest value lie on an edge: rounding must not leave them uncoloured.
        levels[0] -= 1e-9
        levels[-1] += 1e-9
        axes.tricontourf(triangles, z, levels=levels, norm=norm, cmap=colours)
        axes.tricontour(
            triangles, z, levels=levels[1:-1], colors="#ffffff", linewidths=0.9, alpha=0.85
        )
    axes.scatter(
        x, y, c=z, norm=norm, cmap=colours, s=46, edgecolors="#ffffff", linewidths=1.2, zorder=4,
        clip_on=False,
    )  # fmt: skip
    for column, row, value in zip(x, y, accuracy, strict=True):
        # Above the dot, on the top edge below it; black on white reads on every colour.
        top = len(y_counts) > 1 and row == len(y_counts) - 1
        side = {0: "left", len(x_counts) - 1: "right"}.get(int(column), "center")
        if len(x_counts) == 1:
            side = "center"
        axes.annotate(
            percent(value),
            (column, row),
            xytext=({"left": 5, "right": -5}.get(side, 0), -8 if top else 8),
            textcoords="offset points",
            ha=side,
            va="top" if top else "bottom",
            fontsize=9,
            color="#000000",
            bbox={
                "boxstyle": "round,pad=0.14",
                "facecolor": "#ffffff",
                "edgecolor": "none",
                "alpha": 0.72,
            },
            zorder=5,
        )
    axes.set_xticks(range(len(x_counts)), [count(n) for n in x_counts])
    axes.set_yticks(range(len(y_counts)), [count(n) for n in y_counts])
    axes.grid(visible=False)
    axes.set_xlim(-0.18, max(len(x_counts) - 1, 0.2) + 0.18)
    axes.set_ylim(-0.18, max(len(y_counts) - 1, 0.2) + 0.18)


def _lines(summary: pd.DataFrame, along: str, by: str, label: str, legend_title: str) -> Figure:
    panels = _panels(summary)
    scale = AccuracyScale(summary["test_mean"].to_numpy(np.float64))
    rows = -(-len(panels) // 2)
    columns = min(2, len(panels))
    figure = new_figure(WIDTH if columns == 2 else 0.72 * WIDTH, 0.7 + 3.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    families = sorted(summary[by].unique())
    shades = ORDERED(np.linspace(0, 1, len(families)))
    for axes, (name, table) in zip(grid.flat, panels, strict=False):
        counts = sorted(table[along].unique())
        for index, family in enumerate(families):
            line = table[table[by] == family].sort_values(along)
            if line.empty:
                continue
            x = [counts.index(value) for value in line[along]]
            mean = line["test_mean"].to_numpy(np.float64)
            low = line["test_low"].fillna(line["test_mean"]).to_numpy(np.float64)
            high = line["test_high"].fillna(line["test_mean"]).to_numpy(np.float64)
            axes.fill_between(
                x, scale.place(low), scale.place(high), color=shades[index], alpha=0.16, linewidth=0
            )
            axes.plot(
                x,
                scale.place(mean),
                color=shades[index],
                marker=MARKERS[index % len(MARKERS)],
                label=count(int(family)),
            )
        axes.set_xticks(range(len(counts)), [count(int(n)) for n in counts])
        axes.set_title(plain(name))
        axes.set_xlabel(label)
    for axes in grid[:, 0]:
        axes.set_ylabel("Test accuracy")
    lowest, highest = (float(scale.place(edge)) for edge in (scale.low, scale.high))
    margin = 0.06 * max(highest - lowest, 1e-3)
    grid[0, 0].set_ylim(lowest - margin, highest + margin)
    scale.label_axis(grid[0, 0].yaxis)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    handles, labels = _all_handles(grid.flat)
    figure.legend(
        handles, labels, loc="outside upper left", ncols=min(len(labels), 6), title=legend_title,
        alignment="left",
    )  # fmt: skip
    return figure


def _all_handles(grid: Any) -> tuple[list[Any], list[str]]:
    """Legend entries of all panels, each once: a count may be missing from the first panel."""
    found: dict[str, Any] = {}
    for axes in grid:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    labels = sorted(found, key=lambda label: float(label.replace(",", "").replace("M", "e6")))
    return [found[label] for label in labels], labels
