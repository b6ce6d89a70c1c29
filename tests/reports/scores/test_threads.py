"""Linear algebra on one thread."""

import numpy as np
from threadpoolctl import threadpool_info

from reports.scores.threads import one_thread


def numbers() -> list[int]:
    """Threads of every library of linear algebra that NumPy and SciPy brought."""
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def test_one_thread_inside_and_as_before_outside() -> None:
    np.linalg.inv(np.eye(2))
    before = numbers()
    for _ in range(2):
        with one_thread():
            assert numbers()
            assert set(numbers()) == {1}
        assert numbers() == before
