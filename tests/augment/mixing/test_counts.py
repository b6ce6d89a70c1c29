"""Counts of the grid: images, shares, and images by class name."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.mixing.counts import (
    Count,
    CountError,
    counts_per_class,
    resolve_counts,
    unknown_classes,
)


def test_counts_are_images_shares_or_sums() -> None:
    entries: list[Count] = [0, 300, 1.0, 0.5, 2.0, {"0": 3, "1": 4}]
    assert resolve_counts(entries, 3601) == [0, 300, 3601, 1801, 7202, 7]


@given(st.floats(0, 1), st.integers(1, 10**7))
def test_a_share_is_the_nearest_count(share: float, n_train: int) -> None:
    (count,) = resolve_counts([share], n_train)
    assert 0 <= count <= n_train
    assert abs(count - share * n_train) <= 0.5 + 1e-6


_CLASS_COUNTS = st.lists(st.integers(1, 500), min_size=2, max_size=8).map(np.array)


@given(_CLASS_COUNTS, st.integers(0, 5000) | st.floats(0, 3))
def test_counts_per_class_follow_the_training_set(real: np.ndarray, entry: int | float) -> None:
    names = [str(label) for label in range(len(real))]
    counts = counts_per_class(entry, real, names)
    (total,) = resolve_counts([entry], int(real.sum()))
    assert counts.sum() == total
    assert (np.abs(counts - total * real / real.sum()) < 1 + 1e-6).all()


def test_counts_per_class_by_name() -> None:
    real = np.array([5, 5, 5])
    assert counts_per_class({"c": 4, "a": 1}, real, ["a", "b", "c"]).tolist() == [1, 0, 4]
    with pytest.raises(CountError, match="there is no class 'd'; allowed: a, b, c"):
        counts_per_class({"d": 4}, real, ["a", "b", "c"])


def test_class_names_of_a_mapping_are_compared_composed() -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != decomposed
    real = np.array([5, 5])
    for one, other in ((composed, decomposed), (decomposed, composed)):
        assert counts_per_class({one: 4}, real, ["bar", other]).tolist() == [0, 4]
    assert unknown_classes({composed: 1, "x": 1}, [decomposed, "y"]) == ["x"]
