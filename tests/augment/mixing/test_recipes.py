from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.errors import AugmentError
from augment.images.image_sets import ImageSet
from augment.images.splits import apportion
from augment.mixing.recipes import (
    MixError,
    build_cells,
    cannot_repeat,
    cells_from_table,
    cells_table,
    check_cells,
    real_indices,
    repeated,
)
from augment.mixing.strategies import STRATEGIES

K = 3
FREQUENCIES = np.array([50, 30, 20])
TOTALS = st.lists(st.integers(0, 90), min_size=1, max_size=4, unique=True)


def counts(totals: Sequence[int]) -> list[np.ndarray]:
    return [apportion(total, FREQUENCIES) for total in totals]


def make_set(n: int = 100) -> ImageSet:
    labels = np.random.default_rng(1).permutation(np.arange(n) % K)
    return ImageSet(np.zeros((n, 2, 2, 1), dtype=np.uint8), labels, ("a", "b", "c"))


@given(
    real=TOTALS,
    synthetic=TOTALS,
    strategies=st.lists(st.sampled_from(["mix", "filtered", "source-channel"]), unique=True),
    seeds=st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
)
def test_every_recipe_appears_once(
    real: list[int], synthetic: list[int], strategies: list[str], seeds: list[int]
) -> None:
    if not any(synthetic):
        strategies = []
    cells = build_cells(
        "published", "all-0", 100, counts(real), counts(synthetic), strategies, seeds
    )
    expected = [("none", r, 0, seed) for r in real if r and 0 in synthetic for seed in seeds] + [
        (strategy, r, s, seed)
        for strategy, r, s, seed in product(strategies, real, synthetic, seeds)
        if s
    ]
    found = [(c.strategy, c.n_real, c.n_synthetic, c.seed) for c in cells]
    assert found == expected
    assert len(set(cells)) == len(cells)
    for cell in cells:
        assert cell.n_real + cell.n_synthetic > 0
        assert (cell.strategy == "none") == (cell.n_synthetic == 0)
        assert cell.real_per_class == tuple(apportion(cell.n_real, FREQUENCIES))
        assert cell.synthetic_per_class == tuple(apportion(cell.n_synthetic, FREQUENCIES))
        assert (cell.protocol, cell.unit, cell.unit_real) == ("published", "all-0", 100)


def test_counts_of_one_class_are_kept_as_they_are() -> None:
    (cell,) = build_cells("published", "u", 100, counts([10]), [np.array([0, 7, 0])], ["mix"], [0])
    assert cell.synthetic_per_class == (0, 7, 0)
    assert cell.n_synthetic == 7


def test_each_strategy_has_the_cells_in_which_it_means_something() -> None:
    cells = build_cells(
        "published",
        "u",
        100,
        counts([0, 10]),
        counts([0, 5]),
        [name for name in STRATEGIES if name != "none"],
        [0],
    )
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in STRATEGIES}
    for cell in cells:
        found[cell.strategy].append((cell.n_real, cell.n_synthetic))
    assert found == {
        "none": [(10, 0)],
        "mix": [(0, 5), (10, 5)],
        "filtered": [(0, 5), (10, 5)],
        "fine-tune": [(10, 5)],
        "source-channel": [(0, 5), (10, 5)],
        "mix-classical": [(10, 5)],
        "mix-classical-half": [(10, 5)],
        "duplicated": [(10, 5)],
        "classical": [(10, 0)],
        "classical-half": [(10, 0)],
    }


@pytest.mark.parametrize(("real", "synthetic"), [(0, 5), (10, 0), (0, 0)])
def test_fine_tune_with_one_side_empty_is_refused(real: int, synthetic: int) -> None:
    # In a grid that has no other cell of it.
    with pytest.raises(MixError, match="allowed: a real and a synthetic count above 0"):
        build_cells("published", "u", 100, counts([real]), counts([synthetic]), ["fine-tune"], [0])


def test_a_control_without_a_cell_is_left_out() -> None:
    assert (
        build_cells(
            "published", "u", 100, counts([0]), counts([0]), ["classical", "duplicated"], [0]
        )
        == []
    )


def test_a_class_without_a_real_image_cannot_be_repeated() -> None:
    real, more = np.array([5, 0, 5]), [np.array([2, 1, 0]), np.array([2, 0, 1])]
    assert [cannot_repeat("duplicated", real, each) for each in more] == [True, False]
    assert not cannot_repeat("mix", real, more[0])
    (possible,) = build_cells("published", "u", 100, [real], more, ["duplicated"], [0])
    assert possible.synthetic_per_class == (2, 0, 1)


def test_what_fits_exactly_passes_and_one_more_is_refused() -> None:
    cells = build_cells(
        "published", "u", 100, counts([100]), counts([0, 20]), ["mix", "filtered"], [0]
    )
    pools = {"generated": np.array([10, 6, 4]), "filtered": np.array([10, 6, 4])}
    check_cells(cells, FREQUENCIES, pools, ["a", "b", "c"])
    with pytest.raises(MixError) as caught:
        check_cells(cells, np.array([50, 29, 20]), pools, ["a", "b", "c"])
    assert isinstance(caught.value, AugmentError)
    assert str(caught.value) == (
        "a none recipe with 100 real and 0 synthetic images needs 30 real images of class b; "
        "allowed: at most 29"
    )
    with pytest.raises(MixError) as caught:
        check_cells(cells, FREQUENCIES, pools | {"filtered": np.array([10, 6, 3])}, ["a", "b", "c"])
    assert str(caught.value) == (
        "a filtered recipe with 100 real and 20 synthetic images needs 4 filtered images of "
        "class c; allowed: at most 3"
    )


def test_a_pool_that_no_recipe_uses_need_not_be_there() -> None:
    check_cells(
        build_cells("published", "u", 100, counts([10]), counts([0]), [], [0]),
        FREQUENCIES,
        {},
        "abc",
    )


def test_the_manifest_comes_back_through_parquet(tmp_path: Path) -> None:
    cells = build_cells(
        "published", "all-0", 100, counts([0, 9]), counts([0, 5]), ["mix"], [0, 2**40]
    )
    cells_table(cells).to_parquet(tmp_path / "recipes.parquet", index=False)
    table = pd.read_parquet(tmp_path / "recipes.parquet")
    assert cells_from_table(table) == cells
    assert len(table) == len(cells)
    assert cells_from_table(cells_table(cells)) == cells
    for cell in cells_from_table(table):
        assert type(cell.n_real) is int
        assert all(type(count) is int for count in cell.real_per_class)
    assert list(table.columns[:4]) == ["protocol", "unit", "unit_real", "strategy"]
    with pytest.raises(ValueError, match="its columns are protocol, unit, strategy"):
        cells_from_table(table.drop(columns="unit_real"))
    cells_table(cells).to_parquet(tmp_path / "again.parquet", index=False)
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "recipes.parquet").read_bytes()


@given(small=st.integers(0, 100), large=st.integers(0, 100), seed=st.integers(0, 3))
def test_a_smaller_real_subset_is_within_every_larger_one(
    small: int, large: int, seed: int
) -> None:
    train = make_set()
    small, large = sorted((small, large))
    few = real_indices(train.labels, K, apportion(small, train.counts()).tolist(), 0, seed)
    many = real_indices(train.labels, K, apportion(large, train.counts()).tolist(), 0, seed)
    assert len(few) == small == len(set(few.tolist()))
    # Largest remainders may take one from a class as the total grows, so nesting is by class:
    # where the larger count is at least as large, its images hold the smaller's.
    for label in range(K):
        a, b = few[train.labels[few] == label], many[train.labels[many] == label]
        shorter = min(len(a), len(b))
        np.testing.assert_array_equal(a[:shorter], b[:shorter])


def test_real_subsets_are_as_asked_for_and_differ_by_seed() -> None:
    train = make_set()
    index = real_indices(train.labels, K, [5, 0, 9], 0, 0)
    assert np.bincount(train.labels[index], minlength=K).tolist() == [5, 0, 9]
    np.testing.assert_array_equal(index, real_indices(train.labels, K, [5, 0, 9], 0, 0))
    assert set(index.tolist()) != set(real_indices(train.labels, K, [5, 0, 9], 0, 1).tolist())
    everything = real_indices(train.labels, K, train.counts().tolist(), 0, 0)
    assert sorted(everything.tolist()) == list(range(100))


@given(
    per_class=st.tuples(*[st.integers(1, 30)] * K),
    more=st.tuples(*[st.integers(0, 70)] * K),
    seed=st.integers(0, 3),
)
def test_repeated_images_are_those_of_the_recipe_again_and_again(
    per_class: tuple[int, ...], more: tuple[int, ...], seed: int
) -> None:
    train = make_set()
    chosen = real_indices(train.labels, K, per_class, 0, seed)
    again = repeated(chosen, train.labels[chosen], more)
    assert np.bincount(train.labels[again], minlength=K).tolist() == list(more)
    assert set(again.tolist()) <= set(chosen.tolist())
    for label in range(K):
        times = np.unique(again[train.labels[again] == label], return_counts=True)[1]
        # No image is taken again before all of its class were.
        if more[label] > per_class[label]:
            assert len(times) == per_class[label]
        assert np.ptp(times) <= 1 if len(times) else more[label] == 0
