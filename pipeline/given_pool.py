"""A pool of images that something else made: a folder a class, or an image set."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from augment.images.image_sets import ImageSet, ImageSetWriter, open_image_set
from augment.sources import fetch_source
from pipeline.compute.executor import Watcher
from pipeline.errors import PipelineError
from pipeline.parameters.text import allowed_names, shown
from pipeline.paths import refuse_outputs
from pipeline.pools import short_classes
from pipeline.project import Project

_BLOCK = 1024


def copy_pool(project: Project, unit: str, watcher: Watcher) -> list[str]:
    """Write the unit's pool: the first ``generate.per_class`` images of every class of the folder.

    Raises:
        PipelineError: the folder's classes or images are not those of the study.
        AugmentError: the folder cannot be read.
    """
    settings, paths = project.parameters.generate, project.unit(unit)
    assert settings.path is not None  # A rule of the parameters.
    folder = project.given_path(settings.path, "generate.path")
    refuse_outputs(folder, project.root, "generate.path")
    project.require(project.train)
    real = open_image_set(project.train)
    paths.generated.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.generated.parent, prefix=".given.") as work:
        given, notes = _read(project, folder, Path(work), real)
        labels = _labels(given, real, folder)
        rows = np.concatenate(
            [np.flatnonzero(labels == c)[: settings.per_class] for c in range(real.n_classes)]
        )
        about = {"images": given.digest, "per_class": settings.per_class}
        height, width, channels = real.images.shape[1:]
        with ImageSetWriter(
            paths.generated,
            len(rows),
            height,
            width,
            channels,
            real.class_names,
            "images of a folder",
            about,
            exact=False,
        ) as writer:
            for start in range(0, len(rows), _BLOCK):
                block = np.sort(rows[start : start + _BLOCK])
                writer.append(given.images[block], labels[block])
                watcher.update(writer.written, len(rows))
    pool = open_image_set(paths.generated)
    line = f"unit {unit}: {len(pool):,} images of {real.n_classes} classes from {settings.path}"
    return [line, *notes, *short_classes(pool, settings.per_class, "generate")]


def _read(project: Project, folder: Path, work: Path, real: ImageSet) -> tuple[ImageSet, list[str]]:
    """Return the folder's images at the study's size, and notes on files that were left out."""
    _, side, _, channels = real.images.shape
    if (folder / "images.npy").is_file():
        given = open_image_set(folder)
        if given.images.shape[1:] != real.images.shape[1:]:
            raise PipelineError(
                f"generate.path is {folder}, an image set of {given.images.shape[1:]} pixels and "
                f"channels; allowed: {real.images.shape[1:]}, as the study's images"
            )
        return given, []
    data = project.parameters.data
    fetched = fetch_source(
        "folder",
        path=folder,
        data_dir=None,
        image_size=side,
        channels=channels,
        workdir=work,
        nested=data.nested,
        follow_links=data.follow_links,
    )
    if len(fetched.sets) > 1:
        raise PipelineError(
            f"generate.path is {folder}, which has the parts {', '.join(fetched.sets)}; allowed: "
            "one folder a class"
        )
    return fetched.sets["train"], fetched.notes


def _labels(given: ImageSet, real: ImageSet, folder: Path) -> np.ndarray:
    """Return the study's labels of the given images; classes are matched by name."""
    for name in given.class_names:
        if name not in real.class_names:
            raise PipelineError(
                f"generate.path is {folder}, which has the class {shown(name)}; "
                f"{allowed_names(name, real.class_names)}"
            )
    places = np.array([real.class_names.index(name) for name in given.class_names])
    labels: np.ndarray = places[given.labels]
    return labels
