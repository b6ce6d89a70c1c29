"""Made-up studies for the report tests."""

import pytest

ALL_STRATEGIES = ("mix", "filtered", "fine-tune", "source-channel", "duplicated", "classical")
TRANSFORMED = ("mix-classical", "mix-classical-half", "classical", "classical-half")


@pytest.fixture(scope="session")
def study(make):
    return make()


@pytest.fixture(scope="session")
def full_study(make):
    """Strategies and controls of every kind."""
    return make(strategies=ALL_STRATEGIES)


@pytest.fixture(scope="session")
def transformed_study(make):
    """All that is transformed, beside what is not."""
    return make(strategies=("mix", "duplicated", *TRANSFORMED))
