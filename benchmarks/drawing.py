"""Images drawn in float32, as here, against bf16 with and without the channels last in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from augment.generators.gan.model import Generator
from augment.generators.gan.systems import SYSTEMS
from augment.generators.sampling import CHUNK, to_uint8
from benchmarks.pairs import Pair

PASSES = 8
CASES = ((28, 1), (64, 3))
"""Sides and channels."""


def draw(network: Generator, dtype: torch.dtype) -> np.ndarray:
    """Draw the images of some passes, all of the same noise; return those of the last."""
    noise = network.noise(CHUNK, torch.Generator().manual_seed(0))
    labels = torch.arange(CHUNK) % network.architecture.n_classes
    half = dtype != torch.float32
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        return [to_uint8(network.draw(noise, labels)) for _ in range(PASSES)][-1]


def a_level_apart(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Count the pixels that differ, and by how much: of a network that has not learnt yet."""
    apart = np.abs(ours.astype(int) - theirs)
    assert apart.max() <= 8, f"pixels differ by {apart.max()}"
    return f"{(apart > 0).mean():.1%} of the pixels differ, by {apart.max()} at the most"


def pairs() -> Iterator[Pair]:
    """Three other ways for each of `CASES`, of the default system."""
    for side, channels in CASES:
        torch.manual_seed(0)
        network = Generator(SYSTEMS["cdcgan-projection"].architecture(10, channels, side)).eval()
        last = copy.deepcopy(network).to(memory_format=torch.channels_last)
        others: dict[str, Callable[[], np.ndarray]] = {
            "channels last": partial(draw, last, torch.float32),
            "bf16": partial(draw, network, torch.bfloat16),
            "bf16, channels last": partial(draw, last, torch.bfloat16),
        }
        for way, theirs in others.items():
            yield Pair(
                f"drawing {channels} x {side} x {side} in float32 against {way}",
                "images",
                PASSES * CHUNK,
                partial(draw, network, torch.float32),
                theirs,
                a_level_apart,
            )
