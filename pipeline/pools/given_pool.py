"""Stage generate where another tool made the images: the first of every class become the pool."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from augment.images.image_set_writer import ImageSetWriter
from augment.images.image_sets import open_image_set
from augment.mixing.counts import pool_size
from pipeline.class_rows import first_of_each_class
from pipeline.compute.executor import Watcher
from pipeline.pools.given_folder import check_given, read_given
from pipeline.pools.pool import short_classes
from pipeline.project import Project
from pipeline.unit_images import unit_counts

_BLOCK = 1024


def copy_pool(project: Project, unit: str, watcher: Watcher) -> list[str]:
    """Write the unit's pool: the first ``generate.per_class`` images of every class of the folder.

    Raises:
        PipelineError: as of `check_given`.
        AugmentError: the folder cannot be read.
    """
    settings, paths = project.parameters.generate, project.unit(unit)
    project.require(project.train)
    real = open_image_set(project.train)
    folder = check_given(project, real.class_names)
    paths.generated.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.generated.parent, prefix=".given.") as work:
        given, notes = read_given(project, folder, Path(work))
        # Classes are matched by name.
        places = np.array([real.class_names.index(name) for name in given.class_names])
        labels = places[given.labels]
        per_class = pool_size(settings.per_class, unit_counts(project, unit))
        rows = first_of_each_class(labels, [per_class] * real.n_classes)
        shape = (len(rows), *real.images.shape[1:])
        about = {"images": given.digest, "per_class": per_class}
        with ImageSetWriter(
            paths.generated, shape, real.class_names, "images of a folder", about, exact=False
        ) as writer:
            for start in range(0, len(rows), _BLOCK):
                block = np.sort(rows[start : start + _BLOCK])
                writer.append(given.images[block], labels[block])
                watcher.update(writer.written, len(rows))
    pool = open_image_set(paths.generated)
    line = f"unit {unit}: {len(pool):,} images of {real.n_classes} classes from {settings.path}"
    return [line, *notes, *short_classes(pool, per_class, "in generate.path")]
