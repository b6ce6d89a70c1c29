from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.images.image_rows import ImageRows, all_rows
from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import ImageSet, open_image_set


def make_set(n: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 3, 4, 1), dtype=np.uint8)
    return ImageSet(images, rng.integers(0, 3, n), ("a", "b", "c"))


SETS = [make_set(5, 1), make_set(9, 2), make_set(4, 3)]


@given(
    indices=st.tuples(*(st.lists(st.integers(0, len(s) - 1), max_size=6) for s in SETS)),
    data=st.data(),
)
def test_rows_are_those_of_the_sets_in_order(
    indices: tuple[list[int], ...], data: st.DataObject
) -> None:
    view = ImageRows(SETS, [np.array(i, dtype=np.int64) for i in indices])
    whole = np.concatenate([s.images[i] for s, i in zip(SETS, indices, strict=True)])
    labels = np.concatenate([s.labels[i] for s, i in zip(SETS, indices, strict=True)])
    assert len(view) == sum(len(i) for i in indices)
    assert view.shape == (len(view), 3, 4, 1)
    np.testing.assert_array_equal(view.labels, labels)
    if len(view):
        rows = np.array(data.draw(st.lists(st.integers(0, len(view) - 1))), dtype=np.int64)
        np.testing.assert_array_equal(view[rows], whole[rows])


def test_all_rows() -> None:
    view = all_rows(SETS[1])
    np.testing.assert_array_equal(view[np.arange(9)], SETS[1].images)
    np.testing.assert_array_equal(view.labels, SETS[1].labels)


def test_a_batch_is_a_copy_that_may_be_written(tmp_path: Path) -> None:
    image_set = SETS[0]
    write_image_set(
        tmp_path / "s", image_set.images, image_set.labels, image_set.class_names, source="test"
    )
    opened = open_image_set(tmp_path / "s")
    batch = all_rows(opened)[np.array([2, 0])]
    batch[:] = 7
    np.testing.assert_array_equal(opened.images, image_set.images)
    assert batch.flags.c_contiguous


@pytest.mark.parametrize("row", [-1, 14, 2**40])
def test_a_row_that_is_not_there_is_refused(row: int) -> None:
    view = ImageRows(SETS[:2], [np.arange(5), np.arange(9)])
    with pytest.raises(IndexError, match="allowed: 0 to 13"):
        view[np.array([0, row])]
