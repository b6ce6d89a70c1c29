"""What a unit's judge says of a generator under training: scores of an epoch, and feedback."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from augment.generators.family import Architecture, Feedback
from augment.images.image_rows import ImageRows
from augment.images.image_sets import open_image_set
from augment.images.splits import spread_rows
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.project import Project
from reports.scores.frechet import fid
from reports.scores.inception_score import inception_score
from reports.scores.label_match import label_match

_REFERENCE = 2000
"""Training images that an epoch is scored against where there are no validation images."""


def scored_reference(project: Project, images: ImageRows) -> np.ndarray:
    """Return the real images that an epoch is scored against: of validation, else of training."""
    if project.validation.exists():
        return open_image_set(project.validation).images
    return images[spread_rows(len(images), _REFERENCE)]


def judge_scores(
    judge: Classifier, reference: np.ndarray, architecture: Architecture
) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """Return the scores of every epoch: on the judge's features and answers.

    Args:
        judge: the unit's.
        reference: real images, uint8 N x H x W x C.
        architecture: without labels there is none to match.
    """
    features = predict(judge, reference).features

    def evaluate(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        predictions = predict(judge, images)
        scores = {}
        if architecture.conditional:
            scores["label_match"] = label_match(predictions.probabilities, labels)
        return scores | {
            "inception_score": inception_score(predictions.probabilities),
            "fid": fid(predictions.features, features),
        }

    return evaluate


def judge_feedback(judge: Classifier, device: torch.device) -> Feedback:
    """Return the judge's mean log-likelihood of the asked labels, differentiable in the images."""
    frozen = copy.deepcopy(judge).to(device).requires_grad_(False)

    def score(images: Tensor, labels: Tensor) -> Tensor:
        return -F.cross_entropy(frozen(frozen.to_input(images)), labels)

    return score
