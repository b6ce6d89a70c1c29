"""Trains a tiny GAN in two CPU processes; each writes its final weights to the folder given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file

from augment import gan_training
from augment.gan_training import Budget, WeightAverage, train_gan
from augment.image_rows import all_rows
from augment.image_sets import ImageSet
from augment.networks import Discriminator
from augment.systems import get_system

RANK_WEIGHTS: dict[str, torch.nn.Module] = {}


class SeenAverage(WeightAverage):
    """Keeps hold of the networks, which the loop hands back from the first process only."""

    def update(self, generator: torch.nn.Module, step: int) -> None:
        super().update(generator, step)
        RANK_WEIGHTS["generator"], RANK_WEIGHTS["average"] = generator, self.generator


class SeenDiscriminator(Discriminator):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        RANK_WEIGHTS["discriminator"] = self


class NoStore:
    def load(self) -> None:
        return None

    def save(self, state: dict[str, Any]) -> None:
        raise AssertionError("nothing asked for a save")


def main(folder: Path, name: str) -> None:
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    gan_training.WeightAverage = SeenAverage  # type: ignore[misc]
    gan_training.Discriminator = SeenDiscriminator  # type: ignore[misc]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 28, 28, 1), dtype=np.uint8)
    images[:20, :14] = 0
    image_set = ImageSet(images, np.arange(40) % 2, ("top", "bottom"))
    system = get_system(name, base_channels=8, batch_size=8)
    trained = train_gan(
        all_rows(image_set),
        system.architecture(2, 1, 28),
        system,
        Budget(images=None, epochs=2, evaluate=16, keep="last"),
        seed=3,
        fabric=fabric,
        store=NoStore(),
        evaluate=lambda drawn, labels: {},
    )
    assert bool(trained.weights) == fabric.is_global_zero
    weights = {
        f"{network}.{key}": value.detach().clone().contiguous()
        for network, module in RANK_WEIGHTS.items()
        for key, value in module.named_parameters()
    }
    save_file(weights, folder / f"rank{fabric.global_rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
