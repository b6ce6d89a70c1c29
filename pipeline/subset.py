"""Stage subset: which training images a unit may see."""

from __future__ import annotations

import io

import numpy as np

from augment.files import atomic_file
from augment.image_sets import open_image_set
from augment.mixing import real_indices
from augment.splits import apportion
from pipeline.parameters import parse_unit
from pipeline.project import Project


def run(project: Project, name: str) -> list[str]:
    """Write the unit's indices into the training set, sorted int64."""
    paths = project.unit(name)
    unit = parse_unit(name)
    project.require(project.train)
    train = open_image_set(project.train)
    counts = train.counts()
    if unit.n_real is not None:
        counts = apportion(unit.n_real, counts)
    index = np.sort(real_indices(train, counts.tolist(), unit.seed))
    buffer = io.BytesIO()
    np.save(buffer, index, allow_pickle=False)
    with atomic_file(paths.subset) as file:
        file.write(buffer.getvalue())
    return [f"unit {name}: {len(index):,} of {len(train):,} training images"]
