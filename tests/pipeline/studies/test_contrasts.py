"""Contrasts and their intervals against closed forms; nothing chosen on test images."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.studies.contrasts import (
    Cell,
    Grid,
    best_contrast,
    cells_contrast,
    pair_cells,
    roughness_contrast,
)
from pipeline.study_files import Side
from reports.errors import StatisticsError
from reports.verdict.intervals import difference_interval


def grid(accuracies, n_test=100, seeds=(0, 1), n_train=60):
    """A grid whose accuracy is what a mapping from cell to a number or to one a seed says."""
    labels = np.zeros(n_test, dtype=np.int64)
    rows, predictions = [], []
    for (strategy, n_real, n_synthetic), wanted in accuracies.items():
        for place, seed in enumerate(seeds):
            accuracy = wanted[place] if isinstance(wanted, tuple) else wanted
            right = np.arange(n_test) < round(accuracy * n_test)
            rows.append((strategy, n_real, n_synthetic, seed, np.nan, right.mean()))
            predictions.append(np.where(right, 0, 1).astype(np.uint8))
    columns = ["strategy", "n_real", "n_synthetic", "seed", "validation_accuracy", "test_accuracy"]
    return Grid(pd.DataFrame(rows, columns=columns), np.array(predictions), labels, n_train)


def pairs_of(a: tuple, b: tuple) -> list[tuple[Cell, Cell]]:
    """The pairs of two sides: strategy, real counts, synthetic counts."""
    names = ("strategy", "n_real", "n_synthetic")
    return pair_cells(*(Side(**dict(zip(names, side, strict=True))) for side in (a, b)))


# Pairs


def test_lists_run_together_and_a_single_count_goes_with_all() -> None:
    pairs = pairs_of(("none", [6, 60], [0]), ("mix", [6, 60], [1, 2]))
    assert pairs == [(("none", n, 0), ("mix", n, m)) for n in (6, 60) for m in (1, 2)]
    pairs = pairs_of(("mix", [0], [1, 2]), ("mix", [6], [1, 2]))
    assert pairs == [(("mix", 0, n), ("mix", 6, n)) for n in (1, 2)]
    # A pair comes once, where all training images are as many as another count.
    assert len(pairs_of(("none", [6, 6], [0]), ("mix", [6, 6], [1]))) == 1


# Cells


@pytest.fixture(scope="module")
def study(make):
    return Grid(*make(), 3600)


def test_one_pair_is_the_gain_of_its_cells(study) -> None:
    cells, predictions, labels = study.cells, study.predictions, study.labels
    a, b = ("none", 300, 0), ("mix", 300, 1200)

    def right(cell):
        chosen = (cells[["strategy", "n_real", "n_synthetic"]] == list(cell)).all(axis=1)
        return predictions[chosen.to_numpy()] == labels

    found = cells_contrast(study, [(a, b)])
    gain = difference_interval(right(b).astype(int) - right(a))
    assert (found.difference, found.low, found.high) == pytest.approx(
        (gain.gain, gain.low, gain.high)
    )
    assert (found.n_seeds, found.n_images) == (3, 600)
    assert found.pairs == ["none 300 + 0 -> mix 300 + 1200"]
    assert found.missing == []


def test_pairs_are_averaged_and_missing_ones_named() -> None:
    accuracies = {("none", 6, 0): 0.5, ("mix", 6, 1): 0.7, ("none", 60, 0): 0.8}
    accuracies[("mix", 60, 1)] = 0.9
    pairs = pairs_of(("none", [6, 60, 600], [0]), ("mix", [6, 60, 600], [1, 2]))
    found = cells_contrast(grid(accuracies), pairs)
    assert found.difference == pytest.approx((0.2 + 0.1) / 2)
    assert found.pairs == ["none 6 + 0 -> mix 6 + 1", "none 60 + 0 -> mix 60 + 1"]
    assert found.missing == [
        "mix 6 + 2", "mix 60 + 2", "none 600 + 0", "mix 600 + 1", "mix 600 + 2",
    ]  # fmt: skip
    nothing = cells_contrast(grid(accuracies), [(("none", 6, 0), ("mix", 6, 2))])
    assert (nothing.difference, nothing.low, nothing.n_seeds, nothing.pairs) == (None, None, 0, [])
    assert nothing.missing == ["mix 6 + 2"]


def test_order_of_the_rows_does_not_matter(study) -> None:
    cells, predictions, labels = study.cells, study.predictions, study.labels
    pairs = pairs_of(("none", [300, 1200], [0]), ("mix", [300, 1200], [1200, 3600]))
    order = np.random.default_rng(0).permutation(len(cells))
    mixed = Grid(cells.iloc[order], predictions[order], labels, 3600)
    shuffled = cells_contrast(mixed, pairs)
    straight = cells_contrast(study, pairs)
    assert shuffled.difference == pytest.approx(straight.difference)
    assert shuffled.low == pytest.approx(straight.low)


def test_seeds_that_do_not_pair_are_one_line() -> None:
    two = grid({("none", 6, 0): 0.5, ("mix", 6, 1): 0.5})
    pairs = [(("none", 6, 0), ("mix", 6, 1))]
    with pytest.raises(StatisticsError, match=r"two cells of none 6 \+ 0 with seed 0"):
        cells_contrast(replace(two, cells=two.cells.assign(seed=0)), pairs)
    with pytest.raises(StatisticsError, match="no seed in common"):
        cells_contrast(replace(two, cells=two.cells.assign(seed=range(4))), pairs)


# The best mixes


def test_the_best_is_chosen_on_validation_never_on_test(study) -> None:
    cells, predictions, labels = study.cells, study.predictions, study.labels
    found = best_contrast(study, "mix", "filtered")
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
    cheated = Grid(cells, predictions, labels, 3600)
    assert best_contrast(cheated, "mix", "filtered").pairs == found.pairs


def test_without_validation_strategies_meet_at_the_largest_real_count(make) -> None:
    cells, predictions, labels = make(validation=False)
    found = best_contrast(Grid(cells, predictions, labels, 3600), "mix", "filtered")
    assert found.chosen_by == "largest real count"
    most = int(cells["n_real"].max())
    made = sorted(set(cells.loc[cells["strategy"] == "filtered", "n_synthetic"]))
    assert len(made) == 3
    assert found.pairs == [f"mix {most} + {n} -> filtered {most} + {n}" for n in made]


def test_only_counts_of_both_are_candidates() -> None:
    three = grid({("mix", 6, 1): 0.7, ("mix", 60, 1): 0.9, ("filtered", 6, 1): 0.6})
    three.cells["validation_accuracy"] = three.cells["test_accuracy"]
    found = best_contrast(three, "mix", "filtered")
    assert found.pairs == ["mix 6 + 1 -> filtered 6 + 1"]
    assert found.difference == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("other", "missing"),
    [(("none", 6, 0), "mixes of filtered"), (("filtered", 60, 1), "mix and filtered")],
)
def test_nothing_in_common_is_missing(other, missing) -> None:
    found = best_contrast(grid({("mix", 6, 1): 0.5, other: 0.5}), "mix", "filtered")
    assert (found.difference, found.pairs, found.missing) == (None, [], [missing])


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
    found = roughness_contrast(grid(line | bent), "mix", "filtered")
    rough = np.array([(0.2 + 0.1) / 2, (0.4 + 0.2) / 2])
    low, high = stats.t.interval(0.95, 1, loc=-rough.mean(), scale=stats.sem(rough))
    assert (found.difference, found.low, found.high) == pytest.approx((-rough.mean(), low, high))
    assert (found.n_seeds, found.n_images) == (2, None)
    assert found.pairs == ["mix, filtered: 6 + 1, 2, 3, 9"]


def test_swapping_the_strategies_turns_roughness_round(study) -> None:
    forth, back = (roughness_contrast(study, *names) for names in
                   (("mix", "filtered"), ("filtered", "mix")))  # fmt: skip
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.low == pytest.approx(-back.high)
    assert len(forth.pairs) == 4  # generated images alone are a line too


def test_a_line_needs_three_counts_of_both_and_an_interval_two_seeds() -> None:
    cells = {(name, 6, n): 0.5 for name in ("mix", "filtered") for n in (1, 2)}
    cells[("mix", 6, 3)] = 0.5
    found = roughness_contrast(grid(cells), "mix", "filtered")
    assert found.difference is None
    assert found.missing == ["3 synthetic counts at one real count, of mix and filtered"]
    cells[("filtered", 6, 3)] = 0.5
    found = roughness_contrast(grid(cells, seeds=(7,)), "mix", "filtered")
    assert (found.difference, found.low, found.high, found.n_seeds) == (0, None, None, 1)


# What the generator saw and the classifiers did not


def test_real_counts_below_all_images_are_named_as_optimistic() -> None:
    accuracies = {
        (name, n_real, made): 0.5
        for name, counts in (("none", (0,)), ("mix", (1, 2, 3)), ("filtered", (1, 2, 3)))
        for n_real in (0, 6, 60, 600)
        for made in counts
    }
    of_600, of_601 = grid(accuracies, n_train=600), grid(accuracies, n_train=601)

    def counts(a, b):
        return cells_contrast(of_600, pairs_of(a, b)).optimistic_counts

    mixed, plain = ("mix", [6, 60, 600], [1]), ("none", [6, 60, 600], [0])
    assert counts(plain, mixed) == [6, 60]
    assert counts(("mix", [0], [1]), ("mix", [600], [1])) == []  # stands for all; sees all
    assert counts(("none", [6], [0]), ("none", [60], [0])) == []  # nothing is generated
    assert roughness_contrast(of_600, "mix", "filtered").optimistic_counts == [6, 60]
    best = best_contrast(of_600, "mix", "filtered")
    assert (best.chosen_by, best.optimistic_counts) == ("largest real count", [])
    assert best_contrast(of_601, "mix", "filtered").optimistic_counts == [600]
