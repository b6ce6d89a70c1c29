"""What the cells of a study say: accuracies, gains, and the headline.

The cells table has a row for each trained classifier, with the columns unit (whose generator and
judge), unit_real (how many training images that unit sees), strategy ('none' is real images only),
n_real, n_synthetic (in 'duplicated' it counts repeated real images), seed (of the classifier),
validation_accuracy (NaN without a validation part) and test_accuracy. Predictions are an integer
array of shape rows x test images, in row order.

A cell is (unit_real, strategy, n_real, n_synthetic). Units that see equally many images repeat the
same cells: each (unit, seed) is a replicate, and two cells are compared replicate by replicate.
Every function looks at the units of one ``unit_real`` and leaves the others out; it raises
`StatisticsError` for columns that are missing, tables that do not fit each other, an ``unit_real``
of no unit, two rows of one cell, unit and seed, or a real count above ``unit_real``.

A classifier may see fewer real images than its generator and judge do. Such a cell is `optimistic`
where generated images are in it: they bring the classifier what it was not given. So a verdict is
given at the full real count alone, whatever the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.verdict.intervals import CONFIDENCE as CONFIDENCE
from reports.verdict.intervals import GainInterval, accuracy_interval
from reports.verdict.intervals import MeanInterval as MeanInterval
from reports.verdict.intervals import StatisticsError as StatisticsError
from reports.verdict.intervals import difference_interval as difference_interval
from reports.verdict.intervals import gain_interval as gain_interval
from reports.verdict.intervals import mean_interval as mean_interval

CELL_KEYS = ["strategy", "n_real", "n_synthetic"]
"""What names a cell among those of one ``unit_real``."""

CONTROLS = ("none", "classical-half", "classical", "duplicated")
"""Strategies without a generated image: what the others are compared with. The one list of them
in this room: order, names and places in tables and figures go by it."""

Verdict = Literal["helps", "hurts", "cannot tell", "no verdict"]

_Cell = tuple[str, int, int]

# Mean accuracies that differ by rounding only are a tie.
_TIE_DECIMALS = 12


def unit_sizes(cells: pd.DataFrame) -> list[int]:
    """The distinct ``unit_real`` of a cells table, the largest first."""
    needed = ["unit", "unit_real", *CELL_KEYS, "seed", "validation_accuracy", "test_accuracy"]
    missing = [name for name in needed if name not in cells.columns]
    if missing:
        raise StatisticsError(f"the cells table has no column {missing[0]!r}; needed: {needed}")
    if cells.empty:
        raise StatisticsError("the cells table has no rows")
    return sorted({int(n) for n in cells["unit_real"]}, reverse=True)


def optimistic(strategy: str, n_real: int, n_synthetic: int, unit_real: int) -> bool:
    """Whether generated images bring a cell what its classifier was not given.

    True where real and generated images are mixed at a real count below ``unit_real``, the number
    of images that the generator saw. Generated images alone stand for all of these, and a control
    (`CONTROLS`) holds none.
    """
    return strategy not in CONTROLS and n_synthetic > 0 and 0 < n_real < unit_real


def compared_with(strategy: str) -> str:
    """The control that differs from a strategy by the generated images alone.

    A mix that is transformed too, such as 'mix-classical', has the control that it is named after;
    the others have 'none', the real images alone.
    """
    own = strategy.removeprefix("mix-")
    return own if own != strategy and own in CONTROLS else "none"


def verdict(interval: GainInterval, *, full: bool = True, n_seeds: int | None = None) -> Verdict:
    """What the interval of a gain says: 'helps' or 'hurts' where it excludes 0.

    Args:
        interval: of the gain.
        full: whether the classifier sees all real images that the generator saw; below them there
            is no verdict.
        n_seeds: distinct classifier seeds among the replicates; by default every replicate has a
            seed of its own. One seed cannot tell, however many generators it was trained with.
    """
    if not full:
        return "no verdict"
    seeds = interval.n_seeds if n_seeds is None else n_seeds
    if seeds > 1 and interval.low > 0:
        return "helps"
    if seeds > 1 and interval.high < 0:
        return "hurts"
    return "cannot tell"


def summarise_cells(cells: pd.DataFrame, unit_real: int, n_test: int) -> pd.DataFrame:
    """One row for each cell, over all replicates.

    Args:
        cells: the cells table.
        unit_real: the units to look at: those that see so many training images.
        n_test: number of test images.

    Returns:
        Columns unit_real, strategy, n_real, n_synthetic, n_units, n_seeds (distinct classifier
        seeds), test_mean, test_low, test_high (of `accuracy_interval`; NaN bounds with one
        replicate), validation_mean (NaN without a validation part), optimistic (bool). Sorted by
        strategy, n_real and n_synthetic.
    """
    # By replicate first: the order of the rows must not change the last digit of a mean.
    ordered = _of_units(cells, unit_real).sort_values(["unit", "seed"], kind="stable")
    rows: list[dict[str, Any]] = []
    for name, group in ordered.groupby(CELL_KEYS, sort=True):
        key = _as_cell(name)
        test = accuracy_interval(group["test_accuracy"].to_numpy(np.float64), n_test)
        rows.append(
            {
                "unit_real": unit_real,
                **dict(zip(CELL_KEYS, key, strict=True)),
                "n_units": group["unit"].nunique(),
                "n_seeds": group["seed"].nunique(),
                "test_mean": test.mean,
                "test_low": test.low,
                "test_high": test.high,
                "validation_mean": float(group["validation_accuracy"].to_numpy(np.float64).mean()),
                "optimistic": optimistic(*key, unit_real),
            }
        )
    return pd.DataFrame(rows)


def headline(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    test_labels: NDArray[np.integer[Any]],
    unit_real: int,
) -> dict[str, Any]:
    """The study's answer in numbers.

    All is compared at the largest real count of the grid. The baseline is strategy 'none'. The best
    mix is the cell with generated images whose mean validation accuracy is highest (ties: fewer
    generated images); its test accuracy is what is reported, so the test set never chooses. Without
    a validation part no choice can be made, and the largest generated count of strategy 'mix' (of
    the first strategy there is, if that one was not run) stands instead. A control (`CONTROLS`) is
    never the best mix. Nor is a mix that is transformed too (`compared_with`): its gain over the
    baseline would be the transforms' as much as the generated images'. Classical augmentation at
    full strength, where it was trained, is compared with the best mix as the baseline is, and with
    the baseline itself.

    Args:
        cells: the cells table.
        predictions: rows x test images, predicted classes, in row order of ``cells``.
        test_labels: true classes of the test images.
        unit_real: the units to look at: those that see so many training images, the full real
            count. Where the largest real count is below it, there are figures but no verdict.

    Returns:
        accuracy_real, accuracy_best_mix, accuracy_synthetic_only, accuracy_classical (fractions or
        None); gain, gain_over_classical (of the best mix) and classical_gain (of classical
        augmentation over the baseline), each with ``_low`` and ``_high`` (fractions or None);
        real_cell, best_mix_cell, synthetic_only_cell, classical_cell (strategy, n_real,
        n_synthetic, or None); chosen_by ('validation', 'largest counts' or None); verdict,
        verdict_over_classical, classical_verdict (a `Verdict`, or None without a comparison);
        n_seeds, n_units and n_replicates (distinct classifier seeds, units and pairs behind the
        gain; 0 without one), n_test, unit_real, n_candidates (mixes chosen from), confidence,
        protocols.
    """
    answers = _right_answers(cells, predictions, test_labels, unit_real)
    summary = summarise_cells(cells, unit_real, len(test_labels))
    largest = int(summary["n_real"].max())
    at_largest = summary[(summary["n_real"] == largest) & (largest > 0)]
    plain = (at_largest["strategy"].map(compared_with) == "none").astype(bool)
    generated = ~at_largest["strategy"].isin(CONTROLS) & (at_largest["n_synthetic"] > 0)
    mixes = at_largest[generated & plain]
    best, chosen_by = _choose_mix(mixes)
    only = summary[
        (summary["strategy"] == "mix") & (summary["n_real"] == 0) & (summary["n_synthetic"] > 0)
    ]
    chosen = {
        "real": _largest(at_largest[at_largest["strategy"] == "none"]),
        "best_mix": best,
        "synthetic_only": _largest(only),
        "classical": _largest(at_largest[at_largest["strategy"] == "classical"]),
    }
    protocols = cells["protocol"].astype(str).unique().tolist() if "protocol" in cells else []
    result: dict[str, Any] = {
        **{
            f"accuracy_{name}": None if row is None else float(row["test_mean"])
            for name, row in chosen.items()
        },
        **{
            f"{name}_cell": None
            if row is None
            else dict(zip(CELL_KEYS, _cell_of(row), strict=True))
            for name, row in chosen.items()
        },
        "chosen_by": chosen_by,
        "n_seeds": 0,
        "n_units": 0,
        "n_replicates": 0,
        "n_test": len(test_labels),
        "unit_real": unit_real,
        "n_candidates": len(mixes),
        "confidence": CONFIDENCE,
        "protocols": sorted(protocols),
    }
    comparisons = (
        ("gain", "verdict", "real", "best_mix"),
        ("gain_over_classical", "verdict_over_classical", "classical", "best_mix"),
        ("classical_gain", "classical_verdict", "real", "classical"),
    )
    for gain, name, of_a, of_b in comparisons:
        names = gain, f"{gain}_low", f"{gain}_high", name
        result |= dict.fromkeys(names)
        a, b = chosen[of_a], chosen[of_b]
        if a is None or b is None:
            continue
        pair = answers.paired(_cell_of(a), _cell_of(b))
        found, word = pair.gain_and_verdict(full=largest == unit_real)
        result |= zip(names, (found.gain, found.low, found.high, word), strict=True)
        if gain == "gain":
            # The three numbers rest on the same pairs, so that gain is exactly their difference.
            result["accuracy_real"] = float(pair.a.mean())
            result["accuracy_best_mix"] = float(pair.b.mean())
            result["gain"] = result["accuracy_best_mix"] - result["accuracy_real"]
            result |= {"n_seeds": pair.n_seeds, "n_units": pair.n_units}
            result["n_replicates"] = len(pair.replicates)
        elif gain == "gain_over_classical":
            result["accuracy_classical"] = float(pair.a.mean())
    return result


def gain_table(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    test_labels: NDArray[np.integer[Any]],
    unit_real: int,
) -> pd.DataFrame:
    """What each mix, and each control, gains over the same real images alone.

    Args:
        cells: the cells table.
        predictions: rows x test images, in row order of ``cells``.
        test_labels: true classes of the test images.
        unit_real: the units to look at: those that see so many training images, the full real
            count.

    Returns:
        One row for each cell with real and generated images whose real images alone were trained
        on too, and for each such cell of the controls but 'none': unit_real, strategy, n_real,
        n_synthetic, gain, low, high (fractions, 95 %), verdict (a `Verdict`; 'no verdict' below the
        full real count), n_units, n_seeds, optimistic (bool). The intervals are not widened for
        looking at many cells: the more there are, the likelier one excludes 0 by chance.
    """
    answers = _right_answers(cells, predictions, test_labels, unit_real)
    rows: list[dict[str, Any]] = []
    for cell in sorted(answers.rows):
        strategy, n_real, n_synthetic = cell
        baseline = ("none", n_real, 0)
        adds = n_synthetic > 0 or strategy in CONTROLS
        if strategy == "none" or n_real == 0 or not adds or baseline not in answers.rows:
            continue
        pair = answers.paired(baseline, cell)
        interval, word = pair.gain_and_verdict(full=n_real == unit_real)
        rows.append(
            {
                "unit_real": unit_real,
                **dict(zip(CELL_KEYS, cell, strict=True)),
                "gain": interval.gain,
                "low": interval.low,
                "high": interval.high,
                "verdict": word,
                "n_units": pair.n_units,
                "n_seeds": pair.n_seeds,
                "optimistic": optimistic(*cell, unit_real),
            }
        )
    columns = ["unit_real", *CELL_KEYS, "gain", "low", "high", "verdict", "n_units", "n_seeds"]
    return pd.DataFrame(rows, columns=[*columns, "optimistic"])


@dataclass(frozen=True)
class Findings:
    """What a study found; the tables hold the units of the largest ``unit_real`` first."""

    headline: dict[str, Any]  # of the units of the largest ``unit_real``
    summary: pd.DataFrame  # of every unit
    gains: pd.DataFrame  # of every unit
    classes: pd.DataFrame  # of the headline's cells

    def of_headline(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are of the headline's units."""
        rows: pd.DataFrame = table[table["unit_real"] == self.headline["unit_real"]]
        return rows


def study_findings(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    test_labels: NDArray[np.integer[Any]],
    class_names: Sequence[str],
) -> Findings:
    """All that the cells of a study say; see `headline` and the tables."""
    sizes = unit_sizes(cells)
    given = cells, predictions, test_labels
    summaries = [summarise_cells(cells, size, len(test_labels)) for size in sizes]
    return Findings(
        headline(*given, sizes[0]),
        pd.concat(summaries, ignore_index=True),
        pd.concat([gain_table(*given, size) for size in sizes], ignore_index=True),
        class_table(*given, class_names, sizes[0]),
    )


def class_table(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    test_labels: NDArray[np.integer[Any]],
    class_names: Sequence[str],
    unit_real: int,
) -> pd.DataFrame:
    """Accuracy by class of the headline's two cells: whom the generated images help or hurt.

    Args:
        cells: the cells table.
        predictions: rows x test images, in row order of ``cells``.
        test_labels: true classes of the test images, in [0, len(class_names)).
        class_names: names in label order.
        unit_real: the units to look at: those that see so many training images.

    Returns:
        Columns class_name, n_test, accuracy_real, accuracy_best_mix, gain, low, high. Empty when
        the headline has no gain; a class with fewer than two test images has NaN bounds.

    Raises:
        StatisticsError: labels without a name, too.
    """
    columns = ["class_name", "n_test", "accuracy_real", "accuracy_best_mix", "gain", "low", "high"]
    if len(test_labels) and int(test_labels.max()) >= len(class_names):
        raise StatisticsError(
            f"classes: label {int(test_labels.max())} has no name; "
            f"allowed: 0 to {len(class_names) - 1}"
        )
    found = headline(cells, predictions, test_labels, unit_real)
    if found["gain"] is None:
        return pd.DataFrame(columns=columns)
    real, best = (
        _as_cell(found[name][key] for key in CELL_KEYS) for name in ("real_cell", "best_mix_cell")
    )
    pair = _right_answers(cells, predictions, test_labels, unit_real).paired(real, best)
    rows = []
    for label, name in enumerate(class_names):
        members = test_labels == label
        n = int(members.sum())
        if n == 0:
            continue
        a, b = pair.a[:, members], pair.b[:, members]
        low = high = float("nan")
        if n > 1:
            interval = gain_interval(a, b)
            low, high = interval.low, interval.high
        rows.append(
            [name, n, float(a.mean()), float(b.mean()), float(b.mean() - a.mean()), low, high]
        )
    return pd.DataFrame(rows, columns=columns)


def _choose_mix(mixes: pd.DataFrame) -> tuple[pd.Series | None, str | None]:
    """The mix of one real count that stands for all, and what chose it."""
    if mixes.empty:
        return None, None
    if mixes["validation_mean"].notna().all():
        rounded = mixes.assign(validation_mean=mixes["validation_mean"].round(_TIE_DECIMALS))
        order = rounded.sort_values(
            ["validation_mean", "n_synthetic", "strategy"],
            ascending=[False, True, True],
            kind="stable",
        )
        return order.iloc[0], "validation"
    strategy = "mix" if (mixes["strategy"] == "mix").any() else mixes["strategy"].min()
    return _largest(mixes[mixes["strategy"] == strategy]), "largest counts"


def _largest(rows: pd.DataFrame) -> pd.Series | None:
    """The row with the most generated images."""
    if rows.empty:
        return None
    return rows.sort_values("n_synthetic", ascending=False, kind="stable").iloc[0]


def _as_cell(values: Any) -> _Cell:
    strategy, n_real, n_synthetic = values
    return str(strategy), int(n_real), int(n_synthetic)


def _cell_of(row: pd.Series) -> _Cell:
    return _as_cell(row[CELL_KEYS])


def _named(row: pd.Series | None) -> dict[str, Any] | None:
    return None if row is None else dict(zip(CELL_KEYS, _cell_of(row), strict=True))


@dataclass(frozen=True)
class _Pair:
    """Right answers of two cells, for the replicates that both have, in the same order."""

    a: NDArray[np.bool_]  # replicates x test images
    b: NDArray[np.bool_]
    replicates: list[tuple[str, int]]  # unit and classifier seed

    @property
    def n_units(self) -> int:
        return len({unit for unit, _ in self.replicates})

    @property
    def n_seeds(self) -> int:
        return len({seed for _, seed in self.replicates})

    def gain_and_verdict(self, *, full: bool) -> tuple[GainInterval, Verdict]:
        """What b gains over a, and what that says."""
        interval = gain_interval(self.a, self.b)
        return interval, verdict(interval, full=full, n_seeds=self.n_seeds)


@dataclass(frozen=True)
class _RightAnswers:
    """Which test images the classifiers of some units read right."""

    right: NDArray[np.bool_]  # rows of the cells table x test images
    rows: dict[_Cell, dict[tuple[str, int], int]]  # of every cell: the row of every replicate

    def paired(self, a: _Cell, b: _Cell) -> _Pair:
        common = sorted(self.rows[a].keys() & self.rows[b].keys())
        if not common:
            raise StatisticsError(f"cells {a} and {b} have no unit and seed in common")
        of_a, of_b = ([self.rows[cell][replicate] for replicate in common] for cell in (a, b))
        return _Pair(self.right[of_a], self.right[of_b], common)


def _right_answers(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    test_labels: NDArray[np.integer[Any]],
    unit_real: int,
) -> _RightAnswers:
    mine = _of_units(cells.reset_index(drop=True), unit_real)
    if predictions.shape != (len(cells), len(test_labels)):
        raise StatisticsError(
            f"predictions of shape {predictions.shape}; "
            f"allowed: {len(cells)} cells x {len(test_labels)} test images"
        )
    rows: dict[_Cell, dict[tuple[str, int], int]] = {}
    for row, *cell, unit, seed in mine[[*CELL_KEYS, "unit", "seed"]].itertuples():
        of_cell = rows.setdefault(_as_cell(cell), {})
        if (str(unit), int(seed)) in of_cell:
            raise StatisticsError(
                f"two cells of strategy {cell[0]}, {cell[1]} real and {cell[2]} generated images "
                f"of unit {unit} with seed {seed}; allowed: one (one protocol and one generator a "
                "table)"
            )
        of_cell[str(unit), int(seed)] = row
    return _RightAnswers(predictions == test_labels, rows)


def _of_units(cells: pd.DataFrame, unit_real: int) -> pd.DataFrame:
    """The rows of the units that see so many images."""
    sizes = unit_sizes(cells)
    if unit_real not in sizes:
        raise StatisticsError(
            f"the cells table has no unit that sees {unit_real} training images; "
            f"allowed: {', '.join(map(str, sizes))}"
        )
    mine = cells[cells["unit_real"] == unit_real]
    if mine["n_real"].max() > unit_real:
        raise StatisticsError(
            f"the cells table has {mine['n_real'].max()} real images; "
            f"allowed: at most {unit_real}, the training images that the generator saw"
        )
    return mine
