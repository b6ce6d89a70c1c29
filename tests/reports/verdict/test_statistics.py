"""The study's tables and the headline's choices."""

import numpy as np
import pandas as pd
import pytest

from reports.verdict.intervals import (
    GainInterval,
    StatisticsError,
    accuracy_interval,
    gain_interval,
)
from reports.verdict.statistics import (
    CONTROLS,
    class_table,
    compared_with,
    gain_table,
    headline,
    optimistic,
    summarise_cells,
    unit_sizes,
    verdict,
)

N_TRAIN = 3600
"""Training images of the made-up study, its largest real count."""


def test_summary_has_a_row_a_cell(study):
    cells, _, _ = study
    summary = summarise_cells(cells, N_TRAIN, 600)
    assert len(summary) == 3 + 2 * 12
    assert (summary["n_seeds"] == 3).all()
    row = summary.query("strategy == 'mix' and n_real == 300 and n_synthetic == 1200").iloc[0]
    of_cell = cells.query("strategy == 'mix' and n_real == 300 and n_synthetic == 1200")
    assert row["test_mean"] == pytest.approx(of_cell["test_accuracy"].mean())
    assert row["validation_mean"] == pytest.approx(of_cell["validation_accuracy"].mean())
    assert summary.filter(like="_low").min(axis=None) >= 0
    assert summary.filter(like="_high").max(axis=None) <= 1


def test_headline_chooses_on_validation_and_reports_test(study):
    cells, predictions, labels = study
    result = headline(cells, predictions, labels, N_TRAIN)
    mixed = summarise_cells(cells, N_TRAIN, 600).query("n_real == 3600 and n_synthetic > 0")
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
    assert (result["n_candidates"], result["protocols"]) == (6, ["paper"])


def test_the_test_set_never_chooses(study):
    """The mix that wins on test but not on validation is not the one reported."""
    cells, predictions, labels = study
    before = headline(cells, predictions, labels, N_TRAIN)
    cheat = (cells["strategy"] == "mix") & (cells["n_real"] == 300) & (cells["n_synthetic"] == 1200)
    predictions = predictions.copy()
    predictions[cheat.to_numpy()] = labels
    cells = cells.assign(test_accuracy=cells["test_accuracy"].mask(cheat, 1.0))
    after = headline(cells, predictions, labels, N_TRAIN)
    assert after["best_mix_cell"] == before["best_mix_cell"]
    blind = headline(cells.assign(validation_accuracy=np.nan), predictions, labels, N_TRAIN)
    assert blind["best_mix_cell"] == {"strategy": "mix", "n_real": 3600, "n_synthetic": 7200}
    assert blind["chosen_by"] == "largest counts"


@pytest.mark.parametrize("validation", [True, False])
def test_a_control_is_never_the_best_mix(make, validation):
    cells, predictions, labels = make(
        strategies=("mix", "duplicated", "classical"), validation=validation
    )
    control = cells["strategy"].isin(CONTROLS)
    loaded = cells.assign(validation_accuracy=cells["validation_accuracy"].mask(control, 1.0))
    result = headline(loaded, predictions, labels, N_TRAIN)
    assert result["best_mix_cell"]["strategy"] == "mix"
    assert result["n_candidates"] == 3
    bare = (cells["strategy"] != "mix").to_numpy()
    result = headline(cells[bare], predictions[bare], labels, N_TRAIN)
    assert (result["best_mix_cell"], result["gain"], result["n_candidates"]) == (None, None, 0)
    assert result["accuracy_classical"] is not None
    assert result["gain_over_classical"] is None


def test_the_best_mix_is_set_beside_classical_augmentation(full_study):
    cells, predictions, labels = full_study
    result = headline(cells, predictions, labels, N_TRAIN)
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
    assert result["verdict_over_classical"] == verdict(wanted)
    difference = result["accuracy_best_mix"] - result["accuracy_classical"]
    assert result["gain_over_classical"] == pytest.approx(difference)
    own = gain_interval(answers("none", 3600, 0), classical)
    bounds = result["classical_gain_low"], result["classical_gain_high"]
    assert (result["classical_gain"], *bounds) == (own.gain, own.low, own.high)
    assert result["classical_verdict"] == verdict(own)


def test_ties_go_to_fewer_generated_images(study):
    cells, predictions, labels = study
    result = headline(cells.assign(validation_accuracy=0.9), predictions, labels, N_TRAIN)
    assert result["best_mix_cell"]["n_synthetic"] == 1200


def test_what_was_not_trained_is_none(study):
    cells, predictions, labels = study
    rows = (cells["strategy"] == "none").to_numpy()
    result = headline(cells[rows], predictions[rows], labels, N_TRAIN)
    assert result["accuracy_real"] is not None
    for name in ("accuracy_best_mix", "gain", "gain_low", "verdict", "accuracy_synthetic_only"):
        assert result[name] is None
    rows = (cells["n_real"] == 0).to_numpy()
    result = headline(cells[rows], predictions[rows], labels, N_TRAIN)
    assert result["accuracy_real"] is None
    assert result["accuracy_synthetic_only"] is not None


def test_headline_does_not_depend_on_row_order(study):
    cells, predictions, labels = study
    before = headline(cells, predictions, labels, N_TRAIN)
    order = np.random.default_rng(3).permutation(len(cells))
    shuffled = headline(
        cells.iloc[order].reset_index(drop=True), predictions[order], labels, N_TRAIN
    )
    assert shuffled == before


def test_two_cells_of_one_seed_are_refused(study):
    cells, predictions, labels = study
    with pytest.raises(StatisticsError, match="of unit all-0 with seed 0; allowed: one"):
        headline(pd.concat([cells, cells]), np.concatenate([predictions] * 2), labels, N_TRAIN)


def test_predictions_that_do_not_fit_are_refused(study):
    cells, predictions, labels = study
    with pytest.raises(StatisticsError, match="allowed: 81 cells x 600 test images"):
        headline(cells, predictions[:-1], labels, N_TRAIN)
    with pytest.raises(StatisticsError, match="no column 'strategy'"):
        summarise_cells(cells.drop(columns="strategy"), N_TRAIN, 600)
    with pytest.raises(StatisticsError, match="no rows"):
        summarise_cells(cells.iloc[:0], N_TRAIN, 600)


def test_gain_table_holds_the_controls_too(full_study):
    cells, predictions, labels = full_study
    table = gain_table(cells, predictions, labels, N_TRAIN)
    rows = table.groupby("strategy").size().to_dict()
    generated = dict.fromkeys(("mix", "filtered", "fine-tune", "source-channel"), 9)
    assert rows == generated | {"duplicated": 9, "classical": 3}
    assert (table.query("strategy == 'classical'")["n_synthetic"] == 0).all()
    means = cells.groupby(["strategy", "n_real", "n_synthetic"])["test_accuracy"].mean()
    for row in table.itertuples():
        key = row.strategy, row.n_real, row.n_synthetic
        assert row.gain == pytest.approx(means[key] - means["none", row.n_real, 0])


def test_gain_table_holds_all_that_is_transformed(transformed_study):
    table = gain_table(*transformed_study, N_TRAIN)
    assert table.groupby("strategy").size().to_dict() == {
        "mix": 9, "duplicated": 9, "mix-classical": 9, "mix-classical-half": 9,
        "classical": 3, "classical-half": 3,
    }  # fmt: skip


@pytest.mark.parametrize("validation", [True, False])
def test_what_is_transformed_too_is_never_the_best_mix(make, validation):
    """Its gain over plain real images is not the generated images' alone."""
    names = ("mix-classical", "mix-classical-half", "classical-half", "mix", "classical")
    cells, predictions, labels = make(strategies=names, validation=validation)
    better = cells["strategy"].str.startswith("mix-")
    loaded = cells.assign(validation_accuracy=cells["validation_accuracy"].mask(better, 1.0))
    result = headline(loaded, predictions, labels, N_TRAIN)
    assert result["best_mix_cell"]["strategy"] == "mix"
    assert result["n_candidates"] == 3
    assert result["classical_cell"]["strategy"] == "classical"
    rest = (cells["strategy"] != "mix").to_numpy()
    result = headline(cells[rest], predictions[rest], labels, N_TRAIN)
    assert (result["best_mix_cell"], result["gain"], result["n_candidates"]) == (None, None, 0)
    assert result["classical_gain"] is not None


def test_each_strategy_is_compared_with_the_control_that_lacks_its_generated_images_only():
    for strategy in ("none", "mix", "filtered", "fine-tune", "duplicated", "classical", "mix-x"):
        assert compared_with(strategy) == "none"
    assert compared_with("mix-classical") == "classical"
    assert compared_with("mix-classical-half") == "classical-half"


def test_class_table_splits_the_gain_by_class(study):
    cells, predictions, labels = study
    names = [f"class {k}" for k in range(10)]
    table = class_table(cells, predictions, labels, names, N_TRAIN)
    assert list(table["class_name"]) == names
    assert table["n_test"].sum() == len(labels)
    whole = np.average(table["gain"], weights=table["n_test"])
    assert whole == pytest.approx(headline(cells, predictions, labels, N_TRAIN)["gain"])
    with pytest.raises(StatisticsError, match="label 9 has no name"):
        class_table(cells, predictions, labels, names[:9], N_TRAIN)


def test_classes_of_few_images_have_an_interval_of_true_width():
    """One class whose answers never differ, of 36 images; and one of a single image."""
    labels = np.array([0] * 36 + [1] * 40 + [2])
    rows, predictions = [], []
    for strategy, made in (("none", 0), ("mix", 9)):
        for seed in (0, 1):
            predictions.append(np.where(np.arange(77) == 40 + made, 0, labels))
            accuracy = (predictions[-1] == labels).mean()
            rows.append(("all-0", 9, strategy, 9, made, seed, np.nan, accuracy))
    columns = ["unit", "unit_real", "strategy", "n_real", "n_synthetic", "seed"]
    columns += ["validation_accuracy", "test_accuracy"]
    cells = pd.DataFrame(rows, columns=columns)
    table = class_table(cells, np.array(predictions), labels, ["a", "b", "c"], 9)
    assert table["gain"].tolist() == [0, 0, 0]
    assert -table["low"][0] == table["high"][0] == pytest.approx(1 - 0.025 ** (1 / 36))
    assert table["low"][1] < 0 < table["high"][1]
    assert np.isnan(table["low"][2])


# What the generator saw and the classifier did not


@pytest.mark.parametrize(
    ("cell", "marked"),
    [
        (("mix", 360, 7200), True),
        (("filtered", 3599, 1), True),
        (("mix", 3600, 7200), False),  # the classifier saw all that the generator did
        (("mix", 0, 7200), False),  # stands for all images
        (("none", 360, 0), False),
        (("classical", 360, 0), False),
        (("duplicated", 360, 7200), False),  # no image of the generator
    ],
)
def test_optimistic_is_what_the_generator_brings_of_images_not_given(cell, marked):
    assert optimistic(*cell, unit_real=3600) is marked


def test_below_the_full_real_count_there_is_no_verdict(full_study):
    cells, predictions, labels = full_study
    table = gain_table(cells, predictions, labels, N_TRAIN)
    small = table["n_real"] < N_TRAIN
    assert set(table.loc[small, "verdict"]) == {"no verdict"}
    assert "no verdict" not in set(table.loc[~small, "verdict"])
    assert table["optimistic"].equals(small & ~table["strategy"].isin(CONTROLS))
    summary = summarise_cells(cells, N_TRAIN, len(labels))
    marked = summary[summary["optimistic"]]
    assert set(marked["n_real"]) == {300, 1200}
    assert len(marked) == 4 * 2 * 3
    assert (marked["n_synthetic"] > 0).all()


def test_the_best_mix_has_all_real_images(study):
    """However well a mix of few real images does on validation."""
    cells, predictions, labels = study
    small = (cells["n_real"] > 0) & (cells["n_real"] < N_TRAIN)
    loaded = cells.assign(validation_accuracy=cells["validation_accuracy"].mask(small, 1.0))
    result = headline(loaded, predictions, labels, N_TRAIN)
    assert result == headline(cells, predictions, labels, N_TRAIN)
    assert result["best_mix_cell"]["n_real"] == result["real_cell"]["n_real"] == N_TRAIN
    assert result["verdict"] in ("helps", "hurts", "cannot tell")


def test_a_grid_without_the_full_count_has_figures_and_no_verdict(full_study):
    cells, predictions, labels = full_study
    rows = (cells["n_real"] < N_TRAIN).to_numpy()
    result = headline(cells[rows], predictions[rows], labels, N_TRAIN)
    assert result["real_cell"] == {"strategy": "none", "n_real": 1200, "n_synthetic": 0}
    assert result["best_mix_cell"]["n_real"] == result["classical_cell"]["n_real"] == 1200
    assert result["gain_low"] > 0
    for name in ("verdict", "verdict_over_classical", "classical_verdict"):
        assert result[name] == "no verdict"
    # 1,200 images are all there are where the generator saw no more.
    smaller = cells[rows].assign(unit_real=1200)
    assert headline(smaller, predictions[rows], labels, 1200)["verdict"] == "helps"


def test_without_a_mix_of_all_real_images_there_is_no_gain(study):
    cells, predictions, labels = study
    rows = ((cells["n_real"] < N_TRAIN) | (cells["strategy"] == "none")).to_numpy()
    result = headline(cells[rows], predictions[rows], labels, N_TRAIN)
    assert result["accuracy_real"] is not None
    for name in ("gain", "verdict", "best_mix_cell", "accuracy_best_mix"):
        assert result[name] is None


def test_more_real_images_than_the_generator_saw_are_refused(study):
    cells, predictions, labels = study
    fewer = cells.assign(unit_real=N_TRAIN - 1)
    with pytest.raises(StatisticsError, match="3600 real images; allowed: at most 3599"):
        headline(fewer, predictions, labels, N_TRAIN - 1)
    with pytest.raises(StatisticsError, match=r"no unit that sees 3600 .* allowed: 3599"):
        gain_table(fewer, predictions, labels, N_TRAIN)


# One seed


@pytest.mark.parametrize(("bad", "sign"), [("none", 1), ("mix", -1)])
def test_one_classifier_seed_never_helps_or_hurts(make, bad, sign):
    """However clear its interval, which covers the test images alone."""
    cells, predictions, labels = make(seeds=(0,), strategies=("mix", "classical"))
    predictions = predictions.copy()
    predictions[(cells["strategy"] == bad).to_numpy()] = 0
    result = headline(cells, predictions, labels, N_TRAIN)
    assert result["n_seeds"] == 1
    assert min(sign * result["gain_low"], sign * result["gain_high"]) > 0.5
    for name in ("verdict", "verdict_over_classical", "classical_verdict"):
        assert result[name] == "cannot tell"
    table = gain_table(cells, predictions, labels, N_TRAIN)
    assert set(table["verdict"]) == {"cannot tell", "no verdict"}


@pytest.mark.parametrize(
    ("low", "high", "n_seeds", "full", "wanted"),
    [
        (0.01, 0.02, 2, True, "helps"),
        (-0.02, -0.01, 2, True, "hurts"),
        (-0.01, 0.02, 2, True, "cannot tell"),
        (0.0, 0.02, 2, True, "cannot tell"),
        (0.01, 0.02, 1, True, "cannot tell"),
        (-0.02, -0.01, 1, True, "cannot tell"),
        (0.01, 0.02, 3, False, "no verdict"),
        (-0.02, -0.01, 1, False, "no verdict"),
    ],
)
def test_verdicts(low, high, n_seeds, full, wanted):
    interval = GainInterval((low + high) / 2, low, high, n_seeds, 100, 0.01, 2.0)
    assert verdict(interval, full=full) == wanted


# Several units


def joined(*studies):
    """One study of several: each is (unit, unit_real, study) or leaves the latter as they are."""
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


def test_cells_of_units_of_other_sizes_do_not_mix(full_study):
    """Generated images alone have 0 real images in both units, and are cells of their own."""
    small = worse(below(full_study, 1200))
    both = joined(("600-0", 1200, small), ("all-0", None, full_study))
    assert unit_sizes(both[0]) == [N_TRAIN, 1200]
    names = [str(k) for k in range(10)]
    for size, (cells, *alone) in ((N_TRAIN, full_study), (1200, small)):
        one = cells.assign(unit_real=size), *alone
        assert headline(*both, size) == headline(*one, size)
        for table in (gain_table, lambda *given: class_table(*given[:3], names, given[3])):
            pd.testing.assert_frame_equal(table(*both, size), table(*one, size))
        pd.testing.assert_frame_equal(
            summarise_cells(both[0], size, 600), summarise_cells(one[0], size, 600)
        )
    only = [
        summarise_cells(both[0], size, 600).query("n_real == 0 and strategy == 'mix'")
        for size in (N_TRAIN, 1200)
    ]
    assert (only[0]["test_mean"].to_numpy() > only[1]["test_mean"].to_numpy()).all()


def test_what_is_optimistic_is_so_for_the_cells_own_unit(full_study):
    both = joined(("all-0", None, full_study), ("300-0", 300, below(full_study, 300)))
    large, small = (gain_table(*both, size).query("n_real == 300") for size in (N_TRAIN, 300))
    assert set(large["verdict"]) == {"no verdict"}
    assert "no verdict" not in set(small["verdict"])
    assert large["optimistic"].any()
    assert not small["optimistic"].any()


def test_units_of_one_size_repeat_the_same_cells(study):
    cells, predictions, labels = both = joined(
        ("all-0", None, study), ("all-1", None, worse(study)), ("600-0", 600, below(study, 300))
    )
    result = headline(*both, N_TRAIN)
    assert [result[name] for name in ("n_seeds", "n_units", "n_replicates")] == [3, 2, 6]
    best = result["best_mix_cell"]
    large = cells["unit_real"] == N_TRAIN
    of_cells = [
        large & (cells[list(cell)] == pd.Series(cell)).all(axis=1)
        for cell in (result["real_cell"], best)
    ]
    # Rows are in the order of units and seeds: paired by both.
    wanted = gain_interval(*((predictions[rows.to_numpy()] == labels) for rows in of_cells))
    assert wanted.n_seeds == 6
    assert (result["gain_low"], result["gain_high"]) == (wanted.low, wanted.high)
    assert result["accuracy_best_mix"] == pytest.approx(
        cells.loc[of_cells[1], "test_accuracy"].mean()
    )
    order = np.random.default_rng(3).permutation(len(cells))
    assert headline(cells.iloc[order], predictions[order], labels, N_TRAIN) == result
    summary = summarise_cells(cells, N_TRAIN, 600)
    assert (summary["n_units"] == 2).all()
    assert (summary["n_seeds"] == 3).all()
    row = summary[(summary[list(best)] == pd.Series(best)).all(axis=1)].iloc[0]
    values = cells.loc[of_cells[1], "test_accuracy"]
    assert (row["test_low"], row["test_high"]) == accuracy_interval(values, 600)[1:3]


def test_a_unit_without_the_baseline_leaves_its_replicates_out(study):
    cells, predictions, labels = joined(("all-0", None, study), ("all-1", None, worse(study)))
    kept = ((cells["unit"] == "all-0") | (cells["strategy"] != "none")).to_numpy()
    result = headline(cells[kept], predictions[kept], labels, N_TRAIN)
    alone = headline(*study, N_TRAIN)
    assert [result[name] for name in ("n_seeds", "n_units", "n_replicates")] == [3, 1, 3]
    if result["best_mix_cell"] == alone["best_mix_cell"]:
        assert result["gain"] == alone["gain"]
    other = ((cells["unit"] == "all-0") != (cells["strategy"] == "none")).to_numpy()
    with pytest.raises(StatisticsError, match="have no unit and seed in common"):
        headline(cells[other], predictions[other], labels, N_TRAIN)


def test_one_classifier_seed_never_helps_with_several_generators_either(make):
    cells, predictions, _ = one = make(seeds=(0,), strategies=("mix", "classical"))
    predictions[(cells["strategy"] == "none").to_numpy()] = 0
    result = headline(*joined(("all-0", None, one), ("all-1", None, one)), N_TRAIN)
    assert (result["n_seeds"], result["n_replicates"]) == (1, 2)
    assert result["gain_low"] > 0.5
    assert (result["verdict"], result["classical_verdict"]) == ("cannot tell", "cannot tell")
    table = gain_table(*joined(("all-0", None, one), ("all-1", None, one)), N_TRAIN)
    assert set(table["verdict"]) == {"cannot tell", "no verdict"}
