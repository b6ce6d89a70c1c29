"""Checkpoints of classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from augment.checkpoints import CheckpointError, load_weights, read_meta, save_checkpoint
from augment.placing import CPU
from classifiers.errors import ClassifierError
from classifiers.models.contract import Architecture, Classifier
from classifiers.models.registry import build

_KIND = "classifier"
_LIMITS = {"n_classes": 10_000, "channels": 3, "image_size": 4096, "input_size": 512}


def save_classifier(folder: Path, network: Classifier, meta: Mapping[str, Any]) -> None:
    """Write a fitted classifier; ``meta`` says what it was fitted on."""
    architecture = {"architecture": network.architecture.to_dict()}
    save_checkpoint(folder, _KIND, network.state_dict(), {**meta, **architecture})


def load_classifier(folder: Path, own_model: str = "", device: torch.device = CPU) -> Classifier:
    """Rebuild a classifier on a device in evaluation mode.

    Args:
        folder: of the checkpoint.
        own_model: ``classifier.model`` of params.yaml. A checkpoint may come from anywhere, so the
            only code of the user's that it can have run is what the user names there.
        device: where it is to compute.

    Raises:
        CheckpointError: in one line, for anything missing, damaged or out of bounds.
    """
    meta = read_meta(folder, _KIND)
    try:
        architecture = Architecture(**meta["architecture"])
        for name, limit in _LIMITS.items():
            value = getattr(architecture, name)
            if type(value) is not int or not 1 <= value <= limit:
                raise ValueError(f"{name} is {value!r:.80}; allowed: 1 to {limit}")
        if type(architecture.source_channel) is not bool:
            raise ValueError(
                f"source_channel is {architecture.source_channel!r:.80}; allowed: true or false"
            )
        if type(architecture.model) is not str:
            raise ValueError(f"model is {architecture.model!r:.80}; allowed: a name")
        if ":" in architecture.model and architecture.model != own_model:
            raise ValueError(
                f"model is {architecture.model!r:.80}; allowed: code that classifier.model of "
                "params.yaml names"
            )
        network = build(architecture)
    except (KeyError, TypeError, ValueError, RuntimeError, ClassifierError) as error:
        reason = str(error)[:500]  # It may name a key, or a model, of any length.
        raise CheckpointError(f"{folder}/meta.json has no valid architecture: {reason}") from None
    load_weights(folder, network)
    return network.to(device).eval()
