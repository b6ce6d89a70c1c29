"""Generators and what they are trained against, built from an architecture's table and options.

The families are the DCGAN (Radford, Metz, Chintala, 2016), made conditional (Mirza & Osindero,
2014), the same with dense layers (Goodfellow et al., 2014), and the adversarial autoencoder
(Makhzani et al., 2015).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from augment.generators.gan.architectures import PROJECTION_FEATURES, Architecture


class Generator(nn.Module):
    """Noise and a label to an image.

    The label joins the noise as ``architecture.label`` says: one-hot and concatenated; through a
    transposed convolution of its own, as wide as the noise's; or through a dense layer to one
    more map. ``none`` ignores it. tanh closes.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        concatenated = a.n_classes if a.label in ("concatenate", "projection") else 0
        if a.kind == "dense":
            widths = [a.latent_dim + concatenated, *(c for stage in a.generator for c in stage)]
            layers = _dense_layers(widths, a.generator_norm, a.generator_slope)
            pixels = a.channels * a.image_size**2
            self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], pixels))
            return
        width = a.generator[0][0]
        noise_width = width // 2 if a.label == "convolution" else width
        normed = a.generator_norm != "none"
        self.first = _first(a, a.latent_dim + concatenated, noise_width, bias=not normed)
        if a.label == "convolution":
            self.first_label = _first(a, a.n_classes, width - noise_width, bias=not normed)
        elif a.label == "dense":
            self.first_label = _label_plane(a.n_classes, a.first_side)
        self.first_norm = nn.BatchNorm2d(width) if normed else nn.Identity()
        self.upsample = nn.Sequential(*_upsampling(a, width + (a.label == "dense")))

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Return images.

        Args:
            latent: float N x ``latent_dim``, of the architecture's law.
            labels: int64 N in [0, ``n_classes``); ignored where the label is ``none``.

        Returns:
            float N x C x H x W in [-1, 1].
        """
        a = self.architecture
        code = latent
        if a.label != "none":
            one_hot = F.one_hot(labels, a.n_classes).to(latent.dtype)
        if a.label in ("concatenate", "projection"):
            code = torch.cat([latent, one_hot], dim=1)
        if a.kind == "dense":
            image: Tensor = torch.tanh(self.layers(code))
            return image.view(-1, a.channels, a.image_size, a.image_size)
        hidden = _first_map(self.first, code, a.first_side)
        if a.label == "convolution":
            hidden = torch.cat([hidden, _first_map(self.first_label, one_hot, a.first_side)], dim=1)
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        if a.generator_norm != "batch-after":
            hidden = self.first_norm(hidden)
        if a.first_activation:
            hidden = F.leaky_relu(hidden, a.generator_slope) if a.generator_slope else hidden.relu()
        if a.generator_norm == "batch-after":
            hidden = self.first_norm(hidden)
        if a.label == "dense":
            plane = self.first_label(one_hot).view(-1, 1, a.first_side, a.first_side)
            hidden = torch.cat([hidden, plane], dim=1)
        return torch.tanh(self.upsample(hidden))

    def noise(self, n: int, stream: torch.Generator) -> Tensor:
        """Return noise as `draw_latent` draws it."""
        return draw_latent(self.architecture, n, stream)

    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Return images as `forward` does."""
        images: Tensor = self(noise, labels)
        return images


class Discriminator(nn.Module):
    """An image and a label to one score (a logit, or the hinge loss's margin).

    The label joins the image as ``architecture.label`` says: one-hot and repeated over the pixels;
    through a convolution of its own, as wide as the image's; or through a dense layer to one more
    plane. With ``projection`` the score is a linear function of the features plus their inner
    product with the label's embedding (Miyato & Koyama, 2018, eq. 3). ``none`` ignores it. A
    convolution over all of the last map, which is a dense layer, gives the score.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        planes = {"concatenate": a.n_classes, "dense": 1}.get(a.label, 0)
        if a.kind == "dense":
            widths = [
                a.channels * a.image_size**2 + planes,
                *(c for stage in a.discriminator for c in stage),
            ]
            layers = _dense_layers(
                widths, a.discriminator_norm, a.discriminator_slope, a.dropout,
                norms_first=a.discriminator_norms_first,
            )  # fmt: skip
            self.layers = nn.Sequential(*layers, _spectral(a, nn.Linear(widths[-1], 1)))
            return
        if a.label == "dense":
            self.label_plane = _spectral(a, _label_plane(a.n_classes, a.image_size))
        layers, width, side = _downsampling(a, a.channels + planes)
        if a.label == "convolution":
            # The first convolution is two: half of its maps see the image, half the label.
            first = layers[0]
            assert isinstance(first, nn.Conv2d)
            layers = layers[1:]
            half = first.out_channels // 2
            bias = first.bias is not None
            self.image_first = _spectral(a, _halving(a, a.channels, half, bias=bias))
            rest = first.out_channels - half
            self.label_first = _spectral(a, _halving(a, a.n_classes, rest, bias=bias))
        self.downsample = nn.Sequential(*layers)
        if a.label == "projection":
            flat = width * side**2
            hidden = nn.Linear(flat, PROJECTION_FEATURES)
            score = nn.Linear(PROJECTION_FEATURES, 1)
            embedding = nn.Linear(a.n_classes, PROJECTION_FEATURES, bias=False)
            self.hidden = _spectral(a, hidden)
            self.activation = nn.LeakyReLU(a.discriminator_slope)  # A module, for `set_slope`.
            self.score = _spectral(a, score)
            self.embedding = _spectral(a, embedding)
        else:
            self.score = _spectral(a, nn.Conv2d(width, 1, side))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return scores.

        Args:
            images: float N x C x H x W in [-1, 1].
            labels: int64 N in [0, ``n_classes``); ignored where the label is ``none``.

        Returns:
            float N: higher means "real".
        """
        a = self.architecture
        if a.label != "none":
            one_hot = F.one_hot(labels, a.n_classes).to(images.dtype)
        if a.kind == "dense":
            flat = images.flatten(1)
            joined = torch.cat([flat, one_hot], dim=1) if a.label == "concatenate" else flat
            dense_score: Tensor = self.layers(joined)
            return dense_score.flatten()
        if a.label == "projection":
            hidden = self.downsample(images).contiguous().flatten(1)
            hidden = self.activation(self.hidden(hidden))
            linear: Tensor = self.score(hidden).flatten()
            projection: Tensor = (self.embedding(one_hot) * hidden).sum(dim=1)
            return linear + projection
        joined = images
        if a.label == "dense":
            plane = self.label_plane(one_hot).view(-1, 1, a.image_size, a.image_size)
            joined = torch.cat([images, plane], dim=1)
        elif a.label != "none":
            planes = one_hot[:, :, None, None].expand(-1, -1, a.image_size, a.image_size)
            if a.label == "concatenate":
                joined = torch.cat([images, planes], dim=1)
            else:
                joined = torch.cat([self.image_first(images), self.label_first(planes)], dim=1)
        map_score: Tensor = self.score(self.downsample(joined))
        return map_score.flatten()


class Encoder(nn.Module):
    """An image to a code: the encoder of an adversarial autoencoder."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        layers, width, side = _downsampling(a, a.channels)
        self.downsample = nn.Sequential(*layers)
        self.code = nn.Conv2d(width, a.latent_dim, side)

    def forward(self, images: Tensor) -> Tensor:
        """Return codes, float N x ``latent_dim``, of images N x C x H x W in [-1, 1]."""
        code: Tensor = self.code(self.downsample(images))
        return code.flatten(1)


class CodeDiscriminator(nn.Module):
    """A code to one logit: higher means "drawn from the prior". Dense layers, LeakyReLU 0.2."""

    SLOPE = 0.2

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = [architecture.latent_dim, *architecture.code_discriminator]
        layers = _dense_layers(widths, "none", self.SLOPE)
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits, float N, of codes N x ``latent_dim``."""
        score: Tensor = self.layers(codes)
        return score.flatten()


def draw_latent(architecture: Architecture, n: int, stream: torch.Generator) -> Tensor:
    """Return noise, float32 n x ``latent_dim``, of the architecture's law."""
    shape = (n, architecture.latent_dim)
    if architecture.latent == "uniform":
        return torch.rand(shape, generator=stream).mul_(2).sub_(1)
    return torch.randn(shape, generator=stream)


@torch.no_grad()
def initialise_normal(network: nn.Module, std: float) -> None:
    """Draw weights from N(0, std) and batch norm's scales from N(1, std); biases are 0.

    As in Radford et al., 2016, section 4, with std 0.02.
    """
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:  # Batch norm's scales are vectors.
            nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, std)


def set_slope(network: nn.Module, slope: float) -> None:
    """Set the negative slope of every LeakyReLU of a network."""
    for module in network.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = slope


def _first(a: Architecture, width_in: int, width: int, *, bias: bool) -> nn.Module:
    if a.first_layer == "dense":
        return nn.Linear(width_in, width * a.first_side**2)
    return nn.ConvTranspose2d(width_in, width, a.first_side, bias=bias)


def _label_plane(n_classes: int, side: int) -> nn.Linear:
    """Return a dense layer from a one-hot label to a plane, which starts as an embedding does.

    PyTorch's own start makes planes that hardly differ, and both networks then ignore the label for
    epochs.
    """
    layer = nn.Linear(n_classes, side**2)
    nn.init.normal_(layer.weight)
    return layer


def _first_map(first: nn.Module, code: Tensor, side: int) -> Tensor:
    """Make the first map of a code, N x channels x side x side."""
    if isinstance(first, nn.Linear):
        first_map: Tensor = first(code)
        return first_map.view(len(code), -1, side, side)
    # On a 1x1 map this transposed convolution is a matrix product, and is computed as one.
    assert isinstance(first, nn.ConvTranspose2d)
    weight, bias = first.weight, first.bias
    hidden = (code @ weight.flatten(1)).view(-1, *weight.shape[1:])
    return hidden if bias is None else hidden + bias.view(1, -1, 1, 1)


def _activation(slope: float) -> nn.Module:
    return nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)


def _upsampling(a: Architecture, width_in: int) -> Iterator[nn.Module]:
    """Yield the layers from the first map to the image, without the closing tanh."""
    normed = a.generator_norm != "none"
    first, *others = a.generator
    strides = [(c, 1) for c in first[1:]]
    strides += [(c, 2 if i == 0 else 1) for stage in others for i, c in enumerate(stage)]
    for width, stride in strides:
        if stride == 2:
            yield _doubling(width_in, width, a.generator_kernel, bias=not normed)
        else:
            # A transposed convolution of stride 1 is a convolution with the kernel turned around.
            yield _same(width_in, width, a.generator_kernel, bias=not normed)
        norm = [nn.BatchNorm2d(width)] if normed else []
        activation = _activation(a.generator_slope)
        yield from (
            [activation, *norm] if a.generator_norm == "batch-after" else [*norm, activation]
        )
        width_in = width
    if a.output == "double":
        yield _doubling(width_in, a.channels, a.output_kernel, bias=True)
    elif a.output == "same":
        yield _same(width_in, a.channels, a.output_kernel, bias=True)
    else:
        side = a.first_side * 2 ** len(others)
        yield nn.ConvTranspose2d(width_in, a.channels, a.image_size - side + 1)


def _doubling(width_in: int, width_out: int, kernel: int, *, bias: bool) -> nn.Module:
    """Return a transposed convolution of stride 2 that doubles a map exactly."""
    return nn.ConvTranspose2d(
        width_in,
        width_out,
        kernel,
        stride=2,
        padding=(kernel - 1) // 2,
        output_padding=kernel % 2,
        bias=bias,
    )


def _same(width_in: int, width: int, kernel: int, *, bias: bool) -> nn.Module:
    """Return a convolution of stride 1 that keeps a map's side."""
    if kernel % 2:
        return nn.Conv2d(width_in, width, kernel, padding=kernel // 2, bias=bias)
    before, after = (kernel - 1) // 2, kernel // 2
    pad = nn.ZeroPad2d((before, after, before, after))
    return nn.Sequential(pad, nn.Conv2d(width_in, width, kernel, bias=bias))


def _halving(a: Architecture, width_in: int, width: int, *, bias: bool) -> nn.Conv2d:
    kernel = a.discriminator_kernel
    return nn.Conv2d(width_in, width, kernel, 2, padding=(kernel - 1) // 2, bias=bias)


def _spectral(a: Architecture, layer: nn.Module) -> nn.Module:
    return spectral_norm(layer) if a.discriminator_norm == "spectral" else layer


def _downsampling(a: Architecture, width_in: int) -> tuple[list[nn.Module], int, int]:
    """Return the layers from the image to the last map, its channels and its side."""
    strides = [(c, 1 if i else 2) for stage in a.discriminator for i, c in enumerate(stage)]
    rates = _dropout_rates(a.dropout, len(strides))
    batch = a.discriminator_norm.startswith("batch")
    layers: list[nn.Module] = []
    side: int = a.image_size
    for index, (width, stride) in enumerate(strides):
        normed = batch and (index > 0 or a.discriminator_norms_first)
        # Batch norm has its own shift.
        if stride == 2:
            convolution: nn.Module = _halving(a, width_in, width, bias=not normed)
        else:
            convolution = _same(width_in, width, a.discriminator_kernel, bias=not normed)
        if isinstance(convolution, nn.Sequential):  # Padding has no weight.
            convolution[-1] = _spectral(a, convolution[-1])
        else:
            convolution = _spectral(a, convolution)
        norm = [nn.BatchNorm2d(width)] if normed else []
        activation = nn.LeakyReLU(a.discriminator_slope, inplace=True)
        layers.append(convolution)
        layers += (
            [activation, *norm] if a.discriminator_norm == "batch-after" else [*norm, activation]
        )
        layers += [nn.Dropout(rates[index])] if rates[index] else []
        width_in = width
        if stride == 2:
            kernel = a.discriminator_kernel
            side = (side + 2 * ((kernel - 1) // 2) - kernel) // 2 + 1
    layers += [nn.Dropout(rates[-1])] if rates[-1] else []
    return layers, width_in, side


def _dropout_rates(dropout: tuple[float, ...], n_layers: int) -> list[float]:
    """Return a rate for each layer and one for before the score."""
    if not dropout:
        return [0.0] * (n_layers + 1)
    missing = n_layers + 1 - len(dropout)
    return [*[dropout[0]] * missing, *dropout[max(0, -missing) :]]


def _dense_layers(
    widths: list[int],
    norm: str,
    slope: float,
    dropout: tuple[float, ...] = (),
    *,
    norms_first: bool = True,
) -> list[nn.Module]:
    """Return dense layers through ``widths``, each with its norm, activation and dropout."""
    layers: list[nn.Module] = []
    rates = _dropout_rates(dropout, len(widths) - 1)
    for index, (width_in, width) in enumerate(pairwise(widths)):
        normed = norm.startswith("batch") and (index > 0 or norms_first)
        linear = nn.Linear(width_in, width, bias=not normed)
        layers.append(spectral_norm(linear) if norm == "spectral" else linear)
        norms: list[nn.Module] = [nn.BatchNorm1d(width)] if normed else []
        activation: nn.Module = nn.LeakyReLU(slope, inplace=True)
        layers += [activation, *norms] if norm == "batch-after" else [*norms, activation]
        layers += [nn.Dropout(rates[index])] if rates[index] else []
    layers += [nn.Dropout(rates[-1])] if rates[-1] else []
    return layers
