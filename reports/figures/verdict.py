"""The verdict's figures: accuracy over real counts by arm, and where its uncertainty comes from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.errors import ReportError
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


@house_style
def learning_curve(curve: pd.DataFrame) -> Figure:
    """Test accuracy over the real count, a line for each arm, with bands.

    Args:
        curve: from `reports.verdict.statistics.learning_curve`.

    Returns:
        The figure; the axis of counts is logarithmic.

    Raises:
        ReportError: no rows.
    """
    if curve.empty:
        raise ReportError("learning curve: no arm was chosen")
    figure = new_figure(0.8 * WIDTH, 4.3)
    axes = figure.subplots()
    bounds = curve[["mean", "low", "high"]].to_numpy(np.float64)
    scale = AccuracyScale(bounds[np.isfinite(bounds)])
    for index, (arm, label) in enumerate(_ARMS.items()):
        line = curve[curve["arm"] == arm].sort_values("n_real")
        if line.empty:
            continue
        # Side by side, so that bands of equal counts can be told apart.
        x = line["n_real"].to_numpy(np.float64) * 1.02 ** (index - 1.5)
        mean = line["mean"].to_numpy(np.float64)
        low, high = (
            line[name].fillna(line["mean"]).to_numpy(np.float64) for name in ("low", "high")
        )
        axes.vlines(x, scale.place(low), scale.place(high), color=SERIES[index], linewidth=1.4)
        axes.plot(x, scale.place(mean), label=label, color=SERIES[index], marker=MARKERS[index])
    counts = sorted({int(n) for n in curve["n_real"]})
    axes.set_xscale("log")
    axes.set_xticks(counts, [count(n) for n in counts])
    axes.minorticks_off()
    axes.set_xlim(counts[0] / 1.15, counts[-1] * 1.15)
    axes.set_xlabel("Real training images")
    axes.set_ylabel("Test accuracy")
    lowest, highest = (float(scale.place(edge)) for edge in (scale.low, scale.high))
    margin = 0.06 * max(highest - lowest, 1e-3)
    axes.set_ylim(lowest - margin, highest + margin)
    scale.label_axis(axes.yaxis)
    axes.legend(loc="lower right")
    return figure


@house_style
def uncertainty(found: Precision) -> Figure:
    """Shares of the squared standard error by source, and half-widths with other repeats.

    Args:
        found: of the primary contrast, with sources.

    Raises:
        ReportError: nothing varies, so there are no sources.
    """
    if found.sources is None:
        raise ReportError("uncertainty: no answer differs")
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
        right.text(
            0.5, 0.5, "too few answers differ", ha="center", color=MUTED, transform=right.transAxes
        )
    right.set_xlabel("Repeats")
    right.set_ylabel("Half-width (points)")
    return figure
