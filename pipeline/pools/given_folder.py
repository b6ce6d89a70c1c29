"""A folder of images that something else made: a folder a class, or an image set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from augment.images.image_sets import ImageSet, open_image_set
from augment.sources.fetching import fetch_source
from augment.sources.folder_layout import scan_folder
from pipeline.errors import PipelineError
from pipeline.parameters.text import allowed_names, shown
from pipeline.paths import refuse_outputs, user_path
from pipeline.project import Project


def check_given(project: Project, class_names: Sequence[str]) -> Path:
    """Return the folder of the pool; refuse it by its names and sizes, with no picture decoded.

    Args:
        project: whose parameters name the folder.
        class_names: the study's.

    Raises:
        PipelineError: the folder's classes or images are not those of the study.
        AugmentError: the folder cannot be read.
    """
    p = project.parameters
    assert p.generate.path is not None  # A rule of the parameters.
    folder = user_path(p.generate.path, project.root, "generate.path")
    refuse_outputs(folder, project.root, "generate.path")
    if (folder / "images.npy").is_file():
        given = open_image_set(folder)
        found = given.class_names
        shape = (p.data.image_size, p.data.image_size, p.data.channels)
        if given.images.shape[1:] != shape:
            raise PipelineError(
                f"generate.path is {folder}, an image set of {given.images.shape[1:]} pixels and "
                f"channels; allowed: {shape}, as the study's images"
            )
    else:
        layout = scan_folder(folder, nested=p.data.nested, follow_links=p.data.follow_links)
        for link in layout.links:
            refuse_outputs(link, project.root, "a link in generate.path")
        found = layout.class_names
        if len(layout.parts) > 1:
            raise PipelineError(
                f"generate.path is {folder}, which has the parts {', '.join(layout.parts)}; "
                "allowed: one folder a class"
            )
    for name in found:
        if name not in class_names:
            raise PipelineError(
                f"generate.path is {folder}, which has the class {shown(name)}; "
                f"{allowed_names(name, class_names)}"
            )
    return folder


def read_given(project: Project, folder: Path, work: Path) -> tuple[ImageSet, list[str]]:
    """Return a checked folder's images at the study's size, and notes on files left out.

    Args:
        project: whose parameters say the size.
        folder: of `check_given`.
        work: a folder to write in.
    """
    if (folder / "images.npy").is_file():
        return open_image_set(folder), []
    data = project.parameters.data
    fetched = fetch_source(
        "folder",
        path=folder,
        data_dir=None,
        image_size=data.image_size,
        channels=data.channels,
        workdir=work,
        nested=data.nested,
        follow_links=data.follow_links,
    )
    return fetched.sets["train"], fetched.notes
