"""What our numbers say of a study's claims: confirmed, contradicted or undecided.

A claim sets one side, ``b``, against another, ``a``; its difference is always b minus a, with an
interval at 95 %. Claims of classifiers are measured where their predictions are at hand and kept as
a `Contrast`; claims of generators are measured from the scores of their checkpoints. Nothing here
is chosen on test images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from reports.verdict.statistics import (
    CONFIDENCE,
    MeanInterval,
    StatisticsError,
    difference_interval,
    mean_interval,
    optimistic,
)

Cell = tuple[str, int, int]
"""Strategy, real count, synthetic count."""

Expectation = Literal["higher", "lower", "equal"]
ClaimVerdict = Literal["confirmed", "contradicted", "undecided", "missing"]

Unit = Literal["points", "FID", "Inception Score", "%"]
"""Of a finding's difference: percentage points, a score, or a share of the lowest FID."""

NOTE = (
    "A difference is the claim's second side minus its first; its 95 % interval covers seeds and "
    "test images where classifiers decide a claim, and seeds of the generator where generators do. "
    "Confirmed and contradicted: the whole interval is on one side. One seed decides nothing, nor "
    "do seeds that all agree. Optimistic: the generator saw all training images, the classifiers "
    "only so many, as in the studies."
)
"""What a reader of the table must know."""

COLUMNS = ["study", "claim", "verdict", "difference", "interval", "n", "based_on"]
NONE = "\N{EN DASH}"

_SCALES: dict[Unit, tuple[float, int]] = {
    "points": (100, 2),
    "FID": (1, 1),
    "Inception Score": (1, 2),
    "%": (100, 1),
}
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


@dataclass(frozen=True)
class Finding:
    """What our runs say of one claim."""

    study: str
    claim: str
    verdict: ClaimVerdict
    difference: float | None  # b minus a; a fraction with the units points and %
    low: float | None
    high: float | None
    unit: Unit
    n: str  # seeds
    based_on: str


def claims_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return one row a claim, all text.

    Args:
        findings: what was found of each.

    Returns:
        Columns study, claim, verdict, difference (with its unit), interval (95 %), n, based_on;
        an en dash stands for what there is not.
    """
    rows = []
    for found in findings:
        scale, decimals = _SCALES[found.unit]
        difference = interval = NONE
        if found.difference is not None:
            difference = f"{_signed(scale * found.difference, decimals)} {found.unit}"
        if found.low is not None and found.high is not None:
            low, high = (_signed(scale * bound, decimals) for bound in (found.low, found.high))
            interval = f"{low} to {high}"
        rows.append(
            [
                found.study,
                found.claim,
                found.verdict,
                difference,
                interval,
                found.n,
                found.based_on,
            ]
        )
    return pd.DataFrame(rows, columns=COLUMNS)


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


def welch_interval(a: ArrayLike, b: ArrayLike, confidence: float = CONFIDENCE) -> MeanInterval:
    """Mean of ``b`` minus mean of ``a``, two groups of independent values (Welch, 1947).

    Args:
        a: finite numbers, one a seed.
        b: likewise; the groups may differ in size and in variance.
        confidence: coverage, in (0, 1).

    Returns:
        The difference, bounds, and the number of values of both groups. With fewer than two values
        in a group, or where the values of neither differ, the bounds are NaN.

    Raises:
        StatisticsError: an empty group, or values that are not finite.
    """
    one, other = mean_interval(a, confidence), mean_interval(b, confidence)
    difference = other.mean - one.mean
    if min(one.n, other.n) < 2 or (math.isnan(one.low) and math.isnan(other.low)):
        return MeanInterval(difference, float("nan"), float("nan"), one.n + other.n)
    parts = [float(np.var(np.asarray(x, np.float64), ddof=1)) / np.size(x) for x in (a, b)]
    error = sum(parts) ** 0.5
    freedom = sum(parts) ** 2 / sum(
        part**2 / (n - 1) for part, n in zip(parts, (one.n, other.n), strict=True)
    )
    half = float(student_t.ppf((1 + confidence) / 2, freedom)) * error
    return MeanInterval(difference, difference - half, difference + half, one.n + other.n)


def oscillation(fids: Sequence[float]) -> float | None:
    """How much FID goes up and down from checkpoint to checkpoint, as a share of its lowest value.

    The mean absolute change between consecutive checkpoints, less the change from the first to the
    last: 0 where FID only falls or only rises, for a steady course is no oscillation. The first
    third of the checkpoints, in which every FID falls, is left out.

    Args:
        fids: FID of each checkpoint in order.

    Returns:
        The share; None with fewer than three checkpoints after the first third, or a FID that is
        not above 0.
    """
    values = np.asarray(fids, dtype=np.float64)
    later = values[len(values) // 3 :]
    if len(later) < 3 or values.min() <= 0:
        return None
    steps = np.diff(later)
    return float((np.abs(steps).sum() - abs(steps.sum())) / len(steps) / values.min())


def late_change(fids: Sequence[float]) -> float | None:
    """How much worse the last checkpoint is than the best one before it, as a share of that one.

    Above 0 quality rose and was lost again: the best checkpoint is not the last. Below 0 the last
    one is the best.

    Args:
        fids: FID of each checkpoint in order.

    Returns:
        The share; None with fewer than two checkpoints, or a FID that is not above 0.
    """
    if len(fids) < 2 or min(fids) <= 0:
        return None
    return float(fids[-1] / min(fids[:-1]) - 1)


def claim_verdict(
    low: float | None, high: float | None, expects: Expectation, margin: float = 0.0
) -> ClaimVerdict:
    """What an interval of a difference says of a claim.

    Args:
        low: lower bound, None or NaN where there is no interval.
        high: upper bound.
        expects: what the claim says of b against a.
        margin: with ``equal``, the largest difference that counts as none.

    Returns:
        'confirmed' where the whole interval is on the claimed side (with ``equal``: within the
        margin), 'contradicted' where all of it is on the other side (outside the margin), else
        'undecided'.
    """
    if low is None or high is None or not low <= high:  # false for NaN
        return "undecided"
    if expects == "equal":
        if -margin <= low and high <= margin:
            return "confirmed"
        return "contradicted" if low > margin or high < -margin else "undecided"
    if expects == "lower":
        low, high = -high, -low
    return "confirmed" if low > 0 else "contradicted" if high < 0 else "undecided"


def cell_text(cell: Cell) -> str:
    """Return a cell as ``mix 600 + 60000``."""
    strategy, n_real, n_synthetic = cell
    return f"{strategy} {n_real} + {n_synthetic}"


def _signed(value: float, decimals: int) -> str:
    """Return a number with a sign that is not a hyphen; what rounds to 0 has none."""
    text = f"{value:+.{decimals}f}"
    return (text if float(text) else text[1:]).replace("-", "\N{MINUS SIGN}")


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
