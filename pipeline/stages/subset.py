"""Stage subset: which training images a unit may see."""

from __future__ import annotations

import io

import numpy as np

from augment.files import atomic_file
from augment.images.image_sets import open_image_set
from augment.images.subsets import subset_indices
from pipeline.parameters.units import parse_unit
from pipeline.project import Project


def run(project: Project, unit: str | None = None) -> list[str]:
    """Write the indices of every unit, or of one, into the training set, sorted int64."""
    names = project.parameters.units if unit is None else [unit]
    places = {name: project.unit(name).subset for name in names}
    project.require(project.train)
    train = open_image_set(project.train)
    lines = []
    for name, path in places.items():
        subset = parse_unit(name)
        index = subset_indices(train.labels, train.n_classes, subset.n_real, subset.repeat)
        buffer = io.BytesIO()
        np.save(buffer, index, allow_pickle=False)
        with atomic_file(path) as file:
            file.write(buffer.getvalue())
        lines.append(f"unit {name}: {len(index):,} of {len(train):,} training images")
    return lines
