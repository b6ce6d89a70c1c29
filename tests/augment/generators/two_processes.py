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

from augment.generators import training as loop
from augment.generators.budget import Budget
from augment.generators.family import Setup, Trainer, build_trainer
from augment.generators.gan.systems import SYSTEMS
from augment.generators.training import WeightAverage
from augment.images.image_rows import all_rows
from augment.images.image_sets import ImageSet

NETWORKS: dict[str, nn.Module] = {}
START: dict[str, Tensor] = {}


class SeenAverage(WeightAverage):
    """Keeps hold of the average, which the loop does not hand back."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, decay)
        NETWORKS["average"] = self.network


def hold(trainer: Trainer) -> None:
    """Keep hold of the networks, of which the loop hands back one, from the first process."""
    NETWORKS.update({k: part for k, part in trainer.parts.items() if isinstance(part, nn.Module)})
    START.update(parameters())


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
    loop.WeightAverage = SeenAverage  # type: ignore[misc]
    rng = np.random.default_rng(0)
    images = 120 + rng.integers(-20, 21, (40, 28, 28, 1))
    images[::2, :14] += 40
    system, store = SYSTEMS[name].replaced({"batch_size": 8}), WeightsOnly()
    budget = Budget(images=None, epochs=2, evaluate=16, keep="last", checkpoints=1)
    setup = Setup(
        3,
        budget.steps(batch_size=8, n_images=40),
        fabric,
        brightness if system.feedback else None,
    )
    trainer = build_trainer(system, system.architecture(2, 1, 28, width=0.05), setup)
    hold(trainer)
    trained = loop.train(
        all_rows(ImageSet(images.astype(np.uint8), np.arange(40) % 2, ("top", "bottom"))),
        trainer,
        budget,
        seed=3,
        fabric=fabric,
        store=store,
        evaluate=lambda drawn, labels: {},
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
