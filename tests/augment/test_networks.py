from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augment.networks import UPSAMPLINGS, Architecture, Discriminator, Generator
from augment.systems import SYSTEMS, get_system

SMOOTH = get_system("cdcgan-smooth").architecture(n_classes=10, channels=1, image_size=28)


def n_parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def modules(network: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kinds)]


def seeded(network_type: type[nn.Module], architecture: Architecture) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network_type(architecture)


def inputs(architecture: Architecture, n: int = 3) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(1)
    latent = torch.randn(n, architecture.latent_dim, generator=stream)
    return latent, torch.arange(n) % architecture.n_classes


def test_smooth_generator_is_as_published() -> None:
    # z 100 + one-hot 10; 7x7 unpadded stride 1, 5x5 s2, 5x5 s2; 256-128-1; BN on the first two.
    generator = Generator(SMOOTH)
    layers = modules(generator, nn.ConvTranspose2d)
    shapes = [tuple(layer.weight.shape) for layer in layers]  # (in, out, height, width)
    assert shapes == [(110, 256, 7, 7), (256, 128, 5, 5), (128, 1, 5, 5)]
    assert [layer.stride for layer in layers] == [(1, 1), (2, 2), (2, 2)]
    assert layers[0].padding == (0, 0)
    norms = modules(generator, nn.BatchNorm2d)
    assert [norm.num_features for norm in norms] == [256, 128]
    assert [layer.bias is not None for layer in layers] == [False, False, True]
    expected = 110 * 256 * 49 + 2 * 256 + 256 * 128 * 25 + 2 * 128 + 128 * 25 + 1
    assert n_parameters(generator) == expected == 2_203_009


def test_smooth_discriminator_is_as_published() -> None:
    # 1 + 10 planes; 5x5 s2, 5x5 s2, 7x7; 128-256-1; ReLU; BN on all but the first and the last.
    discriminator = Discriminator(SMOOTH)
    layers = modules(discriminator, nn.Conv2d)
    shapes = [tuple(layer.weight.shape) for layer in layers]  # (out, in, height, width)
    assert shapes == [(128, 11, 5, 5), (256, 128, 5, 5), (1, 256, 7, 7)]
    assert [layer.stride for layer in layers] == [(2, 2), (2, 2), (1, 1)]
    assert layers[2].padding == (0, 0)
    assert [norm.num_features for norm in modules(discriminator, nn.BatchNorm2d)] == [256]
    slopes = [layer.negative_slope for layer in modules(discriminator, nn.LeakyReLU)]
    assert slopes == [0, 0]
    expected = 11 * 128 * 25 + 128 + 128 * 256 * 25 + 2 * 256 + 256 * 49 + 1
    assert n_parameters(discriminator) == expected == 867_585


def test_smooth_maps_have_the_published_sizes() -> None:
    sizes: list[tuple[str, tuple[int, ...]]] = []
    generator, discriminator = Generator(SMOOTH), Discriminator(SMOOTH)
    for network in (generator, discriminator):
        for layer in modules(network, nn.ConvTranspose2d, nn.Conv2d, nn.BatchNorm2d):
            layer.register_forward_hook(
                lambda m, _, out: sizes.append((type(m).__name__, tuple(out.shape[1:])))
            )
    latent, labels = inputs(SMOOTH)
    images = generator(latent, labels)
    scores = discriminator(images, labels)
    assert sizes == [
        ("BatchNorm2d", (256, 7, 7)),  # The first convolution runs as a matrix product.
        ("ConvTranspose2d", (128, 14, 14)),
        ("BatchNorm2d", (128, 14, 14)),
        ("ConvTranspose2d", (1, 28, 28)),
        ("Conv2d", (128, 14, 14)),
        ("Conv2d", (256, 7, 7)),
        ("BatchNorm2d", (256, 7, 7)),
        ("Conv2d", (1, 1, 1)),
    ]
    assert images.shape == (3, 1, 28, 28)
    assert scores.shape == (3,)


def test_the_label_is_planes_beside_the_image() -> None:
    discriminator = Discriminator(replace(SMOOTH, base_channels=8))
    seen: list[Tensor] = []
    discriminator.downsample.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images = torch.randn(2, 1, 28, 28)
    discriminator(images, torch.tensor([3, 9]))
    (joined,) = seen
    assert joined.shape == (2, 11, 28, 28)
    assert torch.equal(joined[:, :1], images)
    assert joined[0, 1 + 3].eq(1).all()
    assert joined[1, 1 + 9].eq(1).all()
    assert joined[:, 1:].sum() == 2 * 28 * 28


def test_the_first_layer_is_the_transposed_convolution_of_noise_and_label() -> None:
    architecture = replace(SMOOTH, base_channels=8)
    generator = seeded(Generator, architecture).eval()
    assert isinstance(generator, Generator)
    latent, labels = inputs(architecture)
    code = torch.cat([latent, F.one_hot(labels, 10).float()], dim=1)
    hidden = generator.first(code[:, :, None, None])
    hidden = F.relu(generator.first_norm(hidden))
    expected = torch.tanh(generator.upsample(hidden))
    torch.testing.assert_close(generator(latent, labels), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", UPSAMPLINGS)
def test_every_size_and_channel_count(name: str, channels: int, image_size: int) -> None:
    architecture = get_system(name).architecture(5, channels, image_size, base_channels=4)
    generator, discriminator = Generator(architecture), Discriminator(architecture)
    latent, labels = inputs(architecture)
    images = generator(latent, labels)
    assert images.shape == (3, channels, image_size, image_size)
    assert images.abs().max() <= 1
    scores = discriminator(images, labels)
    assert scores.shape == (3,)
    scores.sum().backward()
    for network in (generator, discriminator):
        for name_, parameter in network.named_parameters():
            assert parameter.grad is not None, name_
            assert parameter.grad.isfinite().all(), name_
    first = generator.first.weight
    assert tuple(first.shape[2:]) == ((7, 7) if image_size == 28 else (8, 8))


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_label_matters_to_both_networks(name: str) -> None:
    architecture = get_system(name, base_channels=8).architecture(10, 1, 28)
    generator, discriminator = seeded(Generator, architecture), seeded(Discriminator, architecture)
    latent, _ = inputs(architecture, 1)
    a, b = torch.tensor([0]), torch.tensor([1])
    generator.eval()
    discriminator.eval()
    image = generator(latent, a)
    assert not torch.equal(image, generator(latent, b))
    assert not torch.equal(discriminator(image, a), discriminator(image, b))


def test_projection_is_a_linear_score_plus_the_inner_product() -> None:
    architecture = get_system("cdcgan-projection", base_channels=8).architecture(10, 1, 28)
    network = seeded(Discriminator, architecture).eval()
    assert isinstance(network, Discriminator)
    images, labels = torch.randn(4, 1, 28, 28), torch.tensor([0, 3, 3, 9])
    features = network.downsample(images).flatten(1)
    features = F.leaky_relu(network.hidden(features), 0.1)
    embedded = network.embedding.weight.T[labels]
    expected = network.score(features).flatten() + torch.einsum("nd,nd->n", embedded, features)
    torch.testing.assert_close(network(images, labels), expected)


def test_spectral_norm_bounds_every_layer() -> None:
    architecture = get_system("cdcgan-projection", base_channels=8).architecture(10, 1, 28)
    network = seeded(Discriminator, architecture)
    images, labels = torch.randn(2, 1, 28, 28), torch.tensor([0, 1])
    for _ in range(30):  # A power iteration a pass.
        network(images, labels)
    network.eval()
    layers = modules(network, nn.Conv2d, nn.Linear)
    assert len(layers) == 5
    for layer in layers:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        largest = torch.linalg.matrix_norm(weight.detach().flatten(1), 2)
        assert float(largest) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("label", ["concatenate", "projection"])
@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_options_compose(kernel_size: int, label: str, norm: str) -> None:
    architecture = Architecture(
        n_classes=3,
        channels=1,
        image_size=28,
        base_channels=4,
        kernel_size=kernel_size,
        label=label,  # type: ignore[arg-type]
        discriminator_norm=norm,  # type: ignore[arg-type]
    )
    latent, labels = inputs(architecture)
    images = Generator(architecture)(latent, labels)
    assert Discriminator(architecture)(images, labels).shape == (3,)
    assert Architecture(**architecture.to_dict()) == architecture


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_image_does_not_depend_on_its_neighbours_in_evaluation(name: str) -> None:
    architecture = get_system(name, base_channels=8).architecture(10, 1, 28)
    generator = seeded(Generator, architecture).eval()
    latent, labels = inputs(architecture, 6)
    alone = torch.cat([generator(latent[i : i + 1], labels[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(generator(latent, labels), alone, rtol=1e-4, atol=1e-5)
