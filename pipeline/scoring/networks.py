"""Images as the examiner, and InceptionV3 where it is asked for, see them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from augment.files import sha256_array, sha256_file
from classifiers.checkpoints import load_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.compute.cache import kept_features
from pipeline.compute.device import chosen_device
from pipeline.project import Project
from reports.scores import inception_network
from reports.scores.inception_network import (
    inception_features,
    inception_probabilities,
    load_inception,
)
from reports.scores.table import Viewed


@dataclass(frozen=True)
class Networks:
    """What scores images."""

    examiner: Classifier
    inception: nn.Module | None  # None where params.yaml does not ask for it
    cache: Path  # the user's
    device: torch.device  # theirs

    @classmethod
    def load(cls, project: Project) -> Networks:
        """Load them; InceptionV3's weights may be downloaded."""
        p, device = project.parameters, chosen_device(project.parameters)
        examiner = load_classifier(project.examiner, p.classifier.model, device)
        inception = None
        if p.score.inception:
            inception = load_inception(project.inception_weights).to(device)
        return cls(examiner, inception, project.cache, device)

    def view(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        inception_rows: np.ndarray | None = None,
        *,
        real: bool = False,
    ) -> Viewed:
        """Return what the networks see.

        Args:
            images: uint8 N x H x W x C.
            labels: int64 N, what they were generated for; None where nothing was asked for.
            inception_rows: the images that InceptionV3 sees, which it takes minutes for on a CPU;
                None is all.
            real: they come again, with other pools and in other stages: what InceptionV3 sees of
                them is kept in the user's cache.
        """
        predictions = predict(self.examiner, images)
        if self.inception is None:
            return Viewed(predictions.features, predictions.probabilities, labels)
        chosen = images if inception_rows is None else images[inception_rows]
        compute = partial(inception_features, self.inception, chosen)
        if real:
            key = _features_key(self.inception, chosen, self.device)
            features = kept_features(self.cache, key, compute)
        else:
            features = compute()
        return Viewed(
            predictions.features,
            predictions.probabilities,
            labels,
            features,
            inception_probabilities(self.inception, features),
        )


def _features_key(network: nn.Module, images: np.ndarray, device: torch.device) -> str:
    """Return the digest of what the features of images depend on."""
    parts = [sha256_array(values.cpu().numpy()) for values in network.state_dict().values()]
    parts += [sha256_array(images), sha256_file(Path(inception_network.__file__))]
    parts += [torch.__version__, str(torch.get_num_threads())]
    parts += [] if device.type == "cpu" else [device.type]  # features kept before have no device
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
