"""The contract of a family: a system trains, is kept, and draws; over every family there is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from augment.checkpoints import CheckpointError, save_checkpoint
from augment.generators.family import FAMILIES, Setup, System, build_trainer, system_of, systems
from augment.generators.sampling import CHUNK, load_sampler

N_CLASSES, BATCH = 3, 6
FIRST = {system.family: name for name, system in reversed(systems().items())}
"""The first system of each family."""

QUICK: dict[str, dict[str, object]] = {"flow-unet": {"drawing_steps": 2}}

# Beside the first ones a generator without labels, and an autoencoder.
each_kind = pytest.mark.parametrize("name", [*FIRST.values(), "fau-gan", "padova-aae"])


def small(name: str) -> System:
    return system_of(name, {"batch_size": BATCH, **QUICK.get(name, {})})


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def batch(channels: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(7)
    images = torch.rand(BATCH, channels, side, side, generator=stream) * 2 - 1
    return images, torch.arange(BATCH) % N_CLASSES


def test_every_family_has_a_system_and_no_name_is_taken_twice() -> None:
    assert set(FIRST) == set(FAMILIES)
    for name, system in systems().items():
        assert system.name == name
        assert len(system.description.splitlines()) == 1
        json.dumps(system.to_dict(), allow_nan=False)
        for option in system.Options.model_fields:
            assert system.replaced({option: system.option(option)}) == system


@each_kind
@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 64)])
def test_what_is_trained_is_kept_and_draws(
    name: str, channels: int, side: int, fabric: Fabric, tmp_path: Path
) -> None:
    system = small(name)
    architecture = system.architecture(N_CLASSES, channels, side, width=0.1)
    assert (architecture.channels, architecture.image_size) == (channels, side)
    trainer = build_trainer(system, architecture, Setup(3, 4, fabric))
    before = {key: value.clone() for key, value in trainer.network.state_dict().items()}
    for step in range(2):
        losses = trainer.update(*batch(channels, side), step)
        assert losses.shape == (len(trainer.loss_names),)
        assert all(name.endswith("_loss") for name in trainer.loss_names)
        assert losses.isfinite().all()
        assert not losses.requires_grad
    after = trainer.network.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    real, _ = batch(channels, side)
    rebuilt = trainer.reconstruct(real)
    assert (rebuilt is None) == (name != "padova-aae")
    assert rebuilt is None or rebuilt.shape == real.shape

    labels = torch.arange(8) % N_CLASSES
    images = trainer.draw(trainer.network, labels, "grid")
    assert images.shape == (8, side, side, channels)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, trainer.draw(trainer.network, labels, "grid"))
    assert not np.array_equal(images, trainer.draw(trainer.network, labels, "evaluate"))

    meta = {"family": system.family, "architecture": architecture.to_dict()}
    json.dumps(meta, allow_nan=False)
    save_checkpoint(tmp_path / "model", "generator", after, meta)
    sampler, _ = load_sampler(tmp_path / "model")
    assert sampler.architecture == architecture
    drawn = sampler.draw(1, CHUNK - 2, CHUNK + 2, seed=5)
    assert drawn.shape == (4, side, side, channels)
    np.testing.assert_array_equal(drawn[2:], sampler.draw(1, CHUNK, CHUNK + 2, seed=5))
    assert not np.array_equal(drawn, sampler.draw(1, CHUNK - 2, CHUNK + 2, seed=6))
    if architecture.conditional:
        assert not np.array_equal(drawn, sampler.draw(0, CHUNK - 2, CHUNK + 2, seed=5))


@each_kind
def test_from_its_parts_a_training_goes_on_with_the_same_bytes(name: str, fabric: Fabric) -> None:
    system = small(name)
    architecture = system.architecture(N_CLASSES, 1, 28, width=0.1)
    torch.manual_seed(1)  # the global state plays no part

    whole, first, second = (build_trainer(system, architecture, Setup(3, 4, fabric)) for _ in "abc")
    for step in range(4):
        whole.update(*batch(1, 28), step)
    for step in range(2):
        first.update(*batch(1, 28), step)
    torch.manual_seed(2)
    for key, part in first.parts.items():
        second.parts[key].load_state_dict(part.state_dict())
    for step in range(2, 4):
        second.update(*batch(1, 28), step)
    for key, part in whole.parts.items():
        if isinstance(part, nn.Module):
            other = second.parts[key].state_dict()
            assert all(torch.equal(value, other[at]) for at, value in part.state_dict().items())


@each_kind
def test_a_cost_grows_with_the_networks(name: str) -> None:
    system = small(name)
    narrow, wide = (
        system.cost(system.architecture(N_CLASSES, 1, 28, width)) for width in (0.5, 1.0)
    )
    assert 0 < narrow.training < wide.training
    assert 0 < narrow.drawing < wide.drawing


def test_a_checkpoint_of_no_known_family_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model", "generator", {}, {"family": "stylegan"})
    with pytest.raises(CheckpointError, match=r"family is 'stylegan'; allowed: gan"):
        load_sampler(tmp_path / "model")
