"""A classifier of the user's own: `package.module:factory`, found on Python's path."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from torch import nn

from classifiers.errors import ClassifierError
from classifiers.models.contract import Architecture, Classifier, try_network
from classifiers.models.headed import HeadedClassifier


def build_from_factory(architecture: Architecture) -> Classifier:
    """Call the factory that ``architecture.model`` names, and make what it returns a classifier.

    It is called with ``n_classes``, ``channels`` and ``input_size``; ``channels`` counts the plane
    that strategy source-channel adds. It returns a `Classifier`, or a network whose last
    `nn.Linear` is the last thing that it does.

    Raises:
        ClassifierError: in one line; there is no such factory, it fails, or returns another thing.
    """
    a = architecture
    module, _, name = a.model.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
        network = factory(n_classes=a.n_classes, channels=a.planes, input_size=a.input_size)
    except Exception as error:  # The user's code may raise anything.
        raise ClassifierError(
            f"classifier.model is {a.model}, which cannot be called: {type(error).__name__}: "
            f"{' '.join(str(error).split())[:300]}"
        ) from None
    if isinstance(network, Classifier):
        network.architecture = a
        try_network(network, a)
        return network
    if not isinstance(network, nn.Module):
        raise ClassifierError(
            f"classifier.model is {a.model}, which returns {type(network).__name__}; allowed: a "
            "torch.nn.Module"
        )
    return HeadedClassifier(network, a)


def factory_file(model: str) -> Path:
    """Return the source file of a factory, without calling it.

    Raises:
        ClassifierError: in one line; its module is not found.
    """
    module = model.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)
    except Exception as error:  # Packages above the module are imported.
        raise ClassifierError(
            f"classifier.model is {model}, and {module} is not found: {error}"
        ) from None
    if spec is None or spec.origin is None:
        raise ClassifierError(f"classifier.model is {model}, and there is no module {module}")
    return Path(spec.origin)
