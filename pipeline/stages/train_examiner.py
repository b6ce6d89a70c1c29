"""Stage train-examiner: fit the classifier that only reports, on the whole training set."""

from __future__ import annotations

from augment.images.image_rows import all_rows
from augment.images.image_sets import open_image_set
from pipeline.compute.device import threads
from pipeline.compute.progress import Progress
from pipeline.judging import fit_and_save
from pipeline.project import Project


def run(project: Project) -> list[str]:
    """Write ``models/examiner``."""
    project.require(project.train)
    p, train = project.parameters, open_image_set(project.train)
    with threads(p.compute.threads), Progress("examiner", "steps") as progress:
        return fit_and_save(
            project,
            "examiner",
            p.train_examiner,
            all_rows(train),
            train,
            open_image_set(project.validation) if project.validation.exists() else None,
            project.examiner,
            progress.update,
        )
