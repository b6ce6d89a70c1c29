"""Stage inspect on the tiny study, and on one whose generator has no labels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment.checkpoints import read_meta
from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import open_image_set
from pipeline.scoring import neighbours
from reports.page.facts import copy_facts, coverage_facts

pytestmark = pytest.mark.usefixtures("one_thread")  # bytes depend on it


def tables(root: Path) -> dict[str, pd.DataFrame]:
    folder = root / "results/inspection/all-0"
    return {path.stem: pd.read_csv(path, keep_default_na=False) for path in folder.glob("*.csv")}


def test_neighbours_are_the_nearest_training_images(study) -> None:
    table = tables(study.root)["neighbours"]
    assert table.groupby("query").size().eq(4).all()
    assert table["query"].nunique() == 10
    assert set(table["label"]) == {0, 1, 2}
    pool = open_image_set(study.root / "data/generated/all-0")
    train = open_image_set(study.root / "data/real/train")
    flat = train.images.reshape(len(train), -1) / 255
    for query, rows in table.groupby("query"):
        assert (rows["label"] == pool.labels[query]).all()
        distances = np.linalg.norm(flat - pool.images[query].reshape(-1) / 255, axis=1)
        np.testing.assert_allclose(rows["distance"], np.sort(distances)[:4], atol=1e-3)
        np.testing.assert_allclose(distances[rows["row"]], rows["distance"], atol=1e-3)
        assert rows["rank"].tolist() == [1, 2, 3, 4]


def test_of_three_training_images_all_are_neighbours(augment, study, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(study.root, root)
    train = open_image_set(study.root / "data/real/train")
    few = train.subset([np.flatnonzero(train.labels == label)[0] for label in range(3)])
    write_image_set(root / "data/real/train", few.images, few.labels, few.class_names, source="x")
    np.save(root / "data/subsets/all-0/train.npy", np.arange(3))
    run = augment(root, "inspect")
    assert run.code == 0, run.err
    table = tables(root)["neighbours"]
    for _, rows in table.groupby("query"):
        assert rows["rank"].tolist() == [1, 2, 3]
        assert set(rows["row"]) == {0, 1, 2}


def test_coverage_has_as_many_queries_of_both_kinds(study) -> None:
    table = tables(study.root)["coverage"]
    assert set(table["class_name"]) == {"NA", "circle", "square & co"}
    groups = dict(iter(table.groupby("group")))
    assert groups.keys() == {"generated", "test"}
    assert groups["generated"]["n_queries"].tolist() == groups["test"]["n_queries"].tolist()
    assert (table["n_train"] == 36).all()
    assert table["share"].between(0, 1).all()
    assert table["most"].between(0, 1).all()


def facts_of(root: Path) -> str:
    folder = root / "results/inspection/all-0"
    copied = json.loads((folder / "copies.json").read_text())
    coverage = tables(root)["coverage"]
    return " ".join([*copy_facts(copied), *coverage_facts(coverage)])


def test_copies_are_looked_for_in_the_whole_pool(study) -> None:
    copied = json.loads((study.root / "results/inspection/all-0/copies.json").read_text())
    assert (copied["n_generated"], copied["n_pool"]) == (120, 120)
    assert copied["n_test"] + copied["n_identical_test"] == 30
    assert not copied["found"]
    assert "copies" not in study.said["inspect"].out


@pytest.mark.parametrize(
    ("planted", "copies", "collapsed"),
    [("copying", True, False), ("collapsed", False, True)],
)
def test_copying_and_collapse_are_called_what_they_are(
    augment, study, tmp_path: Path, planted: str, copies: bool, collapsed: bool
) -> None:
    root = tmp_path / "project"
    shutil.copytree(study.root, root)
    train = open_image_set(root / "data/real/train")
    labels = np.repeat(np.arange(3), 40)
    if planted == "copying":
        # Moved by two pixels; the shapes do not reach to the edge.
        rows = [np.resize(np.flatnonzero(train.labels == label), 40) for label in range(3)]
        images = np.roll(train.images[np.concatenate(rows)], (2, -1), axis=(1, 2))
    else:
        noise = np.random.default_rng(0).integers(0, 256, train.images.shape[1:], dtype=np.uint8)
        images = np.repeat(noise[None], 120, axis=0)
    folder = root / "data/generated/all-0"
    shutil.rmtree(folder)
    write_image_set(folder, images, labels, train.class_names, source="x")
    run = augment(root, "inspect")
    assert run.code == 0, run.err
    said = facts_of(root)
    assert ("120 of 120 generated images (100.0%) are nearer" in said) == copies
    assert ("moved by up to 2): copies." in said) == copies
    assert ("120 of 120 generated images are nearer to a training image" in run.out) == copies
    assert ("the generator has collapsed onto few different images" in said) == collapsed
    assert "In the worst class" not in said  # of ten test images a class nothing is said
    assert ("None of 120" in said) == (not copies)


def test_of_many_images_a_random_part_is_looked_at(study, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = ("generated/all-0", "real/train", "real/test")
    pool, train, test = (open_image_set(study.root / "data" / name) for name in sets)
    monkeypatch.setattr(neighbours, "_MOST_PRODUCTS", 1.0)
    monkeypatch.setattr(neighbours, "_FEWEST_CHECKED", 15)
    copied = neighbours.copy_counts(pool, train, test, seed=0)
    assert (copied["n_generated"], copied["n_pool"]) == (15, 120)
    assert copied["n_test"] + copied["n_identical_test"] == 15
    assert copied == neighbours.copy_counts(pool, train, test, seed=0)


def test_activations_of_both_kinds_lie_in_one_plane(study) -> None:
    table = tables(study.root)["projection"]
    # There are 30 test images, fewer than 100.
    assert table.groupby("group").size().to_dict() == {"generated": 100, "real": 30}
    folder = study.root / "results/inspection/all-0"
    explained = json.loads((folder / "explained.json").read_text())
    assert 0 < explained[1] <= explained[0] <= 1
    np.testing.assert_allclose(table[["x", "y"]].mean(), 0, atol=1e-3)


def test_the_discriminator_scores_three_kinds_at_two_epochs(study) -> None:
    table = tables(study.root)["discriminator"]
    assert table["epoch"].nunique() == 2
    sizes = table.groupby(["epoch", "group"]).size().unstack()
    # Whole batches of 12 of a thousand, of 108 and of 30 images.
    assert (sizes["generated"] == 996).all()
    assert (sizes["training"] == 108).all()
    assert (sizes["test"] == 24).all()
    assert table["score"].between(0, 1).all()
    checkpoints = study.root / "models/checkpoints/all-0"
    kept = sorted(path.name for path in checkpoints.glob("*-discriminator"))
    assert [int(name.split("-")[1]) for name in kept] == sorted(table["epoch"].unique())
    meta = read_meta(checkpoints / kept[0], "discriminator")
    assert meta["weights"] == "discriminator"


def test_a_second_run_writes_the_same_bytes(study, augment, tmp_path: Path, files_of) -> None:
    shutil.copytree(study.root, tmp_path / "project")
    folder = tmp_path / "project/results/inspection/all-0"
    before = files_of(folder)
    shutil.rmtree(folder)
    assert augment(tmp_path / "project", "inspect", "--unit", "all-0").code == 0
    assert files_of(folder) == before


def test_a_training_that_kept_no_discriminator_has_no_scores(
    study, augment, tmp_path: Path
) -> None:
    shutil.copytree(study.root, tmp_path / "project")
    for folder in (tmp_path / "project/models/checkpoints/all-0").glob("*-discriminator"):
        shutil.rmtree(folder)
    run = augment(tmp_path / "project", "inspect")
    assert run.code == 0
    assert "discriminator" in study.said["inspect"].out
    assert "discriminator" not in run.out
    assert len(tables(tmp_path / "project")["discriminator"]) == 0
