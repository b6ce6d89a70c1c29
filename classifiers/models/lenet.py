"""LeNet, the classifier of every study unless another one is named.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
recognition", 1998 (LeNet-5), with ReLU, max pooling and full connections between the two
convolutions, as is usual today.
"""

from __future__ import annotations

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
        hidden = F.relu(F.max_pool2d(self.conv1(inputs), 2))
        hidden = F.relu(F.max_pool2d(self.conv2(hidden), 2))
        hidden = F.relu(self.fc1(hidden.flatten(1)))
        return F.relu(self.fc2(hidden))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features: float N x ``n_classes``."""
        logits: Tensor = self.fc3(features)
        return logits
