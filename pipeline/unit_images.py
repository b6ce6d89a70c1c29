"""The real images of one unit."""

from __future__ import annotations

import numpy as np

from augment.files import sha256_array
from augment.images.image_sets import ImageSet, open_image_set
from pipeline.project import Project, read_array


def unit_counts(project: Project, unit: str) -> np.ndarray:
    """Return how many training images of each class a unit has, int64."""
    project.require(project.train)
    train = open_image_set(project.train)
    index = project.read(project.unit(unit).subset, read_array)
    return np.bincount(train.labels[index], minlength=train.n_classes)


def unit_validation(project: Project, unit: str) -> ImageSet | None:
    """Return the validation images that a unit may choose by; None where it has none."""
    if not project.validation.exists():
        return None
    index = project.read(project.unit(unit).validation, read_array)
    whole = open_image_set(project.validation)
    if len(index) == len(whole):
        return whole
    return whole.subset(index) if len(index) else None


def validation_digest(project: Project, unit: str) -> list[str]:
    """Return what tells a unit's validation images from any others, for the key of a cache."""
    if not project.validation.exists():
        return []
    index = project.read(project.unit(unit).validation, read_array)
    return [open_image_set(project.validation).digest, sha256_array(index)]
