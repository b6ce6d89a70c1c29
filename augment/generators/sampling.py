"""Drawing images from a trained generator, of any family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from augment.checkpoints import CheckpointError, load_network, read_meta
from augment.errors import AugmentError
from augment.generators.family import FAMILIES, Architecture
from augment.placing import CPU
from augment.streams import torch_stream

CHUNK = 250
"""Images a forward pass. Fixed: image i depends on which images share its pass (by rounding), so
passes are always full and start at multiples of CHUNK, whatever number was asked for."""


def to_uint8(images: Tensor) -> np.ndarray:
    """Turn a generator's float N x C x H x W in [-1, 1] into uint8 N x H x W x C."""
    pixels = images.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def draw_in_chunks(
    images_of: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    labels: Tensor,
    device: torch.device,
) -> np.ndarray:
    """Make images of noise, `CHUNK` at a time.

    Args:
        images_of: turns noise and int64 labels on the device into float images in [-1, 1].
        noise: N x what the network takes, on the CPU.
        labels: int64 N.
        device: the network's.

    Returns:
        uint8 N x H x W x C.
    """
    parts = zip(torch.split(noise, CHUNK), torch.split(labels, CHUNK), strict=True)
    with torch.inference_mode():
        return np.concatenate([to_uint8(images_of(z.to(device), y.to(device))) for z, y in parts])


class Drawing(Protocol):
    """A network that draws images of noise."""

    architecture: Any

    def noise(self, n: int, stream: torch.Generator) -> Tensor:
        """Return noise for n images from a stream, on the CPU."""

    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Return float images N x C x H x W in [-1, 1] of noise and int64 labels."""


class Sampler:
    """Draws images of a label by their number, in float32.

    Image i of a label is the same bytes for every range that holds it, whatever the other labels;
    the noise is the same on every device.
    """

    def __init__(self, network: Drawing, device: torch.device = CPU) -> None:
        """Take a network in evaluation mode, which is on that device."""
        self.network, self.device = network, device
        self.architecture: Architecture = network.architecture

    @torch.inference_mode()
    def draw(self, label: int, start: int, stop: int, seed: int) -> np.ndarray:
        """Draw the images ``start`` to ``stop`` of one label.

        Args:
            label: class index; 0 where the generator is unconditional, whose one stream
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
            noise = self.network.noise(CHUNK, torch_stream(seed, "latent", label, chunk))
            labels = torch.full((CHUNK,), label, dtype=torch.int64, device=self.device)
            drawn = self.network.draw(noise.to(self.device), labels)
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


def load_sampler(folder: Path, device: torch.device = CPU) -> tuple[Sampler, dict[str, Any]]:
    """Rebuild a generator from its checkpoint.

    Args:
        folder: of the checkpoint.
        device: where it is to draw.

    Returns:
        The sampler, and the checkpoint's meta.json.

    Raises:
        CheckpointError: in one line, for anything missing, damaged or out of bounds.
    """
    meta = read_meta(folder, "generator")
    family = meta.get("family", "gan")  # the only one before there were others
    if family not in FAMILIES:
        raise CheckpointError(
            f"{folder}/meta.json: family is {str(family)!r:.80}; allowed: {', '.join(FAMILIES)}"
        )
    model = import_module(f"augment.generators.{family}.model")
    network, _ = load_network(folder, "generator", model.read_architecture, model.Generator)
    return Sampler(network.to(device), device), meta
