"""What a trained discriminator says of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from augment.checkpoints import load_network
from augment.generators.gan.architectures import read_architecture
from augment.generators.gan.networks import Discriminator
from augment.generators.sampling import load_sampler
from augment.images.image_sets import ImageSet
from augment.images.splits import apportion
from augment.placing import CPU
from augment.streams import numpy_stream


def load_discriminator(
    folder: Path, device: torch.device = CPU
) -> tuple[Discriminator, dict[str, Any]]:
    """Rebuild a discriminator on a device from its checkpoint, as `load_network` does."""
    network, meta = load_network(folder, "discriminator", read_architecture, Discriminator)
    return network.to(device), meta


@torch.inference_mode()
def discriminator_scores(
    discriminator: Discriminator, images: np.ndarray, labels: np.ndarray, batch_size: int
) -> np.ndarray:
    """Score images as the training does: batch norm sees batches of one kind, dropout is off.

    Args:
        discriminator: from `load_discriminator`, on any device; its running statistics change.
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
    device = next(discriminator.parameters()).device
    scores = []
    for start in range(0, len(images) - batch_size + 1, batch_size):
        block = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
        pixels = block.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        batch_labels = torch.from_numpy(np.array(labels[start : start + batch_size])).to(device)
        scores.append(discriminator(pixels, batch_labels).sigmoid())
    return torch.cat(scores).cpu().numpy() if scores else np.empty(0, dtype=np.float32)


def checkpoint_scores(
    checkpoints: Path,
    shares: np.ndarray,
    n: int,
    seed: int,
    sample: Callable[[int], Mapping[str, ImageSet]],
    device: torch.device = CPU,
) -> Iterator[tuple[int, str, float]]:
    """Yield the scores of generated and of real images at the epochs that kept a discriminator.

    Args:
        checkpoints: folder of a training's checkpoints; others than a GAN's hold none.
        shares: training images of each class, int64: generated ones are in their shares.
        n: images of each kind, or a batch where that is larger.
        seed: of the generated images, and of the order of all.
        sample: gives that many real images of each kind, by its name.
        device: where images are drawn and scored.

    Yields:
        Epoch, kind of images (``generated`` or a name of ``sample``'s), score in (0, 1).
    """
    for folder in sorted(checkpoints.glob("*-discriminator")):
        discriminator, meta = load_discriminator(folder, device)
        batch = int(meta["system"]["batch_size"])
        generator = folder.with_name(folder.name.removesuffix("-discriminator"))
        sampler, _ = load_sampler(generator, device)
        size = max(n, batch)
        counts = apportion(size, shares)
        drawn = np.concatenate(
            [
                sampler.draw(label, 0, int(k), seed)
                for label, k in enumerate(counts if sampler.architecture.conditional else [size])
            ]
        )
        groups = {"generated": (drawn, np.repeat(np.arange(len(counts)), counts))}
        groups |= {name: (found.images, found.labels) for name, found in sample(size).items()}
        for name, (images, labels) in groups.items():
            # Classes in turn: batch norm must see the mixture that it saw in training.
            order = numpy_stream(seed, "score", name).permutation(len(images))
            scores = discriminator_scores(discriminator, images[order], labels[order], batch)
            yield from ((meta["epoch"], name, float(score)) for score in scores)
