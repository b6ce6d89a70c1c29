"""Flows by name: their options, their network's table, and architectures from strangers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from augment.generators.family import IMAGE_SIZES, system_of
from augment.generators.flow.model import Generator
from augment.generators.flow.systems import SYSTEMS, multiply_adds, read_architecture

SYSTEM = SYSTEMS["flow-unet"]
VALUES = SYSTEM.architecture(10, 1, 28).to_dict()


def test_the_network_is_as_wide_as_its_table() -> None:
    assert SYSTEM.architecture(10, 1, 28).widths == (16, 32, 64)
    assert SYSTEM.architecture(10, 1, 32).widths == (16, 32, 64)
    assert SYSTEM.architecture(4, 3, 64).widths == (16, 32, 64, 64)
    assert SYSTEM.architecture(4, 3, 128).widths == (16, 32, 64, 64, 64)
    assert SYSTEM.architecture(4, 3, 28, width=0.01).widths == (4, 4, 4)
    assert SYSTEM.architecture(4, 3, 28, width=2.0).widths == (32, 64, 128)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 64)])
def test_multiplications_are_those_of_the_convolutions(channels: int, side: int) -> None:
    architecture = SYSTEM.architecture(3, channels, side, width=0.25)
    flow, counted = Generator(architecture), []

    def count(layer: nn.Module, _: Any, out: torch.Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        counted.append(weight.numel() * out.shape[-1] * out.shape[-2])

    for layer in flow.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    images = torch.zeros(1, channels, side, side)
    flow(images, torch.tensor([0.5]), torch.tensor([0]))
    assert sum(counted) == multiply_adds(architecture)
    cost = SYSTEM.cost(architecture)
    assert cost.training == 3 * sum(counted)
    assert cost.drawing == SYSTEM.drawing_steps * sum(counted)


def test_options_reach_the_network() -> None:
    system = system_of("flow-unet", {"drawing_steps": 7, "batch_size": 32})
    assert system.batch_size == 32
    assert system.architecture(10, 1, 28).to_dict()["steps"] == 7
    for wrong in ({"loss": "hinge"}, {"drawing_steps": 0}, {"ema_decay": 1.0}, {"feedback": 1.0}):
        with pytest.raises(ValidationError):
            system_of("flow-unet", wrong)


@pytest.mark.parametrize("size", IMAGE_SIZES)
def test_an_architecture_comes_back(size: int) -> None:
    for width in (0.01, 1.0, 4.0):
        architecture = SYSTEM.architecture(10, 3, size, width)
        assert read_architecture(json.loads(json.dumps(architecture.to_dict()))) == architecture


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"widths": [15]}, "widths.0 is 15"),
        ({"widths": [2**40]}, "widths.0 is"),
        ({"widths": []}, "widths is"),
        ({"widths": [16] * 7}, "widths is"),
        ({"image_size": 28.0}, "image_size is 28.0"),
        ({"channels": 2}, "channels is 2"),
        ({"image_size": 30}, "image_size is 30"),
        ({"n_classes": True}, "n_classes is True"),
        ({"steps": 10**9}, "steps is 1000000000"),
        ({"embedding": 7}, "embedding is 7"),
        ({"code": "os.system"}, "'code' is unknown"),
        ({"image_size": 128, "widths": [1024]}, "a map of an image has 16,777,216 values"),
    ],
)
def test_an_architecture_of_a_strangers_is_refused_in_one_line(
    change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        read_architecture(VALUES | change)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    without = {key: value for key, value in VALUES.items() if key != "widths"}
    with pytest.raises(ValueError, match="widths is missing"):
        read_architecture(without)
