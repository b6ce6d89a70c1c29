from __future__ import annotations

import ast
import hashlib
import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.files import (
    atomic_file,
    atomic_folder,
    read_json,
    sha256_array,
    sha256_file,
    write_csv,
    write_json,
)


def test_a_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    with atomic_file(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_file(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_outputs_are_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "file") as file:
            file.write(b"")
        with atomic_folder(tmp_path / "folder"):
            pass
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


def test_a_folder_replaces_the_old_one_entirely(tmp_path: Path) -> None:
    path = tmp_path / "a" / "folder"
    for name in ("one", "two"):
        with atomic_folder(path) as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / name).write_text(name)
            assert temporary.parent == path.parent
    assert [p.name for p in (path / "deep").iterdir()] == ["two"]
    assert list(path.parent.iterdir()) == [path]


def test_a_failing_block_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")

    def fail() -> None:
        with atomic_folder(path) as temporary:
            (temporary / "new").write_text("new")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [p.name for p in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"abc", b"x" * 3_000_000])
def test_digest_of_a_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def test_digest_of_an_array_is_of_dtype_shape_and_values() -> None:
    array = np.arange(6, dtype=np.int32)
    expected = hashlib.sha256(b"<i4(6,)" + array.tobytes()).hexdigest()
    assert sha256_array(array) == expected
    others = [array[::-1], array.reshape(2, 3), array.reshape(3, 2), array.astype(np.int64)]
    others += [array.view(np.uint32), array[:0], np.float64(0).reshape(()), np.zeros((0, 3))]
    assert len({sha256_array(other) for other in [array, *others]}) == len(others) + 1


def test_digest_of_an_array_does_not_depend_on_its_layout() -> None:
    array = np.random.default_rng(0).integers(0, 255, (70, 300, 90), dtype=np.uint8)  # > one chunk
    expected = hashlib.sha256(b"|u1(70, 300, 90)" + array.tobytes()).hexdigest()
    assert sha256_array(array) == expected
    assert sha256_array(np.asfortranarray(array)) == expected


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=JSON)
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "f.json"
    try:
        write_json(path, value)
    except UnicodeEncodeError:  # A lone surrogate as a key is not text.
        assert not path.exists()
        return
    assert read_json(path) == value


def test_json_has_one_form(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": [1, 2.5], "a": "é"})
    write_json(tmp_path / "b", {"a": "é", "b": [1, 2.5]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    expected = '{\n  "a": "é",\n  "b": [\n    1,\n    2.5\n  ]\n}\n'
    assert (tmp_path / "a").read_text(encoding="utf-8") == expected


def test_what_is_not_json_is_refused_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": math.nan})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_folder_may_refuse_to_go(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "mine").write_text("mine")

    def refuse(old: Path) -> None:
        assert not place.exists()  # nobody can put anything into it any more
        raise ValueError((old / "mine").read_text())

    with pytest.raises(ValueError, match="mine"), atomic_folder(place, refuse) as folder:
        (folder / "new").write_text("new")
    assert {path.name for path in tmp_path.iterdir()} == {"place"}
    assert {path.name for path in place.iterdir()} == {"mine"}


def test_a_table_is_written_whole_and_without_an_index(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", "b,c"], "value": [1 / 3, 2.0]})
    write_csv(tmp_path / "new" / "six.csv", table)
    assert (tmp_path / "new" / "six.csv").read_bytes() == b'name,value\na,0.333333\n"b,c",2\n'
    write_csv(tmp_path / "all.csv", table, float_format=None)
    assert pd.read_csv(tmp_path / "all.csv")["value"].tolist() == table["value"].tolist()


def test_every_table_is_written_by_the_atomic_writer() -> None:
    root = Path(__file__).parents[2]
    for room in ("augment", "classifiers", "pipeline", "reports"):
        for file in (root / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute) and node.attr == "to_csv":
                    assert file == root / "augment/files.py", file
