"""torchvision's classification models, for gray and colour images of 28 to 128 pixels.

Source: `torchvision.models`, which names the paper of each.
"""

from __future__ import annotations

import torch
import torchvision.models
from torch import Tensor, nn

from classifiers.errors import ClassifierError
from classifiers.models.contract import Architecture, Classifier
from classifiers.models.headed import HeadedClassifier, last_linear, replace_module

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue in [0, 1]: what torchvision's weights were trained with."""

# No linear layer at the end, more than logits in training, or one input size only.
_LEFT_OUT = ("squeezenet", "googlenet", "inception", "vit_", "maxvit")


def model_names() -> list[str]:
    """Return the names of the models that can be had."""
    names = torchvision.models.list_models(module=torchvision.models)
    return [name for name in names if not name.startswith(_LEFT_OUT)]


def multiply_adds(model: str, side: int) -> float:
    """Return roughly how many multiplications a model does for an image of ``side`` pixels."""
    weights = torchvision.models.get_model_weights(model).DEFAULT
    # Published in thousand millions, for the side that it was made for.
    published, made_for = weights.meta["_ops"] * 1e9, weights.transforms.keywords["crop_size"]
    return float(published * (side / made_for) ** 2)


def build_torchvision(architecture: Architecture, *, pretrained: bool) -> Classifier:
    """Build a model with a new last layer; ``pretrained`` starts the others from ImageNet.

    Raises:
        ClassifierError: in one line; the input is too small for it, or its weights cannot be had.
    """
    a = architecture
    if a.model not in model_names():
        raise ClassifierError(f"classifier.model is {a.model}, which this torchvision has not")
    network = torchvision.models.get_model(a.model, weights=None)
    if pretrained:
        _load_pretrained(network, a.model)
    name, layer = last_linear(network, a.model)
    replace_module(network, name, nn.Linear(layer.in_features, a.n_classes))
    if a.source_channel:
        _add_plane(network)
    return HeadedClassifier(nn.Sequential(_ImageNetInput(a.channels), network), a)


def _load_pretrained(network: nn.Module, model: str) -> None:
    weights = torchvision.models.get_model_weights(model).DEFAULT
    try:
        # From torch hub's cache, else downloaded and compared with the digest in its name.
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        network.load_state_dict(state)
    except Exception as error:  # urllib, pickle and torch raise almost anything.
        raise ClassifierError(
            f"classifier.pretrained is true, and {model}'s weights cannot be had from "
            f"{weights.url} ({' '.join(str(error).split())[:200]}); put the file into "
            f"{torch.hub.get_dir()}/checkpoints, or set it to false"
        ) from None


def _add_plane(network: nn.Module) -> None:
    """Let the first convolution take one more plane, which counts for nothing to begin with."""
    convolution = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    zeros = torch.zeros_like(convolution.weight[:, :1])
    convolution.in_channels += 1
    convolution.weight = nn.Parameter(torch.cat([convolution.weight, zeros], dim=1).detach())


class _ImageNetInput(nn.Module):
    """From [-1, 1] to the three planes and the range that ImageNet's weights know.

    Gray is repeated, so that pretrained weights fit; a plane of the source passes through.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        # Not in the checkpoint: they are constants.
        for name, values in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        image, source = inputs[:, : self.channels], inputs[:, self.channels :]
        image = ((image + 1) / 2 - self.mean) / self.std
        return torch.cat([image, source], dim=1) if source.shape[1] else image
