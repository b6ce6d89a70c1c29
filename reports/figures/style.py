"""The house style of the figures, and their bytes.

Okabe and Ito's palette and viridis are told apart with every common colour blindness, and no figure
relies on colour alone: markers, labels or printed values repeat it.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

P = ParamSpec("P")

# Colours of ink and ground. The page swaps exactly these codes for its own in dark mode, so no
# other colour of a figure may equal one of them.
INK = "#1d2733"
MUTED = "#5c6b7a"
GRID = "#dde3ea"
PAPER = "#fffffe"

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# Ordered hues for counts; each stands out on a white and on a dark ground (contrast 3 or more).
ORDERED = LinearSegmentedColormap.from_list(
    "ordered", ("#5b7fd6", "#2a93b8", "#2a9d6f", "#8a961f", "#c08600", "#d9643a")
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
WIDTH = 8.6
DPI = 150

_STYLE: dict[Any, Any] = {
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": PAPER,
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "text.color": INK,
    # Class names are text, never formulas: "$" stays a dollar sign.
    "text.parse_math": False,
    "axes.facecolor": PAPER,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.labelsize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=SERIES),
    "grid.color": GRID,
    "grid.linewidth": 0.9,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.title_fontsize": 9.5,
    "lines.linewidth": 2,
    "lines.markersize": 6,
    "image.cmap": "viridis",
    "svg.fonttype": "none",
    "svg.hashsalt": "synthaug",
}

# Tick candidates of an accuracy axis, as fractions.
_ACCURACIES = (
    0.0,
    *(0.1 * k for k in range(1, 9)),
    *(0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.975, 0.98, 0.985),
    *(0.99, 0.992, 0.994, 0.996, 0.998, 0.999, 1.0),
)
_MOST_TICKS = 8
# Errors below this are drawn alike: log(0) is nowhere.
_ERROR_FLOOR = 0.002


def house_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a drawing function under the house style, whatever the user's matplotlibrc says."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_STYLE)
            return draw(*args, **kwargs)

    return styled


def new_figure(width: float, height: float) -> Figure:
    """An empty figure on the Agg canvas, outside pyplot's global state; sizes in inches."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def figure_bytes(figure: Figure) -> tuple[bytes, bytes]:
    """PNG (150 dots an inch) and SVG of a figure; equal figures give equal bytes.

    SVG text stays text: small, searchable, and set in the reader's fonts where DejaVu is missing.

    Args:
        figure: from any of this room's drawing functions.

    Returns:
        The PNG file and the SVG file.
    """
    png, svg = io.BytesIO(), io.BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        # A class name in a script that DejaVu lacks: boxes in the PNG, right in the SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure.savefig(
            png, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"optimize": True}
        )
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Format": None})
    return png.getvalue(), svg.getvalue()


def plain(name: object, longest: int = 22) -> str:
    """A name fit for a figure: one line, printable, not too long."""
    text = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(name)
    )
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def percent(fraction: float, decimals: int = 1) -> str:
    """A fraction as a percentage, such as 97.5%."""
    return f"{100 * fraction:.{decimals}f}%"


def tick_percent(fraction: float) -> str:
    """A round fraction as a percentage without needless digits."""
    return f"{round(100 * fraction, 2):g}%"


def count(number: int) -> str:
    """A count with thousands separated; from a million on in short."""
    return f"{number:,}" if number < 1_000_000 else f"{number / 1e6:.3g}M"


class AccuracyScale:
    """A scale for accuracies: stretched towards 100 % where they span low and high ones.

    On a plain axis a synthetic-only cell at 60 % squeezes everything between 96 % and 99 % into
    one line. Stretched, equal distances are equal ratios of errors.
    """

    def __init__(self, accuracies: ArrayLike) -> None:
        """Choose the scale for these accuracies: one or more fractions, of which NaN is ignored."""
        self.low, self.high = float(np.nanmin(accuracies)), float(np.nanmax(accuracies))
        errors = 1 - self.low + _ERROR_FLOOR, 1 - self.high + _ERROR_FLOOR
        self.stretched = errors[0] / errors[1] > 3

    def place(self, accuracies: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions of accuracies along the axis."""
        values = np.asarray(accuracies, dtype=np.float64)
        return -np.log10(1 - values + _ERROR_FLOOR) if self.stretched else values

    def ticks(self) -> list[float]:
        """Round accuracies within the range, at most `_MOST_TICKS`."""
        inside = [a for a in _ACCURACIES if self.low - 1e-9 <= a <= self.high + 1e-9]
        if not self.stretched or len(inside) < 3:
            return self._even_ticks()
        # Drop the tick closest to its neighbours until they fit.
        while len(inside) > _MOST_TICKS:
            places = self.place(np.array(inside))
            inside.pop(int(np.argmin(places[2:] - places[:-2])) + 1)
        return inside

    def _even_ticks(self) -> list[float]:
        span = max(self.high - self.low, 1e-3)
        steps = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
        step = next((s for s in steps if span / s <= _MOST_TICKS - 1), 0.25)
        first, last = int(np.ceil(self.low / step - 1e-9)), int(np.floor(self.high / step + 1e-9))
        return [round(k * step, 6) for k in range(first, last + 1)] or [self.low]

    def frame(self, axes: Axes) -> None:
        """Fit a vertical axis of positions of this scale to the accuracies, and label it."""
        lowest, highest = (float(self.place(edge)) for edge in (self.low, self.high))
        margin = 0.06 * max(highest - lowest, 1e-3)
        axes.set_ylim(lowest - margin, highest + margin)
        self.label_axis(axes.yaxis)

    def label_axis(self, axis: mpl.axis.Axis) -> None:
        """Put the ticks on an axis that carries positions of this scale."""
        ticks = self.ticks()
        axis.set_major_locator(FixedLocator(self.place(np.array(ticks)).tolist()))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FixedFormatter([tick_percent(tick) for tick in ticks]))
