"""What rebuilds a generator and its opponent: layer tables and the options that compose.

Nothing here needs torch, so that parameters can be checked before it is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from augment.generators import family
from augment.generators.family import read_strictly, refuse_large_map

Label = Literal["none", "concatenate", "convolution", "dense", "projection"]
GeneratorNorm = Literal["none", "batch", "batch-after"]
DiscriminatorNorm = Literal["none", "batch", "batch-after", "spectral"]
Latent = Literal["normal", "uniform"]

PROJECTION_FEATURES = 256
"""Features that meet the label's embedding in a discriminator with projection."""


def _rates(value: object) -> object:
    """Take one rate of dropout for all layers, with none before the score."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value, 0.0)
    return tuple(value) if isinstance(value, list) else value


_LEAST_CHANNELS = 4
_Side = Annotated[int, Field(ge=1, le=128)]
_Kernel = Annotated[int, Field(ge=1, le=17)]
_Channels = Annotated[int, Field(ge=1, le=4096)]
_Slope = Annotated[float, Field(ge=0, le=1)]
_Rate = Annotated[float, Field(ge=0, lt=1)]
_Stages = Annotated[
    tuple[Annotated[tuple[_Channels, ...], Field(min_length=1, max_length=8)], ...],
    Field(min_length=1, max_length=8),
]


@dataclass(frozen=True)
class Architecture(family.Architecture):
    """Every argument that rebuilds a generator and its discriminator (or encoder).

    ``generator`` and ``discriminator`` are tables of output channels, a stage at a time. The
    generator's first stage starts with the map made from noise, every other with a layer of
    stride 2 that doubles the map; further layers of a stage have stride 1. The discriminator's
    stages start with a layer of stride 2 that halves the map. The layer that makes the image and
    the one that makes the score are not in the tables.
    """

    generator: _Stages
    discriminator: _Stages
    first_side: _Side  # side of the generator's first map, in pixels
    kind: Literal["convolutional", "dense"] = "convolutional"  # dense: stages are one layer each
    # How the image is made: by a last doubling, by a convolution of stride 1, or by an unpadded
    # transposed convolution of stride 1 whose kernel is as large as the map must still grow.
    output: Literal["double", "same", "grow"] = "double"
    generator_kernel: _Kernel = 5
    output_kernel: _Kernel = 5
    discriminator_kernel: _Kernel = 5
    # What makes the first map: an unpadded transposed convolution, or a dense layer with a bias.
    first_layer: Literal["convolution", "dense"] = "convolution"
    first_activation: bool = True  # whether an activation follows the first map
    latent: Annotated[
        Latent, Field(description="law of the noise: standard normal, or uniform in (-1, 1)")
    ] = "normal"
    latent_dim: Annotated[int, Field(ge=1, le=4096, description="length of the noise")] = 100
    label: Annotated[Label, Field(description="how the label joins both networks")] = "concatenate"
    generator_norm: Annotated[
        GeneratorNorm, Field(description="batch norm before or after the activation")
    ] = "batch"
    discriminator_norm: Annotated[
        DiscriminatorNorm,
        Field(description="batch norm before or after the activation, or spectral norm"),
    ] = "batch"
    discriminator_norms_first: bool = False  # whether batch norm follows its first layer too
    generator_slope: Annotated[
        _Slope, Field(description="LeakyReLU's negative slope; 0 is ReLU")
    ] = 0.0
    discriminator_slope: Annotated[
        _Slope, Field(description="LeakyReLU's negative slope; 0 is ReLU")
    ] = 0.0
    # Aligned to the end, the first entry repeated.
    dropout: Annotated[
        tuple[_Rate, ...],
        BeforeValidator(_rates),
        Field(
            max_length=64,
            description="after every discriminator layer; or a list, one rate a layer and one "
            "before the score; [] is none",
            json_schema_extra={
                "allowed": "a number from 0 to below 1, or a list of such numbers",
                "entry": "a number from 0 to below 1",
            },
        ),
    ] = ()
    # Hidden widths of an adversarial autoencoder's discriminator on the code; () is a GAN.
    code_discriminator: Annotated[tuple[_Channels, ...], Field(max_length=8)] = ()

    @property
    def conditional(self) -> bool:
        """Whether the generator is asked for a label."""
        return self.label != "none"

    def resized(
        self, n_classes: int, channels: int, image_size: int, width: float = 1.0
    ) -> Architecture:
        """Return the same family for other images.

        Larger images get further stages next to the image, each half as wide as its neighbour, so
        that the widest layer, which costs most, stays as wide; smaller ones lose the deepest
        stages. ``width`` multiplies every number of channels.
        """
        a = self
        first_side, doublings = _first_map(a.first_side, image_size)
        output = a.output
        if output == "grow":
            if image_size == a.image_size:
                first_side, doublings = a.first_side, len(a.generator) - 1
            else:  # 4 times a power of 2: the last doubling makes the image.
                output = "double"
        n_hidden = doublings - (output == "double")
        generator, discriminator = a.generator, a.discriminator
        if a.kind == "convolutional" and image_size != a.image_size:
            more = n_hidden - (len(generator) - 1)
            discriminator = _with_stages(discriminator[::-1], len(discriminator) + more)[::-1]
            generator = _with_stages(generator, n_hidden + 1)
        return replace(
            a,
            n_classes=n_classes,
            channels=channels,  # type: ignore[arg-type]  # checked by whoever reads the images
            image_size=image_size,  # type: ignore[arg-type]
            first_side=first_side,
            output=output,
            generator=_scaled(generator, width),
            discriminator=_scaled(discriminator, width),
            code_discriminator=_scaled((a.code_discriminator,), width)[0],
        )


def multiply_adds(a: Architecture) -> tuple[int, int]:
    """Return the multiplications of one image through the generator and its opponent.

    An adversarial autoencoder's opponent is the encoder with the discriminator on the code.
    """
    n_labels = a.n_classes if a.conditional else 0
    if a.kind == "dense":
        pixels = a.channels * a.image_size**2
        generator_widths = [a.latent_dim + n_labels, *chain(*a.generator), pixels]
        opponent_widths = [pixels + n_labels, *chain(*a.discriminator), 1]
        return _dense_multiply_adds(generator_widths), _dense_multiply_adds(opponent_widths)
    generating = 0
    side, width = a.first_side, a.generator[0][0]
    if a.label == "convolution":  # Noise and label make half of the first map each.
        generating += side**2 * (a.latent_dim * (width // 2) + n_labels * (width - width // 2))
    elif a.label == "dense":  # The label makes one more map.
        generating += side**2 * (a.latent_dim * width + n_labels)
        width += 1
    else:
        generating += side**2 * (a.latent_dim + n_labels) * width
    for index, stage in enumerate(a.generator):
        for place, channels in enumerate(stage):
            if index or place:
                # A layer of stride 2 spreads every pixel of the smaller map.
                generating += side**2 * width * channels * a.generator_kernel**2
                width = channels
            side *= 2 if index and not place else 1
    kernel = a.image_size - side + 1 if a.output == "grow" else a.output_kernel
    generating += side**2 * width * a.channels * kernel**2

    opposing = a.image_size**2 * n_labels if a.label == "dense" else 0
    side = a.image_size
    width = a.channels + {"concatenate": n_labels, "dense": 1}.get(a.label, 0)
    for index, stage in enumerate(a.discriminator):
        side = (side + a.discriminator_kernel % 2) // 2
        for place, channels in enumerate(stage):
            joined = width * channels
            if a.label == "convolution" and not index and not place:
                half = channels // 2
                joined = width * half + n_labels * (channels - half)
            opposing += side**2 * joined * a.discriminator_kernel**2
            width = channels
    if a.code_discriminator:
        opposing += side**2 * width * a.latent_dim
        opposing += _dense_multiply_adds([a.latent_dim, *a.code_discriminator, 1])
    elif a.label == "projection":
        opposing += (side**2 * width + n_labels + 1) * PROJECTION_FEATURES
    else:
        opposing += side**2 * width
    return generating, opposing


def read_architecture(values: object) -> Architecture:
    """Return the architecture that JSON values of a checkpoint from anywhere stand for.

    Raises:
        ValueError: in one line, for what is unknown, missing, out of bounds, or not of the
            image's size.
    """
    a = read_strictly(Architecture, values)
    side = a.first_side * 2 ** (len(a.generator) - 1 + (a.output == "double"))
    fits = side < a.image_size if a.output == "grow" else side == a.image_size
    if a.kind == "convolutional" and not fits:
        raise ValueError(f"the generator's table makes {side} pixels, not {a.image_size}")
    refuse_large_map(largest_map(a))
    return a


def largest_map(a: Architecture) -> int:
    """Return the values of one image's largest map within both networks, but for label planes."""
    if a.kind == "dense":
        return max(chain(*a.generator, *a.discriminator))
    sizes, side = [], a.first_side
    for index, stage in enumerate(a.generator):
        side *= 2 if index else 1
        sizes.append(side**2 * max(stage))
    side = a.image_size
    for stage in a.discriminator:
        side = (side + a.discriminator_kernel % 2) // 2
        sizes.append(side**2 * max(stage))
    return max(sizes)


def _dense_multiply_adds(widths: list[int]) -> int:
    return sum(x * y for x, y in pairwise(widths))


def _first_map(side: int, image_size: int) -> tuple[int, int]:
    """Return the first map's side near ``side`` and the doublings from it to the image."""
    small = 4 if side <= 4 else 8
    first = 7 if image_size == 28 else small
    return first, (image_size // first).bit_length() - 1


def _with_stages(stages: tuple[tuple[int, ...], ...], n: int) -> tuple[tuple[int, ...], ...]:
    """Take the last ``n`` stages, or add narrower ones behind them."""
    stages = stages[max(0, len(stages) - n) :]
    while len(stages) < n:
        stages = (*stages, (max(_LEAST_CHANNELS, stages[-1][-1] // 2),))
    return stages


def _scaled(stages: tuple[tuple[int, ...], ...], width: float) -> tuple[tuple[int, ...], ...]:
    if width == 1:
        return stages
    return tuple(
        tuple(max(min(c, _LEAST_CHANNELS), round(c * width)) for c in stage) for stage in stages
    )
