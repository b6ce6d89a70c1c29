"""`augment systems`: every system, and every option of one."""

from pathlib import Path

import pytest

from augment.generators.family import systems
from augment.generators.gan.systems import SYSTEMS


def test_every_system_is_listed(bare: Path, augment) -> None:
    lines = augment(bare, "systems").out.splitlines()
    for name, system in systems().items():
        assert any(line.startswith(f"{name} ") for line in lines), name
        assert system.description.split()[0] in " ".join(lines)
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", ["cdcgan-projection", "padova-dcgan", "fau-cdcgan"])
def test_every_option_has_its_value_range_and_meaning(bare: Path, augment, name: str) -> None:
    run = augment(bare, "systems", name)
    assert run.code == 0
    lines = run.out.splitlines()
    for option in SYSTEMS["cdcgan"].Options.model_fields:
        (index,) = [i for i, line in enumerate(lines) if line.startswith(f"  {option}: ")]
        assert lines[index + 1].startswith("    ")
    system = SYSTEMS[name]
    assert f"  loss: {system.loss}" in lines
    assert f"  batch_size: {system.batch_size}" in lines
    assert f"  latent: {system.networks.latent}" in lines
    assert "    real images a step: a whole number from 2 to 4096" in lines


def test_another_family_has_options_of_its_own(bare: Path, augment) -> None:
    lines = augment(bare, "systems", "flow-unet").out.splitlines()
    assert "  drawing_steps: 10" in lines
    assert not any(line.startswith("  loss: ") for line in lines)


def test_an_unknown_system_is_one_line(bare: Path, augment) -> None:
    error = augment(bare, "systems", "cdcgn").error
    assert error.startswith("error: system 'cdcgn' is unknown; did you mean cdcgan? allowed: ")
