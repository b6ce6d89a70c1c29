import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.images.image_sets import open_image_set
from pipeline.data import writing

SMALL = {
    "data.source": "folder",
    "data.path": "pictures",
    "mix.real": [0, 1.0],
    "mix.synthetic": [0, 10],
    "train_gan.options.batch_size": 10,
}


@pytest.fixture
def project(bare: Path, parameters, draw_noise) -> Path:
    """A project with pictures of two classes."""
    draw_noise(bare / "pictures", {"bar": 20, "ring": 30})
    parameters(bare, SMALL)
    return bare


def test_parts_counts_and_what_is_said(project: Path, augment) -> None:
    run = augment(project, "fetch")
    assert (run.code, run.out) == (
        0,
        "folder: 10 test, 36 train, 4 validation images, 2 classes\n",
    )
    counts = {}
    pixels = []
    for part in ("train", "validation", "test"):
        images = open_image_set(project / "data/real" / part)
        counts[part] = images.counts().tolist()
        assert images.class_names == ("bar", "ring")
        assert images.meta["made_by"]["part"] == part
        pixels += [image.tobytes() for image in images.images]
    assert counts == {"train": [14, 22], "validation": [2, 2], "test": [4, 6]}
    originals = [
        np.asarray(Image.open(file)).tobytes() for file in (project / "pictures").rglob("*.png")
    ]
    assert sorted(pixels) == sorted(originals)
    assert sorted(path.name for path in (project / "data").iterdir()) == ["real", "subsets"]
    assert sorted(path.name for path in (project / "data/real").iterdir()) == [
        "files.csv",
        "source.json",
        "test",
        "train",
        "validation",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mix.real": [0, 37]}, "mix.real[1] is 37; allowed: at most the 36 training images"),
        (
            {"data.groups": "^(p)"},
            "class 'bar' has too few images to split (20 images, in 1 group)",
        ),
    ],
)
def test_what_is_refused_leaves_what_there_was(
    project: Path, augment, parameters, files_of, changes: dict[str, object], said: str
) -> None:
    assert augment(project, "fetch").code == 0
    before = files_of(project / "data")
    parameters(project, changes)
    assert said in augment(project, "fetch").error
    assert files_of(project / "data") == before


def test_notes_are_said_before_the_refusal(project: Path, augment) -> None:
    for file in sorted((project / "pictures/ring").iterdir())[:14]:
        file.write_bytes(file.read_bytes()[:60])
    (project / "pictures/extra.txt").touch()
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("batch_size: 10\n", "batch_size: 36\n"))
    run = augment(project, "fetch")
    assert (
        "train_gan.options.batch_size is 36; allowed: at most the 26 training images" in run.error
    )
    notes = run.out.splitlines()
    assert notes[0] == "not used (beside the class folders): extra.txt"
    assert notes[1].startswith("class 'ring': 14 of 30 pictures in pictures/ could not be read")


ODD = ("new\nline.png", "tab\t.png", "\x1b[31mred.png", "-dash.png", 'quo"te,.png', "猫.png",
       os.fsdecode(b"\xff.png"), " blank.png", "a" * 200 + ".png")  # fmt: skip


def test_names_of_files_may_hold_anything(project: Path, augment, parameters) -> None:
    folder = project / "pictures"
    for name in ODD:
        try:
            (folder / name).write_bytes(b"x")  # beside the class folders
            (folder / "ring" / name).write_bytes(b"x")  # unreadable
            shutil.copy(folder / "ring/p000.png", folder / "bar" / name)  # in two classes
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
    parameters(project, {"data.duplicates": "keep", "data.groups": "^(p[0-9]+)"})
    checked, fetched = augment(project, "check"), augment(project, "fetch")
    assert (checked.code, fetched.code) == (0, 0)
    for text in (checked.out, fetched.out):
        assert all(line.isprintable() for line in text.split("\n"))
    assert all(len(line.split(maxsplit=2)) == 3 for line in checked.out.splitlines())
    about = json.loads((project / "data/real/source.json").read_text())
    assert about["identical"]["in_two_classes"] == len(ODD) + 1
    assert all(note.isprintable() for note in about["notes"])
    # Nothing changed, by any name.
    assert "changed since" not in augment(project, "check").out


def test_a_folder_whose_own_name_is_no_text(project: Path, augment, parameters) -> None:
    try:
        (project / "pictures").rename(project / os.fsdecode(b"\xff\n"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (project / "link").symlink_to(os.fsdecode(b"\xff\n"))
    parameters(project, {"data.path": "link"})
    assert augment(project, "check").code == 0
    assert augment(project, "fetch").code == 0
    about = json.loads((project / "data/real/source.json").read_text())
    assert about["name"] == "\\udcff\\n"


def test_given_images_for_validation_without_a_use(
    project: Path, augment, parameters, draw_noise
) -> None:
    (project / "pictures").rename(project / "train")
    (project / "pictures").mkdir()
    (project / "train").rename(project / "pictures/train")
    draw_noise(project / "pictures/valid", {"bar": 3, "ring": 4})
    assert augment(project, "fetch").out.endswith(
        "10 test, 40 train, 7 validation images, 2 classes\n"
    )
    parameters(project, {"data.validation": 0, "train_gan.keep": "last"})
    run = augment(project, "fetch")
    assert run.out == (
        "the images for validation are not used, because data.validation is 0\n"
        "folder: 10 test, 40 train images, 2 classes\n"
    )
    assert not (project / "data/real/validation").exists()
    table = (project / "data/real/files.csv").read_text()
    assert table.count("a part that is not used") == 7


@pytest.mark.parametrize("name", ["mine.txt", "cat/1.png", "train/cat/1.png", "train/a/b"])
def test_what_no_stage_wrote_is_never_replaced(project: Path, augment, files_of, name: str) -> None:
    assert augment(project, "fetch").code == 0
    (project / "data/real" / name).parent.mkdir(parents=True, exist_ok=True)
    (project / "data/real" / name).write_text("mine")
    before = files_of(project)
    assert "which no stage wrote and which would be lost" in augment(project, "fetch").error
    assert any("no stage wrote" in line for line in augment(project, "check").out.splitlines())
    assert files_of(project) == before


def test_a_picture_that_comes_during_the_fetch_is_kept(
    project: Path, augment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert augment(project, "fetch").code == 0
    mine = project / "data/real/mine.png"
    write = writing.write_records

    def late(*arguments: object) -> None:
        mine.write_text("mine")
        write(*arguments)

    monkeypatch.setattr(writing, "write_records", late)
    assert "data/real holds mine.png" in augment(project, "fetch").error
    assert mine.read_text() == "mine"
    assert {path.name for path in (project / "data").iterdir()} == {"real", "subsets"}


def test_a_link_into_an_output_is_refused(project: Path, augment, parameters, files_of) -> None:
    (project / "results/figures").mkdir(parents=True)
    shutil.copytree(project / "pictures/bar", project / "results/figures/bow")
    (project / "pictures/bow").symlink_to(project / "results/figures/bow")
    parameters(project, {"data.follow_links": True})
    before = files_of(project)
    assert "a link in data.path is" in augment(project, "fetch").error
    checked = augment(project, "check")
    assert checked.code == 2
    assert "a link in data.path is" in checked.out
    assert files_of(project) == before
