"""Generators and discriminators, built from options that compose.

The family is the DCGAN (Radford, Metz, Chintala, 2016) made conditional (Mirza & Osindero,
2014): transposed convolutions up from noise, strided convolutions down to a score.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

UPSAMPLINGS = {28: 2, 32: 2, 64: 3, 128: 4}
"""Doublings between the generator's first map (7x7 or 8x8) and the image, by image side."""


@dataclass(frozen=True)
class Architecture:
    """Every argument that rebuilds a generator and its discriminator."""

    n_classes: int
    channels: int  # 1 gray, 3 colour
    image_size: int  # side in pixels: 28, 32, 64 or 128
    base_channels: int  # maps of the layer next to the image; they double toward the middle
    latent_dim: int = 100  # length of the noise vector, standard normal
    kernel_size: int = 5  # side of the strided convolutions: 4 or 5
    label: Literal["concatenate", "projection"] = "concatenate"  # the discriminator's label path
    discriminator_norm: Literal["batch", "spectral"] = "batch"
    discriminator_slope: float = 0.0  # negative slope of its LeakyReLU; 0 is ReLU

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments as plain JSON values."""
        return asdict(self)

    @property
    def n_scales(self) -> int:
        """Number of doublings between the first map and the image."""
        return UPSAMPLINGS[self.image_size]

    @property
    def first_side(self) -> int:
        """Side of the generator's first map, in pixels."""
        return int(self.image_size // 2**self.n_scales)


class Generator(nn.Module):
    """Noise and a label to an image.

    The one-hot label is concatenated to the noise; an unpadded transposed convolution makes the
    first map, further ones of stride 2 double it, each but the last followed by batch norm and
    ReLU; tanh closes. For 28x28 this is 7x7, 5x5 s2, 5x5 s2.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        widths = [a.base_channels * 2 ** (a.n_scales - 1 - i) for i in range(a.n_scales)]
        # On a 1x1 map this transposed convolution is a matrix product, and is computed as one.
        self.first = nn.ConvTranspose2d(
            a.latent_dim + a.n_classes, widths[0], a.first_side, bias=False
        )
        self.first_norm = nn.BatchNorm2d(widths[0])
        padding = (a.kernel_size - 1) // 2
        extra = a.kernel_size % 2
        layers: list[nn.Module] = []
        for width_in, width_out in zip(widths, [*widths[1:], a.channels], strict=True):
            last = len(layers) == 3 * (a.n_scales - 1)
            layers.append(
                nn.ConvTranspose2d(
                    width_in,
                    width_out,
                    a.kernel_size,
                    stride=2,
                    padding=padding,
                    output_padding=extra,
                    bias=last,
                )
            )
            if not last:
                layers += [nn.BatchNorm2d(width_out), nn.ReLU(inplace=True)]
        self.upsample = nn.Sequential(*layers)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Return images.

        Args:
            latent: float N x ``latent_dim``, standard normal.
            labels: int64 N in [0, ``n_classes``).

        Returns:
            float N x C x H x W in [-1, 1].
        """
        one_hot = F.one_hot(labels, self.architecture.n_classes).to(latent.dtype)
        code = torch.cat([latent, one_hot], dim=1)
        weight = self.first.weight
        hidden = (code @ weight.flatten(1)).view(-1, *weight.shape[1:])
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        hidden = F.relu(self.first_norm(hidden))
        return torch.tanh(self.upsample(hidden))


class Discriminator(nn.Module):
    """An image and a label to one score (a logit, or the hinge loss's margin).

    Strided convolutions halve the image down to 7x7 or 8x8. With ``label="concatenate"`` the
    one-hot label is repeated over the pixels and concatenated to the image, and an unpadded
    convolution over the last map gives the score. With ``label="projection"`` the score is a
    linear function of the features plus their inner product with the label's embedding
    (Miyato & Koyama, 2018, eq. 3).
    """

    PROJECTION_FEATURES = 256

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        spectral = a.discriminator_norm == "spectral"
        projection = a.label == "projection"
        layers: list[nn.Module] = []
        width_in = a.channels if projection else a.channels + a.n_classes
        for scale in range(a.n_scales):
            width_out = a.base_channels * 2**scale
            # Batch norm follows every convolution but the first and has its own shift.
            normed = not spectral and scale > 0
            convolution = nn.Conv2d(
                width_in,
                width_out,
                a.kernel_size,
                stride=2,
                padding=(a.kernel_size - 1) // 2,
                bias=not normed,
            )
            layers.append(spectral_norm(convolution) if spectral else convolution)
            if normed:
                layers.append(nn.BatchNorm2d(width_out))
            layers.append(nn.LeakyReLU(a.discriminator_slope, inplace=True))
            width_in = width_out
        self.downsample = nn.Sequential(*layers)
        if projection:
            flat = width_in * a.first_side**2
            hidden = nn.Linear(flat, self.PROJECTION_FEATURES)
            score = nn.Linear(self.PROJECTION_FEATURES, 1)
            embedding = nn.Linear(a.n_classes, self.PROJECTION_FEATURES, bias=False)
            self.hidden = spectral_norm(hidden) if spectral else hidden
            self.score: nn.Module = spectral_norm(score) if spectral else score
            self.embedding = spectral_norm(embedding) if spectral else embedding
        else:
            last = nn.Conv2d(width_in, 1, a.first_side)
            self.score = spectral_norm(last) if spectral else last

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return scores.

        Args:
            images: float N x C x H x W in [-1, 1].
            labels: int64 N in [0, ``n_classes``).

        Returns:
            float N: higher means "real".
        """
        a = self.architecture
        one_hot = F.one_hot(labels, a.n_classes).to(images.dtype)
        if a.label == "concatenate":
            planes = one_hot[:, :, None, None].expand(-1, -1, a.image_size, a.image_size)
            hidden = self.downsample(torch.cat([images, planes], dim=1))
            score: Tensor = self.score(hidden)
            return score.flatten()
        hidden = self.downsample(images).contiguous().flatten(1)
        hidden = F.leaky_relu(self.hidden(hidden), a.discriminator_slope)
        score = self.score(hidden).flatten()
        projection: Tensor = (self.embedding(one_hot) * hidden).sum(dim=1)
        return score + projection
