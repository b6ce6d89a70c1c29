"""LeNet, the classifier of every cell, the judge and the examiner.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
recognition", 1998 (LeNet-5), with ReLU, max pooling and full connections between the two
convolutions, as is usual today.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 84
"""Width of the penultimate layer: the features that FID and the nearest neighbours use."""


@dataclass(frozen=True)
class LeNetArchitecture:
    """Every argument that rebuilds a LeNet."""

    n_classes: int
    channels: int = 1
    image_size: int = 28
    input_size: int = 32
    source_channel: bool = False  # one more plane: +1 for a real image, -1 for a generated one

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments as plain JSON values."""
        return asdict(self)


class LeNet(nn.Module):
    """Two 5x5 convolutions with 2x2 max pooling, then 120, 84 and ``n_classes`` units.

    Images smaller than ``input_size`` are padded with black, larger ones are reduced with
    antialiasing, so that any image set runs through the same network.
    """

    def __init__(self, architecture: LeNetArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        side = ((architecture.input_size - 4) // 2 - 4) // 2
        planes = architecture.channels + architecture.source_channel
        self.conv1 = nn.Conv2d(planes, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, FEATURES)
        self.fc3 = nn.Linear(FEATURES, architecture.n_classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the penultimate activations.

        Args:
            images: float N x C x ``input_size`` x ``input_size`` in [-1, 1], from ``to_input``;
                with a source channel one more plane, from ``with_source``.

        Returns:
            float N x 84, not negative.
        """
        # ReLU after pooling gives the same numbers on a quarter of the values.
        hidden = F.relu(F.max_pool2d(self.conv1(images), 2))
        hidden = F.relu(F.max_pool2d(self.conv2(hidden), 2))
        hidden = F.relu(self.fc1(hidden.flatten(1)))
        return F.relu(self.fc2(hidden))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, float N x ``n_classes``; ``images`` as in ``features``."""
        logits: Tensor = self.fc3(self.features(images))
        return logits


def to_input(images: Tensor, input_size: int) -> Tensor:
    """Bring pixels to LeNet's input.

    Args:
        images: uint8 N x C x H x W in 0 to 255, or float in [-1, 1] (a generator's output; the
            result is differentiable with respect to it).
        input_size: side of the result, in pixels.

    Returns:
        float32 N x C x ``input_size`` x ``input_size`` in [-1, 1].
    """
    pixels = images.float()
    if not images.is_floating_point():
        pixels = pixels.div_(127.5).sub_(1)
    side = pixels.shape[-1]
    if side < input_size:
        before = (input_size - side) // 2
        after = input_size - side - before
        return F.pad(pixels, (before, after, before, after), value=-1.0)
    if side > input_size:
        return F.interpolate(pixels, size=(input_size, input_size), mode="bilinear", antialias=True)
    return pixels


def with_source(inputs: Tensor, source: Tensor) -> Tensor:
    """Add the plane that tells where an image comes from.

    Args:
        inputs: float N x C x H x W, from ``to_input``.
        source: float N, +1 for a real image and -1 for a generated one.

    Returns:
        float N x (C + 1) x H x W.
    """
    plane = source.view(-1, 1, 1, 1).expand(-1, 1, *inputs.shape[2:])
    return torch.cat([inputs, plane], dim=1)
