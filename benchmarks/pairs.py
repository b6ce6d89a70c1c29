"""Two ways of doing one thing, timed in turn: ours, and what a user would pick instead.

A file of this folder that has a function ``pairs()`` takes part in ``make bench``: it yields a
`Pair` for everything that it compares. What it makes for them, such as a temporary folder, lasts
until the next one is asked for.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Pair:
    """Two ways of doing the same work."""

    name: str
    unit: str  # what is counted, in the plural, such as images
    amount: float  # units that one call of either deals with
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    same: Callable[[Any, Any], str]  # of the two results: says how equal they are, or raises
    repeats: int = 5
    elsewhere: bool = False  # in processes that go on, whose processor time is not known here


@dataclass(frozen=True)
class Timed:
    """What was measured of a pair."""

    name: str
    unit: str
    amount: float
    ours: list[float]  # seconds of every repeat
    theirs: list[float]
    same: str

    @property
    def ratio(self) -> float:
        """How many times as fast as theirs ours is, by the medians."""
        return statistics.median(self.theirs) / statistics.median(self.ours)

    @property
    def line(self) -> str:
        """Units a second of both ways and their ratio: median, and smallest to largest."""
        ratios = [b / a for a, b in zip(self.ours, self.theirs, strict=True)]
        ours, theirs = (
            _spread([self.amount / seconds for seconds in way]) for way in (self.ours, self.theirs)
        )
        return (
            f"{self.name}: ours {ours}, theirs {theirs} {self.unit}/s; ratio {self.ratio:.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}); {self.same}"
        )


def time_pair(pair: Pair, repeats: int | None = None, *, of_processor: bool = False) -> Timed:
    """Time both ways in turn, after one call of each that is not timed but checked.

    Args:
        pair: what to time.
        repeats: None takes the pair's.
        of_processor: time on the processor instead of the clock's, that of ended processes
            included, for a machine that does other things too; not of pairs that compute elsewhere.

    Raises:
        AssertionError: the two did not do the same work.
    """
    now = _processor_time if of_processor and not pair.elsewhere else time.perf_counter
    same = pair.same(pair.ours(), pair.theirs())
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(repeats or pair.repeats):
        for way, seconds in ((pair.ours, ours), (pair.theirs, theirs)):
            begun = now()
            way()
            seconds.append(now() - begun)
    return Timed(pair.name, pair.unit, pair.amount, ours, theirs, same)


def close(tolerance: float) -> Callable[[Any, Any], str]:
    """Return a check of numbers or arrays: the largest difference, relative to the largest value.

    Args:
        tolerance: the largest that is allowed.
    """

    def check(ours: Any, theirs: Any) -> str:
        a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
        assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
        difference = float(np.abs(a - b).max() / np.abs(b).max())
        assert difference <= tolerance, f"difference {difference:.1e}, allowed {tolerance:.0e}"
        return f"difference {difference:.0e}"

    return check


def machine() -> dict[str, str | int]:
    """Return what the figures depend on."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return {
        "processor": named[1] if named else platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _processor_time() -> float:
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def _spread(values: list[float]) -> str:
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{_number(median)} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    """Three significant digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
