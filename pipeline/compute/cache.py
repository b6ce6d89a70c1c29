"""Finished work in the user's cache: DVC deletes a stage's outputs before it runs the stage.

Four kinds are kept, each under a digest of everything that it depends on: `models`, the folders
that a unit's training wrote, `cells`, a file a trained classifier, `features`, an array, and
`reduced`, an image set.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augment.files import atomic_folder, sha256_file, write_json
from pipeline.errors import PipelineError

KINDS = {
    "models": "finished judges and generators",
    "cells": "finished classifiers of the grid",
    "features": "InceptionV3's features of real images",
    "reduced": "image sets reduced to what a classifier sees",
    "training": "unfinished trainings",
}
"""Folders of the cache, and what they hold."""

_DAY = 86_400.0
_DIGESTS = "files.json"


def make_cache(folder: Path) -> None:
    """Make a folder in the user's cache, or say in one line why it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PipelineError(
            f"the cache folder {folder} cannot be written ({error.strerror}); "
            "set AUGMENT_CACHE_DIR to a folder that can"
        ) from None


def restore(cache: Path, key: str, outs: Mapping[str, Path]) -> bool:
    """Copy a finished unit's folders to where the stage writes them.

    Args:
        cache: the user's.
        key: digest of everything that the folders depend on.
        outs: each folder's name in the cache, and its place.

    Returns:
        Whether they were there, whole; where not, nothing is written.
    """
    entry = cache / "models" / key
    try:
        kept = json.loads((entry / _DIGESTS).read_text())
    except (OSError, ValueError):
        return False
    if kept != _digests(entry):  # damaged: it is made again
        return False
    entry.touch()  # it is in use
    for name, out in outs.items():
        with atomic_folder(out) as folder:
            shutil.copytree(entry / name, folder, dirs_exist_ok=True)
    return True


def keep(cache: Path, key: str, outs: Mapping[str, Path]) -> None:
    """Copy a unit's finished folders into the cache; arguments as of `restore`."""
    with atomic_folder(cache / "models" / key) as folder:
        for name, out in outs.items():
            shutil.copytree(out, folder / name)
        write_json(folder / _DIGESTS, _digests(folder))


def kept_features(cache: Path, key: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return an array that is in the cache, or else what ``compute`` returns, which is then.

    Args:
        cache: the user's.
        key: hexadecimal digest of everything that the array depends on.
        compute: called where the array is not there or damaged.
    """
    entry = cache / "features" / key
    try:
        with np.load(entry / "features.npz", allow_pickle=False) as arrays:
            features: np.ndarray = arrays["features"]
        entry.touch()  # it is in use
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        features = compute()
        with atomic_folder(entry) as folder:
            np.savez(folder / "features.npz", features=features)
    return features


def _digests(entry: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of an entry, by its path within."""
    files = sorted(path for path in entry.rglob("*") if path.is_file() and path.name != _DIGESTS)
    return {path.relative_to(entry).as_posix(): sha256_file(path) for path in files}


@dataclass(frozen=True)
class Usage:
    """What one folder of the cache takes."""

    kind: str
    about: str
    entries: int
    bytes: int


def usage(cache: Path) -> list[Usage]:
    """Return what is in the cache, a row a kind."""
    rows = []
    for kind, about in KINDS.items():
        entries = _entries(cache, kind)
        rows.append(Usage(kind, about, len(entries), sum(map(_size, entries))))
    return rows


def prune(cache: Path, days: float) -> Usage:
    """Remove what was neither written nor used for a number of days; return what went."""
    oldest = time.time() - days * _DAY
    removed = freed = 0
    for kind in KINDS:
        for entry in _entries(cache, kind):
            if max(path.stat().st_mtime for path in (entry, *entry.rglob("*"))) < oldest:
                removed += 1
                freed += _size(entry)
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return Usage("", "", removed, freed)


def _entries(cache: Path, kind: str) -> list[Path]:
    """Return the finished work of one kind: a cell is a file, all others are folders."""
    if kind == "cells":
        return sorted((cache / kind).glob("*/*.npz"))
    return sorted(path for path in (cache / kind).glob("[0-9a-f]*") if path.is_dir())


def _size(entry: Path) -> int:
    files = entry.rglob("*") if entry.is_dir() else [entry]
    return sum(path.stat().st_size for path in files if path.is_file())
