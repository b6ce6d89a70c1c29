"""What the cells of a study say, and how sure one can be: means, intervals, the headline.

A cell is one trained classifier. The tables here have the columns of the cells table: protocol,
unit, generator, strategy ('none' is real images only), n_real, n_synthetic (in 'duplicated' it
counts repeated real images), seed, validation_accuracy (NaN without a validation part),
test_accuracy, balanced_accuracy, class_accuracy. Predictions are an integer array of shape cells x
test images, in row order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from reports.errors import ReportError

CELL_KEYS = ["strategy", "n_real", "n_synthetic"]
CONFIDENCE = 0.95
CONTROLS = ("none", "classical", "duplicated")
"""Strategies without a generated image: what the others are compared with."""

Verdict = Literal["helps", "hurts", "cannot tell"]

_MEASURES = {
    "test": "test_accuracy",
    "validation": "validation_accuracy",
    "balanced": "balanced_accuracy",
}
# Mean accuracies that differ by rounding only are a tie.
_TIE_DECIMALS = 12


class StatisticsError(ReportError):
    """Tables or arrays that cannot be summarised."""


class MeanInterval(NamedTuple):
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float
    n: int


class GainInterval(NamedTuple):
    """The difference of two accuracies with its confidence interval, as fractions."""

    gain: float
    low: float
    high: float
    n_seeds: int
    n_images: int
    standard_error: float
    degrees_of_freedom: float


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> MeanInterval:
    """Mean of independent values with Student's t interval.

    Args:
        values: one finite number a seed.
        confidence: coverage, in (0, 1).

    Returns:
        Mean, lower and upper bound, number of values. One value has no interval: its bounds are
        NaN.

    Raises:
        StatisticsError: no values, values that are not finite, or a confidence out of range.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise StatisticsError(
            f"mean: {array.size} values of shape {array.shape}; allowed: one or more finite numbers"
        )
    _check_confidence(confidence)
    mean = float(array.mean())
    if array.size == 1:
        return MeanInterval(mean, float("nan"), float("nan"), 1)
    half = _t_quantile(confidence, array.size - 1) * float(array.std(ddof=1)) / array.size**0.5
    return MeanInterval(mean, mean - half, mean + half, int(array.size))


def gain_interval(
    correct_a: ArrayLike, correct_b: ArrayLike, confidence: float = CONFIDENCE
) -> GainInterval:
    """Accuracy of ``b`` minus accuracy of ``a``, paired by seed and by test image.

    The interval is that of `difference_interval`.

    Args:
        correct_a: bool, seeds x test images: the baseline's right answers.
        correct_b: the same shape, same seeds and images in the same order.
        confidence: coverage, in (0, 1).

    Returns:
        Gain as a fraction (0.01 is one percentage point), bounds, and what they rest on.

    Raises:
        StatisticsError: shapes that differ, no seeds, or fewer than two images.
    """
    a, b = np.asarray(correct_a), np.asarray(correct_b)
    if a.shape != b.shape or a.ndim != 2 or a.shape[0] < 1 or a.shape[1] < 2:
        raise StatisticsError(
            f"gain: right answers of shape {a.shape} and {b.shape}; "
            "allowed: the same seeds x images twice, with two images or more"
        )
    if a.dtype != np.bool_ or b.dtype != np.bool_:
        raise StatisticsError(f"gain: right answers of type {a.dtype} and {b.dtype}; allowed: bool")
    return difference_interval(b.astype(np.int8) - a.astype(np.int8), confidence)


def difference_interval(difference: ArrayLike, confidence: float = CONFIDENCE) -> GainInterval:
    """Mean of a difference that was measured for each seed on each test image.

    Two things are left to chance: the classifier's seed and which images are in the test set. With
    ``d[s, i]`` the difference, the standard error is ``sqrt(v_seeds + v_images)``, where
    ``v_seeds`` is the variance over seeds of the mean over images, divided by the number of seeds,
    and ``v_images`` the variance over images of the mean over seeds, divided by the number of
    images. Each holds the part of the noise that is neither seed nor image alone, so that part is
    counted twice: the interval is a little wider than needed, never narrower. Degrees of freedom by
    Welch (1947) and Satterthwaite (1946). With one seed there is no variance over seeds: the
    interval then covers the choice of test images only.

    Args:
        difference: finite numbers, seeds x test images: for one pair of cells -1, 0 or 1; averages
            over several pairs lie between.
        confidence: coverage, in (0, 1).

    Returns:
        The mean as the gain, bounds, and what they rest on.

    Raises:
        StatisticsError: no seeds, fewer than two images, or numbers that are not finite.
    """
    d = np.asarray(difference, dtype=np.float64)
    if d.ndim != 2 or d.shape[0] < 1 or d.shape[1] < 2 or not np.isfinite(d).all():
        raise StatisticsError(
            f"gain: differences of shape {d.shape}; "
            "allowed: finite numbers, one seed or more x two images or more"
        )
    _check_confidence(confidence)
    n_seeds, n_images = d.shape
    by_seed, by_image = d.mean(axis=1), d.mean(axis=0)
    gain = float(by_seed.mean())
    v_images = float(by_image.var(ddof=1)) / n_images
    v_seeds = float(by_seed.var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    freedom = float(n_images - 1)
    if v_seeds > 0:
        parts = v_seeds**2 / (n_seeds - 1) + v_images**2 / (n_images - 1)
        freedom = (v_seeds + v_images) ** 2 / parts
    error = (v_seeds + v_images) ** 0.5
    half = _t_quantile(confidence, freedom) * error
    return GainInterval(gain, gain - half, gain + half, n_seeds, n_images, error, freedom)


def verdict(low: float, high: float) -> Verdict:
    """What an interval of a gain says: 'helps' or 'hurts' when it excludes 0."""
    if low > 0:
        return "helps"
    if high < 0:
        return "hurts"
    return "cannot tell"


def summarise_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """One row for each (strategy, n_real, n_synthetic), over all seeds.

    Args:
        cells: the cells table.

    Returns:
        Columns strategy, n_real, n_synthetic, n_seeds, and for each of test, validation and
        balanced accuracy ``<measure>_mean``, ``<measure>_low``, ``<measure>_high``: Student's t
        interval at 95 % over seeds, cut to [0, 1]; NaN bounds with one seed, NaN everywhere where
        a measure is absent. Sorted by the first three.

    Raises:
        StatisticsError: columns that are missing, or no rows.
    """
    _check_cells(cells)
    rows: list[dict[str, Any]] = []
    # By seed first: the order of the rows must not change the last digit of a mean.
    for key, group in cells.sort_values("seed", kind="stable").groupby(CELL_KEYS, sort=True):
        row: dict[str, Any] = dict(zip(CELL_KEYS, _as_tuple(key), strict=True))
        row["n_seeds"] = len(group)
        for measure, column in _MEASURES.items():
            values = group[column].to_numpy(np.float64) if column in group else np.array([np.nan])
            if np.isnan(values).any():
                interval = MeanInterval(float("nan"), float("nan"), float("nan"), 0)
            else:
                interval = mean_interval(values)
            row[f"{measure}_mean"] = interval.mean
            row[f"{measure}_low"] = max(interval.low, 0.0) if interval.n > 1 else float("nan")
            row[f"{measure}_high"] = min(interval.high, 1.0) if interval.n > 1 else float("nan")
        rows.append(row)
    return pd.DataFrame(rows)


def headline(
    cells: pd.DataFrame, predictions: NDArray[Any], test_labels: NDArray[np.integer[Any]]
) -> dict[str, Any]:
    """The study's answer in numbers.

    The baseline is strategy 'none' at the largest real count. The best mix is the cell with real
    and generated images whose mean validation accuracy is highest (ties: fewer generated, then
    fewer real images); its test accuracy is what is reported, so the test set never chooses.
    Without a validation part no choice can be made, and the largest real and generated counts of
    strategy 'mix' (of the first strategy there is, if that one was not run) stand instead. A
    control (`CONTROLS`) is never the best mix. Classical augmentation, where it was trained, is
    taken at its largest real count and compared with the best mix as the baseline is.

    Args:
        cells: the cells table.
        predictions: cells x test images, predicted classes, in row order of ``cells``.
        test_labels: true classes of the test images.

    Returns:
        accuracy_real, accuracy_best_mix, gain, gain_low, gain_high, accuracy_synthetic_only,
        accuracy_classical, gain_over_classical, gain_over_classical_low,
        gain_over_classical_high (fractions or None); real_cell, best_mix_cell,
        synthetic_only_cell, classical_cell (strategy, n_real, n_synthetic, or None); chosen_by
        ('validation', 'largest counts' or None); verdict, verdict_over_classical ('helps',
        'hurts', 'cannot tell' or None); n_seeds (pairs behind the gain), n_test, n_candidates
        (mixes chosen from), confidence, protocols, n_units.

    Raises:
        StatisticsError: tables that do not fit each other, or two cells of one strategy, counts,
            unit and seed.
    """
    correct = _right_answers(cells, predictions, test_labels)
    summary = summarise_cells(cells)
    none = summary[(summary["strategy"] == "none") & (summary["n_real"] > 0)]
    real = _largest(none, ["n_real"])
    mixes = summary[
        ~summary["strategy"].isin(CONTROLS) & (summary["n_real"] > 0) & (summary["n_synthetic"] > 0)
    ]
    best, chosen_by = _choose_mix(mixes)
    only = summary[
        (summary["strategy"] == "mix") & (summary["n_real"] == 0) & (summary["n_synthetic"] > 0)
    ]
    synthetic = _largest(only, ["n_synthetic"])
    classical = _largest(summary[summary["strategy"] == "classical"], ["n_real"])
    protocols = cells["protocol"].astype(str).unique().tolist() if "protocol" in cells else []
    result: dict[str, Any] = {
        "accuracy_real": _mean_test(real),
        "accuracy_best_mix": _mean_test(best),
        "gain": None,
        "gain_low": None,
        "gain_high": None,
        "accuracy_synthetic_only": _mean_test(synthetic),
        "accuracy_classical": _mean_test(classical),
        "gain_over_classical": None,
        "gain_over_classical_low": None,
        "gain_over_classical_high": None,
        "real_cell": _cell_name(real),
        "best_mix_cell": _cell_name(best),
        "synthetic_only_cell": _cell_name(synthetic),
        "classical_cell": _cell_name(classical),
        "chosen_by": chosen_by,
        "verdict": None,
        "verdict_over_classical": None,
        "n_seeds": 0,
        "n_test": len(test_labels),
        "n_candidates": len(mixes),
        "confidence": CONFIDENCE,
        "protocols": sorted(protocols),
        "n_units": int(cells["unit"].nunique()) if "unit" in cells else 1,
    }
    if real is not None and best is not None:
        right_real, right_best = _paired(cells, correct, _key(real), _key(best))
        interval = gain_interval(right_real, right_best)
        # The three numbers rest on the same pairs, so that gain is exactly their difference.
        result["accuracy_real"] = float(right_real.mean())
        result["accuracy_best_mix"] = float(right_best.mean())
        result["gain"] = result["accuracy_best_mix"] - result["accuracy_real"]
        result["gain_low"], result["gain_high"] = interval.low, interval.high
        result["verdict"] = verdict(interval.low, interval.high)
        result["n_seeds"] = interval.n_seeds
    if classical is not None and best is not None:
        right_classical, right_best = _paired(cells, correct, _key(classical), _key(best))
        interval = gain_interval(right_classical, right_best)
        result["accuracy_classical"] = float(right_classical.mean())
        result["gain_over_classical"] = interval.gain
        result["gain_over_classical_low"] = interval.low
        result["gain_over_classical_high"] = interval.high
        result["verdict_over_classical"] = verdict(interval.low, interval.high)
    return result


def gain_table(
    cells: pd.DataFrame, predictions: NDArray[Any], test_labels: NDArray[np.integer[Any]]
) -> pd.DataFrame:
    """What each mix, and each control, gains over the same real images alone.

    Args:
        cells: the cells table.
        predictions: cells x test images, in row order of ``cells``.
        test_labels: true classes of the test images.

    Returns:
        One row for each cell with real and generated images whose real images alone were trained
        on too, and for each such cell of the controls 'duplicated' and 'classical': strategy,
        n_real, n_synthetic, gain, low, high (fractions, 95 %), verdict, n_seeds. The intervals are
        not widened for looking at many cells: one in twenty excludes 0 by chance.

    Raises:
        StatisticsError: as `headline`.
    """
    correct = _right_answers(cells, predictions, test_labels)
    keys = {_as_tuple(key) for key, _ in cells.groupby(CELL_KEYS)}
    rows: list[dict[str, Any]] = []
    for key in sorted(keys):
        strategy, n_real, n_synthetic = key
        baseline = ("none", n_real, 0)
        adds = n_synthetic > 0 or strategy == "classical"
        if strategy == "none" or n_real == 0 or not adds or baseline not in keys:
            continue
        interval = gain_interval(*_paired(cells, correct, baseline, key))
        rows.append(
            {
                **dict(zip(CELL_KEYS, key, strict=True)),
                "gain": interval.gain,
                "low": interval.low,
                "high": interval.high,
                "verdict": verdict(interval.low, interval.high),
                "n_seeds": interval.n_seeds,
            }
        )
    columns = [*CELL_KEYS, "gain", "low", "high", "verdict", "n_seeds"]
    return pd.DataFrame(rows, columns=columns)


def class_table(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    test_labels: NDArray[np.integer[Any]],
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Accuracy by class of the headline's two cells: whom the generated images help or hurt.

    Args:
        cells: the cells table.
        predictions: cells x test images, in row order of ``cells``.
        test_labels: true classes of the test images, in [0, len(class_names)).
        class_names: names in label order.

    Returns:
        Columns class_name, n_test, accuracy_real, accuracy_best_mix, gain, low, high. Empty when
        the headline has no gain; a class with fewer than two test images, or whose
        answers are all the same in both cells, has NaN bounds.

    Raises:
        StatisticsError: as `headline`, or labels without a name.
    """
    columns = ["class_name", "n_test", "accuracy_real", "accuracy_best_mix", "gain", "low", "high"]
    if len(test_labels) and int(test_labels.max()) >= len(class_names):
        raise StatisticsError(
            f"classes: label {int(test_labels.max())} has no name; "
            f"allowed: 0 to {len(class_names) - 1}"
        )
    found = headline(cells, predictions, test_labels)
    if found["gain"] is None:
        return pd.DataFrame(columns=columns)
    correct = _right_answers(cells, predictions, test_labels)
    names = [
        tuple(found[cell][key] for key in CELL_KEYS) for cell in ("real_cell", "best_mix_cell")
    ]
    right_real, right_best = _paired(cells, correct, names[0], names[1])
    rows = []
    for label, name in enumerate(class_names):
        members = test_labels == label
        n = int(members.sum())
        if n == 0:
            continue
        a, b = right_real[:, members], right_best[:, members]
        low = high = float("nan")
        if n > 1:
            interval = gain_interval(a, b)
            # No answer differs: that is too few images to see a difference, not certainty.
            if interval.standard_error > 0:
                low, high = interval.low, interval.high
        rows.append(
            [name, n, float(a.mean()), float(b.mean()), float(b.mean() - a.mean()), low, high]
        )
    return pd.DataFrame(rows, columns=columns)


def _choose_mix(mixes: pd.DataFrame) -> tuple[pd.Series | None, str | None]:
    """The mix that stands for all, and what chose it."""
    if mixes.empty:
        return None, None
    if mixes["validation_mean"].notna().all():
        rounded = mixes.assign(validation_mean=mixes["validation_mean"].round(_TIE_DECIMALS))
        order = rounded.sort_values(
            ["validation_mean", "n_synthetic", "n_real", "strategy"],
            ascending=[False, True, True, True],
            kind="stable",
        )
        return order.iloc[0], "validation"
    strategy = "mix" if (mixes["strategy"] == "mix").any() else mixes["strategy"].min()
    return _largest(
        mixes[mixes["strategy"] == strategy], ["n_real", "n_synthetic"]
    ), "largest counts"


def _largest(rows: pd.DataFrame, by: list[str]) -> pd.Series | None:
    return None if rows.empty else rows.sort_values(by, ascending=False, kind="stable").iloc[0]


def _mean_test(row: pd.Series | None) -> float | None:
    return None if row is None else float(row["test_mean"])


def _key(row: pd.Series) -> tuple[str, int, int]:
    return str(row["strategy"]), int(row["n_real"]), int(row["n_synthetic"])


def _cell_name(row: pd.Series | None) -> dict[str, Any] | None:
    return None if row is None else dict(zip(CELL_KEYS, _key(row), strict=True))


def _as_tuple(key: Any) -> tuple[str, int, int]:
    strategy, n_real, n_synthetic = key
    return str(strategy), int(n_real), int(n_synthetic)


def _right_answers(
    cells: pd.DataFrame, predictions: NDArray[Any], test_labels: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    _check_cells(cells)
    if predictions.shape != (len(cells), len(test_labels)):
        raise StatisticsError(
            f"predictions of shape {predictions.shape}; "
            f"allowed: {len(cells)} cells x {len(test_labels)} test images"
        )
    right: NDArray[np.bool_] = predictions == test_labels
    return right


def _paired(
    cells: pd.DataFrame,
    correct: NDArray[np.bool_],
    a: tuple[str, int, int],
    b: tuple[str, int, int],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Right answers of two cells, for the seeds that both have, in the same order."""
    rows_a, rows_b = _rows_by_seed(cells, a), _rows_by_seed(cells, b)
    common = sorted(rows_a.keys() & rows_b.keys())
    if not common:
        raise StatisticsError(f"cells {a} and {b} have no seed in common")
    return correct[[rows_a[seed] for seed in common]], correct[[rows_b[seed] for seed in common]]


def _rows_by_seed(cells: pd.DataFrame, key: tuple[str, int, int]) -> dict[tuple[str, int], int]:
    """Row number by (subset seed, classifier seed) of one cell."""
    strategy, n_real, n_synthetic = key
    chosen = (
        (cells["strategy"] == strategy)
        & (cells["n_real"] == n_real)
        & (cells["n_synthetic"] == n_synthetic)
    ).to_numpy()
    # A unit is named <count>-<subset seed>: cells of different real counts pair by the latter.
    subsets = (
        [str(unit).rpartition("-")[2] for unit in cells["unit"]]
        if "unit" in cells
        else [""] * len(cells)
    )
    rows: dict[tuple[str, int], int] = {}
    for row in np.flatnonzero(chosen):
        seed = (subsets[row], int(cells["seed"].iloc[row]))
        if seed in rows:
            raise StatisticsError(
                f"two cells of strategy {strategy}, {n_real} real and {n_synthetic} generated "
                f"images with seed {seed[1]}; allowed: one (one protocol and one generator a table)"
            )
        rows[seed] = int(row)
    return rows


def _check_cells(cells: pd.DataFrame) -> None:
    needed = [*CELL_KEYS, "seed", "validation_accuracy", "test_accuracy"]
    missing = [name for name in needed if name not in cells.columns]
    if missing:
        raise StatisticsError(f"the cells table has no column {missing[0]!r}; needed: {needed}")
    if cells.empty:
        raise StatisticsError("the cells table has no rows")


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise StatisticsError(f"confidence is {confidence}; allowed: above 0 and below 1")


def _t_quantile(confidence: float, freedom: float) -> float:
    return float(student_t.ppf((1 + confidence) / 2, freedom))
