"""The stages on a tiny study: what they write, say and refuse."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment.checkpoints import read_meta
from augment.image_sets import open_image_set
from classifiers.checkpoints import load_lenet
from classifiers.prediction import predict

CELLS = 2 * (2 * 2 + 3 * 3 + 2 * 2)
"""Of the tiny study: two seeds of each recipe."""


@pytest.fixture(autouse=True)
def _one_thread(one_thread) -> None:
    """Bytes depend on the number of threads."""


@pytest.fixture
def copy(study, tmp_path: Path) -> Path:
    """A copy of the finished study, and of its cache beside it, to change."""
    shutil.copytree(study.root, tmp_path / "project")
    shutil.copytree(study.cache, tmp_path / "cache")
    return tmp_path / "project"


def test_fetch_splits_every_class_alike(study) -> None:
    parts = {p: open_image_set(study.root / "data/real" / p) for p in ("train", "validation")}
    parts["test"] = open_image_set(study.root / "data/real/test")
    assert {name: part.counts().tolist() for name, part in parts.items()} == {
        "test": [10, 10, 10],
        "validation": [4, 4, 4],
        "train": [36, 36, 36],
    }
    images = np.concatenate([part.images for part in parts.values()])
    assert len(np.unique(images.reshape(150, -1), axis=0)) >= 145  # no image is in two parts
    assert study.said["fetch"].out == (
        "folder: 30 test, 108 train, 12 validation images, 3 classes\n"
    )


def test_fetch_refuses_a_grid_that_cannot_be_filled(
    augment, copy: Path, parameters, files_of
) -> None:
    before = files_of(copy / "data")
    for change, said in (
        ({"mix.real": [0, 5000]}, "mix.real[1] is 5000; allowed: at most the 108"),
        ({"mix.synthetic": [0, 600]}, "mix.synthetic[1] is 600"),
        ({"mix.synthetic": [0, {"triangle": 3}]}, "names the class"),
        ({"score.n": 1000}, "score.n is 1000"),
    ):
        text = (copy / "params.yaml").read_text()
        parameters(copy, change)
        assert said in augment(copy, "fetch").error
        (copy / "params.yaml").write_text(text)
    # What was there stays, and nothing half-done lies about.
    assert files_of(copy / "data") == before


def test_fetch_without_validation_writes_none(augment, copy: Path, parameters) -> None:
    parameters(copy, {"data.validation": 0, "train_gan.keep": "last"})
    assert augment(copy, "fetch").code == 0
    assert sorted(path.name for path in (copy / "data/real").iterdir()) == ["test", "train"]


def test_an_unreadable_picture_is_counted(augment, copy: Path) -> None:
    (copy / "pictures/circle/000.png").write_bytes(b"no picture")
    run = augment(copy, "fetch")
    assert run.code == 0
    assert "1 of 150 files could not be read and were left out" in run.out
    assert "circle/000.png" in run.out
    made_by = open_image_set(copy / "data/real/train").meta["made_by"]
    assert made_by["unreadable"] == {"n": 1, "files": ["circle/000.png"]}


def test_the_judge_and_the_examiner_are_two_networks(study) -> None:
    models = study.root / "models"
    examiner = read_meta(models / "examiner", "lenet")
    judge = read_meta(models / "units/all-0/judge", "lenet")
    assert examiner["data"] == judge["data"]
    assert (examiner["role"], judge["role"]) == ("examiner", "judge all-0")
    assert examiner["class_names"] == ["NA", "circle", "square & co"]
    weights = "weights.safetensors"
    assert (models / "examiner" / weights).read_bytes() != (
        models / "units/all-0/judge" / weights
    ).read_bytes()
    test = open_image_set(study.root / "data/real/test")
    for folder in (models / "examiner", models / "units/all-0/judge"):
        assert (predict(load_lenet(folder), test.images).classes == test.labels).mean() > 0.9


def test_the_subset_of_all_is_all(study) -> None:
    index = np.load(study.root / "data/units/all-0/subset.npy", allow_pickle=False)
    assert index.tolist() == list(range(108))


def test_the_filtered_pool_holds_what_the_judge_reads_as_asked(study) -> None:
    unit = study.root / "data/units/all-0"
    judge = load_lenet(study.root / "models/units/all-0/judge")
    pool, filtered = open_image_set(unit / "generated"), open_image_set(unit / "filtered")
    assert filtered.counts().tolist() == [40, 40, 40]
    assert (predict(judge, filtered.images).classes == filtered.labels).all()
    # It is the pool's own stream, without what the judge reads otherwise.
    passed = predict(judge, pool.images).classes == pool.labels
    for label in range(3):
        mine = pool.images[passed & (pool.labels == label)]
        assert np.array_equal(filtered.images[filtered.labels == label][: len(mine)], mine)
    tables = study.root / "results/units/all-0/filtering"
    acceptance = pd.read_csv(tables / "acceptance.csv", keep_default_na=False)
    assert set(acceptance["class_name"]) == {"NA", "circle", "square & co"}
    zero = acceptance[acceptance["threshold"] == 0]
    assert zero["accepted"].sum() == passed.sum()
    drawn = pd.read_csv(tables / "drawn.csv")["drawn"]
    assert (drawn >= 40).all()
    assert f"of {drawn.sum():,} drawn" in study.said["filter --unit all-0"].out


def test_a_filter_that_nothing_passes_is_one_line_and_keeps_what_was_there(
    augment, copy: Path, parameters, files_of
) -> None:
    before = files_of(copy / "data")
    parameters(copy, {"filter.threshold": 1.0, "filter.max_draws": 1})
    error = augment(copy, "filter").error
    assert "no image of unit all-0 passed the judge at confidence 1" in error
    assert "filter.threshold" in error
    assert files_of(copy / "data") == before


def test_a_filtered_pool_that_is_short_leaves_its_recipes_out(
    augment, copy: Path, parameters
) -> None:
    pool = open_image_set(copy / "data/units/all-0/generated")
    judge = load_lenet(copy / "models/units/all-0/judge")
    confidence = predict(judge, pool.images).probabilities[np.arange(120), pool.labels]
    threshold = float(np.median(confidence))
    parameters(copy, {"filter.threshold": threshold, "filter.max_draws": 1})
    said = augment(copy, "filter").out
    assert "fewer than 40 images within filter.max_draws: " in said
    filtered = open_image_set(copy / "data/units/all-0/filtered")
    assert (filtered.counts() == [
        ((pool.labels == c) & (confidence >= threshold)).sum() for c in range(3)
    ]).all()  # fmt: skip
    lacking = filtered.counts().min() < 20
    mixed = augment(copy, "mix").out
    assert ("recipes are left out (filtered)" in mixed) == lacking
    assert lacking == (
        "filtered" not in set(pd.read_parquet(copy / "data/recipes.parquet")["strategy"])
    )


def test_filter_without_its_section_says_so(augment, copy: Path, parameters) -> None:
    text = (copy / "params.yaml").read_text()
    start, end = text.index("filter:\n"), text.index("mix:\n")
    (copy / "params.yaml").write_text(text[:start] + text[end:])
    parameters(copy, {"mix.strategies": ["mix"]})
    assert "filter is missing" in augment(copy, "filter").error


def test_recipes_hold_no_pixels(study) -> None:
    table = pd.read_parquet(study.root / "data/recipes.parquet")
    assert len(table) == CELLS
    assert set(zip(table["strategy"], table["n_real"], table["n_synthetic"], strict=True)) == {
        *((s, r, 0) for s in ("none", "classical") for r in (30, 108)),
        *((s, r, 60) for s in ("mix", "filtered", "source-channel") for r in (0, 30, 108)),
        *((s, r, 60) for s in ("fine-tune", "duplicated") for r in (30, 108)),
    }
    assert (study.root / "data/recipes.parquet").stat().st_size < 20_000


def test_mix_refuses_what_the_pools_do_not_hold(augment, copy: Path, parameters, files_of) -> None:
    before = (copy / "data/recipes.parquet").read_bytes()
    # The parameters promise more than the pools that an earlier run wrote.
    parameters(copy, {"generate.per_class": 100, "filter.per_class": 100,
                      "mix.synthetic": [0, 150]})  # fmt: skip
    error = augment(copy, "mix").error
    assert "needs 50 generated images of class NA; allowed: at most 40" in error
    assert (copy / "data/recipes.parquet").read_bytes() == before


def test_finished_cells_are_not_trained_again(augment, copy: Path, files_of, study) -> None:
    said = study.said["train-classifiers"].out
    assert said.startswith(f"{CELLS} cells: {CELLS} trained, 0 from the cache\n")
    cost = said.splitlines()[1]
    assert cost.startswith(f"the whole grid: {CELLS * 320:,} images, ")
    before = files_of(copy / "results")
    shutil.rmtree(copy / "results")  # DVC removes outputs before a stage runs
    # The cost is that of the whole grid, whenever its cells were trained.
    assert augment(copy, "train-classifiers").out == (
        f"{CELLS} cells: 0 trained, {CELLS} from the cache\n{cost}\n"
    )
    times = pd.read_csv(copy / "logs/cells.csv")
    assert len(times) == CELLS
    assert (times["seconds"] > 0).all()
    for name in ("cells.parquet", "predictions.npy"):
        assert (copy / "results" / name).read_bytes() == before[name]


def test_an_extended_grid_trains_only_its_new_cells(augment, copy: Path, parameters) -> None:
    parameters(copy, {"mix.seeds": [0, 2], "mix.real": [0, 1.0], "mix.strategies": ["mix"]})
    assert augment(copy, "mix").out == "6 cells: 3 recipes x 2\n"
    said = augment(copy, "train-classifiers").out
    assert said.startswith("6 cells: 3 trained, 3 from the cache\n")
    assert augment(copy, "report").code == 0


def test_cells_and_predictions_fit(study) -> None:
    cells = pd.read_parquet(study.root / "results/cells.parquet")
    predictions = np.load(study.root / "results/predictions.npy", allow_pickle=False)
    test = open_image_set(study.root / "data/real/test")
    assert predictions.shape == (CELLS, 30)
    assert predictions.dtype == np.uint8
    right = predictions == test.labels
    assert np.allclose(cells["test_accuracy"], right.mean(axis=1))
    per_class = np.stack([right[:, test.labels == c].mean(axis=1) for c in range(3)], axis=1)
    assert np.allclose(np.stack(cells["class_accuracy"]), per_class)
    assert np.allclose(cells["balanced_accuracy"], per_class.mean(axis=1))
    assert cells["validation_accuracy"].between(0, 1).all()
    assert (cells["steps"] == 20).all()
    assert (cells["images_seen"] == 320).all()
    assert set(cells["protocol"]) == {"paper"}


def test_scores_have_a_floor_and_counts(study) -> None:
    scores = pd.DataFrame(json.loads((study.root / "results/scores.json").read_text()))
    assert set(scores["score"]) == {"fid_examiner", "inception_score", "label_match"}
    assert set(scores["pool"]) == {"generated", "filtered"}
    assert len(scores) == 6
    # One half of the test images is the reference, the other the floor.
    assert (scores["n"] == 15).all()
    assert (scores["n_reference"] == 15).all()
    fid = scores[scores["score"] == "fid_examiner"]
    assert (fid["floor"] < fid["value"]).all()
    match = scores[scores["score"] == "label_match"]
    assert match["value"].between(0.5, 1).all()
    assert match["floor"].between(0.9, 1).all()


def test_the_curves_are_there_for_dvc_plots(study) -> None:
    training = study.root / "results/units/all-0/training"
    history = pd.read_csv(training / "history.csv")
    meta = read_meta(study.root / "models/units/all-0/generator", "generator")
    assert list(history["epoch"]) == list(range(1, 18))
    assert meta["epoch"] == history["epoch"][history["fid"].idxmin()]
    assert history["images"].iloc[-1] == 1800
    assert len(list((training / "plots/images").glob("*.png"))) == 17
    for name in ("fid", "generator_loss", "label_match"):
        curve = pd.read_csv(training / f"plots/metrics/{name}.tsv", sep="\t")
        assert np.allclose(curve[name], history[name])
        assert "timestamp" not in curve.columns


@pytest.mark.parametrize("pool", ["generated", "filtered"])
def test_score_without_a_pool_names_the_stage_to_run(augment, copy: Path, pool: str) -> None:
    shutil.rmtree(copy / "data/units/all-0" / pool)
    stage = {"generated": "generate", "filtered": "filter"}[pool]
    assert f"{pool} is missing; `dvc repro {stage}`" in augment(copy, "score").error


@pytest.mark.parametrize(
    ("artefact", "stages"),
    [
        ("data/real/train/images.npy", ["subset", "train-gan", "mix"]),
        ("data/real/test/images.npy", ["score"]),
        ("data/units/all-0/subset.npy", ["train-judge", "train-gan", "mix"]),
        ("data/recipes.parquet", ["train-classifiers"]),
        ("results/cells.parquet", ["report"]),
        ("results/predictions.npy", ["report"]),
        ("results/scores.json", ["report"]),
        ("models/units/all-0/judge/weights.safetensors", ["train-gan", "filter"]),
        ("models/units/all-0/generator/meta.json", ["generate --unit all-0", "report"]),
    ],
)
def test_a_damaged_artefact_is_one_line(
    augment, copy: Path, artefact: str, stages: list[str]
) -> None:
    path = copy / artefact
    for stage in stages:
        for damage in (b"", b"nonsense"):
            path.write_bytes(damage)
            assert path.name in augment(copy, *stage.split()).error


def test_nothing_temporary_is_left(study) -> None:
    hidden = [path for path in study.root.rglob("*") if path.name.startswith(".")]
    assert hidden == []
    assert {path.suffix for path in study.cache.rglob("*") if path.is_file()} <= {".npz", ".lock"}
