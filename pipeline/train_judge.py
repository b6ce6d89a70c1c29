"""Stage train-judge: fit a unit's classifier, which selects and filters, on what the unit sees."""

from __future__ import annotations

from augment.image_rows import ImageRows
from augment.image_sets import open_image_set
from pipeline.judging import fit_and_save
from pipeline.project import Project, read_array


def run(project: Project, unit: str) -> list[str]:
    """Write the unit's judge."""
    paths = project.unit(unit)
    project.require(project.train, paths.subset)
    train = open_image_set(project.train)
    index = project.read(paths.subset, read_array)
    length = project.parameters.train_judge
    rows = ImageRows([train], [index])
    return fit_and_save(project, f"judge {unit}", length, rows, train, paths.judge)
