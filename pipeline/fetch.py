"""Stage fetch: bring the real images in and split them into train, validation and test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from augment.files import atomic_folder
from augment.image_sets import ImageSet, ImageSetWriter
from augment.sources import fetch_source
from augment.splits import stratified_split
from augment.streams import numpy_stream
from pipeline.parameters import check_feasible
from pipeline.progress import Progress
from pipeline.project import Project


def run(project: Project) -> list[str]:
    """Write ``data/real``; return lines for the user."""
    p = project.parameters
    path = None if p.data.path is None else project.given_path(p.data.path)
    out = project.train.parent
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=out.parent, prefix=".fetch."))
    try:
        fetched = fetch_source(
            p.data.source,
            path=path,
            data_dir=project.data_dir,
            image_size=p.data.image_size,
            channels=p.data.channels,
            workdir=work,
        )
        parts = _split(project, fetched.train, official_test=fetched.test is not None)
        train_labels = fetched.train.labels[parts["train"]]
        counts = np.bincount(train_labels, minlength=fetched.train.n_classes)
        # The first stage is the place to refuse a grid that could never be filled.
        check_feasible(p, counts, fetched.train.class_names)
        with atomic_folder(out) as folder, Progress("fetch", "images") as progress:
            sets = {name: (fetched.train, index) for name, index in parts.items() if len(index)}
            if fetched.test is not None:
                sets["test"] = (fetched.test, np.arange(len(fetched.test)))
            for name, (image_set, index) in sets.items():
                _copy(image_set, index, folder / name, progress)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sizes = ", ".join(f"{len(index):,} {name}" for name, (_, index) in sorted(sets.items()))
    return [*fetched.notes, f"{p.data.source}: {sizes} images, {fetched.train.n_classes} classes"]


def _split(project: Project, images: ImageSet, *, official_test: bool) -> dict[str, np.ndarray]:
    """Return sorted indices of train, validation and, without an official one, test."""
    p = project.parameters
    parts = {"train": np.arange(len(images), dtype=np.int64)}
    shares = {"test": 0.0 if official_test else p.data.test, "validation": p.data.validation}
    for name, share in shares.items():
        if share > 0:
            rest = parts["train"]
            split = stratified_split(
                images.labels[rest],
                {"train": 1 - share, "held_out": share},
                numpy_stream(p.seed, "split", name),
                images.class_names,
            )
            parts["train"], parts[name] = rest[split["train"]], rest[split["held_out"]]
    return parts


def _copy(
    image_set: ImageSet, index: np.ndarray, folder: Path, progress: Progress, block: int = 1024
) -> None:
    """Copy some images to a set of their own, block by block."""
    height, width, channels = image_set.images.shape[1:]
    with ImageSetWriter(
        folder,
        len(index),
        height,
        width,
        channels,
        image_set.class_names,
        source=str(image_set.meta.get("source", "unknown")),
        made_by=image_set.meta.get("made_by", {}) | {"part": folder.name},
    ) as writer:
        for start in range(0, len(index), block):
            rows = index[start : start + block]
            writer.append(image_set.images[rows], image_set.labels[rows])
            progress.update(start + len(rows), len(index), folder.name)
