"""Trains a tiny GAN in two CPU processes; each writes its final weights to the folder given."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor, nn

from augment import gan_training
from augment.adversaries import Adversaries, build_adversaries
from augment.gan_training import Budget, WeightAverage, train_gan
from augment.image_rows import all_rows
from augment.image_sets import ImageSet
from augment.systems import get_system

NETWORKS: dict[str, nn.Module] = {}
START: dict[str, Tensor] = {}


class SeenAverage(WeightAverage):
    """Keeps hold of the average, which the loop does not hand back."""

    def __init__(self, generator: Any, decay: float) -> None:
        super().__init__(generator, decay)
        NETWORKS["average"] = self.generator


def seen_adversaries(*args: Any, **options: Any) -> Adversaries:
    """Keep hold of the networks, of which the loop hands back one, from the first process."""
    made = build_adversaries(*args, **options)
    NETWORKS.update({k: part for k, part in made.parts.items() if isinstance(part, nn.Module)})
    START.update(parameters())
    return made


def parameters() -> dict[str, Tensor]:
    return {
        f"{network}.{key}": value.detach().contiguous().clone()
        for network, module in NETWORKS.items()
        for key, value in module.named_parameters()
    }


class WeightsOnly:
    """Has no state, and is asked to keep none in so short a run."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def load(self) -> None:
        return None

    def save(self, state: dict[str, Any]) -> None:
        raise AssertionError("nothing asked for a save")

    def keep(self, name: str, weights: Mapping[str, Tensor]) -> None:
        self.kept |= {f"{name}.{key}": value.contiguous() for key, value in weights.items()}


def brightness(images: Tensor, labels: Tensor) -> Tensor:
    return images.mean()


def main(folder: Path, name: str) -> None:
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    gan_training.WeightAverage = SeenAverage  # type: ignore[misc]
    gan_training.build_adversaries = seen_adversaries  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    images = 120 + rng.integers(-20, 21, (40, 28, 28, 1))
    images[::2, :14] += 40
    system, store = get_system(name, batch_size=8), WeightsOnly()
    trained = train_gan(
        all_rows(ImageSet(images.astype(np.uint8), np.arange(40) % 2, ("top", "bottom"))),
        system.architecture(2, 1, 28, width=0.05),
        system,
        Budget(images=None, epochs=2, evaluate=16, keep="last", checkpoints=1),
        seed=3,
        fabric=fabric,
        store=store,
        evaluate=lambda drawn, labels: {},
        feedback=brightness if system.feedback else None,
    )
    assert bool(trained.weights) == bool(store.kept) == fabric.is_global_zero
    save_file(parameters(), folder / f"rank{fabric.global_rank}.safetensors")
    if fabric.is_global_zero:
        save_file(START, folder / "start.safetensors")
        save_file(store.kept, folder / "stored.safetensors")
        handed_back = {key: value.contiguous() for key, value in trained.weights.items()}
        save_file(handed_back, folder / "kept.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
