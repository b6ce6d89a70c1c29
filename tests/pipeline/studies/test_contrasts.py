"""Contrasts and their intervals against closed forms; nothing chosen on test images."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.studies.contrasts import (
    best_contrast,
    cells_contrast,
    pair_cells,
    roughness_contrast,
)
from reports.verdict.intervals import StatisticsError, difference_interval


def grid(accuracies, n_test=100, seeds=(0, 1)):
    """Cells whose accuracy is what a mapping from cell to a number or to one a seed says."""
    labels = np.zeros(n_test, dtype=np.int64)
    rows, predictions = [], []
    for (strategy, n_real, n_synthetic), wanted in accuracies.items():
        for place, seed in enumerate(seeds):
            accuracy = wanted[place] if isinstance(wanted, tuple) else wanted
            right = np.arange(n_test) < round(accuracy * n_test)
            rows.append((strategy, n_real, n_synthetic, seed, np.nan, right.mean()))
            predictions.append(np.where(right, 0, 1).astype(np.uint8))
    columns = ["strategy", "n_real", "n_synthetic", "seed", "validation_accuracy", "test_accuracy"]
    return pd.DataFrame(rows, columns=columns), np.array(predictions), labels


# Pairs


def test_lists_run_together_and_a_single_count_goes_with_all() -> None:
    pairs = pair_cells(("none", [6, 60], [0]), ("mix", [6, 60], [1, 2]))
    assert pairs == [
        (("none", 6, 0), ("mix", 6, 1)),
        (("none", 6, 0), ("mix", 6, 2)),
        (("none", 60, 0), ("mix", 60, 1)),
        (("none", 60, 0), ("mix", 60, 2)),
    ]
    pairs = pair_cells(("mix", [0], [1, 2]), ("mix", [6], [1, 2]))
    assert pairs == [(("mix", 0, n), ("mix", 6, n)) for n in (1, 2)]


def test_a_pair_comes_once() -> None:
    """Where all training images are as many as another count."""
    assert len(pair_cells(("none", [6, 6], [0]), ("mix", [6, 6], [1]))) == 1


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(StatisticsError, match="2 and 3 real counts; allowed: as many"):
        pair_cells(("none", [1, 2], [0]), ("mix", [1, 2, 3], [1]))


# Cells


@pytest.fixture(scope="module")
def study(make):
    return make()


def test_one_pair_is_the_gain_of_its_cells(study) -> None:
    cells, predictions, labels = study
    a, b = ("none", 300, 0), ("mix", 300, 1200)

    def right(cell):
        chosen = (cells[["strategy", "n_real", "n_synthetic"]] == list(cell)).all(axis=1)
        return predictions[chosen.to_numpy()] == labels

    found = cells_contrast(cells, predictions, labels, [(a, b)], 3600)
    gain = difference_interval(right(b).astype(int) - right(a))
    assert (found.difference, found.low, found.high) == pytest.approx(
        (gain.gain, gain.low, gain.high)
    )
    assert (found.n_seeds, found.n_images) == (3, 600)
    assert found.pairs == ("none 300 + 0 -> mix 300 + 1200",)
    assert found.missing == ()


def test_pairs_are_averaged_and_missing_ones_named() -> None:
    accuracies = {("none", 6, 0): 0.5, ("mix", 6, 1): 0.7, ("none", 60, 0): 0.8}
    accuracies[("mix", 60, 1)] = 0.9
    pairs = pair_cells(("none", [6, 60, 600], [0]), ("mix", [6, 60, 600], [1, 2]))
    found = cells_contrast(*grid(accuracies), pairs, 60)
    assert found.difference == pytest.approx((0.2 + 0.1) / 2)
    assert found.pairs == ("none 6 + 0 -> mix 6 + 1", "none 60 + 0 -> mix 60 + 1")
    assert found.missing == (
        "mix 6 + 2", "mix 60 + 2", "none 600 + 0", "mix 600 + 1", "mix 600 + 2",
    )  # fmt: skip


def test_no_pair_is_no_difference() -> None:
    found = cells_contrast(*grid({("none", 6, 0): 0.5}), [(("none", 6, 0), ("mix", 6, 1))], 60)
    assert (found.difference, found.low, found.n_seeds, found.pairs) == (None, None, 0, ())
    assert found.missing == ("mix 6 + 1",)


def test_order_of_the_rows_does_not_matter(study) -> None:
    cells, predictions, labels = study
    pairs = pair_cells(("none", [300, 1200], [0]), ("mix", [300, 1200], [1200, 3600]))
    order = np.random.default_rng(0).permutation(len(cells))
    shuffled = cells_contrast(cells.iloc[order], predictions[order], labels, pairs, 3600)
    straight = cells_contrast(cells, predictions, labels, pairs, 3600)
    assert shuffled.difference == pytest.approx(straight.difference)
    assert shuffled.low == pytest.approx(straight.low)


def test_bad_tables_are_one_line() -> None:
    cells, predictions, labels = grid({("none", 6, 0): 0.5, ("mix", 6, 1): 0.5})
    pairs = [(("none", 6, 0), ("mix", 6, 1))]
    with pytest.raises(StatisticsError, match="allowed: 4 cells x 100 test images"):
        cells_contrast(cells, predictions[:3], labels, pairs, 3600)
    with pytest.raises(StatisticsError, match="no column 'seed'"):
        cells_contrast(cells.drop(columns="seed"), predictions, labels, pairs, 3600)
    with pytest.raises(StatisticsError, match=r"two cells of none 6 \+ 0 with seed 0"):
        cells_contrast(cells.assign(seed=0), predictions, labels, pairs, 3600)
    with pytest.raises(StatisticsError, match="no seed in common"):
        cells_contrast(cells.assign(seed=range(4)), predictions, labels, pairs, 3600)


# The best mixes


def test_the_best_is_chosen_on_validation_never_on_test(study) -> None:
    cells, predictions, labels = study
    found = best_contrast(cells, predictions, labels, "mix", "filtered", 3600)
    means = cells[cells["n_real"] > 0].groupby(["strategy", "n_real", "n_synthetic"])
    best = means["validation_accuracy"].mean().groupby("strategy").idxmax()
    (pair,) = found.pairs
    texts = [f"{s} {r} + {g}" for s, r, g in (best["mix"], best["filtered"])]
    assert pair == " -> ".join(texts)
    assert found.chosen_by == "validation"
    cheat = (cells["strategy"] == "mix") & (cells["n_real"] == 300) & (cells["n_synthetic"] == 1200)
    predictions = predictions.copy()
    predictions[cheat.to_numpy()] = labels
    cells = cells.assign(test_accuracy=cells["test_accuracy"].mask(cheat, 1.0))
    assert best_contrast(cells, predictions, labels, "mix", "filtered", 3600).pairs == found.pairs


def test_without_validation_strategies_meet_at_the_largest_real_count(make) -> None:
    cells, predictions, labels = make(validation=False)
    found = best_contrast(cells, predictions, labels, "mix", "filtered", 3600)
    assert found.chosen_by == "largest real count"
    most = int(cells["n_real"].max())
    made = sorted(set(cells.loc[cells["strategy"] == "filtered", "n_synthetic"]))
    assert len(made) == 3
    assert found.pairs == tuple(f"mix {most} + {n} -> filtered {most} + {n}" for n in made)


def test_only_counts_of_both_are_candidates() -> None:
    cells, predictions, labels = grid(
        {("mix", 6, 1): 0.7, ("mix", 60, 1): 0.9, ("filtered", 6, 1): 0.6}
    )
    cells["validation_accuracy"] = cells["test_accuracy"]
    found = best_contrast(cells, predictions, labels, "mix", "filtered", 3600)
    assert found.pairs == ("mix 6 + 1 -> filtered 6 + 1",)
    assert found.difference == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("other", "missing"),
    [(("none", 6, 0), "mixes of filtered"), (("filtered", 60, 1), "mix and filtered")],
)
def test_nothing_in_common_is_missing(other, missing) -> None:
    found = best_contrast(*grid({("mix", 6, 1): 0.5, other: 0.5}), "mix", "filtered", 60)
    assert (found.difference, found.pairs) == (None, ())
    assert found.missing == (missing,)


# Roughness


def test_roughness_is_the_mean_second_difference() -> None:
    """A straight line against one with bends of 0.2 and 0.1, the second seed's twice as large."""
    line = {("filtered", 6, n): a for n, a in ((1, 0.5), (2, 0.6), (3, 0.7), (9, 0.8))}
    bent = {
        ("mix", 6, 1): 0.5,
        ("mix", 6, 2): (0.6, 0.7),
        ("mix", 6, 3): (0.5, 0.5),
        ("mix", 6, 9): (0.5, 0.5),
    }
    found = roughness_contrast(grid(line | bent)[0], "mix", "filtered", 60)
    rough = np.array([(0.2 + 0.1) / 2, (0.4 + 0.2) / 2])
    low, high = stats.t.interval(0.95, 1, loc=-rough.mean(), scale=stats.sem(rough))
    assert (found.difference, found.low, found.high) == pytest.approx((-rough.mean(), low, high))
    assert (found.n_seeds, found.n_images) == (2, None)
    assert found.pairs == ("mix, filtered: 6 + 1, 2, 3, 9",)


def test_swapping_the_strategies_turns_roughness_round(study) -> None:
    forth, back = (roughness_contrast(study[0], *names, 3600) for names in
                   (("mix", "filtered"), ("filtered", "mix")))  # fmt: skip
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.low == pytest.approx(-back.high)
    assert len(forth.pairs) == 4  # generated images alone are a line too


def test_a_line_needs_three_counts_of_both() -> None:
    cells = {(name, 6, n): 0.5 for name in ("mix", "filtered") for n in (1, 2)}
    found = roughness_contrast(grid(cells | {("mix", 6, 3): 0.5})[0], "mix", "filtered", 60)
    assert found.difference is None
    assert found.missing == ("3 synthetic counts at one real count, of mix and filtered",)


def test_roughness_of_one_seed_has_no_interval() -> None:
    cells = {(name, 6, n): 0.5 for name in ("mix", "filtered") for n in (1, 2, 3)}
    found = roughness_contrast(grid(cells, seeds=(7,))[0], "mix", "filtered", 60)
    assert (found.difference, found.low, found.high, found.n_seeds) == (0, None, None, 1)


# What the generator saw and the classifiers did not


def test_real_counts_below_all_images_are_named_as_optimistic() -> None:
    accuracies = {
        (name, n_real, made): 0.5
        for name, counts in (("none", (0,)), ("mix", (1, 2, 3)), ("filtered", (1, 2, 3)))
        for n_real in (0, 6, 60, 600)
        for made in counts
    }
    tables = grid(accuracies)

    def counts(a, b, n_train=600):
        return cells_contrast(*tables, pair_cells(a, b), n_train).optimistic_counts

    mixed, plain = ("mix", [6, 60, 600], [1]), ("none", [6, 60, 600], [0])
    assert counts(plain, mixed) == (6, 60)
    assert counts(("mix", [0], [1]), ("mix", [600], [1])) == ()  # stands for all; sees all
    assert counts(("none", [6], [0]), ("none", [60], [0])) == ()  # nothing is generated
    assert roughness_contrast(tables[0], "mix", "filtered", 600).optimistic_counts == (6, 60)
    best = best_contrast(*tables, "mix", "filtered", 600)
    assert (best.chosen_by, best.optimistic_counts) == ("largest real count", ())
    assert best_contrast(*tables, "mix", "filtered", 601).optimistic_counts == (600,)
