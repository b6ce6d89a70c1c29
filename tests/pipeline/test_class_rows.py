import numpy as np

from pipeline.class_rows import first_of_each_class


def test_rows_are_the_first_of_each_class_or_all_of_a_class_that_has_fewer() -> None:
    labels = np.array([1, 0, 1, 0, 2, 1])
    assert first_of_each_class(labels, [1, 2, 3]).tolist() == [1, 0, 2, 4]
    assert first_of_each_class(labels, np.array([0, 5, 0])).tolist() == [0, 2, 5]
