from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from augment.images.splits import SplitError, stratified_split
from augment.sources.grouping import join_groups
from augment.sources.partition import Given, Partition, count_duplicates, partition
from augment.streams import numpy_stream

NAMES = ("a", "b", "c", "d")


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def divide(given: dict[str, Given], **options: Any) -> Partition:
    settings = {"test": 0.2, "validation": 0.1, "duplicates": "group", "seed": 0} | options
    return partition(given, NAMES[: int(given["train"].labels.max()) + 1], **settings)


def rows(divided: Partition) -> dict[str, tuple[str, list[int]]]:
    return {name: (each.source, each.index.tolist()) for name, each in divided.parts.items()}


def test_without_groups_test_is_split_off_first_and_then_validation() -> None:
    labels = np.repeat([0, 1], [50, 30])
    found = divide({"train": Given(labels)}, seed=7)
    first = stratified_split(labels, {"train": 0.8, "test": 0.2}, numpy_stream(7, "split", "test"))
    rest = first["train"]
    second = stratified_split(
        labels[rest],
        {"train": 0.9, "validation": 0.1},
        numpy_stream(7, "split", "validation"),
    )
    assert rows(found) == {
        "train": ("train", rest[second["train"]].tolist()),
        "validation": ("train", rest[second["validation"]].tolist()),
        "test": ("train", first["test"].tolist()),
    }
    assert found.dropped == {}


@given(
    counts=st.lists(st.integers(3, 40), min_size=1, max_size=4),
    seed=st.integers(0, 100),
    validation=st.sampled_from([0.0, 0.1, 0.3]),
    numbered=st.booleans(),
    duplicates=st.sampled_from(["keep", "drop", "group"]),
)
def test_groups_of_one_image_change_nothing(
    counts: list[int], seed: int, validation: float, numbered: bool, duplicates: str
) -> None:
    labels = numpy_stream(seed, "order").permutation(np.repeat(np.arange(len(counts)), counts))
    alone = numpy_stream(seed, "names").permutation(len(labels)) + 5
    with_groups = Given(labels, alone if numbered else None, alone[::-1])
    options: dict[str, Any] = {"seed": seed, "validation": validation, "duplicates": duplicates}
    assert rows(divide({"train": with_groups}, **options)) == rows(
        divide({"train": Given(labels)}, **options)
    )


GROUPED = st.integers(1, 4).flatmap(
    lambda n_classes: st.lists(
        st.tuples(
            st.integers(0, n_classes - 1),  # label
            st.integers(0, 25),  # group
            st.integers(0, 40),  # which picture it is
            st.sampled_from(["train", "train", "train", "validation", "test"]),
        ),
        min_size=3,
        max_size=80,
    )
)


@given(
    images=GROUPED,
    given_parts=st.sampled_from([(), ("test",), ("validation",), ("validation", "test")]),
    test=st.sampled_from([0.05, 0.2, 0.5]),
    validation=st.sampled_from([0.0, 0.1, 0.5]),
    duplicates=st.sampled_from(["keep", "drop", "group"]),
    grouped=st.booleans(),
    seed=st.integers(0, 3),
)
def test_no_group_stands_in_two_parts_and_every_image_is_accounted_for(
    images: list[tuple[int, int, int, str]],
    given_parts: tuple[str, ...],
    test: float,
    validation: float,
    duplicates: str,
    grouped: bool,
    seed: int,
) -> None:
    by_part: dict[str, list[tuple[int, int, int]]] = {
        name: []
        for name in ("train", "validation", "test")
        if name == "train" or name in given_parts
    }
    for *image, part in images:
        by_part[part if part in by_part else "train"].append(tuple(image))
    columns = {
        part: np.array(each, dtype=np.int64).reshape(-1, 3).T for part, each in by_part.items()
    }
    n_classes = max(label for label, *_ in images) + 1
    given = {
        part: Given(labels, identical, groups if grouped else None)
        for part, (labels, groups, identical) in columns.items()
    }
    try:
        found = partition(
            given, NAMES[:n_classes],
            test=test, validation=validation, duplicates=duplicates, seed=seed,
        )  # fmt: skip
    except SplitError as error:
        said = str(error)
    else:
        said = ""
    event("refused" if said else "split")
    if said:
        assert "allowed" in said
        assert "\n" not in said
        return
    expected = {"train", "test"} | set(given_parts) | ({"validation"} if validation else set())
    assert found.parts.keys() == expected

    placed = {part: np.zeros(len(each.labels), int) for part, each in given.items()}
    where: dict[str, list[tuple[str, int]]] = {}
    for part, chosen in found.parts.items():
        assert chosen.source == (part if part in given else "train")
        assert chosen.index.dtype == np.int64
        assert (np.diff(chosen.index) > 0).all()
        assert len(chosen.index) > 0
        placed[chosen.source][chosen.index] += 1
        where[part] = [(chosen.source, row) for row in chosen.index.tolist()]
    # Every image stands in one part, or is left out and counted.
    assert max(int(each.max(initial=0)) for each in placed.values()) == 1
    left_out = sum(int((each == 0).sum()) for each in placed.values())
    assert left_out == sum(found.dropped.values())
    assert all(found.dropped.values())
    if duplicates == "keep" and not grouped:
        assert left_out == 0
    # What is split off train has every class.
    for part, chosen in found.parts.items():
        if chosen.source == "train":
            assert set(given["train"].labels[chosen.index]) == set(range(n_classes)), part

    def values_of(part: str, row: int) -> set[int]:
        """Return the values of one column in a part of the result."""
        return {int(columns[source][row][index]) for source, index in where[part]}

    def seen(row: int) -> list[set[int]]:
        return [values_of(part, row) for part in where]

    def apart(sets: list[set[int]]) -> bool:
        return sum(len(each) for each in sets) == len(set().union(*sets))

    if grouped:
        assert apart(seen(1))
    if duplicates in ("drop", "group"):
        assert apart(seen(2))
    if duplicates == "drop":
        kept = [columns[source][2][index] for part in where for source, index in where[part]]
        assert len(set(kept)) == len(kept)


def test_what_the_source_has_in_two_parts_stays_in_the_last() -> None:
    train = Given(numbers(0, 0, 0, 1, 1, 1), numbers(0, 1, 2, 3, 4, 5))
    validation = Given(numbers(0, 1, 1), numbers(1, 10, 11))
    test = Given(numbers(0, 1), numbers(0, 11))
    found = divide({"train": train, "validation": validation, "test": test})
    assert rows(found) == {
        "train": ("train", [2, 3, 4, 5]),
        "validation": ("validation", [0, 1]),
        "test": ("test", [0, 1]),
    }
    assert found.dropped == {
        "the same image or group is in test": 2,
        "the same image or group is in validation": 1,
    }
    kept = divide({"train": train, "validation": validation, "test": test}, duplicates="keep")
    assert [len(each.index) for each in kept.parts.values()] == [2, 3, 6]
    assert kept.dropped == {}


def test_identical_images_are_dropped_but_the_first_and_in_two_classes_all() -> None:
    train = Given(np.repeat([0, 1], [6, 6]), numbers(0, 0, 1, 2, 3, 4, 5, 5, 5, 0, 6, 7))
    found = divide({"train": train}, duplicates="drop", validation=0.0, test=0.3)
    used = sorted(row for each in found.parts.values() for row in each.index.tolist())
    # 0 stands in both classes; of 5 one is left.
    assert used == [2, 3, 4, 5, 6, 10, 11]
    assert found.dropped == {
        "identical images stand in two classes": 3,
        "an identical image is kept": 2,
    }


def test_of_identical_images_that_of_the_test_set_is_kept() -> None:
    train = Given(np.repeat([0, 1], 3), numbers(0, 1, 2, 3, 4, 5))
    test = Given(numbers(0, 1), numbers(1, 9))
    found = divide({"train": train, "test": test}, duplicates="drop", validation=0.0)
    assert rows(found) == {"test": ("test", [0, 1]), "train": ("train", [0, 2, 3, 4, 5])}


def test_identical_images_and_groups_are_joined() -> None:
    # Five groups of two images, and the last of each is also the first of the next: chains of ten.
    labels = np.repeat([0, 1], 50)
    groups = np.arange(100) // 2
    identical = (np.arange(100) + 1) // 2 + np.arange(100) // 10
    found = divide({"train": Given(labels, identical, groups)})
    chains = join_groups(groups, identical)
    assert np.bincount(chains).tolist() == [10] * 10
    sets = [set(chains[each.index].tolist()) for each in found.parts.values()]
    assert sum(len(each) for each in sets) == 10


@pytest.mark.parametrize(
    ("counts", "parts", "said"),
    [
        ((5, 2), {}, "class 'b' has too few images to split (2 images); allowed: at least 3, one "
         "each for train, test, validation"),
        ((5, 1), {"validation": 0.0}, "class 'b' has too few images to split (1 image); allowed: "
         "at least 2, one each for train, test"),
        ((5, 0, 5), {}, "class 'b' has too few images to split (0 images)"),
    ],
)  # fmt: skip
def test_a_class_that_is_too_rare_is_named_with_its_true_count(
    counts: tuple[int, ...], parts: dict[str, float], said: str
) -> None:
    with pytest.raises(SplitError) as caught:
        divide({"train": Given(np.repeat(np.arange(len(counts)), counts))}, **parts)
    assert said in str(caught.value)


def test_a_class_of_too_few_groups_is_named() -> None:
    labels = np.repeat([0, 1], 10)
    groups = np.concatenate([np.arange(10), np.repeat([20, 21], 5)])
    with pytest.raises(SplitError) as caught:
        divide({"train": Given(labels, groups=groups)})
    assert str(caught.value) == (
        "class 'b' has too few images to split (10 images, in 2 groups); allowed: at least 3 "
        "groups, one each for train, test, validation"
    )


def test_a_part_of_which_nothing_is_left() -> None:
    train = Given(np.repeat([0, 1], 9), np.arange(18))
    validation = Given(numbers(0, 1), numbers(100, 101))
    test = Given(numbers(0, 1), numbers(100, 101))
    with pytest.raises(SplitError, match=r"class 'a' has too few .* for validation; class 'b'"):
        divide({"train": train, "validation": validation, "test": test})


def test_shares_are_kept_as_near_as_groups_allow() -> None:
    labels = np.repeat([0, 1], 500)
    groups = np.arange(1000) // 5
    found = divide({"train": Given(labels, groups=groups)})
    for name, n in {"train": 360, "validation": 40, "test": 100}.items():
        of_class = np.bincount(labels[found.parts[name].index])
        assert abs(of_class - n).max() <= 5, name


def test_duplicates_are_counted_by_hand() -> None:
    found = count_duplicates(
        identical=numbers(0, 0, 1, 2, 2, 3, 3, 4),
        labels=numbers(0, 0, 0, 0, 1, 1, 1, 1),
        parts=numbers(0, 0, 0, 0, 0, 0, 2, 1),
        n_classes=2,
    )
    assert (found.images, found.two_parts, found.two_classes) == (6, 1, 2)
    assert found.different.tolist() == [3, 3]
    assert found.counts.tolist() == [4, 4]


@pytest.mark.parametrize("duplicates", ["drop", "group"])
def test_a_class_that_vanishes_from_a_given_part_is_refused(duplicates: str) -> None:
    # The only test image of class b is that of class a, or belongs to the same group.
    train = Given(numbers(0, 0, 1, 1), numbers(0, 1, 2, 3), numbers(0, 1, 2, 3))
    test = Given(numbers(0, 0, 1), numbers(4, 5, 4), numbers(4, 5, 6))
    validation = Given(numbers(0, 1), numbers(7, 8), numbers(7, 6))
    given = {"train": train, "test": test, "validation": validation}
    with pytest.raises(
        SplitError, match=r"class 'b' has too few images to split .0 images"
    ) as said:
        divide(given, duplicates=duplicates)
    assert "images are left out: " in str(said.value)


def test_all_rare_classes_are_told_at_once() -> None:
    labels = np.repeat([0, 1, 2, 3], [9, 1, 2, 9])
    with pytest.raises(SplitError) as said:
        divide({"train": Given(labels)})
    assert "class 'b' has too few images to split (1 image)" in str(said.value)
    assert "class 'c' has too few images to split (2 images)" in str(said.value)


def test_every_image_that_is_left_out_has_its_reason() -> None:
    train = Given(numbers(0, 0, 0, 0, 1, 1, 1, 1), numbers(0, 0, 1, 2, 3, 4, 5, 6))
    test = Given(numbers(0, 1), numbers(2, 7))
    found = divide({"train": train, "test": test}, duplicates="drop", validation=0.0)
    reason = "an identical image is kept"
    assert found.reasons == {("train", 1): reason, ("train", 3): reason}
    assert found.dropped == {reason: 2}
