"""Which classifiers there are: our own by name, torchvision's, and factories of the user's.

Nothing heavy is imported here, so that params.yaml can be checked quickly.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classifiers.models.contract import Architecture, Classifier

BUILT_IN = {"lenet": ("classifiers.models.lenet", "LeNet")}
"""Module and class of our own classifiers: called with an `Architecture`, never pretrained."""

_ROOT = Path(__file__).parents[2]


def build(architecture: Architecture, *, pretrained: bool = False) -> Classifier:
    """Build the classifier that an architecture describes, from PyTorch's global random state.

    Args:
        architecture: its ``model`` is a key of `BUILT_IN`, a torchvision model or
            ``package.module:factory``.
        pretrained: whether a torchvision model starts from its ImageNet weights.

    Raises:
        ClassifierError: in one line; it cannot be built for these images.
    """
    if architecture.model in BUILT_IN:
        module, name = BUILT_IN[architecture.model]
        network: Classifier = getattr(importlib.import_module(module), name)(architecture)
        return network
    if ":" in architecture.model:
        from classifiers.models.factory import build_from_factory

        return build_from_factory(architecture)
    from classifiers.models.torchvision import build_torchvision

    return build_torchvision(architecture, pretrained=pretrained)


def code_files(model: str) -> list[Path]:
    """Return the source files that decide what a model is; a result depends on them.

    Raises:
        ClassifierError: in one line; the module of a factory is not found.
    """
    here = _ROOT / "classifiers" / "models"
    files = [here / "contract.py"]
    if model in BUILT_IN:
        return [*files, _ROOT.joinpath(*BUILT_IN[model][0].split(".")).with_suffix(".py")]
    files.append(here / "headed.py")
    if ":" in model:
        from classifiers.models.factory import factory_file

        return [*files, here / "factory.py", factory_file(model)]
    return [*files, here / "torchvision.py"]
