"""What the contracts ask of this family: a trainer, and a sampler from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from augment.checkpoints import load_network
from augment.generators.gan.adversaries import build_trainer
from augment.generators.gan.architectures import read_architecture
from augment.generators.gan.networks import Generator, draw_latent
from augment.generators.sampling import CHUNK, Sampler

__all__ = ["GanSampler", "build_trainer", "load_sampler"]


class GanSampler(Sampler):
    """Draws from a generator's noise, in float32."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator.eval()
        self.architecture = generator.architecture

    def chunk(self, label: int, stream: torch.Generator) -> Tensor:
        """Return images as `Sampler.chunk` says."""
        device = next(self.generator.parameters()).device
        latent = draw_latent(self.generator.architecture, CHUNK, stream).to(device)
        labels = torch.full((CHUNK,), label, dtype=torch.int64, device=device)
        images: Tensor = self.generator(latent, labels)
        return images


def load_sampler(folder: Path) -> Sampler:
    """Rebuild a generator from its checkpoint; raises ``CheckpointError`` in one line."""
    return GanSampler(load_network(folder, "generator", read_architecture, Generator)[0])
