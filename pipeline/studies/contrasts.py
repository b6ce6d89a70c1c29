"""Claims of classifiers, measured where their predictions are at hand.

A claim sets one side, ``b``, against another, ``a``; its difference is always b minus a, with an
interval at 95 %. Nothing here is chosen on test images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.studies.records import Contrast
from pipeline.study_files import Side
from reports.errors import StatisticsError
from reports.verdict.intervals import difference_interval, mean_interval
from reports.verdict.statistics import optimistic

Cell = tuple[str, int, int]
"""Strategy, real count, synthetic count."""

# Mean accuracies that differ by rounding only are a tie.
_TIE_DECIMALS = 12
_LINE = 3  # Counts that have a second difference.


@dataclass(frozen=True)
class Grid:
    """Trained cells, in tables that fit each other."""

    cells: pd.DataFrame  # see `reports.verdict.statistics`
    predictions: NDArray[Any]  # cells x test images, predicted classes, in row order of cells
    labels: NDArray[np.integer[Any]]  # true classes of the test images
    n_train: int  # training images that the generator saw

    @cached_property
    def rows(self) -> dict[Cell, dict[tuple[str, int], int]]:
        """Row number by (subset seed, classifier seed) of every cell."""
        # A unit is named <count>-<subset seed>: cells of different real counts pair by the latter.
        units = self.cells["unit"] if "unit" in self.cells else [""] * len(self.cells)
        names = ("strategy", "n_real", "n_synthetic", "seed")
        rows: dict[Cell, dict[tuple[str, int], int]] = {}
        for row, (strategy, n_real, n_synthetic, number, unit) in enumerate(
            zip(*(self.cells[name] for name in names), units, strict=True)
        ):
            cell = (str(strategy), int(n_real), int(n_synthetic))
            seed = (str(unit).rpartition("-")[2], int(number))
            if seed in rows.setdefault(cell, {}):
                raise StatisticsError(
                    f"two cells of {_cell_text(cell)} with seed {seed[1]}; "
                    "allowed: one (one protocol and one generator a table)"
                )
            rows[cell][seed] = row
        return rows


def pair_cells(a: Side, b: Side) -> list[tuple[Cell, Cell]]:
    """Return the pairs of cells that two sides of a claim stand for.

    Two lists of one length run together, a single count goes with every count of the other side,
    and real counts are crossed with synthetic ones.

    Args:
        a: the one side.
        b: the other, with as many counts of a kind or one.

    Returns:
        Distinct pairs (a, b), ordered by real and then by synthetic count.
    """
    together = []
    for ours, theirs in ((a.n_real, b.n_real), (a.n_synthetic, b.n_synthetic)):
        n = max(len(ours), len(theirs))
        together.append([(ours[i % len(ours)], theirs[i % len(theirs)]) for i in range(n)])
    pairs = [
        ((a.strategy, real_a, synthetic_a), (b.strategy, real_b, synthetic_b))
        for (real_a, real_b), (synthetic_a, synthetic_b) in product(*together)
    ]
    return list(dict.fromkeys(pairs))


def cells_contrast(grid: Grid, pairs: Sequence[tuple[Cell, Cell]]) -> Contrast:
    """Compare cells pair by pair, and average over the pairs.

    Args:
        grid: the trained cells.
        pairs: cells (a, b). A pair without both cells is left out, and its cells are named.

    Returns:
        The mean over the pairs of accuracy of b minus accuracy of a, by seed and image, with the
        interval of `reports.verdict.statistics.difference_interval`. Seeds are those of every pair.

    Raises:
        StatisticsError: two cells of one recipe and seed, or pairs without a seed in common.
    """
    rows, labels = grid.rows, grid.labels
    missing = list(dict.fromkeys(_cell_text(c) for pair in pairs for c in pair if c not in rows))
    pairs = [(a, b) for a, b in pairs if a in rows and b in rows]
    if not pairs:
        return _untrained(len(labels), missing)
    cells = [cell for pair in pairs for cell in pair]
    seeds = _common_seeds([rows[cell] for cell in cells])
    difference = np.zeros((len(seeds), len(labels)))
    for a, b in pairs:
        for cell, sign in ((a, -1), (b, 1)):
            right = grid.predictions[[rows[cell][seed] for seed in seeds]] == labels
            difference += sign * right
    found = difference_interval(difference / len(pairs))
    return Contrast(
        difference=found.gain,
        low=found.low,
        high=found.high,
        n_seeds=found.n_seeds,
        n_images=found.n_images,
        pairs=[f"{_cell_text(a)} -> {_cell_text(b)}" for a, b in pairs],
        missing=missing,
        optimistic_counts=_optimistic_counts(cells, grid.n_train),
    )


def best_contrast(grid: Grid, a: str, b: str) -> Contrast:
    """Compare the best mix of strategy ``a`` with that of ``b``.

    Candidates are the mixes (real and generated images) at counts that both strategies were trained
    with. With validation accuracies each side's best is the one with the highest mean (ties: fewer
    generated, then fewer real images). Without them none can be chosen, and the strategies are
    compared at the largest real count, where a best is looked for, over all generated counts.

    Raises:
        StatisticsError: as `cells_contrast`.
    """
    rows = grid.rows
    mixes = [(n_real, n) for n_real, n in _common_counts(rows, a, b) if n_real > 0]
    if not mixes:
        missing = [f"mixes of {name}" for name in (a, b) if not _has_mix(rows, name)]
        return _untrained(len(grid.labels), missing or [f"{a} and {b}"])
    accuracy = grid.cells["validation_accuracy"].to_numpy(np.float64)

    def mean(cell: Cell) -> float:
        return round(float(accuracy[list(rows[cell].values())].mean()), _TIE_DECIMALS)

    means = {(name, *count): mean((name, *count)) for name in (a, b) for count in mixes}
    if np.isnan(list(means.values())).any():
        most = max(n_real for n_real, _ in mixes)
        pairs = [((a, *count), (b, *count)) for count in mixes if count[0] == most]
        chosen_by = "largest real count"
    else:
        ranked = sorted(means, key=lambda cell: (-means[cell], cell[2], cell[1]))
        best_a, best_b = (next(cell for cell in ranked if cell[0] == name) for name in (a, b))
        pairs, chosen_by = [(best_a, best_b)], "validation"
    return cells_contrast(grid, pairs).model_copy(update={"chosen_by": chosen_by})


def roughness_contrast(grid: Grid, a: str, b: str) -> Contrast:
    """Compare how uneven the accuracies of strategies ``a`` and ``b`` are over synthetic counts.

    Roughness of one seed is the mean of ``|x[i-1] - 2 x[i] + x[i+1]|`` over every three
    neighbouring synthetic counts at one real count, and over the real counts: 0 on a straight line
    over the counts' ranks. Only counts that both strategies were trained with are used.

    Returns:
        Roughness of b minus that of a, paired by seed, with Student's t interval over the seeds.

    Raises:
        StatisticsError: two cells of one recipe and seed, or cells without a seed in common.
    """
    rows = grid.rows
    lines: dict[int, list[int]] = {}
    for n_real, n_synthetic in _common_counts(rows, a, b):
        lines.setdefault(n_real, []).append(n_synthetic)
    lines = {n_real: counts for n_real, counts in lines.items() if len(counts) >= _LINE}
    if not lines:
        missing = [f"{_LINE} synthetic counts at one real count, of {a} and {b}"]
        return _untrained(None, missing)
    accuracy = grid.cells["test_accuracy"].to_numpy(np.float64)
    cells = [(name, n, m) for name in (a, b) for n, counts in lines.items() for m in counts]
    seeds = _common_seeds([rows[cell] for cell in cells])

    def roughness(name: str) -> NDArray[np.float64]:
        """One number a seed."""
        bends = []
        for n_real, counts in lines.items():
            line = [[rows[(name, n_real, n)][seed] for n in counts] for seed in seeds]
            bends.append(np.abs(np.diff(accuracy[line], n=2)))
        by_seed: NDArray[np.float64] = np.concatenate(bends, axis=1).mean(axis=1)
        return by_seed

    found = mean_interval(roughness(b) - roughness(a))
    return Contrast(
        difference=found.mean,
        low=None if np.isnan(found.low) else found.low,
        high=None if np.isnan(found.high) else found.high,
        n_seeds=found.n,
        n_images=None,
        pairs=[f"{a}, {b}: {n} + {', '.join(map(str, counts))}" for n, counts in lines.items()],
        optimistic_counts=_optimistic_counts(cells, grid.n_train),
    )


def _untrained(n_images: int | None, missing: list[str]) -> Contrast:
    """Return the contrast of a claim of which no pair of cells was trained."""
    return Contrast(
        difference=None,
        low=None,
        high=None,
        n_seeds=0,
        n_images=n_images,
        pairs=[],
        missing=missing,
    )


def _cell_text(cell: Cell) -> str:
    """Return a cell as ``mix 600 + 60000``."""
    strategy, n_real, n_synthetic = cell
    return f"{strategy} {n_real} + {n_synthetic}"


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


def _optimistic_counts(cells: Iterable[Cell], n_train: int) -> list[int]:
    """Return the real counts of those of the cells that are optimistic, sorted."""
    return sorted({cell[1] for cell in cells if optimistic(*cell, n_train)})


def _has_mix(cells: Iterable[Cell], strategy: str) -> bool:
    return any(name == strategy and n_real and n_synthetic for name, n_real, n_synthetic in cells)
