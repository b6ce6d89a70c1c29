import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.class_rows import first_of_each_class

K = 3


def test_rows_are_the_first_of_each_class_or_all_of_a_class_that_has_fewer() -> None:
    labels = np.array([1, 0, 1, 0, 2, 1])
    assert first_of_each_class(labels, [1, 2, 3]).tolist() == [1, 0, 2, 4]
    assert first_of_each_class(labels, np.array([0, 5, 0])).tolist() == [0, 2, 5]


@given(
    labels=st.lists(st.integers(0, K - 1), max_size=40).map(lambda x: np.array(x, dtype=np.int64)),
    data=st.data(),
)
def test_a_pool_gives_its_first_images_of_each_class(
    labels: np.ndarray, data: st.DataObject
) -> None:
    have = np.bincount(labels, minlength=K).tolist()
    large = [data.draw(st.integers(0, n)) for n in have]
    small = [data.draw(st.integers(0, n)) for n in large]
    many, few = first_of_each_class(labels, large), first_of_each_class(labels, small)
    assert np.bincount(labels[many], minlength=K).tolist() == large
    assert set(few.tolist()) <= set(many.tolist())
    for label in range(K):
        mine = [i for i, value in enumerate(labels) if value == label]
        assert many[labels[many] == label].tolist() == mine[: large[label]]
