"""Finished work in the user's cache: what comes back, and what is pruned."""

import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.compute.cache import keep, kept_features, prune, restore, usage


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """What a unit's training wrote."""
    folder = tmp_path / "models" / "all-0"
    (folder / "more").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "more" / "meta.json").write_text("{}")
    return folder


def test_what_was_kept_comes_back(tmp_path: Path, out: Path, files_of) -> None:
    cache, again = tmp_path / "cache", tmp_path / "again"
    assert not restore(cache, "ab", {"generator": again})
    assert not again.exists()
    keep(cache, "ab", {"generator": out})
    assert restore(cache, "ab", {"generator": again})
    assert files_of(again) == files_of(out)
    assert not restore(cache, "cd", {"generator": again})


@pytest.mark.parametrize("damage", [b"weight", b"Weights", None])
def test_what_is_damaged_does_not(tmp_path: Path, out: Path, damage: bytes | None) -> None:
    cache, again = tmp_path / "cache", tmp_path / "again"
    keep(cache, "ab", {"generator": out})
    weights = cache / "models/ab/generator/weights.safetensors"
    weights.unlink() if damage is None else weights.write_bytes(damage)
    assert not restore(cache, "ab", {"generator": again})
    assert not again.exists()


@pytest.mark.parametrize("damage", [None, b"", b"PK", b"Features"])
def test_features_are_computed_once_or_where_the_file_is_damaged(
    tmp_path: Path, damage: bytes | None
) -> None:
    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    calls: list[int] = []

    def compute() -> np.ndarray:
        calls.append(1)
        return features

    for key, wanted in (("ab", 1), ("ab", 1), ("cd", 2)):
        np.testing.assert_array_equal(kept_features(tmp_path, key, compute), features)
        assert len(calls) == wanted
    file = tmp_path / "features/ab/features.npz"
    # A changed value is noticed as well.
    content = file.read_bytes().replace(features.tobytes(), features[::-1].tobytes())
    assert content != file.read_bytes()
    file.write_bytes(content if damage is None else damage)
    np.testing.assert_array_equal(kept_features(tmp_path, "ab", compute), features)
    np.testing.assert_array_equal(kept_features(tmp_path, "ab", compute), features)
    assert len(calls) == 3


def make_old(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    for each in (*path.rglob("*"), path):
        os.utime(each, (then, then))


def test_only_what_was_not_used_for_long_is_pruned(tmp_path: Path, out: Path, files_of) -> None:
    cache = tmp_path / "cache"
    keep(cache, "ab", {"generator": out})
    keep(cache, "cd", {"generator": out})
    cells = cache / "cells" / "ef"
    cells.mkdir(parents=True)
    for name in ("ef1.npz", "ef2.npz"):
        (cells / name).write_bytes(b"12345678")
    reduced = cache / "reduced" / "ab"
    reduced.mkdir(parents=True)
    (reduced / "images.npy").write_bytes(b"1234")
    (cache / "notes.txt").write_text("mine")
    rows = {row.kind: (row.entries, row.bytes > 0) for row in usage(cache)}
    assert rows == {
        "models": (2, True),
        "cells": (2, True),
        "features": (0, False),
        "reduced": (1, True),
        "training": (0, False),
    }
    for old in (cache / "models/ab", cache / "models/cd", cells / "ef1.npz", reduced):
        make_old(old, days=30)
    # Used today: it stays.
    assert restore(cache, "cd", {"generator": tmp_path / "again"})
    gone = prune(cache, days=10)
    assert gone.entries == 3
    assert gone.bytes > 8
    left = set(files_of(cache))
    assert {"notes.txt", "cells/ef/ef2.npz"} <= left
    assert {name.split("/")[1] for name in left if name.startswith("models/")} == {"cd"}


def test_the_command_shows_and_prunes(study, augment, tmp_path: Path, bare: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(study.cache, cache)
    run = augment(bare, "cache", cache=cache)
    assert run.code == 0
    models, cells, features, reduced, training, place = run.out.splitlines()
    assert re.match(r"models +2 entries +\d+ MB  finished judges and generators", models)
    assert re.match(r"cells +\d+ entries", cells)
    assert re.match(r"features +0 entries +0 MB", features)
    assert re.match(r"reduced +0 entries +0 MB", reduced)
    assert re.match(r"training +0 entries +0 MB", training)
    assert place.startswith(f"in {cache}; ")
    assert augment(bare, "cache", "--prune", "1", cache=cache).out.startswith("removed 0 entries")
    make_old(cache, days=2)
    said = augment(bare, "cache", "--prune", "1", cache=cache).out.splitlines()
    assert re.match(r"removed [1-9]\d* entries, \d+ MB", said[0])
    assert all(" 0 entries" in line for line in said[1:6])
    assert "--prune" in augment(bare, "cache", "--prune", "0").error
