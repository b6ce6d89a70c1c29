"""What a fitted classifier says of images: class probabilities and penultimate features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from classifiers.models.contract import Classifier, with_source


class Predictions(NamedTuple):
    """What a classifier says of N images."""

    probabilities: np.ndarray  # float32 N x n_classes, rows sum to 1
    features: np.ndarray  # float32 N x n_features, the penultimate activations

    @property
    def classes(self) -> np.ndarray:
        """The most probable class of each image, int64 N."""
        classes: np.ndarray = self.probabilities.argmax(axis=1)
        return classes


@torch.inference_mode()
def predict(network: Classifier, images: np.ndarray, batch_size: int = 500) -> Predictions:
    """Evaluate a classifier on images in blocks.

    Args:
        network: fitted, on any device, which computes.
        images: uint8 N x H x W x C; a memory-mapped array is read block by block. To a network
            with a source channel they are shown as real ones.
        batch_size: images a block; the result does not depend on it beyond rounding.

    Returns:
        Probabilities and features, float32.
    """
    network.eval()
    device = next(network.parameters()).device
    probabilities = np.empty((len(images), network.architecture.n_classes), dtype=np.float32)
    features = np.empty((len(images), network.n_features), dtype=np.float32)
    for start in range(0, len(images), batch_size):
        block = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
        inputs = network.to_input(block.permute(0, 3, 1, 2))
        if network.architecture.source_channel:
            inputs = with_source(inputs, torch.ones(len(inputs), device=device))
        hidden = network.features(inputs)
        answers = network.head(hidden).softmax(dim=1)
        features[start : start + len(block)] = hidden.cpu().numpy()
        probabilities[start : start + len(block)] = answers.cpu().numpy()
    return Predictions(probabilities, features)
