"""How the generator did: curves over epochs, the judge's confidence, acceptance by the filter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from reports.errors import ReportError
from reports.figures.style import (
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

AVERAGED = "averaged copy"
PLAIN = "plain weights"
LOSS = "_loss"
"""What the name of a loss's column ends in."""

HIGHER, LOWER = "higher is better", "lower is better"

_BINS = 20
_MOST_CLASSES = 30
# FIDs that differ by more are drawn on a logarithmic axis.
_LARGEST_PLAIN_RATIO = 10
# The averaged copy's place in the palette.
_AVERAGE = 2


@dataclass(frozen=True)
class _Line:
    """Values over epochs; ``index`` is the line's colour and dash."""

    epochs: NDArray[np.float64]
    values: NDArray[np.float64]  # As many, finite.
    label: str = ""
    index: int = 0


@dataclass(frozen=True)
class _EpochPanel:
    """One panel of lines over epochs."""

    title: str
    lines: list[_Line]
    hint: str = ""


@house_style
def training_curves(history: pd.DataFrame, best_epoch: int | None = None) -> Figure:
    """Losses, label match, Inception score and FID over the epochs of the generator.

    Args:
        history: one row an epoch: epoch, losses by names that end in _loss (reconstruction_loss
            has a panel of its own), and any of label_match, inception_score, fid (NaN where an
            epoch was not scored). The scores of a copy with averaged weights, named
            average_label_match and so on, are drawn as a second, dashed line.
        best_epoch: the epoch whose checkpoint was kept; marked in every panel.

    Returns:
        The figure; columns that are absent leave no panel.

    Raises:
        ReportError: nothing to draw.
    """

    def both_copies(name: str) -> list[_Line]:
        average = _line(history, f"average_{name}", AVERAGED, _AVERAGE)
        return _line(history, name, PLAIN if average else "") + average

    def loss(name: str, index: int) -> list[_Line]:
        return _line(history, name, name.removesuffix(LOSS), index)

    names = map(str, history.columns)
    losses = [name for name in names if name.endswith(LOSS) and name != f"reconstruction{LOSS}"]
    panels = [
        _EpochPanel("Losses", [line for k, name in enumerate(losses) for line in loss(name, k)]),
        _EpochPanel("Reconstruction error", _line(history, "reconstruction_loss"), LOWER),
        _EpochPanel("Label match", both_copies("label_match"), HIGHER),
        _EpochPanel("Inception score", both_copies("inception_score"), HIGHER),
        _EpochPanel("FID", both_copies("fid"), LOWER),
    ]
    figure, drawn = _panels_over_epochs("training curves", panels, best_epoch)
    for axes, panel in drawn:
        for line in panel.lines:
            # The averaged copy's own best epoch is another matter.
            if line.label != AVERAGED:
                for place in np.flatnonzero(line.epochs == best_epoch):
                    _mark(axes, line, int(place))
    return figure


@house_style
def checkpoint_scores(table: pd.DataFrame, best_epoch: int | None = None) -> Figure:
    """Scores of the checkpoints, plain and averaged, over their epochs.

    Args:
        table: one row a generator: epoch, weights ('plain' or 'average'), fid_examiner, and any of
            inception_score, label_match, fid_inception, inception_score_inception.
        best_epoch: the epoch that the study's images are from; a dotted line.

    Returns:
        The figure; the best value of each line is marked and printed. Columns that are absent leave
        no panel.

    Raises:
        ReportError: nothing to draw.
    """
    labels = {"plain": PLAIN, "average": AVERAGED}
    copies = {name: table[table["weights"] == name] for name in labels}
    copies = {name: rows for name, rows in copies.items() if len(rows)}

    def lines(name: str) -> list[_Line]:
        found = []
        for place, (copy_of, rows) in enumerate(copies.items()):
            label = labels[copy_of] if len(copies) > 1 else ""
            found += _line(rows, name, label, place * _AVERAGE)
        return found

    panels = [
        _EpochPanel("FID, examiner", lines("fid_examiner"), LOWER),
        _EpochPanel("FID, InceptionV3", lines("fid_inception"), LOWER),
        _EpochPanel("Inception score, examiner", lines("inception_score"), HIGHER),
        _EpochPanel("Inception score, InceptionV3", lines("inception_score_inception"), HIGHER),
        _EpochPanel("Label match, examiner", lines("label_match"), HIGHER),
    ]
    figure, drawn = _panels_over_epochs("scores of the checkpoints", panels, best_epoch)
    for axes, panel in drawn:
        axes.margins(x=0.06, y=0.2)
        low = panel.hint == LOWER
        bests = [int((line.values if low else -line.values).argmin()) for line in panel.lines]
        values = [float(line.values[k]) for line, k in zip(panel.lines, bests, strict=True)]
        for index, (line, best, value) in enumerate(zip(panel.lines, bests, values, strict=True)):
            _mark(axes, line, best)
            # Of two numbers the larger is above, so that they never cover one another.
            below = low if len(values) == 1 else index != values.index(max(values))
            axes.annotate(
                percent(value) if panel.title.startswith("Label match") else f"{value:.2f}",
                (line.epochs[best], value), xytext=(0, -7 if below else 7), ha="center",
                textcoords="offset points", va="top" if below else "bottom", fontsize=9, color=INK,
                bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
            )  # fmt: skip
    return figure


def _line(table: pd.DataFrame, name: str, label: str = "", index: int = 0) -> list[_Line]:
    """The line of a column, or none where there is nothing to draw."""
    if not {"epoch", name} <= set(table) or table[name].isna().all():
        return []
    known = table[table[name].notna()].sort_values("epoch", kind="stable")
    epochs = known["epoch"].to_numpy(np.float64)
    return [_Line(epochs, known[name].to_numpy(np.float64), label, index)]


def _panels_over_epochs(
    what: str, panels: list[_EpochPanel], best_epoch: int | None
) -> tuple[Figure, list[tuple[Axes, _EpochPanel]]]:
    """The panels that have lines, two a row; the kept epoch is a dotted line in each."""
    panels = [panel for panel in panels if panel.lines]
    if not panels:
        raise ReportError(f"{what}: there are no epochs or no scores")
    rows = -(-len(panels) // 2)
    figure = new_figure(WIDTH, 0.3 + 2.55 * rows)
    grid = figure.subplots(rows, 2, squeeze=False, sharex=True)
    copies = None
    epochs = {float(epoch) for p in panels for line in p.lines for epoch in line.epochs}
    epochs |= set() if best_epoch is None else {best_epoch}
    kept = "" if best_epoch is None else f" (kept: {best_epoch})"
    for axes, panel in zip(grid.flat, panels, strict=False):
        for line in panel.lines:
            axes.plot(
                line.epochs, line.values, color=SERIES[line.index], label=line.label,
                linestyle="--" if line.index else "-",
                marker="o" if len(line.values) <= 12 else "", markersize=4,
            )  # fmt: skip
        if best_epoch is not None:
            axes.axvline(best_epoch, color=MUTED, linewidth=1.1, linestyle=":")
        axes.set_title(panel.title)
        if panel.hint:
            axes.set_ylabel(panel.hint, fontsize=9, color=MUTED)
        if panel.title.startswith("Label match"):
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_percent(value)))
        if panel.title.startswith("FID"):
            _spread_low_values(axes, np.concatenate([line.values for line in panel.lines]))
        if len(panel.lines) > 1 and panel.lines[1].label != AVERAGED:
            axes.legend(loc="lower right", bbox_to_anchor=(1.02, 0.98), ncols=2, borderaxespad=0)
        elif len(panel.lines) > 1:
            copies = axes.get_legend_handles_labels()
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.margins(x=0.03)
        if len(epochs) == 1:
            axes.set_xlim(min(epochs) - 1, max(epochs) + 1)
    if copies is not None:
        # Once for all panels: beside their titles there is no room.
        figure.legend(*copies, loc="outside upper right", ncols=2)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for column in range(2):
        visible = [axes for axes in grid[:, column] if axes.get_visible()]
        if visible:
            visible[-1].set_xlabel(f"Epoch{kept}")
            visible[-1].tick_params(labelbottom=True)
    return figure, list(zip(grid.flat, panels, strict=False))


def _spread_low_values(axes: Axes, values: NDArray[np.float64]) -> None:
    """Make the axis logarithmic where the first epochs would press all others into one line."""
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > _LARGEST_PLAIN_RATIO:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()


def _mark(axes: Axes, line: _Line, place: int) -> None:
    axes.plot(
        line.epochs[place], line.values[place], "o", color=SERIES[line.index], markersize=8,
        markeredgecolor=PAPER, markeredgewidth=1.5, zorder=4,
    )  # fmt: skip


@house_style
def confidence_histogram(
    confidences: Mapping[str, NDArray[np.floating[Any]]], threshold: float | None = None
) -> Figure:
    """The judge's confidence in the images' labels, and what share a threshold would keep.

    Args:
        confidences: name of a set of images -> confidences in [0, 1], one or more; sets may differ
            in size.
        threshold: the filter's threshold, drawn as a line.

    Returns:
        The figure: shares by bin (logarithmic) on the left, shares kept on the right, and in
        words the share in the top bin.
    """
    figure = new_figure(WIDTH, 3.4 + 0.2 * len(confidences))
    left, right = figure.subplots(1, 2)
    edges = np.arange(_BINS + 1) / _BINS  # Exact: 0.95 is in the top bin.
    smallest = 1.0
    for index, (name, given) in enumerate(confidences.items()):
        values = np.asarray(given, dtype=np.float64)
        colour, style = SERIES[index % len(SERIES)], ("-", "--", "-.", ":")[index % 4]
        shares = np.histogram(np.minimum(values, 1), edges)[0] / values.size
        smallest = min(smallest, 1 / values.size)
        left.stairs(shares, edges, color=colour, linewidth=2, linestyle=style)
        left.stairs(shares, edges, color=colour, alpha=0.13, fill=True)
        kept = np.sort(values)
        points = np.linspace(0, 1, 201)
        share = 1 - np.searchsorted(kept, points, side="left") / values.size
        top = f"{percent(float(shares[-1]))} in the top bin ({edges[-2]:g} or more)"
        label = f"{plain(name)} ({values.size:,}): {top}"
        right.plot(points, share, color=colour, linestyle=style, label=label)
    for axes in (left, right):
        axes.set_xlabel("Confidence in the image's label")
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
    figure.legend(loc="outside upper left")
    return figure


@house_style
def acceptance_chart(acceptance: pd.DataFrame, threshold: float | None = None) -> Figure:
    """Share of generated images that the judge accepts, by class and threshold.

    Args:
        acceptance: rows class_name, threshold, drawn, accepted, rate (fraction); one or more.
        threshold: the threshold in use; its column is framed.

    Returns:
        A table in colours. Of more than 30 classes the 30 that are accepted least are drawn, and
        the figure says so. A class of which nothing was drawn is left blank.
    """
    names = list(dict.fromkeys(acceptance["class_name"]))
    thresholds = sorted(acceptance["threshold"].unique())
    acceptance = acceptance.assign(rate=acceptance["rate"].where(acceptance["drawn"] > 0))
    rates = acceptance.groupby(["class_name", "threshold"])["rate"].mean().unstack("threshold")
    table = rates.loc[names, thresholds]
    if len(names) > _MOST_CLASSES:
        table = table.loc[table.mean(axis=1).sort_values(kind="stable").index[:_MOST_CLASSES]]
    figure = new_figure(WIDTH, 1.25 + 0.33 * len(table))
    axes = figure.subplots()
    if len(table) < len(names):
        note = f"{len(table)} of {len(names)} classes: those that are accepted least"
        figure.supxlabel(note, fontsize=9)
    labels = [plain(name) for name in table.index]
    values = table.to_numpy(np.float64)
    lowest = np.floor(10 * float(np.nanmin(values, initial=0.9))) / 10
    norm = mpl.colors.Normalize(lowest, 1)
    mesh = axes.pcolormesh(values, cmap="viridis", norm=norm, edgecolors=PAPER, linewidth=1.5)
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            axes.text(
                column + 0.5, row + 0.5, percent(value), fontsize=9.5, ha="center", va="center",
                color="#ffffff" if norm(value) < 0.6 else "#000000",
            )  # fmt: skip
    if threshold is not None and threshold in thresholds:
        column = thresholds.index(threshold)
        axes.add_patch(
            mpl.patches.Rectangle(
                (column, 0), 1, len(table), fill=False, edgecolor=INK, linewidth=2.2,
                clip_on=False, zorder=5,
            )
        )  # fmt: skip
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.set_xticks(np.arange(len(thresholds)) + 0.5, [f"{value:g}" for value in thresholds])
    in_use = "" if threshold is None else f" (in use: {threshold:g})"
    axes.set_xlabel(f"Confidence threshold{in_use}")
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(mesh, ax=axes, label="Share accepted", aspect=28, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure
