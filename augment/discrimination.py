"""What a trained discriminator says of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from augment.networks import Discriminator
from augment.sampling import load_network


def load_discriminator(folder: Path) -> tuple[Discriminator, dict[str, Any]]:
    """Rebuild a discriminator from its checkpoint; see `augment.sampling.load_network`."""
    return load_network(folder, "discriminator", Discriminator)


@torch.inference_mode()
def discriminator_scores(
    discriminator: Discriminator, images: np.ndarray, labels: np.ndarray, batch_size: int
) -> np.ndarray:
    """Score images as the training does: batch norm sees batches of one kind, dropout is off.

    Args:
        discriminator: from `load_discriminator`; its running statistics change.
        images: uint8 N x H x W x C, all real or all generated.
        labels: int64 N; ignored where the architecture has no labels.
        batch_size: images a pass, the training's own; a last part that is smaller is left out.

    Returns:
        float32 of as many images as fill batches: the logistic function of the score, above 0.5
        where the image reads as real.
    """
    discriminator.eval()
    for module in discriminator.modules():
        # Running statistics mix real and generated batches, which no batch of the training did.
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    scores = []
    for start in range(0, len(images) - batch_size + 1, batch_size):
        block = torch.from_numpy(np.array(images[start : start + batch_size]))
        pixels = block.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        asked = torch.from_numpy(np.array(labels[start : start + batch_size]))
        scores.append(discriminator(pixels, asked).sigmoid())
    return torch.cat(scores).numpy() if scores else np.empty(0, dtype=np.float32)
