"""Linear algebra on one thread, so that a score does not depend on the number of cores."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    # Looking for the loaded libraries takes milliseconds, and a study has thousands of scores.
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which NumPy, SciPy and scikit-learn compute on one thread."""
    context: AbstractContextManager[object] = _libraries().limit(limits=1)
    return context
