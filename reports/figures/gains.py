"""What each mix and control gains over the same real images alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.figures.strategies import in_order, short_name
from reports.figures.style import (
    GRID,
    MARKERS,
    MUTED,
    PAPER,
    SERIES,
    WIDTH,
    count,
    house_style,
    new_figure,
)
from reports.tables import rows_of
from reports.verdict.choice import CONTROLS

_MOST_COUNTS = 6
_LEVEL = 0.05


@house_style
def gain_chart(gains: pd.DataFrame) -> Figure:
    """What each mix and control gains over the same real images alone, with its 95 % interval.

    Args:
        gains: from `gain_table`, of which the rows over real images alone are drawn: one or more.
            Of more than 6 real or 6 added counts, 6 are drawn, evenly spaced with the smallest and
            the largest; the figure then says so.

    Returns:
        The figure: a column a real count, each with its own scale, and a row a strategy and added
        count; filled dots where p, corrected for all rows, is 0.05 or less. Columns whose gains of
        generated images are optimistic say so.
    """
    gains = gains[gains["against"] == "none"]
    strategies = in_order(gains["strategy"])
    real = _spread(gains["n_real"])
    added = _spread(gains.loc[gains["n_synthetic"] > 0, "n_synthetic"])
    drawn = gains[gains["n_real"].isin(real) & gains["n_synthetic"].isin([0, *added])]
    places, labels, bottom = _gain_rows(drawn, strategies)

    figure = new_figure(WIDTH, 1.45 + 0.19 * bottom)
    panels = figure.subplots(1, len(real), squeeze=False, sharey=True)[0]
    for axes, n_real in zip(panels, real, strict=True):
        axes.axvline(0, color=MUTED, linewidth=1.2)
        column = drawn[drawn["n_real"] == n_real]
        for row in rows_of(column):
            index = strategies.index(row.strategy)
            _draw_gain(axes, row, places[row.strategy, row.n_synthetic], index)
        mark = "\noptimistic" if column["optimistic"].any() else ""
        axes.set_title(f"{count(n_real)} real{mark}")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=2))
        axes.margins(x=0.08)
        axes.grid(visible=False, axis="y")
        for label in labels[:-1]:
            axes.axhline(label.end, color=GRID, linewidth=0.9)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks([label.place for label in labels], [label.text for label in labels])
    panels[0].set_ylim(bottom - 0.3, -0.7)
    for index, name in enumerate(strategies):
        panels[0].plot([], [], label=short_name(name), **_mark_of(index))
    scale = "; every column has its own scale" if len(real) > 1 else ""
    left_out = f"\n{len(drawn)} of {len(gains)} rows of the table of gains are drawn"
    figure.supxlabel(
        "Gain in test accuracy over the same real images alone (percentage points"
        f"{scale}){left_out if len(drawn) < len(gains) else ''}",
        fontsize=10.5,
    )
    figure.legend(loc="outside upper left", ncols=min(len(strategies), 4))
    return figure


@dataclass(frozen=True)
class _RowLabel:
    """What names neighbouring rows of the gain chart: the images that they add."""

    text: str
    place: float
    end: float  # Where the line under them is.


def _gain_rows(
    gains: pd.DataFrame, strategies: Sequence[str]
) -> tuple[dict[tuple[str, int], float], list[_RowLabel], float]:
    """Places of (strategy, added count) from the top, their labels, and the lower end."""
    keys = {(str(name), int(n)) for name, n in zip(gains.strategy, gains.n_synthetic, strict=True)}
    texts = {key: _added_text(*key) for key in keys}
    # Controls have labels of their own: what they add is no generated image.
    order = sorted(keys, key=lambda key: (key[1], key[0] in CONTROLS, strategies.index(key[0])))
    places: dict[tuple[str, int], float] = {}
    labels: list[_RowLabel] = []
    place = 0.0
    for text, group in groupby(order, key=texts.__getitem__):
        first = place
        for key in group:
            places[key] = place
            place += 1
        labels.append(_RowLabel(text, (first + place - 1) / 2, place - 0.25))
        place += 0.5
    return places, labels, place - 0.5


def _added_text(strategy: str, n_synthetic: int) -> str:
    # All that real images alone can be given; the legend tells how strong.
    if n_synthetic == 0:
        return "classical augmentation"
    what = "repeated real" if strategy == "duplicated" else "generated"
    return f"+ {count(n_synthetic)} {what}"


def _mark_of(index: int) -> dict[str, Any]:
    """Colour and marker of a strategy."""
    return {"marker": MARKERS[index % len(MARKERS)], "color": SERIES[index % len(SERIES)]}


def _draw_gain(axes: Axes, row: Any, place: float, index: int) -> None:
    mark = _mark_of(index)
    low, high = (row.gain, row.gain) if np.isnan(row.low) else (row.low, row.high)
    axes.plot([100 * low, 100 * high], [place, place], color=mark["color"], solid_capstyle="round")
    axes.plot(
        100 * row.gain,
        place,
        **mark,
        markerfacecolor=mark["color"] if row.p_holm <= _LEVEL else PAPER,
        markeredgewidth=1.5,
        markersize=5.5,
        linestyle="none",
    )


def _spread(counts: pd.Series) -> list[int]:
    """At most 6 of the counts, evenly spaced by rank with the smallest and the largest."""
    known = sorted({int(n) for n in counts})
    places = np.linspace(0, len(known) - 1, min(len(known), _MOST_COUNTS)).round()
    return [known[int(place)] for place in places]
