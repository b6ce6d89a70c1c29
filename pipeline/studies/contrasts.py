"""Claims of classifiers, measured where their predictions are at hand.

A claim sets one side, ``b``, against another, ``a``; its difference is always b minus a, with an
interval at 95 %. Nothing here is chosen on test images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.verdict.intervals import StatisticsError, difference_interval, mean_interval
from reports.verdict.statistics import optimistic

Cell = tuple[str, int, int]
"""Strategy, real count, synthetic count."""

# Mean accuracies that differ by rounding only are a tie.
_TIE_DECIMALS = 12
_LINE = 3  # Counts that have a second difference.


@dataclass(frozen=True)
class Contrast:
    """Accuracy of one side of a claim minus that of the other, as a fraction, and its basis."""

    difference: float | None  # None where no pair of cells was trained.
    low: float | None  # None with one seed where the interval is over seeds.
    high: float | None
    n_seeds: int
    n_images: int | None  # None where the interval is over seeds alone.
    pairs: tuple[str, ...]  # What was compared.
    missing: tuple[str, ...] = ()  # Cells that the claim names and that were not trained.
    chosen_by: Literal["validation", "largest real count"] | None = None
    optimistic_counts: tuple[int, ...] = ()
    """Real counts of its cells that are `reports.verdict.statistics.optimistic`."""


def pair_cells(
    a: tuple[str, Sequence[int], Sequence[int]], b: tuple[str, Sequence[int], Sequence[int]]
) -> list[tuple[Cell, Cell]]:
    """Return the pairs of cells that two sides of a claim stand for.

    Args:
        a: strategy, real counts, synthetic counts of the one side.
        b: likewise of the other. Two lists of one length run together, a single count goes with
            every count of the other side, and real counts are crossed with synthetic ones.

    Returns:
        Distinct pairs (a, b), ordered by real and then by synthetic count.

    Raises:
        StatisticsError: lists of different lengths.
    """
    together = []
    for word, ours, theirs in (("real", a[1], b[1]), ("synthetic", a[2], b[2])):
        if len(ours) != len(theirs) and 1 not in (len(ours), len(theirs)):
            raise StatisticsError(
                f"{len(ours)} and {len(theirs)} {word} counts; allowed: as many of both, or 1"
            )
        n = max(len(ours), len(theirs))
        together.append([(ours[i % len(ours)], theirs[i % len(theirs)]) for i in range(n)])
    pairs = [
        ((a[0], real_a, made_a), (b[0], real_b, made_b))
        for (real_a, real_b), (made_a, made_b) in product(*together)
    ]
    return list(dict.fromkeys(pairs))


def cells_contrast(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    test_labels: NDArray[np.integer[Any]],
    pairs: Sequence[tuple[Cell, Cell]],
    n_train: int,
) -> Contrast:
    """Compare cells pair by pair, and average over the pairs.

    Args:
        cells: the cells table; see `reports.verdict.statistics`.
        predictions: cells x test images, predicted classes, in row order of ``cells``.
        test_labels: true classes of the test images.
        pairs: cells (a, b). A pair without both cells is left out, and its cells are named.
        n_train: number of training images that the generator saw.

    Returns:
        The mean over the pairs of accuracy of b minus accuracy of a, by seed and image, with the
        interval of `reports.verdict.statistics.difference_interval`. Seeds are those of every pair.

    Raises:
        StatisticsError: tables that do not fit each other, two cells of one recipe and seed, or
            pairs without a seed in common.
    """
    rows = _rows(cells)
    if predictions.shape != (len(cells), len(test_labels)):
        raise StatisticsError(
            f"predictions of shape {predictions.shape}; "
            f"allowed: {len(cells)} cells x {len(test_labels)} test images"
        )
    missing = dict.fromkeys(cell_text(c) for pair in pairs for c in pair if c not in rows)
    used = [(a, b) for a, b in pairs if a in rows and b in rows]
    if not used:
        return Contrast(None, None, None, 0, len(test_labels), (), tuple(missing))
    seeds = _common_seeds([rows[cell] for pair in used for cell in pair])
    difference = np.zeros((len(seeds), len(test_labels)))
    for a, b in used:
        for cell, sign in ((a, -1), (b, 1)):
            right = predictions[[rows[cell][seed] for seed in seeds]] == test_labels
            difference += sign * right
    found = difference_interval(difference / len(used))
    return Contrast(
        found.gain,
        found.low,
        found.high,
        found.n_seeds,
        found.n_images,
        tuple(_pair_text(a, b) for a, b in used),
        tuple(missing),
        optimistic_counts=_optimistic_counts((cell for pair in used for cell in pair), n_train),
    )


def best_contrast(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    test_labels: NDArray[np.integer[Any]],
    a: str,
    b: str,
    n_train: int,
) -> Contrast:
    """Compare the best mix of one strategy with that of another.

    Candidates are the mixes (real and generated images) at counts that both strategies were trained
    with. With validation accuracies each side's best is the one with the highest mean (ties: fewer
    generated, then fewer real images). Without them none can be chosen, and the strategies are
    compared at the largest real count, where a best is looked for, over all generated counts.

    Args:
        cells: the cells table.
        predictions: cells x test images, predicted classes, in row order of ``cells``.
        test_labels: true classes of the test images.
        a: name of one strategy.
        b: name of the other.
        n_train: number of training images that the generator saw.

    Raises:
        StatisticsError: as `cells_contrast`.
    """
    rows = _rows(cells)
    counts = _common_counts(rows, a, b)
    mixes = [(n_real, made) for n_real, made in counts if n_real > 0]
    if not mixes:
        missing = tuple(f"mixes of {name}" for name in (a, b) if not _has_mix(rows, name))
        return Contrast(None, None, None, 0, len(test_labels), (), missing or (f"{a} and {b}",))
    accuracy = cells["validation_accuracy"].to_numpy(np.float64)
    chosen: list[Cell] = []
    for name in (a, b):
        means = {
            (name, *count): round(
                float(np.mean([accuracy[row] for row in rows[(name, *count)].values()])),
                _TIE_DECIMALS,
            )
            for count in mixes
        }
        if np.isnan(list(means.values())).any():
            most = max(n_real for n_real, _ in mixes)
            pairs = [((a, *count), (b, *count)) for count in mixes if count[0] == most]
            found = cells_contrast(cells, predictions, test_labels, pairs, n_train)
            return replace(found, chosen_by="largest real count")
        chosen.append(min(means, key=lambda cell: (-means[cell], cell[2], cell[1])))
    pairs = [(chosen[0], chosen[1])]
    found = cells_contrast(cells, predictions, test_labels, pairs, n_train)
    return replace(found, chosen_by="validation")


def roughness_contrast(cells: pd.DataFrame, a: str, b: str, n_train: int) -> Contrast:
    """Compare how uneven two strategies' accuracies are over the synthetic count.

    Roughness of one seed is the mean of ``|x[i-1] - 2 x[i] + x[i+1]|`` over every three
    neighbouring synthetic counts at one real count, and over the real counts: 0 on a straight line
    over the counts' ranks. Only counts that both strategies were trained with are used.

    Args:
        cells: the cells table.
        a: name of one strategy.
        b: name of the other.
        n_train: number of training images that the generator saw.

    Returns:
        Roughness of b minus that of a, paired by seed, with Student's t interval over the seeds.

    Raises:
        StatisticsError: two cells of one recipe and seed, or cells without a seed in common.
    """
    rows = _rows(cells)
    lines: dict[int, list[int]] = {}
    for n_real, n_synthetic in _common_counts(rows, a, b):
        lines.setdefault(n_real, []).append(n_synthetic)
    lines = {n_real: counts for n_real, counts in lines.items() if len(counts) >= _LINE}
    if not lines:
        missing = f"{_LINE} synthetic counts at one real count, of {a} and {b}"
        return Contrast(None, None, None, 0, None, (), (missing,))
    accuracy = cells["test_accuracy"].to_numpy(np.float64)
    grid = [(n_real, made) for n_real, counts in lines.items() for made in counts]
    seeds = _common_seeds([rows[(name, *count)] for name in (a, b) for count in grid])
    by_strategy = []
    for name in (a, b):
        bends = [
            np.abs(
                np.diff(
                    [[accuracy[rows[(name, n_real, made)][s]] for made in counts] for s in seeds],
                    n=2,
                )
            )
            for n_real, counts in lines.items()
        ]
        by_strategy.append(np.concatenate(bends, axis=1).mean(axis=1))
    found = mean_interval(by_strategy[1] - by_strategy[0])
    return Contrast(
        found.mean,
        None if np.isnan(found.low) else found.low,
        None if np.isnan(found.high) else found.high,
        found.n,
        None,
        tuple(f"{a}, {b}: {n} + {', '.join(map(str, counts))}" for n, counts in lines.items()),
        optimistic_counts=_optimistic_counts(
            ((name, *count) for name in (a, b) for count in grid), n_train
        ),
    )


def cell_text(cell: Cell) -> str:
    """Return a cell as ``mix 600 + 60000``."""
    strategy, n_real, n_synthetic = cell
    return f"{strategy} {n_real} + {n_synthetic}"


def _pair_text(a: Cell, b: Cell) -> str:
    return f"{cell_text(a)} -> {cell_text(b)}"


def _rows(cells: pd.DataFrame) -> dict[Cell, dict[tuple[str, int], int]]:
    """Row number by (subset seed, classifier seed) of every cell."""
    needed = ["strategy", "n_real", "n_synthetic", "seed", "validation_accuracy", "test_accuracy"]
    absent = [name for name in needed if name not in cells.columns]
    if absent:
        raise StatisticsError(f"the cells table has no column {absent[0]!r}; needed: {needed}")
    # A unit is named <count>-<subset seed>: cells of different real counts pair by the latter.
    units = cells["unit"].astype(str) if "unit" in cells else [""] * len(cells)
    rows: dict[Cell, dict[tuple[str, int], int]] = {}
    columns = [cells[name] for name in ("strategy", "n_real", "n_synthetic", "seed")]
    for row, (strategy, n_real, n_synthetic, number, unit) in enumerate(
        zip(*columns, units, strict=True)
    ):
        cell = (str(strategy), int(n_real), int(n_synthetic))
        seed = (unit.rpartition("-")[2], int(number))
        if seed in rows.setdefault(cell, {}):
            raise StatisticsError(
                f"two cells of {cell_text(cell)} with seed {seed[1]}; "
                "allowed: one (one protocol and one generator a table)"
            )
        rows[cell][seed] = row
    return rows


def _common_seeds(rows: Sequence[Mapping[tuple[str, int], int]]) -> list[tuple[str, int]]:
    """Return the seeds that every cell was trained with, sorted."""
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in rows)))
    if not seeds:
        raise StatisticsError("cells of one claim have no seed in common")
    return seeds


def _common_counts(rows: Mapping[Cell, object], a: str, b: str) -> list[tuple[int, int]]:
    """Return the counts with generated images that both strategies were trained with, sorted."""
    of = [{cell[1:] for cell in rows if cell[0] == name and cell[2] > 0} for name in (a, b)]
    return sorted(of[0] & of[1])


def _optimistic_counts(cells: Iterable[Cell], n_train: int) -> tuple[int, ...]:
    """Return the real counts of those of the cells that are optimistic, sorted."""
    return tuple(sorted({cell[1] for cell in cells if optimistic(*cell, n_train)}))


def _has_mix(rows: Mapping[Cell, object], strategy: str) -> bool:
    return any(name == strategy and real and made for name, real, made in rows)
