"""Folders that the command wrote itself, known by a list of digests, and nothing of the user's.

The list is a file of sha256sum: ``sha256sum -c .made-by-augment`` checks a copy of the folder.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from augment.files import sha256_file
from pipeline.errors import PipelineError

MARKER = ".made-by-augment"

_LINE = re.compile(rb"(\\?)([0-9a-f]{64})  ([^\n]+)\n")
_LONGEST_LINE = 1 << 14
_LARGEST_MARKER = 4 << 30
"""Bytes; ten million pictures take a quarter of it."""


def mark_folder(folder: Path) -> None:
    """Write the list of all files below a folder into it: digest, two spaces, relative path."""
    files, _ = _contents(folder)
    with (folder / MARKER).open("wb") as marker:
        for name in sorted(files):
            marker.write(_line(sha256_file(folder / name), name))


def refuse_unless_own(folder: Path, name: str) -> None:
    """Refuse to replace a folder that holds anything but what its list of digests names.

    Args:
        folder: a folder that exists.
        name: what it is called in the error, such as ``--out digits``.

    Raises:
        PipelineError: one line; there is no list or it is damaged, or a file is not in it or has
            changed since, the first of them named.
    """
    other = "give another folder"
    marker = folder / MARKER
    if marker.is_symlink() or not marker.is_file():
        raise PipelineError(f"{name} holds no {MARKER}, so this command did not write it; {other}")
    files, folders = _contents(folder)
    files.discard(MARKER)
    try:
        digests, created = _read(marker, files)
    except ValueError as error:
        raise PipelineError(f"{name}: {MARKER} {error}; {other}") from None
    unknown = sorted((files - digests.keys()) | (folders - created))
    if unknown:
        raise PipelineError(f"{name} holds {unknown[0]}, which this command did not write; {other}")
    for file in sorted(files):
        path = folder / file
        if path.is_symlink() or not path.is_file() or sha256_file(path) != digests[file]:
            raise PipelineError(
                f"{name} holds {file}, which was changed after this command wrote it; {other}"
            )


def _contents(folder: Path) -> tuple[set[str], set[str]]:
    """Return the files and the folders below a folder, relative, links not followed."""
    files: set[str] = set()
    folders: set[str] = set()
    for place, inner, names in os.walk(folder, onerror=_raise):
        here = Path(place)
        links = [name for name in inner if (here / name).is_symlink()]
        files |= {(here / name).relative_to(folder).as_posix() for name in (*names, *links)}
        folders |= {
            (here / name).relative_to(folder).as_posix() for name in inner if name not in links
        }
    return files, folders


def _raise(error: OSError) -> None:
    raise error


def _line(digest: str, name: str) -> bytes:
    """Return a file's line of the list, escaped as sha256sum does."""
    raw = os.fsencode(name)
    escaped = raw.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    return (b"\\" if escaped != raw else b"") + f"{digest}  ".encode() + escaped + b"\n"


def _read(marker: Path, files: set[str]) -> tuple[dict[str, str], set[str]]:
    """Return the digests in a list of those of ``files`` that it names, and all its folders.

    Raises:
        ValueError: the list is none of ours.
    """
    if marker.stat().st_size > _LARGEST_MARKER:
        raise ValueError("is too large")
    digests: dict[str, str] = {}
    folders: set[str] = set()
    with marker.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), b""), 1):
            found = _LINE.fullmatch(line)
            if found is None:
                raise ValueError(f"is damaged in line {number}")
            raw = found[3]
            if found[1]:
                raw = re.sub(rb"\\(.)", lambda pair: b"\n" if pair[1] == b"n" else pair[1], raw)
            name = os.fsdecode(raw)
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or str(path) != name or name in digests:
                raise ValueError(f"names {name!r:.80} in line {number}")
            folders.update(map(str, path.parents))
            if name in files:
                digests[name] = found[2].decode()
    return digests, folders
