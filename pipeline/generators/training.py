"""Training a unit's generator: its judge scores every epoch, and gives feedback."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from augment.generators.family import Feedback, Setup, build_trainer
from augment.generators.training import (
    StateStore,
    TrainedGenerator,
    TrainingStopped,
    Watch,
    train,
)
from augment.images.splits import spread_rows
from classifiers.checkpoints import load_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.errors import Interrupted
from pipeline.generators.plan import Plan
from pipeline.project import Project
from reports.scores.frechet import fid
from reports.scores.inception_score import inception_score
from reports.scores.label_match import label_match

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_REFERENCE = 2000
"""Training images that an epoch is scored against where validation images are too few."""


def train_generator(
    project: Project, unit: str, plan: Plan, fabric: Fabric, store: StateStore, watch: Watch
) -> TrainedGenerator:
    """Train a unit's generator as planned, or go on where the store says.

    Args:
        project: where the judge is.
        unit: by name.
        plan: what it is trained with.
        fabric: where it is trained.
        store: keeps the state.
        watch: who follows.

    Raises:
        Interrupted: the user asked to stop.
    """
    own_model = project.parameters.classifier.model
    judge = load_classifier(project.unit(unit).judge, own_model, fabric.device)
    feedback = _judge_feedback(judge) if plan.system.feedback else None
    setup = Setup(plan.seed, plan.steps, fabric, feedback)
    try:
        return train(
            plan.images,
            build_trainer(plan.system, plan.architecture, setup),
            plan.budget,
            seed=plan.seed,
            fabric=fabric,
            store=store,
            evaluate=_judge_scores(judge, plan),
            watch=watch,
        )
    except TrainingStopped as stop:
        raise Interrupted(str(stop)) from None


def _judge_scores(
    judge: Classifier, plan: Plan
) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """Return the scores of every epoch: on the judge's features and predictions."""
    if plan.validation is None:
        reference = plan.images[spread_rows(len(plan.images), _REFERENCE)]
    else:
        reference = plan.validation.images
    features = predict(judge, reference).features

    def evaluate(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        predictions = predict(judge, images)
        scores = {}
        if plan.architecture.conditional:
            scores["label_match"] = label_match(predictions.probabilities, labels)
        return scores | {
            "inception_score": inception_score(predictions.probabilities),
            "fid": fid(predictions.features, features),
        }

    return evaluate


def _judge_feedback(judge: Classifier) -> Feedback:
    """Return the judge's mean log-likelihood of the asked labels, differentiable in the images."""
    frozen = copy.deepcopy(judge).requires_grad_(False)

    def score(images: Tensor, labels: Tensor) -> Tensor:
        return -F.cross_entropy(frozen(frozen.to_input(images)), labels)

    return score
