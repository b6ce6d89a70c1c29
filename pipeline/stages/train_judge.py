"""Stage train-judge: fit a unit's classifier, which selects and filters, on what the unit sees."""

from __future__ import annotations

import platform

import torch

from augment.files import sha256_array
from augment.images.image_rows import ImageRows
from augment.images.image_sets import open_image_set
from pipeline.compute.cache import keep, restore
from pipeline.compute.code import JUDGE, code_digest
from pipeline.compute.device import chosen_device
from pipeline.compute.executor import Watcher, map_units
from pipeline.compute.resume import digest_of
from pipeline.judging import fit_and_save
from pipeline.project import Project, read_array
from pipeline.unit_images import unit_validation


def run(project: Project, unit: str | None = None) -> list[str]:
    """Write the judges of all units, or of one; return lines for the user."""
    return map_units(train_unit, project, unit, noun="steps")


def train_unit(project: Project, unit: str, watcher: Watcher) -> list[str]:
    """Write the unit's judge, or take it from the cache."""
    p, paths = project.parameters, project.unit(unit)
    project.require(project.train, paths.subset)
    train = open_image_set(project.train)
    index = project.read(paths.subset, read_array)
    facts = {
        "unit": unit,
        "data": [train.digest, sha256_array(index)],
        "seed": p.seed,
        "settings": [p.classifier.model_dump(), p.train_judge.model_dump()],
        "code": code_digest(p.classifier.model, *JUDGE),
        "torch": [torch.__version__, platform.machine(), torch.get_num_threads()],
        "device": chosen_device(p).type,
    }
    key, outs = digest_of(facts), {"judge": paths.judge}
    if restore(project.cache, key, outs):
        return [f"judge {unit}: it was trained before, and comes from the cache"]
    rows = ImageRows([train], [index])
    lines = fit_and_save(
        project, f"judge {unit}", p.train_judge, rows, train, unit_validation(project, unit),
        paths.judge, watcher.update,
    )  # fmt: skip
    keep(project.cache, key, outs)
    return lines
