"""Made-up studies for the report tests."""

import pytest

ALL_STRATEGIES = ("mix", "filtered", "fine-tune", "source-channel", "duplicated", "classical")


@pytest.fixture(scope="session")
def study(make):
    return make()


@pytest.fixture(scope="session")
def full_study(make):
    """Every strategy and control."""
    return make(strategies=ALL_STRATEGIES)
