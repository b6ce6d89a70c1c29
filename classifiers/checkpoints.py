"""LeNet checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augment.checkpoints import CheckpointError, load_weights, read_meta, save_checkpoint
from classifiers.lenet import LeNet, LeNetArchitecture

_LIMITS = {"n_classes": 10_000, "channels": 3, "image_size": 4096, "input_size": 512}


def save_lenet(folder: Path, network: LeNet, meta: Mapping[str, Any]) -> None:
    """Write a fitted LeNet; ``meta`` says what it was fitted on."""
    architecture = {"architecture": network.architecture.to_dict()}
    save_checkpoint(folder, "lenet", network.state_dict(), {**meta, **architecture})


def load_lenet(folder: Path) -> LeNet:
    """Rebuild a LeNet on the CPU in evaluation mode.

    Raises:
        CheckpointError: in one line, for anything missing, damaged or out of bounds.
    """
    meta = read_meta(folder, "lenet")
    try:
        architecture = LeNetArchitecture(**meta["architecture"])
        for name, limit in _LIMITS.items():
            value = getattr(architecture, name)
            if type(value) is not int or not 1 <= value <= limit:
                raise ValueError(f"{name} is {value!r}; allowed: 1 to {limit}")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}/meta.json has no valid architecture: {error}") from None
    network = LeNet(architecture)
    load_weights(folder, network)
    return network.eval()
