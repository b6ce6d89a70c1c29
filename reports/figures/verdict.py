"""The verdict's figures: accuracy over real counts by arm, and where its uncertainty comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures.style import (
    INK,
    MARKERS,
    MUTED,
    SERIES,
    WIDTH,
    AccuracyScale,
    count,
    house_style,
    new_figure,
)
from reports.verdict.precision import Precision

_ARMS = {
    "real": "real images alone",
    "classical": "classical augmentation",
    "mix": "with generated images",
    "mix-classical": "with generated images, all augmented",
}

# Shares of the axis of counts: between the marks of two arms, and between labels at least.
_ASIDE = 0.016
_BETWEEN_LABELS = 0.09


@house_style
def learning_curve(curve: pd.DataFrame) -> Figure:
    """Test accuracy over the real count, a line for each arm, with bars.

    Args:
        curve: from `reports.verdict.statistics.learning_curve`.

    Returns:
        The figure; the axis of counts is logarithmic, and of counts close together one is labelled.
    """
    figure = new_figure(0.8 * WIDTH, 4.6)
    axes = figure.subplots()
    scale = AccuracyScale(curve[["mean", "low", "high"]].to_numpy(np.float64))
    counts = sorted({int(n) for n in curve["n_real"]})
    aside = _aside(counts)
    for index, (arm, label) in enumerate(_ARMS.items()):
        line = curve[curve["arm"] == arm].sort_values("n_real")
        if line.empty:
            continue
        # Side by side, so that bars of equal counts can be told apart.
        x = line["n_real"].to_numpy(np.float64) * aside ** (index - (len(_ARMS) - 1) / 2)
        mean = line["mean"].to_numpy(np.float64)
        low, high = (
            line[name].fillna(line["mean"]).to_numpy(np.float64) for name in ("low", "high")
        )
        axes.vlines(x, scale.place(low), scale.place(high), color=SERIES[index], linewidth=1.4)
        axes.plot(x, scale.place(mean), label=label, color=SERIES[index], marker=MARKERS[index])
    axes.set_xscale("log")
    axes.set_xticks(counts, _labels(counts))
    axes.minorticks_off()
    edge = max(aside**3, 1.05)
    axes.set_xlim(counts[0] / edge, counts[-1] * edge)
    axes.set_xlabel("Real training images")
    axes.set_ylabel("Test accuracy")
    scale.frame(axes)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@house_style
def uncertainty(found: Precision) -> Figure:
    """Shares of the squared standard error by source, and half-widths with other repeats.

    Args:
        found: of the primary contrast, with sources.
    """
    assert found.sources is not None
    figure = new_figure(WIDTH, 2.9)
    left, right = figure.subplots(1, 2)
    shares = {"test images": found.sources.images}
    if found.sources.seeds is None:
        shares["repeats and\nclassifier seeds"] = found.sources.units
    else:
        shares["classifier seeds"] = found.sources.seeds
        shares["repeats: subset\nand generator"] = found.sources.units
    bars = left.barh([*shares], [100 * share for share in shares.values()], color=SERIES[0])
    left.bar_label(bars, fmt="%.0f %%", padding=4, color=INK)
    left.set_xlim(0, 118)
    left.set_title("Where the uncertainty comes from")
    left.set_xlabel("Share of the squared standard error (%)")
    left.grid(visible=False, axis="y")
    right.set_title("What more repeats would buy")
    if found.half_widths:
        repeats = [*found.half_widths]
        widths = [100 * width for width in found.half_widths.values()]
        right.plot(range(len(repeats)), widths, color=SERIES[1], marker="s")
        right.set_xticks(range(len(repeats)), [str(n) for n in repeats])
        right.set_ylim(0, 1.15 * max(widths))
    else:
        right.text(0, 0.9, "Unknown: too few predictions differ.", color=MUTED)
        right.set_axis_off()
    right.set_xlabel("Repeats")
    right.set_ylabel("Half-width (points)")
    return figure


def _aside(counts: Sequence[int]) -> float:
    """The ratio by which neighbouring arms stand aside of a count on its logarithmic axis."""
    places = np.log(counts)
    gaps = np.diff(places)
    if not len(gaps):
        return 1.02
    # Arms of neighbouring counts do not meet.
    return float(np.exp(min(_ASIDE * (places[-1] - places[0]), gaps.min() / (len(_ARMS) + 1))))


def _labels(counts: Sequence[int]) -> list[str]:
    """Labels of counts on a logarithmic axis, without those too close to one more to the right."""
    places = np.log(counts)
    between = _BETWEEN_LABELS * (places[-1] - places[0])
    labels: list[str] = []
    last = np.inf
    for place, number in zip(places[::-1], reversed(counts), strict=True):
        labels.append(count(number) if last - place >= between else "")
        last = place if labels[-1] else last
    return labels[::-1]
