"""How the generator did: training curves, the judge's confidence, acceptance by the filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.style import (
    GRID,
    INK,
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

_BINS = 20
_MOST_CLASSES = 30


@house_style
def training_curves(history: pd.DataFrame, best_epoch: int | None = None) -> Figure:
    """Losses, label match, Inception score and FID over the epochs of the generator.

    Args:
        history: one row an epoch: epoch, and any of generator_loss, discriminator_loss,
            label_match, inception_score, fid (NaN where an epoch was not scored).
        best_epoch: the epoch whose checkpoint was kept; marked in every panel.

    Returns:
        The figure; columns that are absent leave no panel.

    Raises:
        ReportError: no epochs or nothing to draw.
    """
    panels: list[tuple[str, list[tuple[str, str]], str]] = [
        ("Losses", [("generator_loss", "generator"), ("discriminator_loss", "discriminator")], ""),
        ("Label match", [("label_match", "")], "higher is better"),
        ("Inception score", [("inception_score", "")], "higher is better"),
        ("FID", [("fid", "")], "lower is better"),
    ]
    present = [
        (
            title,
            [pair for pair in lines if pair[0] in history and history[pair[0]].notna().any()],
            hint,
        )
        for title, lines, hint in panels
    ]
    present = [panel for panel in present if panel[1]]
    if "epoch" not in history or not present:
        raise ReportError("training curves: the history has no epochs or no scores")
    rows = -(-len(present) // 2)
    figure = new_figure(WIDTH, 0.3 + 2.55 * rows)
    grid = figure.subplots(rows, 2, squeeze=False, sharex=True)
    for axes, (title, lines, hint) in zip(grid.flat, present, strict=False):
        for index, (name, label) in enumerate(lines):
            known = history[history[name].notna()]
            axes.plot(
                known["epoch"],
                known[name],
                color=SERIES[index],
                linestyle=("-", "--")[index % 2],
                marker="o" if len(known) <= 12 else "",
                markersize=4,
                label=label,
            )
            if best_epoch is not None:
                at = known[known["epoch"] == best_epoch]
                axes.plot(
                    at["epoch"], at[name], "o", color=SERIES[index], markersize=8,
                    markeredgecolor=PAPER, markeredgewidth=1.5, zorder=4,
                )  # fmt: skip
        if best_epoch is not None:
            axes.axvline(best_epoch, color=MUTED, linewidth=1.1, linestyle=":")
        axes.set_title(title)
        if hint:
            axes.set_title(hint, loc="right", fontsize=9, color=MUTED, fontweight="normal")
        if title == "Label match":
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_percent(value)))
        if len(lines) > 1:
            axes.legend(loc="lower right", bbox_to_anchor=(1.02, 0.98), ncols=2, borderaxespad=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.margins(x=0.03)
    for axes in grid.flat[len(present) :]:
        axes.set_visible(False)
    for column in range(2):
        visible = [axes for axes in grid[:, column] if axes.get_visible()]
        if visible:
            visible[-1].set_xlabel(
                "Epoch" + (f" (kept: {best_epoch})" if best_epoch is not None else "")
            )
            visible[-1].tick_params(labelbottom=True)
    return figure


@house_style
def confidence_histogram(
    confidences: Mapping[str, NDArray[np.floating[Any]]], threshold: float | None = None
) -> Figure:
    """The judge's confidence in the right class, and what share a threshold would keep.

    Args:
        confidences: name of a set of images -> confidences in [0, 1]; sets may differ in size.
        threshold: the filter's threshold, drawn as a line.

    Returns:
        The figure: shares by bin (logarithmic) on the left, shares kept on the right.

    Raises:
        ReportError: no sets, an empty one, or confidences out of range.
    """
    if not confidences:
        raise ReportError("confidence histogram: no sets of images")
    figure = new_figure(WIDTH, 3.7)
    left, right = figure.subplots(1, 2)
    edges = np.linspace(0, 1, _BINS + 1)
    smallest = 1.0
    for index, (name, given) in enumerate(confidences.items()):
        values = np.asarray(given, dtype=np.float64)
        if values.size == 0 or not ((values >= 0) & (values <= 1 + 1e-6)).all():
            raise ReportError(
                f"confidence histogram: {plain(name)!r} has {values.size} values; "
                "allowed: one or more from 0 to 1"
            )
        colour, style = SERIES[index % len(SERIES)], ("-", "--", "-.", ":")[index % 4]
        shares = np.histogram(np.minimum(values, 1), edges)[0] / values.size
        smallest = min(smallest, 1 / values.size)
        left.stairs(shares, edges, color=colour, linewidth=2, linestyle=style)
        left.stairs(shares, edges, color=colour, alpha=0.13, fill=True)
        kept = np.sort(values)
        points = np.linspace(0, 1, 201)
        share = 1 - np.searchsorted(kept, points, side="left") / values.size
        label = f"{plain(name)} ({values.size:,})"
        right.plot(points, share, color=colour, linestyle=style, label=label)
    for axes in (left, right):
        axes.set_xlabel("Confidence in the right class")
        axes.set_xlim(0, 1)
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=":")
    left.set_title("Share of images by confidence")
    left.set_yscale("log")
    left.set_ylim(max(smallest * 0.7, 1e-5), 1.3)
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_percent(value)))
    left.minorticks_off()
    right.set_title("Share kept at a threshold")
    right.set_ylim(0, 1.03)
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if threshold is not None:
        right.annotate(
            f"threshold {threshold:g}", (threshold, 0.03), xytext=(-5, 0), ha="right",
            textcoords="offset points", fontsize=9.5, color=INK,
        )  # fmt: skip
    figure.legend(loc="outside upper left", ncols=3)
    return figure


@house_style
def acceptance_chart(acceptance: pd.DataFrame, threshold: float | None = None) -> Figure:
    """Share of generated images that the judge accepts, by class and threshold.

    Args:
        acceptance: rows class_name, threshold, drawn, accepted, rate (fraction).
        threshold: the threshold in use; its column is framed.

    Returns:
        A table in colours, or bars when there is one threshold. Of more than 30 classes the 30
        that are accepted least are drawn.

    Raises:
        ReportError: no rows.
    """
    if acceptance.empty:
        raise ReportError("acceptance chart: no classes")
    names = list(dict.fromkeys(acceptance["class_name"]))
    thresholds = sorted(acceptance["threshold"].unique())
    rates = acceptance.groupby(["class_name", "threshold"])["rate"].mean().unstack("threshold")
    table = rates.loc[names, thresholds]
    if len(names) > _MOST_CLASSES:
        table = table.loc[table.mean(axis=1).sort_values(kind="stable").index[:_MOST_CLASSES]]
    figure = new_figure(WIDTH if len(thresholds) > 1 else 0.8 * WIDTH, 1.25 + 0.33 * len(table))
    axes = figure.subplots()
    labels = [plain(name) for name in table.index]
    if len(thresholds) == 1:
        _acceptance_bars(axes, table.iloc[:, 0].to_numpy(np.float64), labels)
        axes.set_xlabel(f"Share accepted at threshold {thresholds[0]:g}")
        return figure
    values = table.to_numpy(np.float64)
    lowest = min(0.9, np.floor(10 * float(np.nanmin(values))) / 10)
    colours = mpl.colormaps["viridis"]
    norm = mpl.colors.Normalize(lowest, 1)
    mesh = axes.pcolormesh(values, cmap=colours, norm=norm, edgecolors=PAPER, linewidth=1.5)
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        dark = norm(value) < 0.6
        axes.text(
            float(column) + 0.5, float(row) + 0.5, percent(value), fontsize=9.5,
            ha="center", va="center", color="#ffffff" if dark else "#000000",
        )  # fmt: skip
    if threshold is not None and threshold in thresholds:
        column = thresholds.index(threshold)
        axes.add_patch(
            mpl.patches.Rectangle(
                (column, 0),
                1,
                len(table),
                fill=False,
                edgecolor=INK,
                linewidth=2.2,
                clip_on=False,
                zorder=5,
            )
        )
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.set_xticks(np.arange(len(thresholds)) + 0.5, [f"{value:g}" for value in thresholds])
    axes.set_xlabel(
        "Confidence threshold" + (f" (in use: {threshold:g})" if threshold is not None else "")
    )
    axes.invert_yaxis()
    _bare(axes)
    bar = figure.colorbar(mesh, ax=axes, label="Share accepted", aspect=28, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def _acceptance_bars(axes: Axes, rates: NDArray[np.float64], labels: list[str]) -> None:
    places = np.arange(len(labels))
    axes.barh(places, np.ones(len(labels)), color=GRID, height=0.62)
    axes.barh(places, rates, color=SERIES[0], height=0.62)
    for place, rate in zip(places, rates, strict=True):
        axes.text(1.015, float(place), percent(rate), va="center", fontsize=9.5, color=INK)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _bare(axes)


def _bare(axes: Axes) -> None:
    """No frame, grid or tick marks: the cells speak for themselves."""
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
