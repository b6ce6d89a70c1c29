"""Intervals against closed forms, simulation and SciPy; the headline's choices."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics import (
    CONTROLS,
    StatisticsError,
    class_table,
    difference_interval,
    gain_interval,
    gain_table,
    headline,
    mean_interval,
    summarise_cells,
    verdict,
)


def test_mean_interval_is_students_t():
    values = [0.97, 0.98, 0.96, 0.975]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx((np.mean(values), low, high, 4))


def test_one_value_has_no_interval():
    mean, low, high, n = mean_interval([0.5])
    assert (mean, n) == (0.5, 1)
    assert np.isnan([low, high]).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=10))
def test_mean_interval_holds_its_mean_and_widens_with_confidence(values):
    narrow, wide = mean_interval(values, 0.9), mean_interval(values, 0.99)
    assert wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high


def test_gain_of_one_seed_is_the_paired_interval_over_images():
    rng = np.random.default_rng(0)
    a, b = rng.random((1, 400)) < 0.8, rng.random((1, 400)) < 0.85
    difference = b[0].astype(int) - a[0].astype(int)
    low, high = stats.t.interval(0.95, 399, loc=difference.mean(), scale=stats.sem(difference))
    result = gain_interval(a, b)
    assert (result.gain, result.low, result.high) == pytest.approx((difference.mean(), low, high))
    assert (result.n_seeds, result.n_images) == (1, 400)


def test_gain_that_varies_over_seeds_alone_is_students_t_over_seeds():
    """Every image alike: only seeds vary, and Welch-Satterthwaite leaves n_seeds - 1."""
    a = np.zeros((4, 50), dtype=bool)
    b = np.repeat([[False], [True], [True], [True]], 50, axis=1)
    low, high = stats.t.interval(0.95, 3, loc=0.75, scale=stats.sem([0, 1, 1, 1]))
    result = gain_interval(a, b)
    assert (result.gain, result.low, result.high) == pytest.approx((0.75, low, high))
    assert result.degrees_of_freedom == pytest.approx(3)


def test_swapping_the_sides_turns_the_gain_round():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 3, 100)) < 0.7
    forth, back = gain_interval(a, b), gain_interval(b, a)
    assert (forth.gain, forth.low, forth.high) == pytest.approx((-back.gain, -back.high, -back.low))


def test_equal_answers_gain_nothing_for_certain():
    a = np.random.default_rng(2).random((3, 100)) < 0.7
    result = gain_interval(a, a)
    assert (result.gain, result.low, result.high) == (0, 0, 0)
    assert verdict(result.low, result.high) == "cannot tell"


@pytest.mark.parametrize("n_seeds", [1, 3, 5])
def test_gain_interval_covers_the_truth_at_least_as_often_as_it_says(n_seeds):
    """New seeds and new images every time; the true gain is the mean of the two rates."""
    rng = np.random.default_rng(n_seeds)
    truth, hits, runs = 0.05, 0, 800
    seed_noise = 0.03 if n_seeds > 1 else 0.0
    for _ in range(runs):
        difficulty = rng.uniform(size=120)
        shift = rng.normal(0, seed_noise, size=(2, n_seeds, 1))
        noise = rng.normal(0, 0.1, size=(2, n_seeds, 120))
        a = difficulty + noise[0] < 0.5 + shift[0]
        b = difficulty + noise[1] < 0.55 + shift[1]
        result = gain_interval(a, b)
        hits += result.low <= truth <= result.high
    assert 0.935 <= hits / runs <= 1.0


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (np.zeros((2, 9), bool), np.zeros((3, 9), bool), "(2, 9) and (3, 9)"),
        (np.zeros((2, 1), bool), np.zeros((2, 1), bool), "two images"),
        (np.zeros((2, 9)), np.zeros((2, 9)), "allowed: bool"),
    ],
)
def test_gain_of_bad_arrays_is_one_line(a, b, words):
    with pytest.raises(StatisticsError) as caught:
        gain_interval(a, b)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 40))
def test_one_pair_of_cells_is_a_difference_of_right_answers(seed, n_seeds, n_images):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, n_seeds, n_images)) < 0.7
    assert difference_interval(b.astype(float) - a) == gain_interval(a, b)


def test_an_average_over_pairs_of_cells_is_surer_than_one_of_them():
    rng = np.random.default_rng(4)
    a, b = rng.random((2, 6, 3, 500)) < np.array([0.7, 0.75])[:, None, None, None]
    differences = b.astype(float) - a
    average = difference_interval(differences.mean(axis=0))
    each = [difference_interval(d) for d in differences]
    assert average.gain == pytest.approx(np.mean([one.gain for one in each]))
    assert average.standard_error < min(one.standard_error for one in each)
    assert (average.n_seeds, average.n_images) == (3, 500)


@pytest.mark.parametrize(
    "difference", [np.zeros(9), np.zeros((0, 9)), np.zeros((2, 1)), [[0.0, np.nan, 1.0]]]
)
def test_a_difference_of_another_kind_is_one_line(difference):
    with pytest.raises(StatisticsError, match="one seed or more x two images or more") as caught:
        difference_interval(difference)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [[], [0.5, np.nan], [[0.1, 0.2]]])
def test_mean_of_bad_values_is_refused(values):
    with pytest.raises(StatisticsError, match="finite numbers"):
        mean_interval(values)


def test_summary_has_a_row_a_cell(study):
    cells, _, _ = study
    summary = summarise_cells(cells)
    assert len(summary) == 3 + 2 * 12
    assert (summary["n_seeds"] == 3).all()
    row = summary.query("strategy == 'mix' and n_real == 300 and n_synthetic == 1200").iloc[0]
    of_cell = cells.query("strategy == 'mix' and n_real == 300 and n_synthetic == 1200")
    assert row["test_mean"] == pytest.approx(of_cell["test_accuracy"].mean())
    assert row["validation_low"] < row["validation_mean"] < row["validation_high"]
    assert summary.filter(like="_low").min(axis=None) >= 0
    assert summary.filter(like="_high").max(axis=None) <= 1


def test_summary_without_validation_is_nan_there_only(make):
    cells, _, _ = make(validation=False)
    summary = summarise_cells(cells)
    assert summary["validation_mean"].isna().all()
    assert summary["test_mean"].notna().all()


def test_headline_chooses_on_validation_and_reports_test(study):
    cells, predictions, labels = study
    result = headline(cells, predictions, labels)
    mixed = summarise_cells(cells).query("strategy != 'none' and n_real > 0 and n_synthetic > 0")
    best = mixed.loc[mixed["validation_mean"].idxmax()]
    assert result["best_mix_cell"] == {
        "strategy": best["strategy"],
        "n_real": best["n_real"],
        "n_synthetic": best["n_synthetic"],
    }
    assert result["accuracy_best_mix"] == pytest.approx(best["test_mean"])
    assert result["real_cell"] == {"strategy": "none", "n_real": 3600, "n_synthetic": 0}
    assert result["gain"] == result["accuracy_best_mix"] - result["accuracy_real"]
    assert result["gain_low"] < result["gain"] < result["gain_high"]
    assert result["synthetic_only_cell"] == {"strategy": "mix", "n_real": 0, "n_synthetic": 7200}
    assert (result["chosen_by"], result["n_seeds"], result["n_test"]) == ("validation", 3, 600)
    assert (result["n_candidates"], result["protocols"]) == (18, ["paper"])


def test_the_test_set_never_chooses(study):
    """The mix that wins on test but not on validation is not the one reported."""
    cells, predictions, labels = study
    before = headline(cells, predictions, labels)
    cheat = (cells["strategy"] == "mix") & (cells["n_real"] == 300) & (cells["n_synthetic"] == 1200)
    predictions = predictions.copy()
    predictions[cheat.to_numpy()] = labels
    cells = cells.assign(test_accuracy=cells["test_accuracy"].mask(cheat, 1.0))
    after = headline(cells, predictions, labels)
    assert after["best_mix_cell"] == before["best_mix_cell"]
    blind = headline(cells.assign(validation_accuracy=np.nan), predictions, labels)
    assert blind["best_mix_cell"] == {"strategy": "mix", "n_real": 3600, "n_synthetic": 7200}
    assert blind["chosen_by"] == "largest counts"


@pytest.mark.parametrize("validation", [True, False])
def test_a_control_is_never_the_best_mix(make, validation):
    cells, predictions, labels = make(
        strategies=("mix", "duplicated", "classical"), validation=validation
    )
    control = cells["strategy"].isin(CONTROLS)
    loaded = cells.assign(validation_accuracy=cells["validation_accuracy"].mask(control, 1.0))
    result = headline(loaded, predictions, labels)
    assert result["best_mix_cell"]["strategy"] == "mix"
    assert result["n_candidates"] == 9
    bare = (cells["strategy"] != "mix").to_numpy()
    result = headline(cells[bare], predictions[bare], labels)
    assert (result["best_mix_cell"], result["gain"], result["n_candidates"]) == (None, None, 0)
    assert result["accuracy_classical"] is not None
    assert result["gain_over_classical"] is None


def test_the_best_mix_is_set_beside_classical_augmentation(full_study):
    cells, predictions, labels = full_study
    result = headline(cells, predictions, labels)
    assert result["classical_cell"] == {"strategy": "classical", "n_real": 3600, "n_synthetic": 0}
    right = predictions == labels

    def answers(strategy, n_real, n_synthetic):
        rows = (cells["strategy"] == strategy) & (cells["n_real"] == n_real)
        rows &= cells["n_synthetic"] == n_synthetic
        return right[rows.to_numpy()]

    classical = answers("classical", 3600, 0)
    best = answers(*result["best_mix_cell"].values())
    wanted = gain_interval(classical, best)
    assert result["accuracy_classical"] == classical.mean()
    assert result["gain_over_classical"] == wanted.gain
    bounds = result["gain_over_classical_low"], result["gain_over_classical_high"]
    assert bounds == (wanted.low, wanted.high)
    assert result["verdict_over_classical"] == verdict(*bounds)
    difference = result["accuracy_best_mix"] - result["accuracy_classical"]
    assert result["gain_over_classical"] == pytest.approx(difference)


def test_classical_augmentation_changes_no_other_number(full_study):
    cells, predictions, labels = full_study
    kept = (cells["strategy"] != "classical").to_numpy()
    result = headline(cells, predictions, labels)
    without = headline(cells[kept], predictions[kept], labels)
    for name, value in without.items():
        assert value is None if "classical" in name else value == result[name]


def test_ties_go_to_fewer_generated_images(study):
    cells, predictions, labels = study
    result = headline(cells.assign(validation_accuracy=0.9), predictions, labels)
    assert result["best_mix_cell"]["n_synthetic"] == 1200


def test_what_was_not_trained_is_none(study):
    cells, predictions, labels = study
    rows = (cells["strategy"] == "none").to_numpy()
    result = headline(cells[rows], predictions[rows], labels)
    assert result["accuracy_real"] is not None
    for name in ("accuracy_best_mix", "gain", "gain_low", "verdict", "accuracy_synthetic_only"):
        assert result[name] is None
    rows = (cells["n_real"] == 0).to_numpy()
    result = headline(cells[rows], predictions[rows], labels)
    assert result["accuracy_real"] is None
    assert result["accuracy_synthetic_only"] is not None


def test_headline_does_not_depend_on_row_order(study):
    cells, predictions, labels = study
    before = headline(cells, predictions, labels)
    order = np.random.default_rng(3).permutation(len(cells))
    shuffled = headline(cells.iloc[order].reset_index(drop=True), predictions[order], labels)
    assert shuffled == before


def test_headline_pairs_units_of_one_subset_seed(study):
    cells, predictions, labels = study
    strict = cells.assign(unit=[f"{n or 'all'}-0" for n in cells["n_real"]])
    assert headline(strict, predictions, labels)["gain"] == pytest.approx(
        headline(cells, predictions, labels)["gain"]
    )


def test_two_cells_of_one_seed_are_refused(study):
    cells, predictions, labels = study
    with pytest.raises(StatisticsError, match="with seed 0; allowed: one"):
        headline(pd.concat([cells, cells]), np.concatenate([predictions] * 2), labels)


def test_predictions_that_do_not_fit_are_refused(study):
    cells, predictions, labels = study
    with pytest.raises(StatisticsError, match="allowed: 81 cells x 600 test images"):
        headline(cells, predictions[:-1], labels)
    with pytest.raises(StatisticsError, match="no column 'strategy'"):
        summarise_cells(cells.drop(columns="strategy"))
    with pytest.raises(StatisticsError, match="no rows"):
        summarise_cells(cells.iloc[:0])


def test_gain_table_compares_with_the_same_real_images(study):
    cells, predictions, labels = study
    table = gain_table(cells, predictions, labels)
    assert len(table) == 2 * 3 * 3
    row = table.query("strategy == 'mix' and n_real == 300 and n_synthetic == 7200").iloc[0]
    means = cells.groupby(["strategy", "n_real", "n_synthetic"])["test_accuracy"].mean()
    assert row["gain"] == pytest.approx(means["mix", 300, 7200] - means["none", 300, 0])
    assert row["verdict"] == "helps"
    rows = (cells["strategy"] != "none").to_numpy()
    assert gain_table(cells[rows], predictions[rows], labels).empty


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


def test_class_table_splits_the_gain_by_class(study):
    cells, predictions, labels = study
    names = [f"class {k}" for k in range(10)]
    table = class_table(cells, predictions, labels, names)
    assert list(table["class_name"]) == names
    assert table["n_test"].sum() == len(labels)
    whole = np.average(table["gain"], weights=table["n_test"])
    assert whole == pytest.approx(headline(cells, predictions, labels)["gain"])
    with pytest.raises(StatisticsError, match="label 9 has no name"):
        class_table(cells, predictions, labels, names[:9])
