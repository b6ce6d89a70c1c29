"""Stage train-examiner: fit the classifier that only reports, on the whole training set."""

from __future__ import annotations

from augment.image_rows import all_rows
from augment.image_sets import open_image_set
from pipeline.judging import fit_and_save
from pipeline.project import Project


def run(project: Project) -> list[str]:
    """Write ``models/examiner``."""
    project.require(project.train)
    train = open_image_set(project.train)
    length = project.parameters.train_examiner
    return fit_and_save(project, "examiner", length, all_rows(train), train, project.examiner)
