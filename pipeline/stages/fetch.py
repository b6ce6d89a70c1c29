"""Stage fetch: bring the real images in and split them into train, validation and test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from augment.images.image_sets import one_line
from augment.sources.partition import Given
from pipeline.data.fingerprint import OWN_FILES, groups_digest
from pipeline.data.real_images import (
    divide,
    fetch_images,
    file_groups,
    part_counts,
    source_path,
    usable_parts,
)
from pipeline.data.same_pictures import count_identical, find_nearly_alike, number_identical
from pipeline.data.writing import write_real_images
from pipeline.parameters.feasibility import check_feasible
from pipeline.paths import refuse_strangers
from pipeline.project import Project


def run(project: Project) -> Iterator[str]:
    """Write ``data/real``; yield lines for the user, what was found before what is refused."""
    p, out = project.parameters, project.real
    path = source_path(p.data, project.root)
    refuse_strangers(out, OWN_FILES)
    out.parent.mkdir(parents=True, exist_ok=True)
    notes: list[str] = []

    def note(lines: Sequence[str]) -> Sequence[str]:
        lines = [one_line(line) for line in lines]  # names of files may hold anything
        notes.extend(lines)
        return lines

    with tempfile.TemporaryDirectory(
        dir=out.parent, prefix=".fetch.", ignore_cleanup_errors=True
    ) as work:
        fetched = fetch_images(project, path, Path(work))
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
        write_real_images(project, path, fetched, divided, near.picture, facts, notes)
    sizes = ", ".join(f"{count.sum():,} {part}" for part, count in sorted(counts.items()))
    yield f"{p.data.source}: {sizes} images, {len(names)} classes"
