"""What the real images were made of: kept by stage fetch, compared with the folder of today."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augment.errors import AugmentError
from augment.files import atomic_file, read_json, sha256_file, write_json
from augment.images.image_sets import IMAGES_FILE, LABELS_FILE, META_FILE, one_line
from augment.images.splits import spread_rows
from augment.sources.fetched import FetchedData, SourceFile
from augment.sources.folder import file_state, names_of
from augment.sources.folder_layout import FolderLayout, scan_folder
from augment.sources.grouping import names_table
from augment.sources.partition import Partition
from pipeline.data.real_images import PARTS, source_path
from pipeline.errors import PipelineError
from pipeline.parameters.models import DataParameters
from pipeline.paths import user_path
from pipeline.project import Project

ABOUT = "source.json"
FILES = "files.csv"
NEAR_PICTURE = "near-duplicates.png"
OWN_FILES = (
    ABOUT,
    FILES,
    NEAR_PICTURE,
    *(f"{part}/{file}" for part in PARTS for file in (IMAGES_FILE, LABELS_FILE, META_FILE)),
)
"""What stage fetch writes into data/real."""
_COLUMNS = ("part", "row", "file", "bytes", "sha256", "left_out")
_MOST_READ = 500
"""Files that are read again at the most, of those that are newer than the fetch."""
_LARGEST_READ = 1 << 24


def fingerprint_of(files: Mapping[str, Sequence[SourceFile]]) -> str:
    """Return the hexadecimal SHA-256 of the names and contents of a folder's pictures."""
    digest = hashlib.sha256()
    for file in sorted((f for part in files.values() for f in part), key=lambda f: f.path):
        digest.update(f"{file.sha256}  {file.path}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def write_records(
    folder: Path,
    source: str,
    path: Path | None,
    fetched: FetchedData,
    divided: Partition,
    facts: Mapping[str, Any],
    notes: Sequence[str],
) -> None:
    """Write what the real images were made of: as a whole and, of a folder, file by file.

    Args:
        folder: where the records appear.
        source: ``data.source``.
        path: the folder of pictures; only its name is written.
        fetched: what the source gave.
        divided: which image is in which part of the study.
        facts: what else is to be known of the images, JSON values.
        notes: the lines that the user saw.
    """
    if fetched.files:
        fingerprint = fingerprint_of(fetched.files)
        write_files(folder, fetched, divided)
    else:
        digests = "".join(fetched.sets[part].digest for part in sorted(fetched.sets))
        fingerprint = hashlib.sha256(digests.encode()).hexdigest()
    name = one_line(path.resolve().name) if source == "folder" and path is not None else source
    about = {"format_version": 1, "source": source, "name": name, "fingerprint": fingerprint}
    write_json(folder / ABOUT, {**about, **facts, "notes": list(notes)})


def write_files(folder: Path, fetched: FetchedData, divided: Partition) -> None:
    """Write the table of files: of each image by part and row, then what is left out."""
    used: set[str] = set()
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for part, rows in sorted(divided.parts.items()):
        for row, image in enumerate(rows.index):
            file = fetched.files[rows.source][image]
            used.add(file.path)
            table.writerow([part, row, file.path, file.size, file.sha256, ""])
    for part, files in fetched.files.items():
        for row, file in enumerate(files):
            if file.path not in used:
                reason = divided.reasons.get((part, row), "a part that is not used")
                table.writerow(["", "", file.path, file.size, file.sha256, reason])
    for file in fetched.left_out:
        table.writerow(["", "", file.path, file.size, file.sha256, file.reason])
    with atomic_file(folder / FILES) as out:
        out.write(text.getvalue().encode("utf-8", "surrogateescape"))


def read_about(project: Project) -> dict[str, Any]:
    """Read what stage fetch wrote of the real images as a whole."""
    about = project.read(project.real / ABOUT, read_json)
    if not isinstance(about, dict):
        raise PipelineError(
            f"data/real/{ABOUT} is not what stage fetch wrote; remove it, and "
            "`dvc repro --force fetch` makes it again"
        )
    return about


def groups_digest(data: DataParameters, root: Path) -> str | None:
    """Return the SHA-256 of the table that data.groups names; None where it names none."""
    if data.groups is None or not names_table(data.groups):
        return None
    return sha256_file(user_path(data.groups, root, "data.groups"))


def changes_since_fetch(
    project: Project, data: DataParameters, layout: FolderLayout | None = None
) -> str | None:
    """Compare the folder of pictures with what was fetched from it.

    Names and sizes of all files are compared; contents where a file is newer than the fetch, of at
    most some hundred files from all over, so that it takes a second at most. A picture that was
    replaced by one of the same size and an older time is not noticed.

    Args:
        project: the project.
        data: the section data of its params.yaml.
        layout: the folder as it is now; None looks for itself.

    Returns:
        A line for the user; None where nothing changed, nothing was fetched yet, or the source is
        no folder.
    """
    table = project.real / FILES
    if data.source != "folder" or not table.is_file():
        return None
    try:
        if layout is None:
            root = source_path(data, project.root)
            assert root is not None  # a rule of the parameters
            layout = scan_folder(root, nested=data.nested, follow_links=data.follow_links)
        known, fetched = _read_files(table), table.stat().st_mtime_ns
        about = read_about(project)
    except (AugmentError, PipelineError, OSError, ValueError, TypeError, csv.Error):
        return None  # check and fetch say what is wrong there
    now = {
        names_of(layout, part, path)[0]: path
        for part in layout.parts.values()
        for path, _ in part.files
    }
    added = sorted(now.keys() - known.keys())
    removed = sorted(name for name in known.keys() - now.keys() if known[name][0] >= 0)
    both = sorted(now.keys() & known.keys())
    changed, newer = [], []
    for name in both:
        size, time = file_state(now[name])
        known_size, known_sha256 = known[name]
        if size != known_size:
            changed.append(name)
        elif known_sha256 and time > fetched:
            newer.append(name)
    for row in spread_rows(len(newer), _MOST_READ) if newer else ():
        name = newer[row]
        if known[name][0] < _LARGEST_READ and sha256_file(now[name]) != known[name][1]:
            changed.append(name)
    try:
        groups = groups_digest(data, project.root) != about.get("groups_sha256")
    except (PipelineError, OSError):
        groups = True
    counts = ((added, "added"), (removed, "removed"), (changed, "changed"))
    examples = [*changed, *added, *removed]
    if examples:
        what = (
            "neither the pictures nor the groups are those that were fetched"
            if groups
            else "the pictures in data.path are not those that were fetched"
        )
        parts = ", ".join(f"{len(files):,} {how}" for files, how in counts if files)
        what += f" ({parts}, such as {examples[0]})"
    elif groups:
        what = "the table of data.groups is not the one that was used"
    else:
        return None
    return f"{what}: `dvc repro --force fetch` and then `dvc repro` bring them in"


def _read_files(path: Path) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of every file of the table, by name."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise ValueError("other columns")
        return {row["file"]: (int(row["bytes"]), row["sha256"]) for row in rows}
