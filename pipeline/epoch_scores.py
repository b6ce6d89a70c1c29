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
from augment.images.image_sets import ImageSet
from augment.images.splits import spread_rows
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.project import Project
from pipeline.unit_images import unit_validation
from reports.scores.frechet import fid
from reports.scores.inception_score import inception_score
from reports.scores.label_match import label_match

_REFERENCE = 2000
"""Training images that an epoch is scored against where validation images are too few."""


LEAST_TO_CHOOSE_BY = 200
"""Strict: with fewer validation images a unit's FIDs say too little to choose an epoch by."""


def chosen_by(project: Project, unit: str) -> ImageSet | None:
    """Return the validation images that choose a unit's epoch; None where they are too few."""
    validation = unit_validation(project, unit)
    least = LEAST_TO_CHOOSE_BY if project.parameters.study.protocol == "strict" else 1
    return None if validation is None or len(validation) < least else validation


def scored_reference(validation: ImageSet | None, images: ImageRows) -> np.ndarray:
    """Return the real images that an epoch is scored against: validation, else training."""
    if validation is not None:
        return validation.images
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
