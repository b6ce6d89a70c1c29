"""Flows by name: their settings, and the table of their network. Nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from augment.generators import family
from augment.generators.family import (
    Cost,
    options_model,
    read_strictly,
    refuse_large_map,
)

_WIDTH_STEP = 4
"""Every width is a multiple of it, for the network's norm has groups of channels."""

_Channels = Annotated[int, Field(ge=_WIDTH_STEP, le=1024, multiple_of=_WIDTH_STEP)]


@dataclass(frozen=True)
class Architecture(family.Architecture):
    """Every argument that rebuilds the network: a U-Net with a block a depth, down and up.

    The image's own depth has none, only the convolutions into it and out of it.
    """

    widths: Annotated[tuple[_Channels, ...], Field(min_length=1, max_length=6)]  # from the image on
    embedding: Annotated[int, Field(ge=2, le=1024, multiple_of=2)]  # features of time and label
    steps: Annotated[int, Field(ge=1, le=100)]  # of drawing


def read_architecture(values: object) -> Architecture:
    """Return the architecture that JSON values of a checkpoint from anywhere stand for.

    Raises:
        ValueError: in one line, for what is unknown, missing or out of bounds.
    """
    a = read_strictly(Architecture, values)
    refuse_large_map(a.image_size**2 * max(a.widths))
    return a


def multiply_adds(a: Architecture) -> int:
    """Return the multiplications of one image's pass through the network, its convolutions'."""
    taps = 9
    side: int = a.image_size
    total = 2 * side**2 * taps * a.channels * a.widths[0]
    for narrow, wide in pairwise(a.widths):
        half = -(-side // 2)
        total += taps * (half**2 * narrow * wide + side**2 * (narrow + wide) * narrow)
        side = half
    side = a.image_size
    for width in a.widths[1:]:
        side = -(-side // 2)
        total += side**2 * taps * 4 * width**2
    return total


@dataclass(frozen=True)
class System(family.System):
    """One flow by name. What a user may replace is a field with a range and a meaning."""

    family: ClassVar[str] = "flow"

    name: str
    description: str  # One line for the user.
    chosen: str = ""  # What was taken, where there is no study.
    weights: Literal["plain", "average"] = "average"  # The only copy that is kept.
    feedback: float = 0.0  # No image is drawn in training that a judge could be asked about.
    channels: tuple[int, ...] = (16, 32, 64)  # Of each depth at 28 and 32 pixels.
    batch_size: Annotated[int, Field(ge=2, le=4096, description="real images a step")] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1, description="Adam's learning rate")] = 2e-3
    decay_start: Annotated[
        float,
        Field(ge=0, le=1, description="share of the training after which the rate falls to 0"),
    ] = 0.5
    ema_decay: Annotated[
        float, Field(gt=0, lt=1, description="decay a step of the averaged copy, which draws")
    ] = 0.998
    drawing_steps: Annotated[
        int,
        Field(ge=1, le=100, description="Euler's steps from noise to an image, a pass each"),
    ] = 10

    def architecture(
        self, n_classes: int, channels: int, image_size: int, width: float = 1.0
    ) -> Architecture:
        """Return the network for an image set: larger images get further depths, no wider ones."""
        further = (self.channels[-1],) * ((image_size // 32).bit_length() - 1)
        widths = tuple(
            _WIDTH_STEP * max(1, round(each * width / _WIDTH_STEP))
            for each in (*self.channels, *further)
        )
        embedding = 2 * max(1, round(32 * width))
        return Architecture(
            n_classes,
            channels,  # type: ignore[arg-type]  # checked by whoever reads the images
            image_size,  # type: ignore[arg-type]
            widths,
            embedding,
            self.drawing_steps,
        )

    def cost(self, architecture: Architecture) -> Cost:
        """Return the multiplications of an image's training and drawing."""
        once = multiply_adds(architecture)
        return Cost(3 * once, architecture.steps * once)  # Backward costs twice forward.


System.Options = options_model(System)

SYSTEMS = {
    system.name: system
    for system in (
        System(
            "flow-unet",
            "conditional flow matching with a small U-Net (Lipman et al., 2023)",
            chosen="the network's width, and ten steps of Euler's method, for minutes on a CPU",
        ),
    )
}
