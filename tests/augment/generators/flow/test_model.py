"""A flow learns what its images look like, and goes by its schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augment.generators.family import Setup, system_of
from augment.generators.flow.model import FlowTrainer, Generator
from augment.generators.flow.systems import SYSTEMS, System


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def trainer_of(fabric: Fabric, steps: int, **options: object) -> FlowTrainer:
    system = system_of("flow-unet", {"batch_size": 16} | options)
    assert isinstance(system, System)
    return FlowTrainer(system, system.architecture(2, 1, 28, width=0.25), Setup(1, steps, fabric))


def test_it_learns_to_draw_what_a_label_stands_for(fabric: Fabric) -> None:
    trainer = trainer_of(fabric, 120, learning_rate=0.01)
    labels = torch.arange(16) % 2
    bright = torch.where(labels == 1, 0.8, -0.8).reshape(-1, 1, 1, 1)
    noise = torch.randn(16, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    losses = [trainer.update(bright + 0.1 * noise, labels, step).item() for step in range(120)]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    drawn = trainer.draw(trainer.network, labels, "evaluate").astype(float) / 127.5 - 1
    assert drawn[0::2].mean() < -0.5
    assert drawn[1::2].mean() > 0.5


def test_the_rate_falls_to_nothing(fabric: Fabric) -> None:
    trainer = trainer_of(fabric, 4, learning_rate=0.01, decay_start=0.5)
    images, labels = torch.zeros(16, 1, 28, 28), torch.arange(16) % 2
    rates = []
    for step in range(4):
        trainer.update(images, labels, step)
        rates.append(trainer.parts["optimizer"].param_groups[0]["lr"])
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.005])


def test_each_step_has_noise_of_its_own(fabric: Fabric) -> None:
    images, labels = torch.zeros(16, 1, 28, 28), torch.arange(16) % 2
    first, again, other = (
        trainer_of(fabric, 4).update(images, labels, step).item() for step in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_along_a_straight_path_noise_ends_at_the_image(steps: int) -> None:
    """Of one image every path is straight, and any number of steps gets there."""
    image = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(7)) * 2 - 1

    class Known(nn.Module):
        """Tells the one image that there is: Karras et al.'s equation 7, solved for the network."""

        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(1))  # its type is the network's

        def forward(self, scaled: Tensor, time: Tensor, label: Tensor) -> Tensor:
            spread = torch.exp(time)  # over the signal
            return (image * (1 + spread**2).sqrt() - scaled) / spread

    flow = Generator(replace(SYSTEMS["flow-unet"].architecture(2, 1, 28, width=0.25), steps=steps))
    flow.denoiser.backbone = Known()
    noise = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    drawn = flow.draw(noise, torch.zeros(4, dtype=torch.int64))
    # A thousandth of the noise is left at the path's end.
    torch.testing.assert_close(drawn, image.expand(4, -1, -1, -1), atol=0.01, rtol=0)
