"""Fitting the two classifiers that measure: shared by the stages train-judge and train-examiner."""

from __future__ import annotations

from pathlib import Path

from augment.image_rows import ImageRows
from augment.image_sets import ImageSet, open_image_set
from augment.streams import derive_seed
from classifiers.checkpoints import save_lenet
from classifiers.fitting import FitSettings, fit_lenet
from classifiers.lenet import LeNet
from classifiers.prediction import predict
from pipeline.parameters import FitParameters
from pipeline.progress import Progress
from pipeline.project import Project


def fit_settings(project: Project, length: FitParameters) -> FitSettings:
    """Join a stage's own length with the settings that every LeNet shares."""
    lenet = project.parameters.lenet
    return FitSettings(length.steps, length.epochs, lenet.batch_size, lenet.learning_rate)


def fit_and_save(
    project: Project,
    role: str,
    length: FitParameters,
    images: ImageRows,
    train: ImageSet,
    folder: Path,
) -> list[str]:
    """Fit one LeNet under the stream of its role, save it, say how it does on validation."""
    p = project.parameters
    settings = fit_settings(project, length)
    with Progress(role, "steps") as progress:
        network = fit_lenet(
            images,
            train.n_classes,
            input_size=p.lenet.input_size,
            settings=settings,
            seed=derive_seed(p.seed, role),
            on_step=progress.update,
        )
    meta = {
        "role": role,
        "class_names": list(train.class_names),
        "data": train.digest,
        "n_images": len(images),
        "steps": settings.n_steps(len(images)),
    }
    save_lenet(folder, network, meta)
    return [f"{role}: {len(images):,} images{_validation(project, network)}"]


def _validation(project: Project, network: LeNet) -> str:
    if not project.validation.exists():
        return ""
    validation = open_image_set(project.validation)
    right = predict(network, validation.images).classes == validation.labels
    return f", {right.mean():.2%} right of {len(right):,} validation images"
