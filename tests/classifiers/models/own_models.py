"""Classifiers as a user would write them: factories for `classifier.model`."""

import torch
from torch import Tensor, nn

from classifiers.models.contract import Architecture, Classifier
from classifiers.models.lenet import LeNet


def small(n_classes: int, channels: int, input_size: int) -> nn.Module:
    """A plain network with batch norm and dropout that ends with its head."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32, n_classes),
    )


class OwnClassifier(Classifier):
    """One that says itself what its features are."""

    n_features = 12

    def __init__(self, n_classes: int, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, self.n_features, 5)
        self.matrix = nn.Parameter(torch.randn(self.n_features, n_classes))

    def features(self, inputs: Tensor) -> Tensor:
        return self.convolution(inputs).amax(dim=(2, 3))

    def head(self, features: Tensor) -> Tensor:
        return features @ self.matrix


def own(n_classes: int, channels: int, input_size: int) -> Classifier:
    return OwnClassifier(n_classes, channels)


def probabilities(n_classes: int, channels: int, input_size: int) -> nn.Module:
    """Wrong: something comes after the last linear layer."""
    return nn.Sequential(small(n_classes, channels, input_size), nn.Softmax(dim=1))


def headless(n_classes: int, channels: int, input_size: int) -> nn.Module:
    """Wrong: there is no linear layer."""
    return nn.Sequential(nn.Conv2d(channels, n_classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def ten_classes(n_classes: int, channels: int, input_size: int) -> nn.Module:
    """Wrong: it does not ask how many classes there are."""
    return small(10, channels, input_size)


def nothing(n_classes: int, channels: int, input_size: int) -> None:
    """Wrong: no network."""


def broken(n_classes: int, channels: int, input_size: int) -> nn.Module:
    """Wrong: it raises."""
    raise KeyError("first\nsecond")


class WrongFeatures(OwnClassifier):
    """Wrong: the head is not what comes after the features."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + 1


def wrong_features(n_classes: int, channels: int, input_size: int) -> Classifier:
    return WrongFeatures(n_classes, channels)


class Double(LeNet):
    """LeNet in double precision."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.double()

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().features(inputs.double())


def double(n_classes: int, channels: int, input_size: int) -> Classifier:
    return Double(Architecture(n_classes, channels, input_size=input_size))


class Choosy(LeNet):
    """LeNet that looks at the numbers before it computes."""

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().features(inputs if inputs.sum() > 0 else -inputs)


def choosy(n_classes: int, channels: int, input_size: int) -> Classifier:
    return Choosy(Architecture(n_classes, channels, input_size=input_size))
