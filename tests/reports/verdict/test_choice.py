"""What is chosen, on whose validation, and what is fixed beforehand."""

import numpy as np
import pandas as pd
import pytest

from reports.verdict.choice import (
    BEFOREHAND,
    BY_VALIDATION,
    choose,
    choosers,
    default_margin,
)

ARMS = {
    "mix": ["mix", "filtered"],
    "control": ["none", "duplicated", "classical"],
    "real": ["none"],
    "mix-classical": ["mix-classical"],
}
MANY = {"a": 200, "b": 200, "c": 200}


def table(accuracies, seeds=(0, 1), unit_real=400):
    """A row for each cell, unit and seed; ``accuracies`` maps a cell to one number a unit."""
    rows = [
        [unit, unit_real, strategy, unit_real, added, seed, accuracy + (seed - 0.5) * 0.01]
        for (strategy, added), by_unit in accuracies.items()
        for unit, accuracy in zip("abc", by_unit, strict=False)
        for seed in seeds
    ]
    columns = ["unit", "unit_real", "strategy", "n_real", "n_synthetic", "seed"]
    return pd.DataFrame(rows, columns=[*columns, "validation_accuracy"])


CELLS = {
    ("none", 0): (0.90, 0.90, 0.90),
    ("duplicated", 800): (0.89, 0.89, 0.89),
    ("classical", 0): (0.95, 0.89, 0.89),
    ("mix", 400): (0.91, 0.91, 0.97),
    ("mix", 800): (0.93, 0.92, 0.91),
    ("filtered", 400): (0.90, 0.92, 0.90),
}


def found(choices, arm):
    return {c.unit: (c.strategy, c.n_synthetic) for c in choices if c.arm == arm}


def test_each_unit_is_served_by_another():
    """By hand: b chooses for a, c for b and a for c."""
    choices = choose(table(CELLS), ARMS, MANY)
    # Of equal accuracies that of fewer images.
    assert found(choices, "mix") == {"a": ("filtered", 400), "b": ("mix", 400), "c": ("mix", 800)}
    none, classical = ("none", 0), ("classical", 0)
    assert found(choices, "control") == {"a": none, "b": none, "c": classical}
    first = choices[0]
    assert (first.unit, first.arm, first.by, first.n_candidates) == ("a", "mix", BY_VALIDATION, 3)
    assert first.validation == pytest.approx(0.92)
    assert [c.unit for c in choices] == [unit for unit in "abc" for _ in range(3)]


def test_all_others_can_choose():
    """By hand: c's mix of 400 is best by far, so a and b take it; c itself takes that of 800."""
    choices = choose(table(CELLS), ARMS, MANY, mutual=True)
    assert found(choices, "mix") == {"a": ("mix", 400), "b": ("mix", 400), "c": ("mix", 800)}
    # Classical wins for all but a, whose own accuracy made it so.
    none, classical = ("none", 0), ("classical", 0)
    assert found(choices, "control") == {"a": none, "b": classical, "c": classical}
    assert choices[0].validation == pytest.approx((0.91 + 0.97) / 2)


@pytest.mark.parametrize("n_units", range(3, 12))
def test_of_two_units_just_one_chooses_for_the_other(n_units):
    by = choosers(n_units)
    for a in range(n_units):
        assert len(set(by[a])) == len(by[a]) >= (n_units - 1) // 2
        for b in range(a):
            assert (a in by[b]) + (b in by[a]) == 1
        assert a not in by[a]


def test_two_units_choose_for_each_other():
    assert choosers(2) == [[1], [0]]
    assert choosers(3, mutual=True) == [[1, 2], [0, 2], [0, 1]]


def test_a_units_own_validation_never_chooses_for_it():
    cells = table(CELLS)
    of_a = cells["unit"] == "a"
    before = [c for c in choose(cells, ARMS, MANY) if c.unit == "a"]
    cells.loc[of_a, "validation_accuracy"] = np.random.default_rng(0).random(of_a.sum())
    assert [c for c in choose(cells, ARMS, MANY) if c.unit == "a"] == before


def test_neither_the_test_set_nor_the_order_of_rows_changes_anything():
    cells = table(CELLS)
    shuffled = cells.sample(frac=1, random_state=1)
    tested = shuffled.assign(test_accuracy=np.random.default_rng(0).random(len(cells)))
    assert choose(tested, ARMS, MANY) == choose(cells, ARMS, MANY)


def test_seeds_are_averaged_within_a_unit_first():
    """More seeds of one unit give it no more weight."""
    cells = table({("mix", 1): (0.9, 0.8, 0.9), ("mix", 2): (0.9, 0.95, 0.7)})
    extra = cells[cells["unit"] == "b"]
    more = [extra.assign(seed=extra["seed"] + 2 * k) for k in range(1, 6)]
    repeated = pd.concat([cells, *more], ignore_index=True)
    assert found(choose(repeated, ARMS, MANY), "mix") == found(choose(cells, ARMS, MANY), "mix")


def test_ties_go_to_fewer_generated_images_then_to_the_first_name():
    same = (0.9, 0.9, 0.9)
    cells = {("mix", 800): same, ("mix", 400): same, ("filtered", 400): same}
    assert set(found(choose(table(cells), ARMS, MANY), "mix").values()) == {("filtered", 400)}


def test_a_cell_that_a_unit_lacks_does_not_compete():
    cells = table({**CELLS, ("mix", 1600): (0.99, 0.99)})
    assert ("mix", 1600) not in found(choose(cells, ARMS, MANY), "mix").values()


def test_only_the_full_count_of_the_largest_units_competes():
    small = table({("mix", 400): (0.99, 0.99, 0.99)}, unit_real=100)
    part = table({("mix", 9): (0.99, 0.99, 0.99)}).assign(n_real=100)
    without = table({("mix", 0): (0.99, 0.99, 0.99)})
    cells = pd.concat([table(CELLS), small, part, without], ignore_index=True)
    assert choose(cells, ARMS, MANY) == choose(table(CELLS), ARMS, MANY)


@pytest.mark.parametrize("case", ["one unit", "few images", "no validation", "one NaN"])
def test_what_cannot_be_chosen_is_fixed_beforehand(case):
    cells, images = table(CELLS), MANY
    if case == "one unit":
        cells, images = cells[cells["unit"] == "a"], {"a": 5000}
    elif case == "few images":
        images = {"a": 166, "b": 167, "c": 166}
    elif case == "no validation":
        cells["validation_accuracy"] = float("nan")
    else:
        cells.loc[cells.query("strategy == 'filtered'").index[0], "validation_accuracy"] = np.nan
    mixes = [c for c in choose(cells, ARMS, images) if c.arm == "mix"]
    assert {(c.strategy, c.n_synthetic, c.by) for c in mixes} == {("mix", 800, BEFOREHAND)}
    assert {c.validation for c in mixes} == {None}
    # 500 pooled images are enough.
    assert choose(table(CELLS), ARMS, {"a": 166, "b": 167, "c": 167})[0].by == BY_VALIDATION


def test_the_margin_is_a_fifth_of_the_controls_error():
    """Errors of the crossed choices on the units' own validation: 10, 10 and 11 %."""
    cells = table(CELLS)
    assert default_margin(cells, choose(cells, ARMS, MANY)) == pytest.approx(0.2 * 0.31 / 3)


def test_one_unit_has_a_margin_too():
    cells = table(CELLS)[lambda t: t["unit"] == "a"]
    assert default_margin(cells, choose(cells, ARMS, {"a": 9})) == pytest.approx(0.02)


@pytest.mark.parametrize("accuracy", [1.0, float("nan")])
def test_without_errors_or_validation_there_is_no_margin(accuracy):
    cells = table(CELLS).assign(validation_accuracy=accuracy)
    assert default_margin(cells, choose(cells, ARMS, MANY)) is None
    assert default_margin(cells, []) is None
