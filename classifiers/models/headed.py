"""Any network whose last linear layer is its last step, as a classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from classifiers.errors import ClassifierError
from classifiers.models.contract import Architecture, Classifier, try_network


class HeadedClassifier(Classifier):
    """A network cut before its last linear layer: ``body`` gives features, ``last`` logits.

    Args:
        body: takes float N x planes x S x S in [-1, 1] and returns logits; it is changed.
        architecture: what it is for.

    Raises:
        ClassifierError: in one line; it does not take the inputs, has no linear layer, or does
            something after it.
    """

    def __init__(self, body: nn.Module, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        name, self.last = last_linear(body, architecture.model)
        self.n_features = self.last.in_features
        logits = try_network(body, architecture)
        replace_module(body, name, nn.Identity())
        self.body = body
        if not torch.equal(logits, try_network(self, architecture)):
            raise ClassifierError(
                f"classifier.model is {architecture.model}, whose last nn.Linear, {name}, is not "
                "the last thing that it does; allowed: a network that ends with it, or a Classifier"
            )

    def features(self, inputs: Tensor) -> Tensor:
        """Return what the last linear layer sees: float N x ``n_features``."""
        features: Tensor = self.body(inputs)
        return features

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of features: float N x ``n_classes``."""
        logits: Tensor = self.last(features)
        return logits


def last_linear(body: nn.Module, model: str) -> tuple[str, nn.Linear]:
    """Return the dotted name and the layer of a network's last `nn.Linear`.

    Raises:
        ClassifierError: in one line; there is none.
    """
    layers = [(name, m) for name, m in body.named_modules() if name and isinstance(m, nn.Linear)]
    if not layers:
        raise ClassifierError(
            f"classifier.model is {model}, which holds no nn.Linear; allowed: one at its end"
        )
    return layers[-1]


def replace_module(body: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module in the place of the one of that dotted name."""
    parent, _, leaf = name.rpartition(".")
    setattr(body.get_submodule(parent), leaf, module)
