"""Stage subset: which training images a unit may see, and by which it chooses."""

from __future__ import annotations

from augment.files import write_array, write_json
from augment.images.image_sets import open_image_set
from augment.images.subsets import subset_indices
from pipeline.project import Project
from pipeline.units import parse_unit, unit_names


def run(project: Project, unit: str | None = None) -> list[str]:
    """Write the rows of every unit, or of one, in the sets train and validation, sorted int64.

    The validation images of a unit are in proportion to its training images.
    """
    p = project.parameters
    project.require(project.train)
    train = open_image_set(project.train)
    write_json(project.unit_list, list(unit_names(p, len(train))))
    places = {name: project.unit(name) for name in (project.units if unit is None else [unit])}
    validation = open_image_set(project.validation) if project.validation.exists() else None
    lines = []
    for name, paths in places.items():
        n, repeat = parse_unit(name)
        index = subset_indices(train.labels, train.n_classes, n, repeat, p.seed)
        write_array(paths.subset, index)
        line = f"unit {name}: {len(index):,} of {len(train):,} training images"
        if validation is not None:
            share = None if n is None else round(len(validation) * n / len(train))
            chosen_by = subset_indices(validation.labels, train.n_classes, share, repeat, p.seed)
            write_array(paths.validation, chosen_by)
            line += f", {len(chosen_by):,} of {len(validation):,} validation images"
        lines.append(line)
    return lines
