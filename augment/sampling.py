"""Drawing images from a trained generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from augment.architectures import Architecture, read_architecture
from augment.checkpoints import CheckpointError, check_size, load_weights, read_meta
from augment.errors import AugmentError
from augment.networks import Generator, draw_latent
from augment.streams import torch_stream

NetworkT = TypeVar("NetworkT", bound=nn.Module)

CHUNK = 250
"""Images a forward pass. Fixed: image i depends on which images share its pass (by rounding), so
passes are always full and start at multiples of CHUNK, whatever number was asked for."""


def to_uint8(images: Tensor) -> np.ndarray:
    """Turn a generator's float N x C x H x W in [-1, 1] into uint8 N x H x W x C."""
    pixels = images.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def load_network(
    folder: Path, kind: str, build: Callable[[Architecture], NetworkT]
) -> tuple[NetworkT, dict[str, Any]]:
    """Rebuild a network from its checkpoint.

    Args:
        folder: of the checkpoint.
        kind: what it must hold, such as ``generator``.
        build: makes the network of an architecture.

    Returns:
        The network on the CPU in evaluation mode, and its meta.json.

    Raises:
        CheckpointError: in one line, for anything missing, damaged or out of bounds.
    """
    meta = read_meta(folder, kind)
    try:
        architecture = read_architecture(meta["architecture"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{folder}/meta.json has no valid architecture: {error}") from None
    with torch.device("meta"):
        check_size(folder, build(architecture))
    network = build(architecture)
    load_weights(folder, network)
    return network.eval(), meta


def load_generator(folder: Path) -> tuple[Generator, dict[str, Any]]:
    """Rebuild a generator from its checkpoint; see `load_network`."""
    return load_network(folder, "generator", Generator)


@torch.inference_mode()
def draw(generator: Generator, label: int, start: int, stop: int, seed: int) -> np.ndarray:
    """Draw the images ``start`` to ``stop`` of one label.

    Image i of a label is the same bytes for every range that holds it, whatever the other labels.

    Args:
        generator: in evaluation mode; float32 arithmetic on its own device.
        label: class index asked for; 0 where the generator is unconditional, whose one stream of
            images that is.
        start: first image's index, not negative.
        stop: index behind the last image.
        seed: root of the latent stream.

    Returns:
        uint8 ``stop - start`` x H x W x C.

    Raises:
        AugmentError: for a generator whose images are no numbers.
    """
    torch.set_flush_denormal(True)
    a = generator.architecture
    device = next(generator.parameters()).device
    images = np.empty((stop - start, a.image_size, a.image_size, a.channels), dtype=np.uint8)
    labels = torch.full((CHUNK,), label, dtype=torch.int64, device=device)
    for chunk in range(start // CHUNK, -(-stop // CHUNK)):
        stream = torch_stream(seed, "latent", label, chunk)
        latent = draw_latent(a, CHUNK, stream).to(device)
        drawn = generator(latent, labels)
        if not bool(drawn.isfinite().all()):  # Finite weights can overflow all the same.
            raise AugmentError(f"images of label {label} hold values that are no finite numbers")
        block = to_uint8(drawn)
        low, high = max(start, chunk * CHUNK), min(stop, (chunk + 1) * CHUNK)
        images[low - start : high - start] = block[low - chunk * CHUNK : high - chunk * CHUNK]
    return images


def draw_blocks(
    generator: Generator, label: int, start: int, stop: int, seed: int, block: int = 4 * CHUNK
) -> Iterator[np.ndarray]:
    """Yield the images ``start`` to ``stop`` of one label in blocks, for sets beyond memory."""
    for low in range(start, stop, block):
        yield draw(generator, label, low, min(stop, low + block), seed)
