"""Fitting the two classifiers that measure: shared by the stages train-judge and train-examiner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from augment.images.image_rows import ImageRows
from augment.images.image_sets import ImageSet
from augment.streams import derive_seed
from classifiers.checkpoints import save_classifier
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.prediction import predict
from pipeline.compute.cache import make_cache
from pipeline.compute.device import chosen_device
from pipeline.parameters.models import FitParameters
from pipeline.project import Project


def fit_settings(project: Project, length: FitParameters) -> FitSettings:
    """Join a stage's own length with the settings that every classifier shares."""
    shared = project.parameters.classifier
    return FitSettings(length.steps, length.epochs, shared.batch_size, shared.learning_rate)


def model_settings(project: Project) -> ModelSettings:
    """Return which classifier the study's are."""
    shared = project.parameters.classifier
    return ModelSettings(shared.model, shared.input_size, shared.pretrained)


def fit_and_save(
    project: Project,
    role: str,
    length: FitParameters,
    images: ImageRows,
    train: ImageSet,
    validation: ImageSet | None,
    folder: Path,
    on_step: Callable[[int, int], None],
) -> list[str]:
    """Fit one classifier under the stream of its role, save it, say how it does on validation."""
    p = project.parameters
    settings = fit_settings(project, length)
    model, seed = model_settings(project), derive_seed(p.seed, role)
    fit = Fit(images, train.n_classes, model, settings, seed)
    make_cache(project.cache)
    network = fit_classifier(fit, chosen_device(p), on_step, project.cache / "reduced")
    meta = {
        "role": role,
        "class_names": list(train.class_names),
        "data": train.digest,
        "n_images": len(images),
        "steps": settings.n_steps(len(images)),
        "pretrained": p.classifier.pretrained,
    }
    save_classifier(folder, network, meta)
    line = f"{role}: {len(images):,} images"
    if validation is not None:
        right = predict(network, validation.images).classes == validation.labels
        line += f", {right.mean():.2%} right of {len(right):,} validation images"
    return [line]
