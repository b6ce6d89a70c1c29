"""A pool of images that something else made, and the study on it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import open_image_set

NAMES = ("NA", "circle", "square & co")


pytestmark = pytest.mark.usefixtures("one_thread")  # bytes depend on it


@pytest.fixture
def project(study, bare: Path, draw_shapes, parameters) -> Path:
    """The tiny study up to its judge, and drawn shapes in a folder of their own as the pool."""
    for place in ("pictures", "data/real", "data/subsets", "models/judges", "models/examiner"):
        shutil.copytree(study.root / place, bare / place, dirs_exist_ok=True)
    draw_shapes(bare / "made elsewhere", per_class=44)
    parameters(bare, {"generate.source": "folder", "generate.path": "made elsewhere"})
    return bare


@pytest.mark.slow
def test_the_study_runs_on_a_folder_and_trains_no_generator(augment, stages, project: Path) -> None:
    said = {}
    for stage in stages[stages.index("train-judge") + 1 :]:
        run = augment(project, stage)
        assert run.code == 0, (stage, run.err)
        said[stage] = run.out
    assert said["train-gan"] == "no generator is trained: generate.source is folder\n"
    assert list((project / "models/generators/all-0").iterdir()) == []
    pool = open_image_set(project / "data/generated/all-0")
    assert pool.counts().tolist() == [40, 40, 40]
    cells = pd.read_parquet(project / "results/cells.parquet")
    assert set(cells["generator"]) == {"folder"}
    assert {"mix", "filtered", "none"} <= set(cells["strategy"])
    scores = pd.read_json(project / "results/scores.json")
    assert {"fid_examiner", "label_match"} <= set(scores["score"])
    page = (project / "results/report.html").read_text()
    assert "no generator was trained" in page
    assert "Label match" in page
    assert augment(project, "record", "given", "--cells").code == 0
    record = json.loads((project / "studies/given.json").read_text())
    assert record["generator"] is None
    assert record["parameters"]["generate"]["path"] == "FOLDER"
    assert "train_gan" not in record["parameters"]


def test_the_first_images_of_every_class_become_the_pool(
    augment, project: Path, parameters
) -> None:
    run = augment(project, "generate")
    assert run.out == "unit all-0: 120 images of 3 classes from made elsewhere\n"
    pool = open_image_set(project / "data/generated/all-0")
    # The same pictures as an image set: `augment generate` and the pool itself are such.
    shutil.copytree(project / "data/generated/all-0", project / "set")
    parameters(project, {"generate.path": "set", "generate.per_class": 50})
    run = augment(project, "generate")
    assert run.code == 0
    assert "fewer than 50 images in generate.path: NA (40), circle (40), square" in run.out
    again = open_image_set(project / "data/generated/all-0")
    assert np.array_equal(again.images, pool.images)
    assert np.array_equal(again.labels, pool.labels)
    assert [path.name for path in (project / "data/generated").iterdir()] == ["all-0"]


def test_classes_are_matched_by_name(augment, project: Path, parameters) -> None:
    shutil.rmtree(project / "made elsewhere/NA")
    assert "40 images in generate.path: NA (0)" in augment(project, "generate").out
    pool = open_image_set(project / "data/generated/all-0")
    assert pool.class_names == NAMES
    assert pool.counts().tolist() == [0, 40, 40]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("class", "which has the class 'triangle'; allowed: NA, circle, square & co"),
        ("parts", "which has the parts train, test; allowed: one folder a class"),
        ("size", "an image set of (32, 32, 1) pixels and channels; allowed: (28, 28, 1)"),
        ("missing", "made elsewhere does not exist; allowed: a folder"),
        ("output", "lies in data/real of this project"),
    ],
)
def test_check_and_the_stage_refuse_the_same_folders(
    augment, project: Path, parameters, draw_shapes, change: str, said: str
) -> None:
    folder = project / "made elsewhere"
    if change == "class":
        shutil.copytree(folder / "circle", folder / "triangle")
    elif change == "parts":
        shutil.rmtree(folder)
        for part in ("train", "test"):
            draw_shapes(folder / part, per_class=2)
    elif change == "size":
        shutil.rmtree(folder)
        images = np.zeros((3, 32, 32, 1), np.uint8)
        write_image_set(folder, images, np.arange(3), NAMES, source="another tool")
    elif change == "missing":
        shutil.rmtree(folder)
    else:
        parameters(project, {"generate.path": "data/real/train"})
    error = augment(project, "generate").error
    assert said in error
    check = augment(project, "check")
    assert check.code == 2
    assert said in check.out
    assert not (project / "data/generated/all-0").exists()
