import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.inspection import neighbours
from reports.inspection.neighbours import nearest_images, neighbour_coverage


@given(n=st.integers(1, 8), m=st.integers(4, 23), k=st.integers(1, 4), seed=st.integers(0, 99))
def test_neighbours_are_those_of_all_distances(n: int, m: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries = rng.integers(0, 256, (n, 3, 3, 1), dtype=np.uint8)
    training = rng.integers(0, 256, (m, 3, 3, 1), dtype=np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_BLOCK", 5)  # several blocks, the last one not full
        distances, rows = nearest_images(queries, training, k)
    difference = (queries[:, None].astype(float) - training[None]) / 255
    every = np.sqrt((difference**2).sum(axis=(2, 3, 4)))
    assert distances.shape == rows.shape == (n, k)
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :k], atol=1e-3)
    np.testing.assert_allclose(np.take_along_axis(every, rows, axis=1), distances, atol=1e-3)


def test_equally_distant_images_come_in_order() -> None:
    same = np.zeros((6, 2, 2, 1), dtype=np.uint8)
    _, rows = nearest_images(same[:1], same, 4)
    assert rows.tolist() == [[0, 1, 2, 3]]


def test_coverage_by_hand() -> None:
    training_labels = np.array([0, 0, 0, 0, 1, 1])
    # Queries of class 0 hit rows 0, 0, 1 and 4; the one of class 1 hits row 5.
    nearest, labels = np.array([0, 0, 1, 4, 5]), np.array([0, 0, 0, 0, 1])
    table = neighbour_coverage(nearest, labels, training_labels, 3)
    assert table["n_queries"].tolist() == [4, 1, 0]
    assert table["n_train"].tolist() == [4, 2, 0]
    assert table["share"].tolist()[:2] == [0.5, 1.0]
    assert table["most"].tolist()[:2] == [0.5, 1.0]
    assert table[["share", "most"]].iloc[2].isna().all()
