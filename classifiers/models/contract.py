"""What a classifier is to the rest of the project: judge, examiner and the networks of the cells.

A classifier is a network with a last linear layer: what comes before it are the features that
FID, KID and the projections use, and the layer turns them into logits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from classifiers.errors import ClassifierError


@dataclass(frozen=True)
class Architecture:
    """Every argument that rebuilds a classifier, whatever its model."""

    n_classes: int
    channels: int = 1
    image_size: int = 28
    input_size: int = 32
    source_channel: bool = False  # one more plane: +1 for a real image, -1 for a generated one
    model: str = "lenet"  # a name that `classifiers.models.registry` finds

    @property
    def planes(self) -> int:
        """Planes of the input: the channels, and that of the source where there is one."""
        return self.channels + self.source_channel

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments as plain JSON values."""
        return asdict(self)


class Classifier(nn.Module):
    """Base of all classifiers: a subclass gives ``n_features``, ``features`` and ``head``.

    Inputs are float N x ``architecture.planes`` x S x S in [-1, 1], where S is
    ``architecture.input_size``: what `to_input` returns, with a source channel one more plane from
    `with_source`.
    """

    architecture: Architecture
    n_features: int

    def features(self, inputs: Tensor) -> Tensor:
        """Return what the last layer sees: float N x ``n_features``."""
        raise NotImplementedError

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features: float N x ``n_classes``."""
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits, float N x ``n_classes``."""
        return self.head(self.features(inputs))

    def to_input(self, pixels: Tensor) -> Tensor:
        """Bring pixels to the network's input; see the function of that name."""
        return to_input(pixels, self.architecture.input_size)


def to_input(pixels: Tensor, input_size: int) -> Tensor:
    """Bring pixels to a network's input: small images are padded with black, large ones reduced.

    Args:
        pixels: uint8 N x C x H x W in 0 to 255, or float in [-1, 1] (a generator's output; the
            result is differentiable with respect to it).
        input_size: side of the result, in pixels.

    Returns:
        float32 N x C x ``input_size`` x ``input_size`` in [-1, 1].
    """
    inputs = pixels.float()
    if not pixels.is_floating_point():
        inputs = inputs.div_(127.5).sub_(1)
    side = inputs.shape[-1]
    if side < input_size:
        before = (input_size - side) // 2
        after = input_size - side - before
        return F.pad(inputs, (before, after, before, after), value=-1.0)
    if side > input_size:
        return F.interpolate(inputs, size=(input_size, input_size), mode="bilinear", antialias=True)
    return inputs


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


@torch.no_grad()
def try_network(network: nn.Module, architecture: Architecture) -> Tensor:
    """Return a network's logits of two inputs, in evaluation mode: float 2 x ``n_classes``.

    A `Classifier` must give the same by its parts.

    Raises:
        ClassifierError: in one line; it does not take the inputs, or its answer is another one.
    """
    a, training = architecture, network.training
    values = torch.linspace(-1, 1, 2 * a.planes * a.input_size**2)
    inputs = values.reshape(2, a.planes, a.input_size, a.input_size)
    network.eval()
    try:
        logits: Tensor = network(inputs)
        answers = [logits]
        found = {"logits": (tuple(logits.shape), (2, a.n_classes))}
        if isinstance(network, Classifier):
            features = network.features(inputs)
            found["features"] = (tuple(features.shape), (2, network.n_features))
            answers.append(network.head(features))
    except Exception as error:  # Networks of the user's may raise anything.
        raise ClassifierError(
            f"classifier.model is {a.model}, which does not take {a.planes} x {a.input_size} x "
            f"{a.input_size} inputs: {' '.join(str(error).split())[:300]}"
        ) from None
    network.train(training)
    for what, (shape, allowed) in found.items():
        if shape != allowed:
            raise ClassifierError(
                f"classifier.model is {a.model}, whose {what} of 2 inputs are {shape}; "
                f"allowed: {allowed}"
            )
    if not torch.equal(answers[0], answers[-1]):
        raise ClassifierError(
            f"classifier.model is {a.model}, whose logits are not head(features(inputs))"
        )
    return logits
