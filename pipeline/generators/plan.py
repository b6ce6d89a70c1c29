"""What a unit's generator is trained with: the images, the networks, the length, and the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from augment.files import sha256_array, sha256_file
from augment.generators.budget import Budget
from augment.generators.family import Architecture, System, system_of
from augment.generators.training import check_batch
from augment.images.image_rows import ImageRows
from augment.images.image_sets import ImageSet, open_image_set
from augment.streams import derive_seed
from pipeline.compute.code import GENERATOR, code_digest
from pipeline.compute.resume import digest_of
from pipeline.project import Project, read_array
from pipeline.unit_images import unit_validation, validation_digest

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LEAST_TO_CHOOSE_BY = 200
"""Strict: with fewer validation images a unit's FIDs say too little to choose an epoch by."""


@dataclass(frozen=True)
class Plan:
    """Everything that a training depends on."""

    system: System
    architecture: Architecture
    budget: Budget
    images: ImageRows  # the unit's real training images
    validation: ImageSet | None  # what chooses the epoch; None keeps the last
    seed: int
    steps: int  # of the whole training
    meta: dict[str, Any]  # JSON values of it all
    key: str  # digest of it all, and of the code


def plan_training(project: Project, unit: str, fabric: Fabric) -> Plan:
    """Return what a unit's generator is trained with.

    Raises:
        AugmentError: the unit's images cannot fill a batch.
    """
    p, g, paths = project.parameters, project.parameters.train_gan, project.unit(unit)
    project.require(project.train, paths.subset, paths.judge)
    train = open_image_set(project.train)
    index = project.read(paths.subset, read_array)
    system = system_of(g.system, g.options)
    _, side, _, channels = train.images.shape
    width = 1.0 if g.width is None else g.width
    architecture = system.architecture(train.n_classes, channels, side, width)
    validation = _chosen_by(project, unit)
    keep = "last" if validation is None else g.keep
    budget = Budget(g.images, g.epochs, g.evaluate, keep, g.checkpoints)
    check_batch(system.batch_size, len(index), fabric.world_size)
    meta = {
        "family": system.family,
        "system": system.to_dict(),
        "architecture": architecture.to_dict(),
        "labelled": architecture.conditional,
        "class_names": list(train.class_names),
        "budget": {"images": budget.images, "epochs": budget.epochs, "keep": g.keep}
        | {"evaluate": budget.evaluate, "checkpoints": budget.checkpoints},
        "data": train.digest,
        "subset": sha256_array(index),
        "validation": validation_digest(project, unit),
        "kept": budget.keep,
        "unit": unit,
        "seed": p.seed,
        "device": fabric.device.type,
        "precision": str(fabric._precision.precision),
        "processes": fabric.world_size,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    judge = sha256_file(paths.judge / "weights.safetensors")
    code = code_digest(p.classifier.model, *GENERATOR, f"augment/generators/{system.family}")
    return Plan(
        system,
        architecture,
        budget,
        ImageRows([train], [index]),
        validation,
        derive_seed(p.seed, "gan", unit),
        budget.steps(batch_size=system.batch_size, n_images=len(index)),
        meta,
        digest_of([meta, judge, code]),
    )


def _chosen_by(project: Project, unit: str) -> ImageSet | None:
    """Return the validation images that choose a unit's epoch; None where they are too few."""
    validation = unit_validation(project, unit)
    least = LEAST_TO_CHOOSE_BY if project.parameters.study.protocol == "strict" else 1
    return None if validation is None or len(validation) < least else validation
