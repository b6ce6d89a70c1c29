"""The real images as params.yaml describes them: one reading of it for check and stage fetch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from augment.images.image_sets import one_line
from augment.sources.fetched import FetchedData
from augment.sources.fetching import fetch_source
from augment.sources.grouping import (
    groups_by_pattern,
    look_up,
    names_table,
    number_groups,
    read_group_table,
)
from augment.sources.partition import Given, Partition, partition
from pipeline.compute.progress import Progress
from pipeline.errors import PipelineError
from pipeline.parameters.models import DataParameters, Parameters
from pipeline.paths import refuse_outputs, user_path
from pipeline.project import Project

PARTS = ("train", "validation", "test")
Part = TypeVar("Part")

FileNames = tuple[str, str]
"""A file's path relative to the source's folder, and below its class folder."""


def source_path(data: DataParameters, root: Path) -> Path | None:
    """Return the folder or files that ``data.path`` names, None where it names none.

    Raises:
        PipelineError: when no path can be made of it, or a stage would write into it or delete it.
    """
    if data.path is None:
        return None
    path = user_path(data.path, root, "data.path")
    refuse_outputs(path, root, "data.path")
    return path


def fetch_images(project: Project, path: Path | None, work: Path) -> FetchedData:
    """Read the source's images at the study's size.

    Args:
        project: whose section data says which.
        path: from `source_path`.
        work: a folder to write in.

    Raises:
        PipelineError: a link in the folder leads into what a stage writes.
        AugmentError: the source cannot be read.
    """
    data = project.parameters.data
    with Progress("fetch", "images") as progress:
        fetched = fetch_source(
            data.source,
            path=path,
            data_dir=project.data_dir(data.source) if path is None else None,
            image_size=data.image_size,
            channels=data.channels,
            workdir=work,
            nested=data.nested,
            follow_links=data.follow_links,
            on_progress=progress.update,
        )
    for link in fetched.links:
        refuse_outputs(link, project.root, "a link in data.path")
    return fetched


def usable_parts(
    data: DataParameters, parts: Mapping[str, Part]
) -> tuple[dict[str, Part], list[str]]:
    """Return the parts of a source that the study uses, and a note on one that it does not."""
    used = {name: part for name, part in parts.items() if name != "validation" or data.validation}
    if len(used) == len(parts):
        return used, []
    return used, ["the images for validation are not used, because data.validation is 0"]


def file_groups(
    data: DataParameters, root: Path, files: Mapping[str, Sequence[FileNames]]
) -> tuple[dict[str, np.ndarray] | None, list[str]]:
    """Return a number for each file, which files of one group by ``data.groups`` share.

    Args:
        data: the section data.
        root: the project's folder.
        files: of each part.

    Returns:
        For each part int64, one number a file; None where there are no groups. And notes.

    Raises:
        PipelineError, AugmentError: when the rule cannot be used, or no file is in a group.
    """
    if data.groups is None:
        return None, []
    every = [names for part in files.values() for names in part]
    notes: list[str] = []
    if names_table(data.groups):
        path = user_path(data.groups, root, "data.groups")
        refuse_outputs(path, root, "data.groups", above=False)
        table = read_group_table(path)
        listed = look_up(every, table)
        found = [None if name is None else table[name] for name in listed]
        notes += _table_notes(path.name, table, listed)
    else:
        found = groups_by_pattern([below for _, below in every], data.groups)
    alone = [whole for (whole, _), group in zip(every, found, strict=True) if group is None]
    if every and len(alone) == len(every):
        raise PipelineError(
            f"data.groups is {data.groups!r}, and none of the {len(every):,} files is in a group, "
            f"such as {one_line(every[0][1])}; allowed: a pattern of file names, or a .csv file "
            "that lists them as they are called in data.path"
        )
    numbers = number_groups(found)
    ends = np.cumsum([len(part) for part in files.values()])
    notes.insert(0, f"{len(set(numbers.tolist())):,} groups by data.groups")
    if alone:
        notes.append(
            f"{len(alone):,} of {len(every):,} files are in no group by data.groups, and each is a "
            f"group by itself, such as {alone[0]}"
        )
    return dict(zip(files, np.split(numbers, ends[:-1]), strict=True)), notes


def _table_notes(
    table_name: str, table: Mapping[str, str], listed: Sequence[str | None]
) -> Iterator[str]:
    """Yield a line on names in a table that no file has, and on those that several have."""
    files = Counter(listed)
    for what, names in (
        ("no picture that is read", [name for name in table if not files[name]]),
        ("several pictures of the same name", [name for name in table if files[name] > 1]),
    ):
        if names:
            yield (
                f"{len(names):,} of {len(table):,} names in {table_name} stand for {what}, such as "
                f"{names[0]}"
            )


def divide(
    parameters: Parameters, given: Mapping[str, Given], class_names: Sequence[str]
) -> Partition:
    """Decide by params.yaml which images are for training, for choices and for test.

    Raises:
        SplitError: as `augment.sources.partition.partition`.
    """
    data = parameters.data
    return partition(
        given,
        class_names,
        test=data.test,
        validation=data.validation,
        duplicates=data.duplicates,
        seed=parameters.seed,
    )


def part_counts(
    divided: Partition, given: Mapping[str, Given], n_classes: int
) -> dict[str, np.ndarray]:
    """Return the images of each class in every part: int64, n_classes."""
    return {
        name: np.bincount(given[rows.source].labels[rows.index], minlength=n_classes)
        for name, rows in divided.parts.items()
    }
