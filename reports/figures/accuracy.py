"""Accuracy over real and generated images: contour, surface and lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.tri import Triangulation
from mpl_toolkits.mplot3d import Axes3D
from numpy.typing import NDArray

from reports.figures.strategies import in_order
from reports.figures.style import (
    GRID,
    INK,
    MARKERS,
    ORDERED,
    PAPER,
    WIDTH,
    AccuracyScale,
    count,
    house_style,
    new_figure,
    percent,
    plain,
    tick_percent,
)
from reports.verdict.choice import CONTROLS

REAL_LABEL = "Real training images"
SYNTHETIC_LABEL = "Generated training images"
REPEATED_LABEL = "Repeated real training images"

_LONG_NAMES = {
    "classical": "classical augmentation",
    "classical-half": "classical augmentation, half as strong",
}
# Markers and lines of the controls that add no image.
_BROKEN = (("d", "--"), ("p", ":"), ("h", "-."))

# Labels of a contour's cells: with more columns than this there is no room for "%".
_WIDE_GRID = 5
# With more rows than this the labels of neighbouring dots may touch.
_FEW_ROWS = 4


@house_style
def accuracy_contour(summary: pd.DataFrame) -> Figure:
    """Filled contours of test accuracy over real x generated counts, one panel a strategy.

    Counts are spaced by rank, so that 0, 300 and 1,200 can be told apart beside 60,000; a count
    has the same place in every panel. Every trained cell is a dot with its value; between dots the
    colour is interpolated. Cells of strategy 'none' are the lower edge of every panel. A control
    that adds no image, as classical augmentation, has no added count and no panel.

    Args:
        summary: from `reports.verdict.statistics.summarise_cells`.
    """
    panels, scale = _panels(summary), _scale(summary)
    figure, grid = _panel_grid(panels, 0.6, 3.9)
    edges = _band_edges(scale)
    norm = BoundaryNorm(scale.place(np.array(edges)).tolist(), 256)
    counts = _counts(panels, "n_real"), _counts(panels, "n_synthetic")
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_contour(axes, panel.table, counts, scale, norm)
        axes.set_title(panel.title)
        axes.set_xlabel(REAL_LABEL)
        axes.set_ylabel(panel.added_label)
    bar = figure.colorbar(
        mpl.cm.ScalarMappable(norm, "viridis"),
        ax=grid,
        orientation="horizontal",
        fraction=0.04,
        aspect=45,
        label="Test accuracy (%)",
    )
    bar.outline.set_visible(False)
    bar.set_ticks(norm.boundaries.tolist())
    bar.set_ticklabels([tick_percent(round(edge, 3)) for edge in edges])
    return figure


@house_style
def accuracy_surface(summary: pd.DataFrame) -> Figure:
    """Test accuracy as a surface over real x generated counts, one panel a strategy.

    Panels are those of `accuracy_contour`.

    Args:
        summary: from `reports.verdict.statistics.summarise_cells`.

    Returns:
        The figure; without two real and two generated counts the cells are drawn as pins.
    """
    panels, scale = _panels(summary), _scale(summary)
    rows, columns = _layout(panels)
    figure = new_figure(WIDTH if columns == 2 else 0.72 * WIDTH, 0.3 + 4.2 * rows)
    lowest, highest = (float(scale.place(edge)) for edge in (scale.low, scale.high))
    x_counts, y_counts = _counts(panels, "n_real"), _counts(panels, "n_synthetic")
    for index, panel in enumerate(panels):
        axes: Any = figure.add_subplot(rows, columns, index + 1, projection="3d")
        assert isinstance(axes, Axes3D)
        x = _ranks(panel.table["n_real"], x_counts)
        y = _ranks(panel.table["n_synthetic"], y_counts)
        z = scale.place(panel.table["test_mean"].to_numpy(np.float64))
        triangles = _triangles(x, y)
        if triangles is not None:
            axes.plot_trisurf(
                triangles, z, cmap="viridis", vmin=lowest, vmax=highest, alpha=0.92, linewidth=0.4,
                edgecolor="#ffffff",
            )  # fmt: skip
        else:
            axes.stem(x, y, z, bottom=lowest)
        axes.scatter(x, y, z, color=INK, s=9, depthshade=False)
        axes.set_title(panel.title, y=0.98)
        axes.set_xticks(range(len(x_counts)), [count(n) for n in x_counts], fontsize=8.5)
        axes.set_yticks(range(len(y_counts)), [count(n) for n in y_counts], fontsize=8.5)
        axes.set_xlabel("Real", labelpad=2)
        axes.set_ylabel(panel.added_label.removesuffix(" training images"), labelpad=5)
        axes.set_zlim(lowest, highest + 1e-9)
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
        summary: from `reports.verdict.statistics.summarise_cells`. Bands are its 95 % intervals.

    Returns:
        The figure, one panel a strategy; a control that adds no image, as classical augmentation,
        is one broken line in every panel.
    """
    title = "Generated images"
    if "duplicated" in set(summary["strategy"]):
        title += " (in the control: repeated real images)"
    return _lines(summary, "n_real", "n_synthetic", title)


@house_style
def accuracy_over_synthetic(summary: pd.DataFrame) -> Figure:
    """Test accuracy over the generated count, a line a real count and a panel a strategy.

    Args:
        summary: from `reports.verdict.statistics.summarise_cells`. Bands are its 95 % intervals.
    """
    return _lines(_with_added(summary), "n_synthetic", "n_real", "Real images")


@dataclass(frozen=True)
class _StrategyPanel:
    """Cells of one strategy, and the real-only ones."""

    title: str
    table: pd.DataFrame
    added_label: str = SYNTHETIC_LABEL


def _panels(summary: pd.DataFrame) -> list[_StrategyPanel]:
    """One panel a strategy that adds images to the real ones."""
    none = summary[summary["strategy"] == "none"]
    panels = []
    for name in in_order(set(summary["strategy"]) - {"none", *_adding_nothing(summary)}):
        table = pd.concat([none, summary[summary["strategy"] == name]])
        if name in CONTROLS:
            panels.append(_StrategyPanel(f"Control: {name}", table, REPEATED_LABEL))
        else:
            panels.append(_StrategyPanel(plain(f"Strategy: {name}", 32), table))
    # Controls that add nothing have no panel, and may be there without real-only cells.
    return panels or [_StrategyPanel("real only", none if len(none) else summary)]


def _layout(panels: Sequence[_StrategyPanel]) -> tuple[int, int]:
    """Rows and columns of panels."""
    return -(-len(panels) // 2), min(2, len(panels))


def _panel_grid(
    panels: Sequence[_StrategyPanel], height: float, of_row: float, **options: Any
) -> tuple[Figure, NDArray[Any]]:
    """A figure with axes for each panel; heights in inches."""
    rows, columns = _layout(panels)
    figure = new_figure(WIDTH if columns == 2 else 0.72 * WIDTH, height + of_row * rows)
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    return figure, grid


def _adding_nothing(summary: pd.DataFrame) -> list[str]:
    """Controls beside 'none' that add no image to the real ones, as classical augmentation."""
    alone = summary["strategy"].isin(CONTROLS) & (summary["n_synthetic"] == 0)
    return in_order(set(summary.loc[alone, "strategy"]) - {"none"})


def _with_added(summary: pd.DataFrame) -> pd.DataFrame:
    """Cells that have a place over added counts; all where there are no others."""
    others = summary[~summary["strategy"].isin(_adding_nothing(summary))]
    return others if len(others) else summary


def _scale(summary: pd.DataFrame) -> AccuracyScale:
    return AccuracyScale(_with_added(summary)["test_mean"].to_numpy(np.float64))


def _counts(panels: Sequence[_StrategyPanel], column: str) -> list[int]:
    """All counts of a column: one has the same place in every panel."""
    return sorted({int(n) for panel in panels for n in panel.table[column]})


def _ranks(values: pd.Series, counts: Sequence[int]) -> NDArray[np.float64]:
    """Positions of values among the counts."""
    return np.searchsorted(counts, values.to_numpy()).astype(np.float64)


def _triangles(x: NDArray[np.float64], y: NDArray[np.float64]) -> Triangulation | None:
    """Triangles between the cells there are: the missing corner stays empty; None on a line."""
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2 or len(x) < 3:
        return None
    try:
        return Triangulation(x, y)
    except (RuntimeError, ValueError):  # all on one diagonal
        return None


def _band_edges(scale: AccuracyScale) -> list[float]:
    """Accuracies between which the colour bands of a contour lie."""
    lowest, highest = scale.low, max(scale.high, scale.low + 1e-3)
    start, end = float(scale.place(lowest)), float(scale.place(highest))
    # A round edge next to the lowest or highest value would print its label twice.
    inner = [
        tick
        for tick in scale.ticks()
        if 0.05 < (float(scale.place(tick)) - start) / (end - start) < 0.95
    ]
    return [lowest, *inner, highest]


def _draw_contour(
    axes: Axes,
    table: pd.DataFrame,
    counts: tuple[list[int], list[int]],
    scale: AccuracyScale,
    norm: BoundaryNorm,
) -> None:
    x_counts, y_counts = counts
    x, y = _ranks(table["n_real"], x_counts), _ranks(table["n_synthetic"], y_counts)
    wide = len(x_counts) > _WIDE_GRID
    accuracy = table["test_mean"].to_numpy(np.float64)
    z = scale.place(accuracy)
    levels = norm.boundaries.tolist()
    triangles = _triangles(x, y)
    if triangles is not None:
        # The lowest and highest value lie on an edge: rounding must not leave them uncoloured.
        levels[0] -= 1e-9
        levels[-1] += 1e-9
        axes.tricontourf(triangles, z, levels=levels, norm=norm, cmap="viridis")
        axes.tricontour(
            triangles, z, levels=levels[1:-1], colors="#ffffff", linewidths=0.9, alpha=0.85
        )
    axes.scatter(
        x, y, c=z, norm=norm, cmap="viridis", s=46, edgecolors="#ffffff", linewidths=1.2, zorder=4,
        clip_on=False,
    )  # fmt: skip
    last = len(y_counts) - 1
    # Where the two highest counts share a column, there is no room between their dots.
    crowded = bool(set(x[y == last]) & set(x[y == last - 1])) and last > _FEW_ROWS
    for column, row, value in zip(x, y, accuracy, strict=True):
        # Above the dot, on the top edge below it; black on white reads on every colour.
        top = last > 0 and row == last and not crowded
        sides = {0: "left", len(x_counts) - 1: "right"} if len(x_counts) > 1 else {}
        side = sides.get(int(column), "center")
        axes.annotate(
            percent(value).rstrip("%" * wide),
            (column, row),
            xytext=({"left": 5, "right": -5}.get(side, 0), -8 if top else 8),
            textcoords="offset points",
            ha=side,
            va="top" if top else "bottom",
            fontsize=8 if wide else 9,
            color="#000000",
            bbox={
                "boxstyle": "round,pad=0.14",
                "facecolor": "#ffffff",
                "edgecolor": "none",
                "alpha": 0.72,
            },
            zorder=5,
        )
    small = 8.5 if wide else 9.5
    axes.set_xticks(range(len(x_counts)), [count(n) for n in x_counts], fontsize=small)
    axes.set_yticks(range(len(y_counts)), [count(n) for n in y_counts], fontsize=small)
    axes.grid(visible=False)
    axes.set_xlim(-0.18, max(len(x_counts) - 1, 0.2) + 0.18)
    axes.set_ylim(-0.18, max(last, 0.2) + (0.55 if crowded else 0.18))


def _lines(summary: pd.DataFrame, along: str, by: str, legend_title: str) -> Figure:
    panels = _panels(summary)
    scale = AccuracyScale(summary["test_mean"].to_numpy(np.float64))
    figure, grid = _panel_grid(panels, 0.7, 3.5, sharey=True)
    families, counts = _counts(panels, by), _counts(panels, along)
    shades = ORDERED(np.linspace(0, 1, len(families)))
    handles: dict[int, Line2D] = {}
    broken: dict[str, Line2D] = {}
    for axes, panel in zip(grid.flat, panels, strict=False):
        for index, family in enumerate(families):
            line = panel.table[panel.table[by] == family].sort_values(along)
            if len(line):
                places = _ranks(line[along], counts)
                marker = MARKERS[index % len(MARKERS)]
                drawn = _draw_line(axes, places, line, scale, color=shades[index], marker=marker)
                drawn.set_label(count(family))
                # A count may be missing from the first panel.
                handles.setdefault(family, drawn)
        controls = _adding_nothing(summary) if along == "n_real" else []
        for name, (marker, linestyle) in zip(controls, cycle(_BROKEN), strict=False):
            line = summary[summary["strategy"] == name].sort_values(along)
            places = _ranks(line[along], counts)
            drawn = _draw_line(
                axes, places, line, scale, color=INK, marker=marker, linestyle=linestyle
            )
            drawn.set_label(f"{_LONG_NAMES.get(name, name)}, no generated images")
            broken[name] = drawn
        axes.set_xticks(range(len(counts)), [count(n) for n in counts])
        axes.set_xlim(-0.25, len(counts) - 0.75)
        axes.set_title(panel.title)
        axes.set_xlabel(REAL_LABEL if along == "n_real" else panel.added_label)
    for axes in grid[:, 0]:
        axes.set_ylabel("Test accuracy")
    scale.frame(grid[0, 0])
    entries = [handles[family] for family in sorted(handles)]
    figure.legend(
        handles=entries, loc="outside upper left", ncols=min(len(entries), 6), title=legend_title,
        alignment="left",
    )  # fmt: skip
    if broken:
        figure.legend(handles=list(broken.values()), loc="outside lower left", handlelength=4)
    return figure


def _draw_line(
    axes: Axes, places: NDArray[np.float64], cells: pd.DataFrame, scale: AccuracyScale, **look: Any
) -> Line2D:
    """The means of some cells, with the band of their intervals."""
    mean = cells["test_mean"].to_numpy(np.float64)
    low, high = (
        scale.place(cells[name].fillna(cells["test_mean"]).to_numpy(np.float64))
        for name in ("test_low", "test_high")
    )
    axes.fill_between(places, low, high, color=look["color"], alpha=0.16, linewidth=0)
    (line,) = axes.plot(places, scale.place(mean), **look)
    return line
