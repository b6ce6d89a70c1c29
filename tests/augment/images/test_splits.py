from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.images.splits import (
    SplitError,
    apportion,
    class_ordering,
    scored_per_class,
    stratified_split,
)
from augment.streams import numpy_stream

WEIGHTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=12)


@given(weights=WEIGHTS, total=st.integers(0, 50_000))
def test_apportion_keeps_its_promises(weights: list[int], total: int) -> None:
    array = np.array(weights, dtype=np.int64)
    if total and not sum(weights):
        with pytest.raises(SplitError, match="without images"):
            apportion(total, array)
        return
    shares = apportion(total, array)
    assert shares.dtype == np.int64
    assert shares.sum() == total
    assert (shares >= 0).all()
    if total:
        assert (shares[array == 0] == 0).all()
        # Within one of the exact share, in integers: |share * sum - total * weight| < sum.
        assert (abs(shares * sum(weights) - total * array) < sum(weights)).all()
    if total <= sum(weights):
        assert (shares <= array).all()


def test_apportion_by_hand() -> None:
    # Hamilton's method: 10 over 1:1:1 is 3.33 each, the left one goes to the earliest tie.
    assert apportion(10, np.array([1, 1, 1])).tolist() == [4, 3, 3]
    # 7 over 5:3:1 is 3.89, 2.33, 0.78.
    assert apportion(7, np.array([5, 3, 1])).tolist() == [4, 2, 1]
    assert apportion(9, np.array([5, 3, 1])).tolist() == [5, 3, 1]
    assert apportion(0, np.array([0, 0])).tolist() == [0, 0]


def test_apportion_does_not_overflow() -> None:
    huge = np.array([2**61, 2**61], dtype=np.int64)
    assert apportion(2**61, huge).tolist() == [2**60, 2**60]


@pytest.mark.parametrize(
    ("total", "weights"),
    [(-1, [1, 2]), (3, [1, -1]), (3, [0.5, 0.5]), (3, [[1, 2]]), (3, []), (3, [0])],
)
def test_apportion_refuses(total: int, weights: list[int]) -> None:
    with pytest.raises(SplitError):
        apportion(total, np.array(weights))


def test_scored_images_are_the_first_halves() -> None:
    # The spare image of 7 goes to the second half, that of 9 to the first.
    assert scored_per_class(np.array([7, 9, 6, 0]), 1000).tolist() == [3, 5, 3, 0]
    assert scored_per_class(np.array([90, 90]), 30).tolist() == [15, 15]
    # 6 of 5 : 15 are 1.5 and 4.5; the tie goes to the earlier class.
    assert scored_per_class(np.array([10, 30]), 6).tolist() == [2, 4]
    assert scored_per_class(np.array([1]), 1000).tolist() == [0]


@given(counts=st.lists(st.integers(0, 60), min_size=1, max_size=6), n=st.integers(0, 100))
def test_scored_images_leave_as_many_to_compare_with(counts: list[int], n: int) -> None:
    scored = scored_per_class(np.array(counts), n)
    assert scored.dtype == np.int64
    assert scored.sum() == min(n, sum((k + c % 2) // 2 for c, k in enumerate(counts)))
    assert (2 * scored <= np.array(counts) + 1).all()


@given(
    counts=st.lists(st.integers(3, 60), min_size=1, max_size=6),
    shares=st.lists(st.integers(1, 50), min_size=3, max_size=3),
    seed=st.integers(0, 1000),
)
def test_split_is_a_stratified_partition(counts: list[int], shares: list[int], seed: int) -> None:
    labels = numpy_stream(seed, "order").permutation(np.repeat(np.arange(len(counts)), counts))
    fractions = {name: share / sum(shares) for name, share in zip("abc", shares, strict=True)}
    parts = stratified_split(labels, fractions, numpy_stream(seed, "split"))
    assert list(parts) == list("abc")
    everything = np.concatenate(list(parts.values()))
    assert sorted(everything.tolist()) == list(range(len(labels)))
    for name, indices in parts.items():
        assert indices.dtype == np.int64
        assert (np.diff(indices) > 0).all()
        of_class = np.bincount(labels[indices], minlength=len(counts))
        assert (of_class >= 1).all()
        for n, k in zip(counts, of_class, strict=True):
            # Where every part's exact share is 1 or more, no part had to be lifted to 1.
            if n * min(fractions.values()) >= 1:
                assert abs(k - n * fractions[name]) < 1


def test_split_of_500_a_class_is_exact() -> None:
    labels = np.repeat(np.arange(10), 500)
    fractions = {"train": 0.8 * 0.9, "validation": 0.8 * 0.1, "test": 0.2}
    parts = stratified_split(labels, fractions, numpy_stream(0, "split"))
    for name, n in {"train": 360, "validation": 40, "test": 100}.items():
        assert np.bincount(labels[parts[name]]).tolist() == [n] * 10


def test_a_part_without_a_share_is_empty() -> None:
    labels = np.repeat([0, 1], 10)
    parts = stratified_split(labels, {"train": 1.0, "validation": 0.0}, numpy_stream(0))
    assert parts["validation"].tolist() == []
    assert parts["validation"].dtype == np.int64
    assert len(parts["train"]) == 20


def test_every_part_gets_one_of_each_class() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    parts = stratified_split(labels, {"a": 0.98, "b": 0.01, "c": 0.01}, numpy_stream(0))
    assert np.bincount(labels[parts["a"]]).tolist() == [1, 2]
    assert np.bincount(labels[parts["b"]]).tolist() == [1, 1]
    assert np.bincount(labels[parts["c"]]).tolist() == [1, 1]


def test_split_is_random_and_repeatable() -> None:
    labels = np.repeat([0, 1], 50)
    one, same, other = (
        stratified_split(labels, {"a": 0.5, "b": 0.5}, numpy_stream(seed))["a"].tolist()
        for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other
    assert one != list(range(25)) + list(range(50, 75))


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    n_classes=st.integers(1, 3),
    shares=st.lists(st.integers(0, 20), min_size=2, max_size=3).filter(any),
    seed=st.integers(0, 50),
)
def test_groups_stay_together(
    sizes: list[int], n_classes: int, shares: list[int], seed: int
) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = numpy_stream(seed, "labels").integers(0, n_classes, len(groups))
    fractions = {name: share / sum(shares) for name, share in zip("abc", shares, strict=False)}
    try:
        parts = stratified_split(labels, fractions, numpy_stream(seed), groups=groups)
    except SplitError:
        return
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    of_part = [set(groups[index].tolist()) for index in parts.values()]
    assert sum(len(each) for each in of_part) == len(sizes)
    for name, index in parts.items():
        wanted = set(labels.tolist()) if fractions[name] else set()
        assert set(labels[index].tolist()) == wanted
    again = stratified_split(labels, fractions, numpy_stream(seed), groups=groups)
    assert all((parts[name] == again[name]).all() for name in parts)


@given(counts=st.lists(st.integers(3, 40), min_size=1, max_size=5), seed=st.integers(0, 50))
def test_groups_of_one_image_are_no_groups(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    groups = numpy_stream(seed, "names").permutation(len(labels)) + 7
    fractions = {"a": 0.7, "b": 0.2, "c": 0.1}
    without = stratified_split(labels, fractions, numpy_stream(seed))
    found = stratified_split(labels, fractions, numpy_stream(seed), groups=groups)
    assert {name: index.tobytes() for name, index in found.items()} == {
        name: index.tobytes() for name, index in without.items()
    }


def test_single_images_make_up_for_a_group_that_is_too_large() -> None:
    # A group of 30 of 100 fits into no part of a tenth.
    labels = np.zeros(100, np.int64)
    groups = np.concatenate([np.zeros(30, np.int64), np.arange(1, 71)])
    parts = stratified_split(labels, {"a": 0.8, "b": 0.1, "c": 0.1}, numpy_stream(0), groups=groups)
    assert [len(index) for index in parts.values()] == [80, 10, 10]
    assert set(range(30)) <= set(parts["a"].tolist())


def test_the_last_groups_of_a_class_are_kept_for_the_parts_without_one() -> None:
    # By their sizes alone all three would go to the largest part.
    labels, groups = np.zeros(30, np.int64), np.arange(30) // 10
    parts = stratified_split(labels, {"a": 0.8, "b": 0.1, "c": 0.1}, numpy_stream(0), groups=groups)
    assert [len(index) for index in parts.values()] == [10, 10, 10]


def test_class_ordering_is_a_permutation_of_each_class() -> None:
    labels = numpy_stream(1).integers(0, 3, 300)
    orders = class_ordering(labels, 4, numpy_stream(0))
    assert len(orders) == 4
    for label, order in enumerate(orders):
        assert order.dtype == np.int64
        assert sorted(order.tolist()) == np.flatnonzero(labels == label).tolist()
    assert orders[0].tolist() != sorted(orders[0].tolist())
    assert orders[3].tolist() == []
    again = class_ordering(labels, 4, numpy_stream(0))
    assert all((a == b).all() for a, b in zip(orders, again, strict=True))


def test_shares_mean_what_was_written_not_their_float_noise() -> None:
    # 1 - 0.9 is 0.09999999999999998; 15 images at 0.1 and 0.9 are 1.5 and 13.5: a tie.
    parts = stratified_split(np.zeros(15, np.int64), {"a": 1 - 0.9, "b": 0.9}, numpy_stream(0))
    assert [len(part) for part in parts.values()] == [2, 13]
