"""Folders that the command wrote itself, known by a list of digests, and nothing of the user's.

The list is a file of sha256sum: ``sha256sum -c .made-by-augment`` checks a copy of the folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from augment.files import sha256_file
from pipeline.errors import PipelineError

MARKER = ".made-by-augment"

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
        PipelineError: one line; there is no list or it is too large, or a file is not in it or has
            changed since, the first of them named.
    """
    other = "give another folder"
    marker = folder / MARKER
    if marker.is_symlink() or not marker.is_file():
        raise PipelineError(f"{name} holds no {MARKER}, so this command did not write it; {other}")
    if marker.stat().st_size > _LARGEST_MARKER:
        raise PipelineError(f"{name}: {MARKER} is too large; {other}")
    files, folders = _contents(folder)
    files.discard(MARKER)
    lines, written = _listed(marker, files, folders)
    unknown = sorted((files - lines.keys()) | (folders - written))
    if unknown:
        raise PipelineError(f"{name} holds {unknown[0]}, which this command did not write; {other}")
    for file in sorted(files):
        path = folder / file
        plain = path.is_file() and not path.is_symlink()
        if not plain or _line(sha256_file(path), file) != lines[file]:
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


def _escaped(name: str) -> bytes:
    """Return a name as sha256sum writes it."""
    return os.fsencode(name).replace(b"\\", b"\\\\").replace(b"\n", b"\\n")


def _line(digest: str, name: str) -> bytes:
    """Return a file's line of the list."""
    escaped = _escaped(name)
    flag = b"" if escaped == os.fsencode(name) else b"\\"
    return flag + f"{digest}  ".encode() + escaped + b"\n"


def _listed(marker: Path, files: set[str], folders: set[str]) -> tuple[dict[str, bytes], set[str]]:
    """Return the lines of those files that a list names, and those folders that its files are in.

    A line that is damaged names no file.
    """
    by_path = {_escaped(name): name for name in (*files, *folders)}
    lines: dict[str, bytes] = {}
    written: set[str] = set()
    with marker.open("rb") as content:
        for line in content:
            _, _, path = line.removesuffix(b"\n").partition(b"  ")
            if path in by_path:
                lines[by_path[path]] = line
            while path := path.rpartition(b"/")[0]:
                if path in by_path:
                    written.add(by_path[path])
    return lines, written
