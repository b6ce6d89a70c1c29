"""Stage fetch: bring the real images in and split them into train, validation and test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from augment.files import atomic_folder
from augment.images.image_sets import one_line
from augment.sources import fetch_source
from augment.sources.partition import Given
from pipeline.compute.progress import Progress
from pipeline.data.fingerprint import NEAR_PICTURE, OWN_FILES, groups_digest, write_records
from pipeline.data.real_images import (
    copy_part,
    divide,
    file_groups,
    part_counts,
    source_path,
    usable_parts,
)
from pipeline.data.same_pictures import count_identical, find_nearly_alike, number_identical
from pipeline.parameters.feasibility import check_feasible
from pipeline.paths import refuse_outputs, refuse_strangers
from pipeline.project import Project


def run(project: Project) -> Iterator[str]:
    """Write ``data/real``; yield lines for the user, what was found before what is refused."""
    p = project.parameters
    path = source_path(p.data, project.root)
    out = project.real
    refuse_strangers(out, OWN_FILES)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=out.parent, prefix=".fetch."))
    notes: list[str] = []

    def may_replace(old: Path) -> None:
        # Reading may have taken hours, in which the user may have put files there.
        refuse_strangers(old, OWN_FILES, str(out))

    def note(lines: Sequence[str]) -> Sequence[str]:
        lines = [one_line(line) for line in lines]  # names of files may hold anything
        notes.extend(lines)
        return lines

    try:
        with Progress("fetch", "images") as progress:
            fetched = fetch_source(
                p.data.source,
                path=path,
                data_dir=project.data_dir if path is None else None,
                image_size=p.data.image_size,
                channels=p.data.channels,
                workdir=work,
                nested=p.data.nested,
                follow_links=p.data.follow_links,
                on_progress=progress.update,
            )
        for link in fetched.links:
            refuse_outputs(link, project.root, "a link in data.path")
        yield from note(fetched.notes)
        sets, lines = usable_parts(p.data, fetched.sets)
        yield from note(lines)
        files = {part: [(f.path, f.below) for f in fetched.files.get(part, [])] for part in sets}
        groups, lines = file_groups(p.data, project.root, files)
        yield from note(lines)
        identical = number_identical(sets)
        given = {
            part: Given(image_set.labels, identical[part], groups[part] if groups else None)
            for part, image_set in sets.items()
        }
        names = fetched.sets["train"].class_names
        divided = divide(p, given, names)
        same = count_identical(sets, identical, divided)
        yield from note(same.lines)
        counts = part_counts(divided, given, len(names))
        # The first stage is the place to refuse a grid that could never be filled.
        check_feasible(p, counts["train"], counts["test"], names)
        near = find_nearly_alike(sets, identical, divided, fetched.files)
        yield from note(near.lines)
        facts = same.facts | near.facts | {"groups_sha256": groups_digest(p.data, project.root)}
        with atomic_folder(out, may_replace) as folder, Progress("fetch", "images") as progress:
            for part, rows in divided.parts.items():
                copy_part(sets[rows.source], rows.index, folder / part, progress.update)
            if near.picture is not None:
                Image.fromarray(near.picture).save(folder / NEAR_PICTURE)
            write_records(folder, p.data.source, path, fetched, divided, facts, notes)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sizes = ", ".join(f"{count.sum():,} {part}" for part, count in sorted(counts.items()))
    yield f"{p.data.source}: {sizes} images, {len(names)} classes"
