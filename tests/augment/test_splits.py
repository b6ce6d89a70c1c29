from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.splits import SplitError, apportion, class_ordering, stratified_split
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


def test_a_class_too_small_is_named() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    fractions = {"train": 0.6, "validation": 0.2, "test": 0.2, "none": 0.0}
    with pytest.raises(SplitError) as caught:
        stratified_split(labels, fractions, numpy_stream(0), ["cat", "dog"])
    assert str(caught.value) == (
        "class 'dog' has too few images to split (2); "
        "allowed: at least 3, one each for train, validation, test"
    )
    with pytest.raises(SplitError, match="class '1'"):
        stratified_split(labels, fractions, numpy_stream(0))


@pytest.mark.parametrize(
    "fractions", [{"a": 0.5, "b": 0.6}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan")}, {}]
)
def test_split_refuses_shares(fractions: dict[str, float]) -> None:
    with pytest.raises(SplitError, match="allowed"):
        stratified_split(np.zeros(9, np.int64), fractions, numpy_stream(0))


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


@pytest.mark.parametrize("label", [-1, 2])
def test_class_ordering_refuses_labels(label: int) -> None:
    with pytest.raises(SplitError, match="allowed: 0 to 1"):
        class_ordering(np.array([0, 1, label]), 2, numpy_stream(0))


def test_shares_mean_what_was_written_not_their_float_noise() -> None:
    # 1 - 0.9 is 0.09999999999999998; 15 images at 0.1 and 0.9 are 1.5 and 13.5: a tie.
    parts = stratified_split(np.zeros(15, np.int64), {"a": 1 - 0.9, "b": 0.9}, numpy_stream(0))
    assert [len(part) for part in parts.values()] == [2, 13]
