"""Writing the real images: a set for each part of the study, and what they were made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from augment.files import atomic_folder
from augment.images.image_set_writer import ImageSetWriter
from augment.images.image_sets import ImageSet
from augment.sources.fetched import FetchedData
from augment.sources.partition import Partition
from pipeline.compute.progress import Progress
from pipeline.data.fingerprint import NEAR_PICTURE, OWN_FILES, write_records
from pipeline.paths import refuse_strangers
from pipeline.project import Project

_BLOCK = 1024


def write_real_images(
    project: Project,
    path: Path | None,
    fetched: FetchedData,
    divided: Partition,
    picture: np.ndarray | None,
    facts: Mapping[str, Any],
    notes: Sequence[str],
) -> None:
    """Write ``data/real`` as a whole.

    Args:
        project: whose images they are.
        path: the folder of pictures, None where there is none.
        fetched: what the source gave.
        divided: which image is in which part of the study.
        picture: pictures that are nearly alike, side by side, uint8 H x W x C; None without any.
        facts: what is known of the images, JSON values.
        notes: the lines that the user saw.

    Raises:
        PipelineError: the user put something into ``data/real`` in the meantime.
    """
    out, source = project.real, project.parameters.data.source

    def may_replace(old: Path) -> None:
        # Reading may have taken hours, in which the user may have put files there.
        refuse_strangers(old, OWN_FILES, str(out))

    with atomic_folder(out, may_replace) as folder, Progress("fetch", "images") as progress:
        for part, rows in divided.parts.items():
            _copy_part(fetched.sets[rows.source], rows.index, folder / part, progress.update)
        if picture is not None:
            Image.fromarray(picture).save(folder / NEAR_PICTURE)
        write_records(folder, source, path, fetched, divided, facts, notes)


def _copy_part(
    image_set: ImageSet, index: np.ndarray, folder: Path, on_progress: Callable[..., None]
) -> None:
    """Copy some images to a set of their own, named as its part, block by block."""
    with ImageSetWriter(
        folder,
        (len(index), *image_set.images.shape[1:]),
        image_set.class_names,
        source=str(image_set.meta.get("source", "unknown")),
        made_by=image_set.meta.get("made_by", {}) | {"part": folder.name},
    ) as writer:
        for start in range(0, len(index), _BLOCK):
            rows = index[start : start + _BLOCK]
            writer.append(image_set.images[rows], image_set.labels[rows])
            on_progress(start + len(rows), len(index), folder.name)
