"""Trains a tiny GAN in two CPU processes; each writes its final weights to the folder given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor, nn

from augment import gan_training
from augment.gan_training import Budget, WeightAverage, train_gan
from augment.image_rows import all_rows
from augment.image_sets import ImageSet
from augment.networks import Discriminator
from augment.systems import get_system

NETWORKS: dict[str, nn.Module] = {}
START: dict[str, Tensor] = {}


class SeenAverage(WeightAverage):
    """Keeps hold of the networks, of which the loop hands back one, from the first process."""

    def __init__(self, generator: Any, decay: float) -> None:
        super().__init__(generator, decay)
        START["generator.first.weight"] = generator.first.weight.detach().clone()

    def update(self, generator: nn.Module, step: int) -> None:
        super().update(generator, step)
        NETWORKS["generator"], NETWORKS["average"] = generator, self.generator


class SeenDiscriminator(Discriminator):
    """Keeps hold of itself."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        NETWORKS["discriminator"] = self


class NoStore:
    """Has nothing, and is asked for nothing in so short a run."""

    def load(self) -> None:
        return None

    def save(self, state: dict[str, Any]) -> None:
        raise AssertionError("nothing asked for a save")


def make_images() -> ImageSet:
    rng = np.random.default_rng(0)
    images = 120 + rng.integers(-20, 21, (40, 28, 28, 1))
    images[::2, :14] += 40
    return ImageSet(images.astype(np.uint8), np.arange(40) % 2, ("top", "bottom"))


def main(folder: Path, name: str) -> None:
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    gan_training.WeightAverage = SeenAverage  # type: ignore[misc]
    gan_training.Discriminator = SeenDiscriminator  # type: ignore[misc]
    system = get_system(name, batch_size=8)
    trained = train_gan(
        all_rows(make_images()),
        system.architecture(2, 1, 28, base_channels=8),
        system,
        Budget(images=None, epochs=2, evaluate=16, keep="last"),
        seed=3,
        fabric=fabric,
        store=NoStore(),
        evaluate=lambda drawn, labels: {},
    )
    assert bool(trained.weights) == fabric.is_global_zero
    ended = {
        f"{network}.{key}": value.detach().contiguous().clone()
        for network, module in NETWORKS.items()
        for key, value in module.named_parameters()
    }
    save_file(ended, folder / f"rank{fabric.global_rank}.safetensors")
    if fabric.is_global_zero:
        save_file({k: v.contiguous() for k, v in START.items()}, folder / "start.safetensors")
        kept = {k: v.contiguous() for k, v in trained.weights.items()}
        save_file(kept, folder / "kept.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
