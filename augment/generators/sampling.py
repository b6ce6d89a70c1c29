"""Drawing images from a trained generator, of any family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augment.checkpoints import CheckpointError, read_meta
from augment.errors import AugmentError
from augment.generators.family import FAMILIES, Architecture
from augment.streams import torch_stream

CHUNK = 250
"""Images a forward pass. Fixed: image i depends on which images share its pass (by rounding), so
passes are always full and start at multiples of CHUNK, whatever number was asked for."""


def to_uint8(images: Tensor) -> np.ndarray:
    """Turn a generator's float N x C x H x W in [-1, 1] into uint8 N x H x W x C."""
    pixels = images.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


class Sampler(ABC):
    """Draws images of a label by their number; a family says how `CHUNK` of them are made.

    Image i of a label is the same bytes for every range that holds it, whatever the other labels.
    """

    architecture: Architecture

    @abstractmethod
    def chunk(self, label: int, stream: torch.Generator) -> Tensor:
        """Return `CHUNK` images of one label, float N x C x H x W in [-1, 1].

        Args:
            label: class index; 0 where the architecture has no labels.
            stream: of all the noise.
        """

    @torch.inference_mode()
    def draw(self, label: int, start: int, stop: int, seed: int) -> np.ndarray:
        """Draw the images ``start`` to ``stop`` of one label.

        Args:
            label: class index asked for; 0 where the generator is unconditional, whose one stream
                of images that is.
            start: first image's index, not negative.
            stop: index behind the last image.
            seed: root of the noise's stream.

        Returns:
            uint8 ``stop - start`` x H x W x C.

        Raises:
            AugmentError: for a generator whose images are no numbers.
        """
        torch.set_flush_denormal(True)
        a = self.architecture
        images = np.empty((stop - start, a.image_size, a.image_size, a.channels), dtype=np.uint8)
        for chunk in range(start // CHUNK, -(-stop // CHUNK)):
            drawn = self.chunk(label, torch_stream(seed, "latent", label, chunk))
            if not bool(drawn.isfinite().all()):  # Finite weights can overflow all the same.
                raise AugmentError(
                    f"images of label {label} hold values that are no finite numbers"
                )
            block = to_uint8(drawn)
            low, high = max(start, chunk * CHUNK), min(stop, (chunk + 1) * CHUNK)
            images[low - start : high - start] = block[low - chunk * CHUNK : high - chunk * CHUNK]
        return images

    def blocks(
        self, label: int, start: int, stop: int, seed: int, block: int = 4 * CHUNK
    ) -> Iterator[np.ndarray]:
        """Yield the images ``start`` to ``stop`` of one label in blocks, for sets beyond memory."""
        for low in range(start, stop, block):
            yield self.draw(label, low, min(stop, low + block), seed)


def load_sampler(folder: Path) -> tuple[Sampler, dict[str, Any]]:
    """Rebuild a generator from its checkpoint.

    Returns:
        The sampler, on the CPU, and the checkpoint's meta.json.

    Raises:
        CheckpointError: in one line, for anything missing, damaged or out of bounds.
    """
    meta = read_meta(folder, "generator")
    family = meta.get("family", "gan")  # the only one before there were others
    if family not in FAMILIES:
        raise CheckpointError(
            f"{folder}/meta.json: family is {str(family)!r:.80}; allowed: {', '.join(FAMILIES)}"
        )
    sampler: Sampler = import_module(f"augment.generators.{family}.model").load_sampler(folder)
    return sampler, meta
