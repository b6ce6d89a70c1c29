import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.images.image_set_writer import ImageSetWriter
from augment.images.image_sets import open_image_set
from augment.sources.fetched import FetchedData, SourceFile
from augment.sources.partition import Partition, Rows
from pipeline.data import fingerprint
from pipeline.data.fingerprint import changes_since_fetch, fingerprint_of, read_about, write_records
from pipeline.errors import PipelineError
from pipeline.parameters.models import DataParameters
from pipeline.project import Project

SMALL = {
    "data.source": "folder",
    "data.path": "pictures",
    "mix.real": [0, 1.0],
    "mix.synthetic": [0, 10],
    "train_gan.options.batch_size": 10,
}


@pytest.fixture
def fetched(bare: Path, parameters, augment, draw_noise) -> Path:
    """A project whose pictures were fetched an hour ago."""
    draw_noise(bare / "pictures", {"bar": 12, "ring": 13})
    (bare / "pictures/bar/broken.png").write_bytes(b"x")
    (bare / "pictures/notes").mkdir()
    (bare / "pictures/README.txt").write_text("mine")
    parameters(bare, SMALL)
    assert augment(bare, "fetch").code == 0
    made_at(bare / "data/real/files.csv", -3600)
    for file in (bare / "pictures").rglob("*"):
        made_at(file, -7200)
    return bare


def made_at(file: Path, seconds: float) -> None:
    """Set a file's time, from now."""
    then = file.stat().st_mtime_ns + int(seconds * 1e9)
    os.utime(file, ns=(then, then))


def data_of(root: Path) -> DataParameters:
    return Project(root).parameters.data


def said(root: Path) -> str:
    return str(changes_since_fetch(Project(root), data_of(root)) or "")


def rows(root: Path) -> list[dict[str, str]]:
    with (root / "data/real/files.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_names_every_file_and_where_it_is(fetched: Path) -> None:
    table = rows(fetched)
    files = {
        path.relative_to(fetched / "pictures").as_posix(): path
        for path in (fetched / "pictures").rglob("*")
        if path.is_file()
    }
    assert {row["file"] for row in table} == files.keys() | {"notes"}
    in_use = [row for row in table if row["part"]]
    assert len(in_use) == 25
    for row in in_use:
        content = files[row["file"]].read_bytes()
        assert int(row["bytes"]) == len(content)
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["left_out"] == ""
    assert {row["file"]: row["bytes"] for row in table if not row["part"]} == {
        "README.txt": "-1",
        "bar/broken.png": "1",
        "notes": "-1",
    }
    assert all(row["left_out"] for row in table if not row["part"])
    # By part and row, in the order of the images.
    assert [(row["part"], int(row["row"])) for row in in_use] == sorted(
        (row["part"], int(row["row"])) for row in in_use
    )


def test_the_rows_are_those_of_the_images(fetched: Path) -> None:
    for row in rows(fetched):
        if row["part"]:
            images = open_image_set(fetched / "data/real" / row["part"]).images
            pixels = np.asarray(Image.open(fetched / "pictures" / row["file"]))
            np.testing.assert_array_equal(images[int(row["row"])][..., 0], pixels)


def test_what_is_known_of_the_whole(fetched: Path) -> None:
    about = read_about(Project(fetched))
    assert about["format_version"] == 1
    assert (about["source"], about["name"]) == ("folder", "pictures")
    assert about["identical"]["images"] == 0
    assert len(about["notes"]) == 3  # an empty folder, a file beside the classes, an unreadable one
    files = {
        "train": [SourceFile(row["file"], "", 1, row["sha256"]) for row in rows(fetched)
                  if row["part"]],
    }  # fmt: skip
    assert about["fingerprint"] == fingerprint_of(files)
    assert str(fetched) not in (fetched / "data/real/source.json").read_text()
    (fetched / "data/real/source.json").write_text("[]")
    with pytest.raises(PipelineError, match=r"source\.json is not what stage fetch wrote"):
        read_about(Project(fetched))
    (fetched / "data/real/source.json").write_text("{")
    with pytest.raises(PipelineError, match=r"source\.json cannot be read"):
        read_about(Project(fetched))
    (fetched / "data/real/source.json").unlink()
    with pytest.raises(PipelineError, match=r"source\.json is missing"):
        read_about(Project(fetched))


def test_a_fingerprint_is_of_names_and_contents_in_any_order() -> None:
    one, two = SourceFile("a/1", "1", 3, "0" * 64), SourceFile("b/2", "2", 3, "1" * 64)
    expected = hashlib.sha256(f"{'0' * 64}  a/1\n{'1' * 64}  b/2\n".encode()).hexdigest()
    assert fingerprint_of({"train": [one, two]}) == expected
    assert fingerprint_of({"train": [two], "test": [one]}) == expected
    renamed = SourceFile("a/3", "3", 3, "0" * 64)
    assert fingerprint_of({"train": [renamed, two]}) != expected
    undecodable = SourceFile(os.fsdecode(b"a/\xff"), "", 3, "0" * 64)
    assert (
        fingerprint_of({"train": [undecodable]})
        == hashlib.sha256(b"0" * 64 + b"  a/\xff\n").hexdigest()
    )


def flip_a_byte(pictures: Path) -> None:
    file = pictures / "ring/p001.png"
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)


def touch_all(pictures: Path) -> None:
    for file in pictures.rglob("*"):
        file.touch()


def change_what_is_left_out_by_its_place(pictures: Path) -> None:
    (pictures / "README.txt").unlink()
    (pictures / ".DS_Store").touch()
    (pictures / "notes").rmdir()


@pytest.mark.parametrize(
    ("edit", "change"),
    [
        (lambda pictures: None, ""),
        (touch_all, ""),
        (change_what_is_left_out_by_its_place, ""),
        (flip_a_byte, "(1 changed, such as ring/p001.png)"),
        (
            lambda p: shutil.copy(p / "ring/p001.png", p / "bar/broken.png"),
            "(1 changed, such as bar/broken.png)",
        ),
        (
            lambda p: shutil.copy(p / "ring/p001.png", p / "notes"),
            "(1 added, such as notes/p001.png)",
        ),
    ],
)
def test_a_change_of_the_pictures_is_said(
    fetched: Path, augment, edit: Callable[[Path], object], change: str
) -> None:
    edit(fetched / "pictures")
    assert change in said(fetched)
    assert bool(change) == bool(said(fetched))
    assert ("are not those" in augment(fetched, "check").out) == bool(change)


def test_added_removed_and_changed_files(fetched: Path, augment) -> None:
    pictures = fetched / "pictures"
    shutil.copy(pictures / "ring/p000.png", pictures / "ring/new.png")
    (pictures / "ring/p001.png").unlink()
    (pictures / "bar/broken.png").unlink()
    shutil.copy(pictures / "ring/p000.png", pictures / "bar/p003.png")
    change = said(fetched)
    assert change == (
        "the pictures in data.path are not those that were fetched (1 added, 2 removed, 1 changed, "
        "such as bar/p003.png): `dvc repro --force fetch` and then `dvc repro` bring them in"
    )
    checked = augment(fetched, "check")
    assert checked.code == 0
    assert f"warning  data        {change}" in checked.out.splitlines()
    assert augment(fetched, "fetch").code == 0
    assert said(fetched) == ""


@pytest.mark.parametrize("keep_times", [True, False])
def test_the_same_pictures_elsewhere_are_no_change(
    fetched: Path, parameters, augment, keep_times: bool
) -> None:
    before = read_about(Project(fetched))["fingerprint"]
    new = fetched.parent / "elsewhere" / "birds"
    shutil.copytree(
        fetched / "pictures", new, copy_function=shutil.copy2 if keep_times else shutil.copyfile
    )
    shutil.rmtree(fetched / "pictures")
    parameters(fetched, {"data.path": str(new)})
    assert said(fetched) == ""
    assert "are not those" not in augment(fetched, "check").out
    assert augment(fetched, "fetch").code == 0
    assert read_about(Project(fetched))["fingerprint"] == before


def test_not_more_is_read_again_than_a_second_allows(
    fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (fetched / "pictures").rglob("*.png"):
        file.touch()
    read: list[Path] = []
    monkeypatch.setattr(fingerprint, "_MOST_READ", 7)
    monkeypatch.setattr(
        fingerprint, "sha256_file", lambda path: (read.append(path), sha256(path))[1]
    )
    assert said(fetched) == ""
    assert len(read) == 7


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_where_there_is_nothing_to_compare_nothing_is_said(fetched: Path, parameters) -> None:
    parameters(fetched, {"data.path": "nowhere"})
    assert said(fetched) == ""
    parameters(fetched, {"data.source": "mnist5k", "data.path": None})
    assert said(fetched) == ""
    parameters(fetched, SMALL)
    (fetched / "pictures/ring/p001.png").unlink()
    assert said(fetched) != ""
    (fetched / "data/real/files.csv").unlink()
    assert said(fetched) == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n1,2\n",
        b"part,row,file,bytes,sha256,left_out\ntrain,0,bar/p000.png\n",
        b"part,row,file,bytes,sha256,left_out\ntrain,0,bar/p000.png,many,x,\n",
        b"part,row,file,bytes,sha256,left_out\n" + b"x" * 200_000 + b",1,1,1,1,1\n",
        b"part,row,file,bytes,sha256,left_out\n\xff\xfe,\0,a,1,x,\n",
    ],
    ids=range(6),
)
def test_a_damaged_table_is_no_traceback(fetched: Path, augment, content: bytes) -> None:
    (fetched / "data/real/files.csv").write_bytes(content)
    said(fetched)
    assert augment(fetched, "check").code == 0


def test_a_source_without_files_has_a_fingerprint_of_its_images(tmp_path: Path) -> None:
    fingerprints = []
    for value in (0, 1, 1):
        image = np.full((28, 28, 1), value, np.uint8)
        with ImageSetWriter(tmp_path / "set", (2, 28, 28, 1), ("0", "1"), "mnist", {}) as writer:
            writer.append(image, 0)
            writer.append(image, 1)
        fetched = FetchedData({"train": open_image_set(tmp_path / "set")})
        divided = Partition({"train": Rows("train", np.arange(2))})
        write_records(tmp_path, "mnist", tmp_path, fetched, divided, {"more": 1}, ["a note"])
        about = json.loads((tmp_path / "source.json").read_text())
        fingerprints.append(about.pop("fingerprint"))
        assert about == {
            "format_version": 1,
            "source": "mnist",
            "name": "mnist",
            "more": 1,
            "notes": ["a note"],
        }
    assert not (tmp_path / "files.csv").exists()
    assert fingerprints[0] != fingerprints[1] == fingerprints[2]


def test_another_table_of_groups_is_a_change(fetched: Path, parameters, augment) -> None:
    table = fetched / "groups.csv"
    names = [path.relative_to(fetched / "pictures") for path in fetched.glob("pictures/*/*.png")]
    lines = [f"{name},{number // 2}" for number, name in enumerate(names)]
    table.write_text("\n".join(["file,group", *lines]))
    parameters(fetched, {"data.groups": "groups.csv"})
    assert augment(fetched, "fetch").code == 0
    assert said(fetched) == ""
    table.write_text("\n".join(["file,group", *lines[:-2], f"{names[-1]},0", f"{names[-2]},0"]))
    assert "the table of data.groups is not the one that was used" in said(fetched)
    assert "`dvc repro --force fetch`" in augment(fetched, "check").out
