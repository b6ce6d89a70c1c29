"""Tables of a study's cells, the learning curve and accuracy by class, by hand."""

import numpy as np
import pandas as pd
import pytest

from reports.errors import StatisticsError
from reports.verdict.choice import CONTROLS
from reports.verdict.contrasts import contrast_table
from reports.verdict.crossed import crossed_interval, holm
from reports.verdict.intervals import accuracy_interval
from reports.verdict.statistics import (
    class_table,
    gain_table,
    learning_curve,
    optimistic,
    study_findings,
    summarise_cells,
    unit_sizes,
    worth,
)
from tests.reports.verdict.confirmations import confirmation

N_TRAIN = 3600
"""Training images of the made-up study, its largest real count."""

COLUMNS = ["unit", "unit_real", "strategy", "n_real", "n_synthetic", "seed", "test_accuracy"]


def cells_of(*rows):
    """A cells table of rows in the order of `COLUMNS`, without validation."""
    return pd.DataFrame(rows, columns=COLUMNS).assign(validation_accuracy=np.nan)


def joined(*studies):
    """One study of several: each is (unit, unit_real, study); a size of None is left as it is."""
    tables = [
        cells.assign(unit=unit, unit_real=cells["unit_real"].iloc[0] if size is None else size)
        for unit, size, (cells, _, _) in studies
    ]
    predictions = np.concatenate([predictions for _, _, (_, predictions, _) in studies])
    return pd.concat(tables, ignore_index=True), predictions, studies[0][2][2]


def below(study, n_real):
    """The cells of a study with at most so many real images."""
    cells, predictions, labels = study
    rows = (cells["n_real"] <= n_real).to_numpy()
    return cells[rows], predictions[rows], labels


def worse(study, share=0.2, seed=5):
    """A study in which some right answers are wrong ones."""
    cells, predictions, labels = study
    wrong = np.random.default_rng(seed).random(predictions.shape) < share
    predictions = np.where(wrong, (labels + 1) % 10, predictions)
    return cells.assign(test_accuracy=(predictions == labels).mean(axis=1)), predictions, labels


# Cells


def test_summary_has_a_row_a_cell(study):
    cells, _, _ = study
    summary = summarise_cells(cells, N_TRAIN, 600)
    assert len(summary) == 3 + 2 * 12
    assert (summary["n_seeds"] == 3).all()
    row = summary.query("strategy == 'mix' and n_real == 300 and n_synthetic == 1200").iloc[0]
    of_cell = cells.query("strategy == 'mix' and n_real == 300 and n_synthetic == 1200")
    assert row["test_mean"] == pytest.approx(of_cell["test_accuracy"].mean())
    assert row["validation_mean"] == pytest.approx(of_cell["validation_accuracy"].mean())


def test_seeds_are_averaged_within_a_unit_before_the_interval_over_units():
    """Three seeds of the first unit count as one value, as the second unit's only seed does."""
    cells = cells_of(
        ("all-0", 90, "mix", 90, 60, 0, 0.70),
        ("all-0", 90, "mix", 90, 60, 1, 0.80),
        ("all-0", 90, "mix", 90, 60, 2, 0.90),
        ("all-1", 90, "mix", 90, 60, 0, 0.60),
    )
    row = summarise_cells(cells, 90, 50).iloc[0]
    assert row["test_mean"] == pytest.approx(0.7)
    assert (row["n_units"], row["n_seeds"]) == (2, 3)
    wanted = accuracy_interval([0.8, 0.6], 50)
    assert (row["test_low"], row["test_high"]) == pytest.approx((wanted.low, wanted.high))
    assert np.isnan(row["validation_mean"])
    # Seeds that differ more leave the interval alone while their mean is the same.
    spread = cells.assign(test_accuracy=[0.60, 0.80, 1.00, 0.60])
    wide = summarise_cells(spread, 90, 50).iloc[0]
    assert (wide["test_low"], wide["test_high"]) == pytest.approx((wanted.low, wanted.high))


def test_one_unit_has_the_interval_over_its_seeds_and_one_seed_none():
    cells = cells_of(
        ("all-0", 90, "mix", 90, 60, 0, 0.70),
        ("all-0", 90, "mix", 90, 60, 1, 0.90),
        ("all-0", 90, "none", 90, 0, 0, 0.60),
    )
    mix, none = summarise_cells(cells, 90, 50).to_dict("records")
    wanted = accuracy_interval([0.7, 0.9], 50)
    assert (mix["test_low"], mix["test_high"]) == pytest.approx((wanted.low, wanted.high))
    assert none["test_mean"] == 0.6
    assert np.isnan([none["test_low"], none["test_high"]]).all()


def test_the_summary_does_not_depend_on_the_order_of_the_rows(study):
    cells, _, _ = both = joined(("all-0", None, study), ("all-1", None, worse(study)))
    order = np.random.default_rng(3).permutation(len(cells))
    before = summarise_cells(both[0], N_TRAIN, 600)
    after = summarise_cells(cells.iloc[order], N_TRAIN, 600)
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda cells: pd.concat([cells, cells]), "of unit all-0 with seed 0; allowed: one"),
        (lambda cells: cells.drop(columns="strategy"), "no column 'strategy'"),
        (lambda cells: cells.iloc[:0], "no rows"),
        (lambda cells: cells.assign(unit_real=9999), r"no unit that sees 3600 .* allowed: 9999"),
    ],
)
def test_tables_that_do_not_fit_are_refused(study, change, words):
    with pytest.raises(StatisticsError, match=words):
        summarise_cells(change(study[0]), N_TRAIN, 600)


# What the generator saw and the classifier did not


@pytest.mark.parametrize(
    ("cell", "marked"),
    [
        (("filtered", 3599, 1), True),
        (("mix", 3600, 7200), False),  # the classifier saw all that the generator did
        (("mix", 0, 7200), False),  # stands for all images
        (("classical", 360, 0), False),
        (("mix-classical", 360, 7200), True),
        (("duplicated", 360, 7200), False),  # no image of the generator
    ],
)
def test_optimistic_is_what_the_generator_brings_of_images_not_given(cell, marked):
    assert optimistic(*cell, unit_real=3600) is marked


def test_optimistic_cells_are_marked_in_both_tables(full_study):
    for table in (gain_table(*full_study), summarise_cells(full_study[0], N_TRAIN, 600)):
        small = table["n_real"].between(1, N_TRAIN - 1)
        assert table["optimistic"].equals(small & ~table["strategy"].isin(CONTROLS))
        assert table["optimistic"].any()


def test_what_is_optimistic_is_so_for_the_cells_own_unit(full_study):
    both = joined(("all-0", None, full_study), ("300-0", 300, below(full_study, 300)))
    table = gain_table(*both).query("n_real == 300")
    of_size = table.groupby("unit_real")["optimistic"].any()
    assert of_size.to_dict() == {300: False, 3600: True}


# Gains


def test_gain_table_holds_the_controls_too(full_study):
    cells, predictions, labels = full_study
    table = gain_table(cells, predictions, labels)
    rows = table.groupby("strategy").size().to_dict()
    generated = dict.fromkeys(("mix", "filtered", "fine-tune", "source-channel"), 9)
    assert rows == generated | {"duplicated": 9, "classical": 3}
    assert (table.query("strategy == 'classical'")["n_synthetic"] == 0).all()
    means = cells.groupby(["strategy", "n_real", "n_synthetic"])["test_accuracy"].mean()
    for row in table.itertuples():
        key = row.strategy, row.n_real, row.n_synthetic
        assert row.gain == pytest.approx(means[key] - means["none", row.n_real, 0])
    # One unit: the seeds that it has are no units.
    assert table[["low", "high", "p", "p_holm"]].isna().all(axis=None)


def test_gains_of_all_sizes_are_corrected_together(make):
    """Holm over 6 rows of the large units and 3 of the small ones, not each for itself."""
    study = make(strategies=("mix",), n_test=300)
    small = below(study, 300)
    parts = [(f"all-{k}", None, worse(study, 0.1, k)) for k in range(3)]
    parts += [(f"300-{k}", 300, worse(small, 0.1, 9 + k)) for k in range(2)]
    both = joined(*parts)
    table = gain_table(*both)
    assert table["unit_real"].tolist() == [N_TRAIN] * 9 + [300] * 3
    assert table["p_holm"].to_numpy() == pytest.approx(holm(table["p"]))
    for size, n_units in ((N_TRAIN, 3), (300, 2)):
        alone = contrast_table(*both, size)
        mine = table[table["unit_real"] == size].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine[alone.columns[:-1]], alone[alone.columns[:-1]])
        assert (mine["n_units"] == n_units).all()
        open_ = alone["p_holm"] < 1
        assert open_.any()
        assert (mine.loc[open_, "p_holm"] > alone.loc[open_, "p_holm"]).all()


# Several units


def test_cells_of_units_of_other_sizes_do_not_mix(full_study):
    """Generated images alone have 0 real images in both units, and are cells of their own."""
    small = worse(below(full_study, 1200))
    both = joined(("600-0", 1200, small), ("all-0", None, full_study))
    assert unit_sizes(both[0]) == [N_TRAIN, 1200]
    for size, (cells, *_) in ((N_TRAIN, full_study), (1200, small)):
        pd.testing.assert_frame_equal(
            summarise_cells(both[0], size, 600),
            summarise_cells(cells.assign(unit_real=size), size, 600),
        )
    only = [
        summarise_cells(both[0], size, 600).query("n_real == 0 and strategy == 'mix'")
        for size in (N_TRAIN, 1200)
    ]
    assert (only[0]["test_mean"].to_numpy() > only[1]["test_mean"].to_numpy()).all()


def test_the_grid_has_each_real_count_once_from_units_that_see_just_so_many():
    cells = cells_of(
        ("all-0", 90, "none", 90, 0, 0, 0.9),
        ("all-0", 90, "mix", 0, 60, 0, 0.5),
        ("30-0", 30, "none", 30, 0, 0, 0.7),
        ("30-0", 30, "mix", 0, 60, 0, 0.4),
        ("30-0", 30, "mix", 30, 60, 0, 0.8),
    )
    labels = np.arange(10)
    predictions = np.tile(labels, (5, 1))
    choices = pd.DataFrame(
        [
            ("all-0", 90, "real", "none", 90, 0),
            ("30-0", 30, "real", "none", 30, 0),
            ("30-0", 30, "mix", "mix", 30, 60),
        ],
        columns=["unit", "unit_real", "arm", "strategy", "n_real", "n_synthetic"],
    )
    found = study_findings(cells, predictions, labels, choices)
    assert found.summary["unit_real"].tolist() == [90, 90, 30, 30, 30]
    assert sorted(found.grid["test_mean"]) == [0.5, 0.7, 0.8, 0.9]
    assert found.gains[["unit_real", "strategy", "gain"]].to_numpy().tolist() == [[30, "mix", 0]]
    told = found.curve[["arm", "n_real", "mean"]].to_numpy().tolist()
    assert told == [["real", 30, 0.7], ["real", 90, 0.9], ["mix", 30, 0.8]]


# The learning curve


def test_the_curve_takes_the_cell_that_was_chosen_for_each_unit():
    """The units of 90 images chose differently; what was not chosen, however good, is not read."""
    cells = cells_of(
        ("all-0", 90, "mix", 90, 60, 0, 0.70),
        ("all-0", 90, "mix", 90, 60, 1, 0.80),
        ("all-0", 90, "mix", 90, 180, 0, 1.00),
        ("all-1", 90, "mix", 90, 60, 0, 1.00),
        ("all-1", 90, "mix", 90, 180, 0, 0.65),
        ("all-1", 90, "mix", 90, 180, 1, 0.65),
        ("30-0", 30, "mix", 30, 60, 0, 0.40),
        ("30-0", 30, "mix", 30, 60, 1, 0.60),
        ("all-0", 90, "none", 90, 0, 0, 0.60),
    )
    choices = pd.DataFrame(
        [
            ("all-0", 90, "mix", "mix", 90, 60),
            ("all-1", 90, "mix", "mix", 90, 180),
            ("30-0", 30, "mix", "mix", 30, 60),
            ("all-0", 90, "real", "none", 90, 0),
            ("all-0", 90, "control", "none", 90, 0),  # no arm of the curve
        ],
        columns=["unit", "unit_real", "arm", "strategy", "n_real", "n_synthetic"],
    )
    curve = learning_curve(cells, choices, 50)
    keys = curve[["arm", "n_real", "n_units"]].to_numpy().tolist()
    assert keys == [["real", 90, 1], ["mix", 30, 1], ["mix", 90, 2]]
    real, small, large = curve.to_dict("records")
    assert real["mean"] == 0.6
    assert np.isnan([real["low"], real["high"]]).all()
    over_seeds, over_units = accuracy_interval([0.4, 0.6], 50), accuracy_interval([0.75, 0.65], 50)
    for row, wanted in ((small, over_seeds), (large, over_units)):
        found = row["mean"], row["low"], row["high"]
        assert found == pytest.approx((wanted.mean, wanted.low, wanted.high))


def curve_of(*rows):
    return pd.DataFrame(
        [(arm, n, 3, *bounds) for arm, n, *bounds in rows],
        columns=["arm", "n_real", "n_units", "mean", "low", "high"],
    )


REAL = (
    ("real", 100, 0.5, 0.4, 0.6),
    ("real", 1000, 0.7, 0.6, 0.8),
    ("real", 10_000, 0.8, 0.7, 0.9),
)


def test_worth_is_read_straight_between_counts_on_a_logarithmic_axis():
    """0.6 is half way from 100 to 1,000: 10 ** 2.5. 0.75 is half way from 1,000 to 10,000."""
    nan = np.nan
    mix = (
        ("mix", 100, 0.6, 0.5, 0.75),
        ("mix", 1000, 0.7, 0.49, 0.81),  # below the smallest count's accuracy, above the largest's
        ("mix", 3000, 0.81, nan, 0.7),  # no lower bound
    )
    table = worth(curve_of(*reversed(REAL), *mix)).to_numpy()
    wanted = [[100, 10**2.5, 100, 10**3.5], [1000, 1000, nan, nan], [3000, nan, nan, 1000]]
    np.testing.assert_allclose(table, wanted)


@pytest.mark.parametrize("second", [0.45, 0.8])
def test_a_curve_that_does_not_rise_throughout_is_worth_nothing(second):
    real = REAL[0], ("real", 1000, second, 0.4, 0.9), REAL[2]
    table = worth(curve_of(*real, ("mix", 100, 0.6, 0.5, 0.7)))
    assert list(table) == ["n_real", "worth", "low", "high"]
    assert table.empty


def test_worth_needs_two_counts_of_real_images_alone():
    assert worth(curve_of(REAL[0], ("mix", 100, 0.6, 0.5, 0.7))).empty


# Accuracy by class


def test_class_table_splits_the_gain_by_class():
    """Class 0 has 200 of 2,000 images; the control reads those of the first 1,600."""
    confirmed, predictions, labels = confirmation((0.05, 0.05, 0.03))
    right = predictions == labels
    names = [f"class {k}" for k in range(10)]
    table = class_table(confirmed, predictions, labels, names)
    assert list(table["class_name"]) == names
    assert (table["n_test"] == 200).all()
    assert table["accuracy_against"].tolist() == [0.8] * 10
    assert (table["accuracy"] - table["accuracy_against"]).tolist() == pytest.approx(table["gain"])
    assert table["gain"].mean() == pytest.approx((0.05 + 0.05 + 0.03) / 3)
    p_values = []
    for label in range(10):
        d = []
        for unit in ("r-0", "r-1", "r-2"):
            mine = (confirmed["unit"] == unit).to_numpy()
            mix, control = (
                right[mine & (confirmed["strategy"] == strategy).to_numpy()][:, labels == label]
                for strategy in ("mix", "none")
            )
            d.append(mix.mean(axis=0) - control.mean(axis=0))
        wanted = crossed_interval(d)
        p_values.append(wanted.p)
        row = table.iloc[label]
        found = row["gain"], row["low"], row["high"]
        assert found == pytest.approx((wanted.gain, wanted.low, wanted.high))
    assert table["p_holm"].to_numpy() == pytest.approx(holm(p_values))
    with pytest.raises(StatisticsError, match="predictions of shape"):
        class_table(confirmed, predictions[1:], labels, names)


def answers(predicted):
    """Confirmed classifiers of three units, and what those of each arm predict."""
    rows = [(unit, [arm], 0) for unit in "abc" for arm in ("mix", "control")]
    confirmed = pd.DataFrame(rows, columns=["unit", "arms", "seed"])
    return confirmed, np.array([predicted(arm) for _, (arm,), _ in rows])


def test_a_class_that_alone_gains_is_the_one_that_is_told():
    """Of 80 images two classes; the mix reads all of the second, the control half of it."""
    labels = np.repeat([0, 1, 2], [40, 40, 0])
    known = {"mix": 80, "control": 60}
    confirmed, predictions = answers(lambda arm: np.where(np.arange(80) < known[arm], labels, 9))
    table = class_table(confirmed, predictions, labels, ["a", "b", "no image"])
    assert table["class_name"].tolist() == ["a", "b"]
    assert table["gain"].tolist() == [0, 0.5]
    assert table["accuracy"].tolist() == [1, 1]
    assert table["accuracy_against"].tolist() == [1, 0.5]
    assert table["p_holm"][0] == 1
    assert table["p_holm"][1] < 0.001
    assert table["low"][0] < 0 < table["low"][1]


def test_classes_of_few_images_have_an_interval_of_true_width():
    """One class whose answers never differ, of 36 images; and one of a single image."""
    labels = np.array([0] * 36 + [1] * 40 + [2])
    miss = {"mix": 49, "control": 40}
    confirmed, predictions = answers(lambda arm: np.where(np.arange(77) == miss[arm], 0, labels))
    table = class_table(confirmed, predictions, labels, ["a", "b", "c"])
    assert table["gain"].tolist() == [0, 0, 0]
    assert -table["low"][0] == table["high"][0] == pytest.approx(1 - 0.025 ** (1 / 36))
    assert table["low"][1] < 0 < table["high"][1]
    assert table.loc[2, ["low", "high", "p_holm"]].isna().all()


def test_without_both_arms_in_a_unit_there_is_no_class():
    confirmed, predictions, labels = confirmation((0.05, 0.05))
    names = [str(k) for k in range(10)]
    alone = (confirmed["strategy"] == "mix").to_numpy()
    assert class_table(confirmed[alone], predictions[alone], labels, names).empty
    # The arms are there, but never in one unit.
    apart = alone == (confirmed["unit"] == "r-0").to_numpy()
    table = class_table(confirmed[apart], predictions[apart], labels, names)
    assert table.empty
    assert list(table)[-3:] == ["low", "high", "p_holm"]


def test_one_unit_has_gains_by_class_without_an_interval():
    confirmed, predictions, labels = confirmation((0.05,))
    table = class_table(confirmed, predictions, labels, [str(k) for k in range(10)])
    assert table["gain"].mean() == pytest.approx(0.05)
    assert table[["low", "high", "p_holm"]].isna().all(axis=None)
