"""LeNet, the classifier of every study unless another one is named.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
recognition", 1998 (LeNet-5), with ReLU, max pooling and full connections between the two
convolutions, as is usual today.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from classifiers.models.contract import Architecture, Classifier


class LeNet(Classifier):
    """Two 5x5 convolutions with 2x2 max pooling, then 120, 84 and ``n_classes`` units."""

    n_features = 84

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        side = ((architecture.input_size - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(architecture.planes, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, self.n_features)
        self.fc3 = nn.Linear(self.n_features, architecture.n_classes)

    def features(self, inputs: Tensor) -> Tensor:
        """Return the penultimate activations: float N x 84, not negative."""
        # ReLU after pooling gives the same numbers on a quarter of the values.
        hidden = F.relu(_pool(self.conv1(inputs)))
        hidden = F.relu(_pool(self.conv2(hidden)))
        hidden = F.relu(self.fc1(hidden.flatten(1)))
        return F.relu(self.fc2(hidden))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features: float N x ``n_classes``."""
        logits: Tensor = self.fc3(features)
        return logits


def _pool(values: Tensor) -> Tensor:
    """Return 2 x 2 max pooling, the last row and column left out where the side is odd."""
    if torch.is_grad_enabled():
        return F.max_pool2d(values, 2)
    # PyTorch also finds where each largest value was, which takes most of the time that features
    # take. These maxima are the same numbers; only gradients would be others, where two are equal.
    height, width = (side // 2 * 2 for side in values.shape[-2:])
    rows = torch.maximum(values[..., 0:height:2, :width], values[..., 1:height:2, :width])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])
