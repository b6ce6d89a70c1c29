"""Files that are whole or absent: atomic writing, digests, arrays, JSON, CSV."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

_CHUNK_BYTES = 1 << 24


def _sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """Return the user's: tempfile makes private files, and outputs are as readable as it says."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary handle whose content replaces ``path`` only when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(
    path: Path, may_replace: Callable[[Path], None] = lambda old: None
) -> Iterator[Path]:
    """Give a temporary folder that replaces ``path`` only when the block succeeds.

    Two renames stand between the old folder and the new one; a crash between them leaves the
    old one beside its place under a name that starts with a dot and ends in ``.old``.

    Args:
        path: where the folder appears.
        may_replace: called with the old folder when it was set aside, so that nobody can put
            anything into it any more; where it raises, the old folder is put back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        old = path.with_name(f"{temporary.name}.old")
        if path.exists():
            path.rename(old)
            try:
                may_replace(old)
            except BaseException:
                old.rename(path)
                raise
        temporary.rename(path)
        _sync_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield an array's rows in parts of about 16 MiB: a memory-mapped one may exceed memory."""
    rows = max(1, _CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def sha256_array(array: np.ndarray) -> str:
    """Return the hexadecimal SHA-256 of an array's dtype, shape and values (C order)."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    for part in chunks(np.atleast_1d(array)):
        digest.update(part.tobytes())
    return digest.hexdigest()


def write_csv(path: Path, table: DataFrame, float_format: str | None = "%.6g") -> None:
    """Write a table to ``path`` as CSV without its index, by `atomic_file`.

    Args:
        path: the file.
        table: a pandas table.
        float_format: for every float; None writes all of its digits.
    """
    with atomic_file(path) as file:
        text = table.to_csv(index=False, float_format=float_format, lineterminator="\n")
        file.write(text.encode())


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array to ``path`` as a .npy file, by `atomic_file`; never an object array."""
    with atomic_file(path) as file:
        np.save(file, array, allow_pickle=False)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys, two-space indent and a last newline, atomically."""
    with atomic_file(path) as file:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        file.write(text.encode() + b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; raises ``OSError`` or ``ValueError`` as the standard library does."""
    return json.loads(path.read_text(encoding="utf-8"))
