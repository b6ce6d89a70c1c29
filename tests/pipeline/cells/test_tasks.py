"""How strongly the training images of a cell are transformed."""

from pathlib import Path

import pytest

from augment.mixing.strategies import STRATEGIES
from classifiers.classical import Classical
from pipeline.cells.tasks import transforms
from pipeline.parameters.reading import load_parameters

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("classical", 1.0),
        ("classical-half", 0.5),
        ("mix-classical", 1.0),
        ("mix-classical-half", 0.5),
    ],
)
def test_a_strategy_is_a_strength_of_the_section_classical(name: str, strength: float) -> None:
    assert STRATEGIES[name].classical == strength
    p = load_parameters(ROOT / "params.yaml")
    assert p.classical is not None
    found = transforms(p, STRATEGIES[name].classical)
    assert found == Classical(("affine",)).scaled(strength)
    assert found.rotation == strength * p.classical.rotation
    assert found.flip == p.classical.flip


def test_the_others_are_not_transformed() -> None:
    others = {name for name in STRATEGIES if "classical" not in name}
    assert {name for name, strategy in STRATEGIES.items() if not strategy.classical} == others
