"""The stages on a tiny study: what they write, say and refuse."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment.checkpoints import read_meta
from augment.images.image_sets import open_image_set
from classifiers.checkpoints import load_classifier
from classifiers.prediction import predict

CELLS = 2 * (2 * 2 + 3 * 3 + 2 * 2)
"""Of the tiny study: two seeds of each recipe."""


pytestmark = pytest.mark.usefixtures("one_thread")  # bytes depend on it


@pytest.fixture
def copy(study, tmp_path: Path) -> Path:
    """A copy of the finished study, and of its cache beside it, to change."""
    shutil.copytree(study.root, tmp_path / "project")
    shutil.copytree(study.cache, tmp_path / "cache")
    return tmp_path / "project"


def test_the_judge_and_the_examiner_are_two_networks(study) -> None:
    models = study.root / "models"
    examiner = read_meta(models / "examiner", "classifier")
    judge = read_meta(models / "judges/all-0", "classifier")
    assert examiner["data"] == judge["data"]
    assert (examiner["role"], judge["role"]) == ("examiner", "judge all-0")
    assert examiner["class_names"] == ["NA", "circle", "square & co"]
    weights = "weights.safetensors"
    assert (models / "examiner" / weights).read_bytes() != (
        models / "judges/all-0" / weights
    ).read_bytes()
    test = open_image_set(study.root / "data/real/test")
    for folder in (models / "examiner", models / "judges/all-0"):
        assert (predict(load_classifier(folder), test.images).classes == test.labels).mean() > 0.9


def test_the_filtered_pool_holds_what_the_judge_reads_as_asked(study) -> None:
    data = study.root / "data"
    judge = load_classifier(study.root / "models/judges/all-0")
    pool, filtered = (
        open_image_set(data / "generated/all-0"),
        open_image_set(data / "filtered/all-0"),
    )
    assert filtered.counts().tolist() == [40, 40, 40]
    assert (predict(judge, filtered.images).classes == filtered.labels).all()
    # It is the pool's own stream, without what the judge predicts otherwise.
    passed = predict(judge, pool.images).classes == pool.labels
    for label in range(3):
        mine = pool.images[passed & (pool.labels == label)]
        assert np.array_equal(filtered.images[filtered.labels == label][: len(mine)], mine)
    tables = study.root / "results/filtering/all-0"
    acceptance = pd.read_csv(tables / "acceptance.csv", keep_default_na=False)
    assert set(acceptance["class_name"]) == {"NA", "circle", "square & co"}
    zero = acceptance[acceptance["threshold"] == 0]
    assert zero["accepted"].sum() == passed.sum()
    drawn = pd.read_csv(tables / "drawn.csv")["drawn"]
    assert (drawn >= 40).all()
    assert f"of {drawn.sum():,} drawn" in study.said["filter"].out


def after_filter(augment, root: Path) -> dict[str, str]:
    """What the stages say that see the filtered pool."""
    said = {}
    for stage in ("filter", "mix", "train-classifiers", "choose", "confirm", "score", "report"):
        run = augment(root, stage)
        assert run.code == 0, (stage, run.err)
        said[stage] = run.out
    assert len(open_image_set(root / "data/filtered/all-0")) == 0
    scores = pd.DataFrame(json.loads((root / "results/scores.json").read_text()))
    assert set(scores["pool"]) == {"generated"}
    # The judge has read the unselected pool all the same.
    tables = root / "results/filtering/all-0"
    assert (pd.read_csv(tables / "acceptance.csv", keep_default_na=False)["drawn"] == 40).all()
    assert pd.read_csv(tables / "drawn.csv")["kept"].tolist() == [0, 0, 0]
    return said


@pytest.mark.slow
def test_a_filter_that_nothing_passes_leaves_an_empty_pool_and_says_so(
    augment, copy: Path, parameters
) -> None:
    parameters(copy, {"filter.threshold": 1.0, "filter.max_draws": 1})
    said = after_filter(augment, copy)
    assert "unit all-0: 0 images kept of 120 drawn (0.0% at confidence 1)\n" in said["filter"]
    assert "no image passed the judge: the filtered pool is empty" in said["filter"]
    assert "3 recipes are left out (filtered)" in said["mix"]
    assert "the filtered images of unit all-0 are not scored: 0 of them" in said["score"]
    page = (copy / "results/report.html").read_text()
    assert "No image passed the judge at confidence 1: the filtered pool is empty" in page
    assert set(pd.read_parquet(copy / "data/recipes.parquet")["strategy"]) == {
        *("none", "mix", "fine-tune", "source-channel", "duplicated", "classical")
    }


def test_without_optional_sections_every_stage_ends_well(augment, copy: Path, parameters) -> None:
    parameters(copy, {"filter": None, "classical": None, "mix.strategies": ["mix"]})
    said = after_filter(augment, copy)
    assert said["filter"] == "unit all-0: no filtered pool, as params.yaml has no section filter\n"
    assert "left out" not in said["mix"]
    assert "filtered" not in said["score"]
    page = (copy / "results/report.html").read_text()
    assert page.count("There is no filtered pool: params.yaml has no section filter.") == 1
    assert "passed the judge at" not in page


OWN_MODEL = """
from torch import nn

def build(n_classes, channels, input_size):
    return nn.Sequential(
        nn.Conv2d(channels, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
        nn.Flatten(), nn.Dropout(0.1), nn.Linear(128, n_classes),
    )
"""


@pytest.mark.slow
@pytest.mark.parametrize("model", ["own_network:build", "mobilenet_v3_small"])
def test_every_stage_takes_another_classifier(
    augment, study, copy: Path, parameters, stages, model: str
) -> None:
    (copy / "own_network.py").write_text(OWN_MODEL)
    parameters(
        copy,
        {"classifier.model": model, "train_classifiers.steps": 2, "compute.processes": 2}
        | {"train_gan.images": 240, "train_gan.options.feedback": 0.1},
    )
    for stage in stages[1:]:
        run = augment(copy, *stage.split())
        assert run.code == 0, (stage, run.err)
    judge = load_classifier(copy / "models/judges/all-0", model)
    assert judge.architecture.model == model
    cells = pd.read_parquet(copy / "results/cells.parquet")
    assert set(cells["strategy"]) >= {"none", "mix", "fine-tune", "source-channel", "classical"}


def test_a_classifier_that_cannot_be_built_is_one_line(augment, copy: Path, parameters) -> None:
    (copy / "broken_network.py").write_text("def build(n_classes):\n    return 1\n")
    parameters(copy, {"classifier.model": "broken_network:build"})
    error = augment(copy, "train-examiner").error
    assert error.startswith("error: classifier.model is broken_network:build, which cannot be")
    assert "unexpected keyword argument" in error


@pytest.mark.slow
def test_where_no_recipe_is_left_real_images_alone_are_trained(
    augment, copy: Path, parameters
) -> None:
    parameters(copy, {"filter.threshold": 1.0, "filter.max_draws": 1,
                      "mix.strategies": ["filtered"], "mix.synthetic": [60]})  # fmt: skip
    said = after_filter(augment, copy)
    assert said["mix"].startswith("4 cells: 2 recipes x 2\n3 recipes are left out (filtered)")
    assert set(pd.read_parquet(copy / "data/recipes.parquet")["strategy"]) == {"none"}
    assert said["report"].startswith("No comparison")
    # Without a real count above 0, all real images are trained.
    parameters(copy, {"mix.real": [0]})
    for stage in ("mix", "train-classifiers", "choose", "confirm", "report"):
        assert augment(copy, stage).code == 0, stage
    cells = pd.read_parquet(copy / "data/recipes.parquet")
    assert set(cells["strategy"]) == {"none"}
    assert len(cells) == 2
    assert cells["n_real"].nunique() == 1


def test_a_filtered_pool_that_is_short_leaves_its_recipes_out(
    augment, copy: Path, parameters
) -> None:
    pool = open_image_set(copy / "data/generated/all-0")
    judge = load_classifier(copy / "models/judges/all-0")
    confidence = predict(judge, pool.images).probabilities[np.arange(120), pool.labels]
    threshold = float(np.median(confidence))
    parameters(copy, {"filter.threshold": threshold, "filter.max_draws": 1})
    said = augment(copy, "filter").out
    assert "fewer than 40 images within filter.max_draws: " in said
    filtered = open_image_set(copy / "data/filtered/all-0")
    assert (filtered.counts() == [
        ((pool.labels == c) & (confidence >= threshold)).sum() for c in range(3)
    ]).all()  # fmt: skip
    lacking = filtered.counts().min() < 20
    mixed = augment(copy, "mix").out
    assert ("recipes are left out (filtered)" in mixed) == lacking
    assert lacking == (
        "filtered" not in set(pd.read_parquet(copy / "data/recipes.parquet")["strategy"])
    )


def test_filter_neither_draws_nor_judges_an_image_of_the_pool_again(
    augment, copy: Path, parameters, monkeypatch
) -> None:
    from augment.generators.sampling import Sampler
    from pipeline.pools import confidence, pool
    from pipeline.stages import filter as stage

    drawn: list[tuple[int, int]] = []
    judged: list[int] = []

    def draw(sampler, label, start, stop, seed):
        drawn.append((start, stop))
        return true_draw(sampler, label, start, stop, seed)

    def judge(network, images):
        judged.append(len(images))
        return true_predict(network, images)

    true_draw, true_predict = Sampler.draw, pool.predict
    monkeypatch.setattr(Sampler, "draw", draw)
    monkeypatch.setattr(pool, "predict", judge)
    monkeypatch.setattr(stage, "predict", judge)
    monkeypatch.setattr(confidence, "predict", judge)
    parameters(copy, {"filter.per_class": 60})
    assert augment(copy, "filter").code == 0
    assert drawn  # 60 of each are more than the pool of 40 can give
    assert all(start >= 40 for start, _ in drawn)
    n_validation = len(open_image_set(copy / "data/real/validation"))
    assert sum(judged) == 3 * 40 + sum(stop - start for start, stop in drawn) + n_validation


def test_recipes_hold_no_pixels(study) -> None:
    table = pd.read_parquet(study.root / "data/recipes.parquet")
    assert len(table) == CELLS
    assert set(zip(table["strategy"], table["n_real"], table["n_synthetic"], strict=True)) == {
        *((s, r, 0) for s in ("none", "classical") for r in (30, 108)),
        *((s, r, 60) for s in ("mix", "filtered", "source-channel") for r in (0, 30, 108)),
        *((s, r, 60) for s in ("fine-tune", "duplicated") for r in (30, 108)),
    }
    assert (study.root / "data/recipes.parquet").stat().st_size < 20_000


def test_few_real_images_make_the_recipes_that_they_can(augment, copy: Path, parameters) -> None:
    parameters(copy, {"mix.real": [0, 2, 1.0], "mix.synthetic": [0, {"circle": 30}, 60],
                      "mix.strategies": ["mix", "duplicated"]})  # fmt: skip
    said = augment(copy, "mix").out
    assert said == (
        "22 cells: 11 recipes x 2\n"
        "1 recipe is left out (duplicated): some classes have no real image to repeat\n"
    )


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
    assert set(cells["protocol"]) == {"published"}


def test_scores_have_a_floor_and_counts(study) -> None:
    scores = pd.DataFrame(json.loads((study.root / "results/scores.json").read_text()))
    names = {"fid_examiner", "inception_score", "label_match", "kid_examiner"}
    names |= {f"{name}_examiner" for name in ("precision", "recall", "density", "coverage")}
    assert set(scores["score"]) == names
    assert set(scores["pool"]) == {"generated", "filtered"}
    assert len(scores) == 16
    # One half of the test images is the reference, the other the floor.
    assert (scores["n"] == 15).all()
    assert (scores["n_reference"] == 15).all()
    fid = scores[scores["score"] == "fid_examiner"]
    assert (fid["floor"] < fid["value"]).all()
    match = scores[scores["score"] == "label_match"]
    assert match["value"].between(0.5, 1).all()
    assert match["floor"].between(0.9, 1).all()
    assert (scores["n_splits"] == 50).all()
    np.testing.assert_allclose(scores["difference"], scores["value"] - scores["floor"], atol=1e-9)
    assert (fid["floor_deviation"] > 0).all()
    # The label match of generated images does not depend on the half: all of it is the floor's.
    np.testing.assert_allclose(match["difference_deviation"], match["floor_deviation"], atol=1e-9)


def test_the_curves_are_there_for_dvc_plots(study) -> None:
    training = study.root / "results/training/all-0"
    history = pd.read_csv(training / "history.csv")
    meta = read_meta(study.root / "models/generators/all-0", "generator")
    assert list(history["epoch"]) == list(range(1, 18))
    assert meta["epoch"] == history["epoch"][history["fid"].idxmin()]
    assert history["images"].iloc[-1] == 1800
    assert len(list((study.root / "results/grids/all-0").glob("*.png"))) == 17
    summary = pd.read_csv(training.parent / "summary.csv")
    assert (summary["units"] == 1).all()
    places = {"loss_1": "generator_loss", "loss_2": "discriminator_loss"}
    for name in (*places, "fid", "label_match"):
        for what in ("mean", "min", "max"):
            assert np.allclose(summary[f"{name}_{what}"], history[places.get(name, name)])
    last = json.loads((training.parent / "metrics.json").read_text())
    for name in (*places.values(), "fid"):
        assert last[name] == pytest.approx(history[name].iloc[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budget", "steps", "said"),
    [
        ({"images": 24}, 2, "train_gan.images"),
        ({"images": None, "epochs": 1}, 9, "train_gan.epochs"),
    ],
)
def test_a_generator_that_has_not_begun_is_kept_and_the_study_ends(
    augment, copy: Path, parameters, budget: dict[str, int | None], steps: int, said: str
) -> None:
    rates = {"generator_rate": 1e-6, "discriminator_rate": 1e-6, "init_std": 1e-3}
    parameters(copy, {f"train_gan.{key}": value for key, value in budget.items()})
    parameters(copy, {f"train_gan.options.{key}": value for key, value in rates.items()})
    run = augment(copy, "train-gan")
    assert run.code == 0
    assert run.out == (
        "generator of unit all-0: epoch 1 of 1 is kept\n"
        f"generator of unit all-0: the images of every epoch are all alike; only {steps} steps: "
        f"raise {said}\n"
    )
    for stage in ("score-checkpoints", "generate", "filter", "inspect", "mix",
                  "train-classifiers", "choose", "confirm", "score", "report"):  # fmt: skip
        assert augment(copy, *stage.split()).code == 0, stage
    page = (copy / "results/report.html").read_text()
    assert f"The generator collapsed: the images of every epoch are all alike; only {steps}" in page


@pytest.mark.parametrize(
    ("artefact", "stages"),
    [
        ("data/real/train/images.npy", ["subset", "train-gan", "mix"]),
        ("data/real/test/images.npy", ["score"]),
        ("data/subsets/all-0/train.npy", ["train-judge", "train-gan", "mix"]),
        ("data/recipes.parquet", ["train-classifiers"]),
        ("results/cells.parquet", ["report"]),
        ("results/predictions.npy", ["report"]),
        ("results/scores.json", ["report"]),
        ("models/judges/all-0/weights.safetensors", ["train-gan", "filter"]),
        ("models/generators/all-0/meta.json", ["generate", "report"]),
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
    unfinished = [path for path in (study.cache / "training").rglob("*") if path.is_file()]
    assert {path.suffix for path in unfinished} <= {".lock"}


def test_a_choice_that_the_recipes_do_not_have_is_one_line(augment, copy: Path, parameters) -> None:
    parameters(copy, {"mix.strategies": ["filtered"]})
    assert augment(copy, "mix").code == 0
    error = augment(copy, "confirm").error
    assert "results/choices.json has the cell ('all-0', " in error
    assert error.endswith("which data/recipes.parquet has not; `dvc repro choose` makes it again")
