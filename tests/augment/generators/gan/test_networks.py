from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product
from typing import Any, TypeVar, get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from augment.generators.family import IMAGE_SIZES
from augment.generators.gan.architectures import (
    Architecture,
    DiscriminatorNorm,
    GeneratorNorm,
    Label,
    Latent,
    read_architecture,
)
from augment.generators.gan.networks import (
    CodeDiscriminator,
    Discriminator,
    Encoder,
    Generator,
    draw_latent,
    initialise_normal,
    set_slope,
)
from augment.generators.gan.systems import SYSTEMS

CDCGAN = SYSTEMS["cdcgan"].networks
WEIGHTED = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
NORMS = nn.BatchNorm1d | nn.BatchNorm2d
LAYERS = WEIGHTED | NORMS | nn.Dropout | nn.LeakyReLU | nn.ReLU
Network = TypeVar("Network", bound=nn.Module)


def modules(network: nn.Module, *kinds: type[nn.Module]) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, kinds)]


def seeded(network_type: Callable[[Architecture], Network], architecture: Architecture) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network_type(architecture)


def inputs(architecture: Architecture, n: int = 3) -> tuple[Tensor, Tensor]:
    latent = draw_latent(architecture, n, torch.Generator().manual_seed(1))
    return latent, torch.arange(n) % architecture.n_classes


def small(name: str, image_size: int = 28, width: float = 0.05, **options: Any) -> Architecture:
    return SYSTEMS[name].replaced(options).architecture(10, 1, image_size, width)


def opponents(a: Architecture) -> list[nn.Module]:
    return [Encoder(a), CodeDiscriminator(a)] if a.code_discriminator else [Discriminator(a)]


def assert_all_learn(scores: Tensor, *networks: nn.Module) -> None:
    """Every parameter has a finite gradient of the scores of three images."""
    assert scores.shape == (3,)
    scores.sum().backward()
    for network in networks:
        for key, parameter in network.named_parameters():
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key


# ------------------------------------------------------------------ as published, by hand

# A study's generator, and what it is trained against: a discriminator, or an encoder and a
# discriminator of codes. A row a layer, in the order in which they run. ``up`` is a transposed
# convolution; ``k`` kernel, ``s`` stride; behind ``>`` the map's side; ``+b`` has a bias. What runs
# as a function (the activation after the first map, tanh) has no word.

# z 100; five 4x4 transposed convolutions, the first unpadded with stride 1, then stride 2;
# 1024-512-256-128-1; BN and ReLU on the first four.
# Five 4x4 convolutions, 128-256-512-1024-1, ReLU, BN on all but the first and the last.
REFERENCE = (
    """
    up 100-1024 k4 s1 > 4, bn 1024
    up 1024-512 k4 s2 > 8, bn 512, relu
    up 512-256 k4 s2 > 16, bn 256, relu
    up 256-128 k4 s2 > 32, bn 128, relu
    up 128-1 k4 s2 > 64 +b
    """,
    """
    conv 1-128 k4 s2 > 32 +b, relu
    conv 128-256 k4 s2 > 16, bn 256, relu
    conv 256-512 k4 s2 > 8, bn 512, relu
    conv 512-1024 k4 s2 > 4, bn 1024, relu
    conv 1024-1 k4 s1 > 1 +b
    """,
)
# Without the fourth layers; G's last is the transpose of a 13x13 unpadded convolution of stride 1,
# from 16x16 to 28x28; D's last covers its 3x3 map, without resizing.
COMPACT = (
    """
    up 100-512 k4 s1 > 4, bn 512
    up 512-256 k4 s2 > 8, bn 256, relu
    up 256-128 k4 s2 > 16, bn 128, relu
    up 128-1 k13 s1 > 28 +b
    """,
    """
    conv 1-128 k4 s2 > 14 +b, relu
    conv 128-256 k4 s2 > 7, bn 256, relu
    conv 256-512 k4 s2 > 3, bn 512, relu
    conv 512-1 k3 s1 > 1 +b
    """,
)
# z 100 + one-hot 10; 7x7 unpadded stride 1, 5x5 s2, 5x5 s2; 256-128-1; BN on the first two.
# 1 + 10 planes; 5x5 s2, 5x5 s2, 7x7; 128-256-1; ReLU; BN on all but the first and the last.
SMOOTH = (
    """
    up 110-256 k7 s1 > 7, bn 256
    up 256-128 k5 s2 > 14, bn 128, relu
    up 128-1 k5 s2 > 28 +b
    """,
    """
    conv 11-128 k5 s2 > 14 +b, relu
    conv 128-256 k5 s2 > 7, bn 256, relu
    conv 256-1 k7 s1 > 1 +b
    """,
)
# Two more convolutions in G and in D: stride 1, one on each inner map, as wide as the map.
EXTENDED = (
    """
    up 110-256 k7 s1 > 7, bn 256
    conv 256-256 k5 s1 > 7, bn 256, relu
    up 256-128 k5 s2 > 14, bn 128, relu
    conv 128-128 k5 s1 > 14, bn 128, relu
    up 128-1 k5 s2 > 28 +b
    """,
    """
    conv 11-128 k5 s2 > 14 +b, relu
    conv 128-128 k5 s1 > 14, bn 128, relu
    conv 128-256 k5 s2 > 7, bn 256, relu
    conv 256-256 k5 s1 > 7, bn 256, relu
    conv 256-1 k7 s1 > 1 +b
    """,
)
# Labels pass a convolution of their own; half of the first layer's maps each.
LABEL_CONV = (
    """
    up 100-128 k7 s1 > 7
    up 10-128 k7 s1 > 7, bn 256
    up 256-128 k5 s2 > 14, bn 128, relu
    up 128-1 k5 s2 > 28 +b
    """,
    """
    conv 1-64 k5 s2 > 14 +b
    conv 10-64 k5 s2 > 14 +b, relu
    conv 128-256 k5 s2 > 7, bn 256, relu
    conv 256-1 k7 s1 > 1 +b
    """,
)
# Dense layers instead of convolutions: 512 and 1024 units.
DENSE = (
    """
    dense 110-512, bn 512, relu
    dense 512-1024, bn 1024, relu
    dense 1024-784 +b
    """,
    """
    dense 794-1024 +b, relu
    dense 1024-512, bn 512, relu
    dense 512-1 +b
    """,
)
# Noise and label each through dense + reshape, then concatenated; likewise label and image.
# Batch norm in G only.
FAU_CDCGAN = (
    """
    dense 100-6272 +b, bn 128
    dense 10-49 +b
    up 129-64 k4 s2 > 14, bn 64, leaky 0.2
    up 64-1 k4 s2 > 28 +b
    """,
    """
    dense 10-784 +b
    conv 2-64 k4 s2 > 14 +b, leaky 0.2
    conv 64-128 k4 s2 > 7 +b, leaky 0.2, dropout 0.4
    conv 128-1 k7 s1 > 1 +b
    """,
)
FAU_GAN = (
    """
    dense 100-256, bn 256, leaky 0.2
    dense 256-512, bn 512, leaky 0.2
    dense 512-1024, bn 1024, leaky 0.2
    dense 1024-784 +b
    """,
    """
    dense 784-512 +b, leaky 0.2
    dense 512-256 +b, leaky 0.2
    dense 256-1 +b
    """,
)
# Dense 100 -> 6272 -> 7x7x128, BN, transposed convolutions 256 (s2, 14x14), 128 (s2, 28x28),
# 64 (s1), ReLU each and then BN, convolution -> 1. One of stride 1 is a convolution.
# Convolutions 64 s2, 128 s2, 256 s2, LeakyReLU 0.2, dropout 0.3 (0.4 last), flatten 4096,
# dense 1: a convolution over all of the 4x4x256 map.
FASHION = (
    """
    dense 100-6272 +b, bn 128
    up 128-256 k5 s2 > 14, relu, bn 256
    up 256-128 k5 s2 > 28, relu, bn 128
    conv 128-64 k5 s1 > 28, relu, bn 64
    conv 64-1 k5 s1 > 28 +b
    """,
    """
    conv 1-64 k5 s2 > 14 +b, leaky 0.2, dropout 0.3
    conv 64-128 k5 s2 > 7 +b, leaky 0.2, dropout 0.3
    conv 128-256 k5 s2 > 4 +b, leaky 0.2, dropout 0.4
    conv 256-1 k4 s1 > 1 +b
    """,
)
# Dense 100 -> 4x4x1024, transposed 4x4 convolutions 1024 s2, 512 s2, 512, 256 s2, 256, 128 s2,
# 64, convolution 3x3 -> 3; ReLU inside each, BN before each.
# 5x5 s2 convolutions 64-128-256-512-1024, BN, LeakyReLU 0.2, dropout 0.3, flatten,
# dropout 0.4, dense 1.
FACES = (
    """
    dense 100-16384 +b, bn 1024
    up 1024-1024 k4 s2 > 8, relu, bn 1024
    up 1024-512 k4 s2 > 16, relu, bn 512
    conv 512-512 k4 s1 > 16, relu, bn 512
    up 512-256 k4 s2 > 32, relu, bn 256
    conv 256-256 k4 s1 > 32, relu, bn 256
    up 256-128 k4 s2 > 64, relu, bn 128
    conv 128-64 k4 s1 > 64, relu, bn 64
    conv 64-3 k3 s1 > 64 +b
    """,
    """
    conv 3-64 k5 s2 > 32, bn 64, leaky 0.2, dropout 0.3
    conv 64-128 k5 s2 > 16, bn 128, leaky 0.2, dropout 0.3
    conv 128-256 k5 s2 > 8, bn 256, leaky 0.2, dropout 0.3
    conv 256-512 k5 s2 > 4, bn 512, leaky 0.2, dropout 0.3
    conv 512-1024 k5 s2 > 2, bn 1024, leaky 0.2, dropout 0.3, dropout 0.4
    conv 1024-1 k2 s1 > 1 +b
    """,
)
# Dense -> 4x4x(8 conv_dim), four 4x4 s2 transposed convolutions halving channels, no BN, ReLU.
# Four 4x4 s2 convolutions, channels doubling, LeakyReLU 0.2, no BN, flatten, dense 1.
CELEBA = (
    """
    dense 100-8192 +b
    up 512-256 k4 s2 > 8 +b, relu
    up 256-128 k4 s2 > 16 +b, relu
    up 128-64 k4 s2 > 32 +b, relu
    up 64-3 k4 s2 > 64 +b
    """,
    """
    conv 3-64 k4 s2 > 32 +b, leaky 0.2
    conv 64-128 k4 s2 > 16 +b, leaky 0.2
    conv 128-256 k4 s2 > 8 +b, leaky 0.2
    conv 256-512 k4 s2 > 4 +b, leaky 0.2
    conv 512-1 k4 s1 > 1 +b
    """,
)
ANIME = (
    """
    up 100-512 k4 s1 > 4, bn 512
    up 512-256 k4 s2 > 8, bn 256, relu
    up 256-128 k4 s2 > 16, bn 128, relu
    up 128-64 k4 s2 > 32, bn 64, relu
    up 64-3 k4 s2 > 64 +b
    """,
    """
    conv 3-64 k4 s2 > 32 +b, leaky 0.2
    conv 64-128 k4 s2 > 16, bn 128, leaky 0.2
    conv 128-256 k4 s2 > 8, bn 256, leaky 0.2
    conv 256-512 k4 s2 > 4, bn 512, leaky 0.2
    conv 512-1 k4 s1 > 1 +b
    """,
)
# Convolutional decoder with LeakyReLU, tanh at its end; convolutional encoder; linear
# discriminator on the code.
AUTOENCODER = (
    """
    up 100-512 k4 s1 > 4, bn 512
    up 512-256 k4 s2 > 8, bn 256, leaky 0.2
    up 256-128 k4 s2 > 16, bn 128, leaky 0.2
    up 128-64 k4 s2 > 32, bn 64, leaky 0.2
    up 64-3 k4 s2 > 64 +b
    """,
    """
    conv 3-64 k4 s2 > 32 +b, leaky 0.2
    conv 64-128 k4 s2 > 16, bn 128, leaky 0.2
    conv 128-256 k4 s2 > 8, bn 256, leaky 0.2
    conv 256-512 k4 s2 > 4, bn 512, leaky 0.2
    conv 512-100 k4 s1 > 1 +b
    """,
    """
    dense 100-512 +b, leaky 0.2
    dense 512-256 +b, leaky 0.2
    dense 256-1 +b
    """,
)
PROJECTION = (
    """
    up 110-96 k7 s1 > 7, bn 96
    up 96-48 k5 s2 > 14, bn 48, relu
    up 48-1 k5 s2 > 28 +b
    """,
    """
    conv 1-48 k5 s2 > 14 +b, leaky 0.1
    conv 48-96 k5 s2 > 7 +b, leaky 0.1
    dense 4704-256 +b, leaky 0.1
    dense 256-1 +b
    dense 10-256
    """,
)


def without_norm(networks: tuple[str, ...]) -> tuple[str, ...]:
    """The same layers without batch norm, whose shift their biases take over."""
    return tuple(re.sub(r"( \+b)?(, bn \d+)", " +b", text) for text in networks)


PUBLISHED = {
    "cdcgan-projection": PROJECTION,
    "dcgan-reference": REFERENCE,
    "dcgan-compact": COMPACT,
    "dcgan-no-bn": without_norm(COMPACT),
    "dcgan-d3": COMPACT,
    "dcgan-lr": COMPACT,
    "cdcgan": SMOOTH,
    "cdcgan-extended": EXTENDED,
    "cdcgan-balance": EXTENDED,
    "cdcgan-no-bn": without_norm(SMOOTH),
    "cdcgan-smooth": SMOOTH,
    "cdcgan-label-conv": LABEL_CONV,
    "cdcgan-feedback": SMOOTH,
    "cgan-dense": DENSE,
    "cgan-dense-no-bn": without_norm(DENSE),
    "fau-cdcgan": FAU_CDCGAN,
    "fau-gan": FAU_GAN,
    "tribhuvan-fashion": FASHION,
    "tribhuvan-faces": FACES,
    "gehu-celeba": CELEBA,
    "padova-dcgan": ANIME,
    "padova-aae": AUTOENCODER,
}

DISTINCT = list({SYSTEMS[name].networks: name for name in reversed(SYSTEMS)}.values())
"""A system for each pair of networks."""


def line_of(layer: nn.Module, out: Tensor) -> str:
    """Say what a layer is, from its weight's shape and from the map that it made."""
    if isinstance(layer, NORMS):
        assert (layer.eps, layer.momentum, layer.affine) == (1e-5, 0.1, True)
        return f"bn {layer.num_features}"
    if isinstance(layer, nn.Dropout):
        return f"dropout {layer.p:g}"
    if isinstance(layer, nn.LeakyReLU):
        return f"leaky {layer.negative_slope:g}" if layer.negative_slope else "relu"
    if isinstance(layer, nn.ReLU):
        return "relu"
    assert isinstance(layer, WEIGHTED)
    weight = layer.weight
    end = "" if layer.bias is None else " +b"
    if isinstance(layer, nn.Linear):
        return f"dense {weight.shape[1]}-{weight.shape[0]}{end}"
    kernel, other = weight.shape[2:]
    (stride, other_stride), (height, width) = layer.stride, out.shape[2:]
    assert (kernel, stride, height) == (other, other_stride, width)
    up = isinstance(layer, nn.ConvTranspose2d)
    first, second = (0, 1) if up else (1, 0)
    channels = f"{weight.shape[first]}-{weight.shape[second]}"
    return f"{'up' if up else 'conv'} {channels} k{kernel} s{stride} > {height}{end}"


def run_layers(network: nn.Module, *args: Tensor) -> tuple[list[str], Tensor]:
    """Run a network; return its layers in the order in which they ran, and what it made."""
    lines: list[str] = []
    hooks = [
        module.register_forward_hook(lambda m, _, out: lines.append(line_of(m, out)))
        for module in modules(network, *LAYERS.__args__)
    ]
    for key in ("first", "first_label"):
        layer = getattr(network, key, None)
        if isinstance(layer, nn.ConvTranspose2d):
            # Runs as a matrix product, without its hook; the next layers see the map's side.
            assert layer.padding == (0, 0)
            lines.append(line_of(layer, torch.empty(1, 1, *layer.kernel_size, device="meta")))
    if (norm := getattr(network, "first_norm", None)) is not None:

        def assert_square(_: nn.Module, given: tuple[Tensor]) -> None:
            side = network.architecture.first_side  # type: ignore[union-attr]
            assert given[0].shape[2:] == (side, side)

        hooks.append(norm.register_forward_pre_hook(assert_square))
    out = network(*args)
    for hook in hooks:
        hook.remove()
    return lines, out


def lines_of(text: str) -> list[str]:
    return [line for row in text.strip().splitlines() for line in row.strip().split(", ")]


def n_values(lines: list[str]) -> int:
    """How many parameters layers have."""
    n = 0
    for line in lines:
        if match := re.match(r"(?:up|conv|dense) (\d+)-(\d+)(?: k(\d+))?", line):
            a, b, kernel = (int(part or 1) for part in match.groups())
            n += a * b * kernel**2 + b * line.endswith("+b")
        elif line.startswith("bn"):
            n += 2 * int(line.split()[1])
    return n


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_networks_are_as_published(name: str) -> None:
    a, published = SYSTEMS[name].networks, PUBLISHED[name]
    # Shapes alone: nothing is computed. Spectral norm is slow to start without numbers.
    with torch.device("cpu" if a.discriminator_norm == "spectral" else "meta"):
        latent, labels = torch.zeros(2, 100), torch.zeros(2, dtype=torch.int64)
        networks = [Generator(a), *opponents(a)]
    made = latent
    for network, text in zip(networks, published, strict=True):
        labelled = isinstance(network, Generator | Discriminator)
        lines, made = run_layers(network, made, *[labels] * labelled)
        assert lines == lines_of(text)
        # No layer is left out.
        assert sum(p.numel() for p in network.parameters()) == n_values(lines)
        if isinstance(network, Generator):
            assert made.shape == (2, a.channels, a.image_size, a.image_size)
    assert made.shape == (2,)


# ------------------------------------------------------------------ every size


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", IMAGE_SIZES)
@pytest.mark.parametrize("name", DISTINCT)
def test_every_size_and_channel_count(name: str, image_size: int, channels: int) -> None:
    architecture = SYSTEMS[name].architecture(5, channels, image_size, width=0.02)
    generator, *others = Generator(architecture), *opponents(architecture)
    latent, labels = inputs(architecture)
    images = generator(latent, labels)
    assert images.shape == (3, channels, image_size, image_size)
    assert images.abs().max() <= 1
    if architecture.code_discriminator:
        encoder, discriminator = others
        codes = encoder(images)
        assert codes.shape == (3, 100)
        scores = discriminator(codes)
    else:
        scores = others[0](images, labels)
    assert_all_learn(scores, generator, *others)


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize("name", DISTINCT)
def test_the_label_matters_where_it_is_asked_for(name: str) -> None:
    architecture = small(name)
    generator = seeded(Generator, architecture).eval()
    latent, _ = inputs(architecture, 1)
    a, b = torch.tensor([0]), torch.tensor([1])
    image = generator(latent, a)
    assert torch.equal(image, generator(latent, b)) == (not architecture.conditional)
    assert architecture.conditional == name.startswith(("cdcgan", "cgan", "fau-cdcgan"))
    if not architecture.code_discriminator:
        discriminator = seeded(Discriminator, architecture).eval()
        same = torch.equal(discriminator(image, a), discriminator(image, b))
        assert same == (not architecture.conditional)


def seen_by(module: nn.Module) -> list[Tensor]:
    """What a module is given in the calls to come."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    return seen


def test_concatenated_the_label_is_planes_beside_the_image() -> None:
    discriminator = Discriminator(small("cdcgan"))
    seen = seen_by(discriminator.downsample)
    images = torch.randn(2, 1, 28, 28)
    discriminator(images, torch.tensor([3, 9]))
    (joined,) = seen
    assert joined.shape == (2, 11, 28, 28)
    assert torch.equal(joined[:, :1], images)
    assert joined[0, 1 + 3].eq(1).all()
    assert joined[1, 1 + 9].eq(1).all()
    assert joined[:, 1:].sum() == 2 * 28 * 28


def test_concatenated_the_label_is_beside_the_pixels_of_dense_networks() -> None:
    a = small("cgan-dense")
    generator, discriminator = Generator(a), Discriminator(a)
    code, joined = seen_by(generator.layers), seen_by(discriminator.layers)
    latent, _ = inputs(a, 2)
    images = generator(latent, torch.tensor([3, 9]))
    discriminator(images, torch.tensor([9, 0]))
    assert torch.equal(code[0], torch.cat([latent, torch.eye(10)[[3, 9]]], dim=1))
    assert torch.equal(joined[0], torch.cat([images.flatten(1), torch.eye(10)[[9, 0]]], dim=1))


def test_the_labels_own_convolution_makes_half_of_the_first_maps() -> None:
    a = small("cdcgan-label-conv", width=0.125)  # 32 and 16 maps
    generator: Any = seeded(Generator, a).eval()
    discriminator: Any = seeded(Discriminator, a).eval()
    maps, joined = seen_by(generator.first_norm), seen_by(discriminator.downsample)
    latent, labels = inputs(a, 2)
    generator(latent, labels)
    one_hot = torch.eye(10)[labels]
    noise = F.conv_transpose2d(latent[:, :, None, None], generator.first.weight)
    label = F.conv_transpose2d(one_hot[:, :, None, None], generator.first_label.weight)
    assert noise.shape == label.shape == (2, 16, 7, 7)
    torch.testing.assert_close(maps[0], torch.cat([noise, label], dim=1))

    images = torch.randn(2, 1, 28, 28)
    discriminator(images, labels)
    planes = one_hot[:, :, None, None].expand(2, 10, 28, 28)
    parts = [
        F.conv2d(x, layer.weight, layer.bias, stride=2, padding=2)
        for x, layer in (
            (images, discriminator.image_first),
            (planes, discriminator.label_first),
        )
    ]
    assert parts[0].shape == parts[1].shape == (2, 8, 14, 14)
    torch.testing.assert_close(joined[0], torch.cat(parts, dim=1))


def test_through_a_dense_layer_the_label_is_one_more_map() -> None:
    a = small("fau-cdcgan")
    generator: Any = seeded(Generator, a).eval()
    discriminator: Any = seeded(Discriminator, a).eval()
    maps, joined = seen_by(generator.upsample), seen_by(discriminator.downsample)
    latent, labels = inputs(a, 2)
    generator(latent, labels)
    one_hot = torch.eye(10)[labels]
    noise = generator.first_norm(generator.first(latent).view(2, -1, 7, 7))
    noise = F.leaky_relu(noise, 0.2)
    # The label's map is its dense layer alone, without an activation.
    plane = (one_hot @ generator.first_label.weight.T + generator.first_label.bias).view(2, 1, 7, 7)
    assert maps[0].shape[1] == a.generator[0][0] + 1
    torch.testing.assert_close(maps[0], torch.cat([noise, plane], dim=1))

    images = torch.randn(2, 1, 28, 28)
    discriminator(images, labels)
    layer = discriminator.label_plane
    plane = (one_hot @ layer.weight.T + layer.bias).view(2, 1, 28, 28)
    torch.testing.assert_close(joined[0], torch.cat([images, plane], dim=1))


def test_projection_is_a_linear_score_plus_the_inner_product() -> None:
    network: Any = seeded(Discriminator, small("cdcgan-projection")).eval()
    images, labels = torch.randn(4, 1, 28, 28), torch.tensor([0, 3, 3, 9])
    features = network.downsample(images).flatten(1)
    features = F.leaky_relu(network.hidden(features), 0.1)
    assert features.shape == (4, 256)
    embedded = network.embedding.weight.T[labels]
    expected = network.score(features).flatten() + torch.einsum("nd,nd->n", embedded, features)
    torch.testing.assert_close(network(images, labels), expected)


def test_the_label_none_takes_no_labels_at_all() -> None:
    a = small("padova-dcgan")
    latent, _ = inputs(a)
    beyond = torch.full((3,), 99)  # There is no such class, and nobody looks.
    images = Generator(a)(latent, beyond)
    assert Discriminator(a)(images, beyond).shape == (3,)


# ------------------------------------------------------------------ layers


@pytest.mark.parametrize("first_layer", ["convolution", "dense"])
@pytest.mark.parametrize("norm", get_args(GeneratorNorm))
@pytest.mark.parametrize("first_activation", [True, False])
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_the_first_layer_is_the_transposed_convolution_of_noise_and_label(
    first_layer: str, norm: str, first_activation: bool, slope: float
) -> None:
    a = small(
        "cdcgan",
        first_layer=first_layer,
        generator_norm=norm,
        first_activation=first_activation,
        generator_slope=slope,
    )
    generator = seeded(Generator, a)
    latent, labels = inputs(a)
    for _ in range(3):  # Batch norm's statistics move away from 0 and 1.
        generator(latent, labels)
    generator.eval()
    code = torch.cat([latent, F.one_hot(labels, 10).float()], dim=1)
    if first_layer == "convolution":
        hidden = generator.first(code[:, :, None, None])
    else:
        hidden = generator.first(code).view(3, -1, 7, 7)
    steps: list[Callable[[Tensor], Tensor]] = [generator.first_norm]
    if first_activation:
        steps.insert(norm != "batch-after", lambda x: torch.where(x > 0, x, slope * x))
    for step in steps:
        hidden = step(hidden)
    expected = torch.tanh(generator.upsample(hidden))
    torch.testing.assert_close(generator(latent, labels), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "batch-after"])
@pytest.mark.parametrize("kind", ["convolutional", "dense"])
def test_batch_norm_is_before_or_after_the_activation(norm: str, kind: str) -> None:
    name = "cgan-dense" if kind == "dense" else "cdcgan-extended"
    a = small(name, generator_norm=norm, discriminator_norm=norm, discriminator_slope=0.2)
    pair = ["bn", "leaky"] if norm == "batch" else ["leaky", "bn"]
    latent, labels = inputs(a)
    generator, discriminator = Generator(a), Discriminator(a)
    lines, images = run_layers(generator, latent, labels)
    kinds = [line.split()[0].replace("relu", "leaky") for line in lines]
    if kind == "dense":
        assert kinds == ["dense", *pair] * 2 + ["dense"]
    else:
        assert kinds == ["up", "bn", *["conv", *pair, "up", *pair, "conv", *pair], "up"]
    lines, _ = run_layers(discriminator, images, labels)
    kinds = [line.split()[0] for line in lines]
    layer = "dense" if kind == "dense" else "conv"
    n = 1 if kind == "dense" else 3
    assert kinds == [layer, "leaky", *[layer, *pair] * n, layer]
    # With norms in the first layer too, it has no bias.
    lines, _ = run_layers(Discriminator(replace(a, discriminator_norms_first=True)), images, labels)
    assert [line.split()[0] for line in lines] == [*[layer, *pair] * (n + 1), layer]
    biases = [line.endswith("+b") for line in lines if line.startswith(layer)]
    assert biases == [False] * (n + 1) + [True]


@pytest.mark.parametrize(
    ("dropout", "rates"),
    [
        ((), (0, 0, 0, 0)),
        ((0.0,), (0, 0, 0, 0)),
        ((0.3,), (0.3, 0.3, 0.3, 0.3)),
        ((0.3, 0.0), (0.3, 0.3, 0.3, 0)),
        ((0.3, 0.4), (0.3, 0.3, 0.3, 0.4)),
        ((0.0, 0.4), (0, 0, 0, 0.4)),
        ((0.1, 0.2, 0.3), (0.1, 0.1, 0.2, 0.3)),
        ((0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4)),
        ((0.9, 0.8, 0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4)),
    ],
)
@pytest.mark.parametrize("kind", ["convolutional", "dense"])
def test_dropout_is_aligned_to_the_end(
    dropout: tuple[float, ...], rates: tuple[float, ...], kind: str
) -> None:
    """Three layers and what is before the score."""
    a = replace(
        small("cgan-dense" if kind == "dense" else "cdcgan"),
        discriminator=((4,), (4,), (4,)),
        dropout=dropout,
    )
    images, labels = torch.zeros(2, 1, 28, 28), torch.tensor([0, 1])
    lines, _ = run_layers(Discriminator(a), images, labels)
    after: list[list[float]] = []
    for line in lines:
        word, *rest = line.split()
        if word in ("conv", "dense"):
            after.append([])
        elif word == "dropout":
            after[-1].append(float(rest[0]))
    first, second, third, score = rates
    assert after == [
        [first] if first else [],
        [second] if second else [],
        [rate for rate in (third, score) if rate],
        [],
    ]
    # Each is the last of its layer, behind norm and activation.
    assert all(
        following.startswith(("conv", "dense", "dropout"))
        for line, following in pairwise(lines)
        if line.startswith("dropout")
    )


def spectral_layers(network: nn.Module) -> list[bool]:
    """For each layer with a weight, whether spectral norm is on it."""
    return [is_parametrized(layer, "weight") for layer in modules(network, *WEIGHTED.__args__)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cdcgan-extended", {}),
        ("cdcgan-extended", {"discriminator_kernel": 4}),  # Padded apart where the stride is 1.
        ("cdcgan-label-conv", {}),
        ("fau-cdcgan", {}),
        ("cgan-dense", {}),
        ("fau-gan", {}),
        ("tribhuvan-faces", {}),
    ],
)
def test_spectral_norm_leaves_no_layer_out(name: str, options: dict[str, Any]) -> None:
    a = small(name, discriminator_norm="spectral", **options)
    network = Discriminator(a)
    assert all(spectral_layers(network))
    assert modules(network, nn.BatchNorm1d, nn.BatchNorm2d) == []
    images, labels = torch.randn(2, 1, 28, 28), torch.tensor([0, 1])
    assert network(images, labels).isfinite().all()
    # The generator is never bound.
    assert not any(spectral_layers(Generator(a)))


def test_one_slope_for_every_leaky_relu() -> None:
    images, labels = torch.randn(3, 1, 28, 28), torch.arange(3)
    for name in ("padova-dcgan", "cdcgan-projection", "cgan-dense", "cdcgan-label-conv"):
        a = small(name, discriminator_slope=0.2)
        changed = seeded(Discriminator, a).eval()
        built = seeded(Discriminator, replace(a, discriminator_slope=0.03)).eval()
        assert not torch.equal(changed(images, labels), built(images, labels))
        set_slope(changed, 0.03)
        slopes = {layer.negative_slope for layer in modules(changed, nn.LeakyReLU)}
        assert slopes == {0.03}
        assert torch.equal(changed(images, labels), built(images, labels))


# ------------------------------------------------------------------ noise and first weights


@pytest.mark.parametrize(("name", "variance"), [("gehu-celeba", 1 / 3), ("cdcgan", 1)])
def test_noise_is_of_the_asked_law_and_from_its_stream(name: str, variance: float) -> None:
    a = small(name, latent_dim=50)
    before = torch.get_rng_state()
    drawn, again, other = (
        draw_latent(a, 400, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, other)
    assert (drawn.shape, drawn.dtype) == ((400, 50), torch.float32)
    assert abs(float(drawn.mean())) < 0.02
    assert float(drawn.var()) == pytest.approx(variance, rel=0.03)
    if a.latent == "uniform":
        assert drawn.min() >= -1
        assert drawn.max() < 1
        # Of 20,000 numbers: a tenth of them in each tenth.
        assert (torch.histc(drawn, 10, -1, 1) / drawn.numel() - 0.1).abs().max() < 0.01
    else:
        assert drawn.abs().max() > 2


@pytest.mark.parametrize("norm", get_args(DiscriminatorNorm))
@pytest.mark.parametrize("name", ["gehu-celeba", "cdcgan-projection", "fau-cdcgan", "cgan-dense"])
def test_weights_start_from_a_normal_law(name: str, norm: str) -> None:
    a = small(name, discriminator_norm=norm, generator_norm="batch", width=0.3)
    for network_type in (Generator, Discriminator):
        network = seeded(network_type, a)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            initialise_normal(network, 0.02)
        weights, scales, biases = [], [], []
        for key, value in network.named_parameters():
            kind = biases if key.endswith("bias") else scales if value.ndim == 1 else weights
            kind.append(value.detach().flatten())
        assert not any(bias.any() for bias in biases)
        for weight in weights:
            if weight.numel() > 1000:
                assert float(weight.std()) == pytest.approx(0.02, rel=0.1)
        assert len(weights) == len(modules(network, *WEIGHTED.__args__)) >= 3
        everything = torch.cat(weights)
        assert float(everything.mean()) == pytest.approx(0, abs=1e-3)
        assert float(everything.std()) == pytest.approx(0.02, rel=0.03)
        assert len(scales) == len(modules(network, *NORMS.__args__))
        if scales:
            together = torch.cat(scales)
            assert float(together.mean()) == pytest.approx(1, abs=0.02)
            assert 0 < float(together.std()) < 0.05


# ------------------------------------------------------------------ options compose


@pytest.mark.parametrize("label", get_args(Label))
@pytest.mark.parametrize("latent", get_args(Latent))
def test_options_compose(label: Label, latent: Latent) -> None:
    latent_codes = []
    for generator_norm, discriminator_norm in product(
        get_args(GeneratorNorm), get_args(DiscriminatorNorm)
    ):
        a = Architecture(
            n_classes=3,
            channels=1,
            image_size=28,
            generator=((6,), (5, 4)),
            discriminator=((5,), (4, 4)),
            first_side=7,
            generator_kernel=4,
            output_kernel=3,
            discriminator_kernel=4,
            latent=latent,
            latent_dim=8,
            label=label,
            generator_norm=generator_norm,
            discriminator_norm=discriminator_norm,
            generator_slope=0.1,
            discriminator_slope=0.2,
            dropout=(0.2, 0.0),
        )
        assert read_architecture(json.loads(json.dumps(a.to_dict()))) == a
        noise, labels = inputs(a)
        latent_codes.append(noise)
        generator, discriminator = Generator(a), Discriminator(a)
        images = generator(noise, labels)
        assert images.shape == (3, 1, 28, 28)
        assert_all_learn(discriminator(images, labels), generator, discriminator)
        assert len(modules(generator, nn.BatchNorm2d)) == 3 * (generator_norm != "none")
        batch = discriminator_norm in ("batch", "batch-after")
        assert len(modules(discriminator, nn.BatchNorm2d)) == 2 * batch
        assert set(spectral_layers(discriminator)) == {discriminator_norm == "spectral"}
    # The law of the noise is its own option.
    assert all(torch.equal(code, latent_codes[0]) for code in latent_codes)


@pytest.mark.parametrize("label", ["none", "concatenate"])
@pytest.mark.parametrize("discriminator_norm", get_args(DiscriminatorNorm))
@pytest.mark.parametrize("generator_norm", get_args(GeneratorNorm))
def test_options_compose_in_dense_networks(
    label: str, discriminator_norm: str, generator_norm: str
) -> None:
    a = small(
        "cgan-dense",
        label=label,
        generator_norm=generator_norm,
        discriminator_norm=discriminator_norm,
        dropout=(0.2,),
    )
    latent, labels = inputs(a)
    generator, discriminator = Generator(a), Discriminator(a)
    scores = discriminator(generator(latent, labels), labels)
    assert_all_learn(scores, generator, discriminator)
    assert len(modules(generator, nn.BatchNorm1d)) == 2 * (generator_norm != "none")


@pytest.mark.parametrize("kernel", range(1, 10))
@pytest.mark.parametrize("output", ["double", "same", "grow"])
def test_every_kernel_makes_the_same_maps(kernel: int, output: str) -> None:
    sides = [7, 14, 14, 28, 28] if output == "same" else [7, 14, 14, 28]
    a = replace(
        small("cdcgan"),
        generator=((6,), (5, 4), (4,)) if output == "same" else ((6,), (5, 4)),
        discriminator=((5, 4), (4,)),
        output=output,  # type: ignore[arg-type]
        generator_kernel=kernel,
        output_kernel=kernel,
        discriminator_kernel=kernel,
    )
    assert read_architecture(a.to_dict()) == a
    latent, labels = inputs(a)
    lines, images = run_layers(Generator(a), latent, labels)
    assert sides_of(lines) == sides
    lines, scores = run_layers(Discriminator(a), images, labels)
    assert sides_of(lines) == [14, 14, 7, 1]
    assert scores.shape == (3,)


def sides_of(lines: list[str]) -> list[int]:
    return [int(line.split("> ")[1].split()[0]) for line in lines if ">" in line]


@pytest.mark.parametrize("name", DISTINCT)
def test_an_image_does_not_depend_on_its_neighbours_in_evaluation(name: str) -> None:
    architecture = small(name)
    generator = seeded(Generator, architecture).eval()
    latent, labels = inputs(architecture, 6)
    alone = torch.cat([generator(latent[i : i + 1], labels[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(generator(latent, labels), alone, rtol=1e-4, atol=1e-5)
