"""What all tests share."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def denormal_numbers() -> Iterator[None]:
    """Undo after each test what drawing and training ask of the processor.

    They flush denormal numbers to zero for the whole thread, and Hypothesis refuses to make
    floats there.
    """
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
