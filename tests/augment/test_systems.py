from __future__ import annotations

import json
from dataclasses import replace

import pytest

from augment.errors import AugmentError
from augment.systems import SYSTEMS, get_system


def test_smooth_is_as_published() -> None:
    # Streli & Horvath: Adam 0.0002, batch 100, one-sided label smoothing with target 0.9, ReLU.
    smooth = get_system("cdcgan-smooth")
    assert smooth.real_target == 0.9
    assert smooth.generator_rate == smooth.discriminator_rate == 0.0002
    assert smooth.batch_size == 100
    assert smooth.loss == "bce"
    assert smooth.label == "concatenate"
    assert smooth.discriminator_norm == "batch"
    assert smooth.discriminator_slope == 0
    assert (smooth.base_channels, smooth.kernel_size) == (128, 5)
    assert smooth.ema_decay == 0
    assert smooth.decay_start == 1


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_says_what_it_is(name: str) -> None:
    system = SYSTEMS[name]
    assert system.name == name
    assert system.description
    assert "\n" not in system.description
    values = system.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["betas"] == list(system.betas)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_architecture_carries_the_systems_choices(name: str) -> None:
    system = get_system(name)
    architecture = system.architecture(4, channels=3, image_size=64, base_channels=8)
    assert (architecture.n_classes, architecture.channels, architecture.image_size) == (4, 3, 64)
    for option in ("kernel_size", "label", "discriminator_norm", "discriminator_slope"):
        assert getattr(architecture, option) == getattr(system, option)
    assert architecture.base_channels == 8
    assert architecture.latent_dim == 100


@pytest.mark.parametrize(("image_size", "share"), [(28, 1), (32, 1), (64, 2), (128, 4)])
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_widest_layer_is_as_wide_at_every_size(name: str, image_size: int, share: int) -> None:
    system = get_system(name)
    architecture = system.architecture(10, 1, image_size)
    assert architecture.base_channels == system.base_channels // share
    widest = architecture.base_channels * 2 ** (architecture.n_scales - 1)
    assert widest == system.base_channels * 2
    assert get_system(name, base_channels=1).architecture(10, 1, image_size).base_channels == 1


def test_overrides_replace_and_none_keeps() -> None:
    system = get_system("cdcgan-smooth", batch_size=32, ema_decay=None, generator_rate=1e-3)
    assert system == replace(SYSTEMS["cdcgan-smooth"], batch_size=32, generator_rate=1e-3)
    assert get_system("cdcgan-smooth", ema_decay=0.0).ema_decay == 0
    assert SYSTEMS["cdcgan-smooth"].batch_size == 100


def test_an_unknown_name_is_refused_in_one_line() -> None:
    with pytest.raises(AugmentError) as caught:
        get_system("stylegan\n3")
    assert "\n" not in str(caught.value)
    for name in SYSTEMS:
        assert name in str(caught.value)
