"""What the cells of a study say: accuracies and gains, exploratory, and a learning curve.

The cells table has a row for each trained classifier, with the columns unit (whose generator and
judge), unit_real (how many training images that unit sees), strategy ('none' is real images only),
n_real, n_synthetic (in 'duplicated' it counts repeated real images), seed (of the classifier),
validation_accuracy (NaN without a validation part) and test_accuracy. Predictions are an integer
array of shape rows x test images, in row order.

A cell is (unit_real, strategy, n_real, n_synthetic). Units that see equally many images repeat the
same cells. Nothing here makes the verdict: `reports.verdict.verdict` does, of classifiers with
fresh seeds.

A classifier may see fewer real images than its generator and judge do. Such a cell is `optimistic`
where generated images are in it: they bring the classifier what it was not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.errors import StatisticsError
from reports.verdict.choice import CELL_KEYS, CONTROLS
from reports.verdict.contrasts import contrast_table, correct_predictions, rows_of_arms, seed_mean
from reports.verdict.crossed import crossed_interval, holm
from reports.verdict.intervals import accuracy_interval
from reports.verdict.verdict import PRIMARY

CURVE_ARMS = ("real", "classical", "mix", "mix-classical")
"""Arms of the learning curve; see `reports.verdict.choice`."""


@dataclass(frozen=True)
class Findings:
    """What the cells of a study say; the units of the largest ``unit_real`` come first."""

    summary: pd.DataFrame  # of every unit, from `summarise_cells`
    gains: pd.DataFrame  # of every unit, from `gain_table`
    curve: pd.DataFrame  # from `learning_curve`

    @property
    def grid(self) -> pd.DataFrame:
        """The cells of one grid over real counts: each by units that see just so many images.

        In the published protocol all units see all images. Generated images alone are those of the
        largest units.
        """
        table = self.summary
        largest = table["unit_real"] == table["unit_real"].max()
        rows: pd.DataFrame = table[largest | (table["n_real"] == table["unit_real"])]
        return rows


def unit_sizes(cells: pd.DataFrame) -> list[int]:
    """The distinct ``unit_real`` of a cells table, the largest first.

    Raises:
        StatisticsError: a column is missing, there is no row, or two rows are of one cell, unit and
            seed.
    """
    needed = ["unit", "unit_real", *CELL_KEYS, "seed", "validation_accuracy", "test_accuracy"]
    missing = [name for name in needed if name not in cells.columns]
    if missing:
        raise StatisticsError(f"the cells table has no column {missing[0]!r}; needed: {needed}")
    if cells.empty:
        raise StatisticsError("the cells table has no rows")
    twice = cells.duplicated(["unit", "unit_real", *CELL_KEYS, "seed"])
    if twice.any():
        row = cells[twice].iloc[0]
        raise StatisticsError(
            f"two cells of strategy {row['strategy']}, {row['n_real']} real and "
            f"{row['n_synthetic']} generated images of unit {row['unit']} with seed {row['seed']}; "
            "allowed: one (one protocol and one generator a table)"
        )
    return sorted({int(n) for n in cells["unit_real"]}, reverse=True)


def optimistic(strategy: str, n_real: int, n_synthetic: int, unit_real: int) -> bool:
    """Whether generated images bring a cell what its classifier was not given.

    True where real and generated images are mixed at a real count below ``unit_real``, the number
    of images that the generator saw. Generated images alone stand for all of these, and a control
    (`CONTROLS`) holds none.
    """
    return strategy not in CONTROLS and n_synthetic > 0 and 0 < n_real < unit_real


def summarise_cells(cells: pd.DataFrame, unit_real: int, n_test: int) -> pd.DataFrame:
    """One row for each cell of the units of one size.

    Args:
        cells: the cells table.
        unit_real: the units to look at: those that see so many training images.
        n_test: number of test images.

    Returns:
        Columns unit_real, strategy, n_real, n_synthetic, n_units, n_seeds (distinct classifier
        seeds), test_mean, test_low, test_high (of `accuracy_interval`, over units, in which seeds
        are averaged first; with one unit over seeds; NaN bounds with one value), validation_mean
        (NaN without a validation part), optimistic (bool). Sorted by strategy, n_real and
        n_synthetic.

    Raises:
        StatisticsError: as `unit_sizes`; no unit of that size.
    """
    sizes = unit_sizes(cells)
    if unit_real not in sizes:
        raise StatisticsError(
            f"the cells table has no unit that sees {unit_real} training images; "
            f"allowed: {', '.join(map(str, sizes))}"
        )
    # By replicate first: the order of the rows must not change the last digit of a mean.
    mine = cells[cells["unit_real"] == unit_real]
    ordered = mine.sort_values(["unit", "seed"], kind="stable")
    rows: list[dict[str, Any]] = []
    for name, group in ordered.groupby(CELL_KEYS, sort=True):
        n_units, mean, low, high = _accuracy(group, n_test)
        strategy, n_real, n_synthetic = map(str, name)
        key = strategy, int(n_real), int(n_synthetic)
        rows.append(
            {
                "unit_real": unit_real,
                **dict(zip(CELL_KEYS, key, strict=True)),
                "n_units": n_units,
                "n_seeds": group["seed"].nunique(),
                "test_mean": mean,
                "test_low": low,
                "test_high": high,
                "validation_mean": float(group["validation_accuracy"].to_numpy(np.float64).mean()),
                "optimistic": optimistic(*key, unit_real),
            }
        )
    return pd.DataFrame(rows)


def gain_table(
    cells: pd.DataFrame, predictions: NDArray[Any], labels: NDArray[np.integer[Any]]
) -> pd.DataFrame:
    """What each mix, and each control, gains: exploratory, corrected for all rows together.

    Args:
        cells: the cells table.
        predictions: rows x test images, in row order of ``cells``.
        labels: true classes of the test images.

    Returns:
        The rows of `contrast_table` for units of every size, with ``p_holm`` over all of them, and
        a column optimistic (bool).
    """
    tables = [contrast_table(cells, predictions, labels, size) for size in unit_sizes(cells)]
    table = pd.concat([each for each in tables if len(each)] or tables, ignore_index=True)
    keys = zip(*(table[name] for name in [*CELL_KEYS, "unit_real"]), strict=True)
    marks = [optimistic(*key) for key in keys]
    return table.assign(p_holm=holm(table["p"].to_numpy(np.float64)), optimistic=marks)


def learning_curve(cells: pd.DataFrame, choices: pd.DataFrame, n_test: int) -> pd.DataFrame:
    """Test accuracy over the real count, for each arm the cell that validation chose for its unit.

    The classifiers are those that validation chose by, on other units (`choice.choose`): the curve
    is exploratory.

    Args:
        cells: the cells table.
        choices: columns unit, unit_real, arm, strategy, n_real, n_synthetic.
        n_test: number of test images.

    Returns:
        Columns arm (of `CURVE_ARMS`), n_real, n_units, mean, low, high (as in `summarise_cells`);
        sorted by arm and n_real.
    """
    keys = ["unit", "unit_real", *CELL_KEYS]
    found = choices.merge(cells[[*keys, "seed", "test_accuracy"]], on=keys)
    rows = []
    for arm in CURVE_ARMS:
        for n_real, group in found[found["arm"] == arm].groupby("n_real"):
            rows.append([arm, int(str(n_real)), *_accuracy(group, n_test)])
    return pd.DataFrame(rows, columns=["arm", "n_real", "n_units", "mean", "low", "high"])


def worth(curve: pd.DataFrame) -> pd.DataFrame:
    """How many real images alone are as accurate as arm mix, between the counts of arm real.

    Linear in the logarithm of the count between neighbouring counts.

    Args:
        curve: from `learning_curve`.

    Returns:
        Columns n_real (of the mix), worth, low, high: counts for its mean and for the bounds of its
        interval; NaN where the accuracy lies outside of the other curve, or there is no bound.
        Empty where the other curve has fewer than two counts or does not rise throughout.
    """
    real = curve[curve["arm"] == "real"].sort_values("n_real")
    accuracy = real["mean"].to_numpy(np.float64)
    counts = np.log(real["n_real"].to_numpy(np.float64))
    columns = ["n_real", "worth", "low", "high"]
    if len(real) < 2 or (np.diff(accuracy) <= 0).any():
        return pd.DataFrame(columns=columns)
    mine = curve[curve["arm"] == "mix"].sort_values("n_real")
    bounds = mine[["mean", "low", "high"]].to_numpy(np.float64)
    found = np.exp(np.interp(bounds, accuracy, counts, left=np.nan, right=np.nan))
    return pd.DataFrame(np.column_stack([mine["n_real"], found]), columns=columns)


def class_table(
    confirmed: pd.DataFrame,
    predictions: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    class_names: Sequence[str],
) -> pd.DataFrame:
    """Accuracy by class of the verdict's two arms: whom the generated images help or hurt.

    Args:
        confirmed: as in `verdict.reach_verdict`.
        predictions: rows x test images, predicted classes, in row order of ``confirmed``.
        labels: true classes of the test images, in [0, len(class_names)).
        class_names: names in label order.

    Returns:
        Columns class_name, n_test, accuracy, accuracy_against, gain, low, high, p_holm (over the
        classes). Empty without both arms in a unit; a class with fewer than two test images has NaN
        bounds.

    Raises:
        StatisticsError: predictions that do not fit.
    """
    right = correct_predictions(confirmed, predictions, labels)
    rows_of = rows_of_arms(confirmed)
    own, other = (
        {unit: seed_mean(right, mine) for unit, mine in rows_of.get(arm, {}).items()}
        for arm in PRIMARY
    )
    units = sorted(own.keys() & other.keys())
    rows = []
    for label, name in enumerate(class_names):
        members = labels == label
        n = int(members.sum())
        if n == 0 or not units:
            continue
        a, b = (np.stack([means[unit][members] for unit in units]) for means in (own, other))
        low = high = p = float("nan")
        if n > 1:
            found = crossed_interval(a - b)
            low, high, p = found.low, found.high, found.p
        rows.append([name, n, a.mean(), b.mean(), (a - b).mean(), low, high, p])
    columns = ["class_name", "n_test", "accuracy", "accuracy_against", "gain", "low", "high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=holm(table["p"].to_numpy(np.float64))).drop(columns="p")


def study_findings(
    cells: pd.DataFrame,
    predictions: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    choices: pd.DataFrame,
) -> Findings:
    """All that the cells of a study say; the arguments are those of the tables in it."""
    n_test = len(labels)
    summaries = [summarise_cells(cells, size, n_test) for size in unit_sizes(cells)]
    return Findings(
        pd.concat(summaries, ignore_index=True),
        gain_table(cells, predictions, labels),
        learning_curve(cells, choices, n_test),
    )


def _accuracy(group: pd.DataFrame, n_test: int) -> tuple[int, float, float, float]:
    """Units, mean test accuracy and bounds of one cell's classifiers.

    Over units, in which seeds are averaged first; with one unit over its seeds.
    """
    by_unit = group.groupby("unit")["test_accuracy"].mean()
    values = by_unit if len(by_unit) > 1 else group["test_accuracy"]
    test = accuracy_interval(values.to_numpy(np.float64), n_test)
    return len(by_unit), float(by_unit.mean()), test.low, test.high
