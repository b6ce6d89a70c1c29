"""Images as the examiner, and InceptionV3 where it is asked for, see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from classifiers.checkpoints import load_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.project import Project
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

    @classmethod
    def load(cls, project: Project) -> Networks:
        """Load them; InceptionV3's weights may be downloaded."""
        p = project.parameters
        examiner = load_classifier(project.examiner, p.classifier.model)
        if not p.score.inception:
            return cls(examiner, None)
        return cls(examiner, load_inception(project.inception_weights, allow_download=True))

    def view(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        inception_rows: np.ndarray | None = None,
    ) -> Viewed:
        """Return what the networks see.

        Args:
            images: uint8 N x H x W x C.
            labels: int64 N, what they were generated for; None where nothing was asked for.
            inception_rows: the images that InceptionV3 sees, which it takes minutes for on a CPU;
                None is all.
        """
        predictions = predict(self.examiner, images)
        if self.inception is None:
            return Viewed(predictions.features, predictions.probabilities, labels)
        chosen = images if inception_rows is None else images[inception_rows]
        features = inception_features(self.inception, chosen)
        return Viewed(
            predictions.features,
            predictions.probabilities,
            labels,
            features,
            inception_probabilities(self.inception, features),
        )
