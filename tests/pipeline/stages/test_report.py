"""Stage report on artefacts made by hand: every kind of generator, and damaged ones."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from augment.checkpoints import save_checkpoint
from augment.files import read_json, write_json
from augment.images.grids import tile
from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import open_image_set
from pipeline.project import Project, UnitPaths
from pipeline.stages import choose
from pipeline.stages.report import run

NAMES = ("NA", "circle", "square & co")
COPIES = {
    "n_generated": 50, "n_test": 60, "n_identical_test": 0, "threshold": 1.5, "rank": 1,
    "n_near": 0, "n_identical": 0, "chance": 1.0, "found": False, "n_pool": 60, "shift": 2,
}  # fmt: skip
EPOCHS = 10
CELL = ("unit", "unit_real", "strategy", "n_real", "n_synthetic")
KEPT = 7

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _other_figures_are_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have tests of their own take most of the time."""
    from reports import figures
    from reports.figures.style import new_figure

    for name in (
        "accuracy_contour",
        "accuracy_over_real",
        "accuracy_over_synthetic",
        "accuracy_surface",
        "acceptance_chart",
        "activation_projection",
        "confidence_histogram",
        "discriminator_scores",
        "examples",
        "nearest_neighbours",
        "neighbour_coverage",
        "gain_chart",
        "learning_curve",
        "uncertainty",
        "sample_grid",
    ):
        monkeypatch.setattr(figures, name, lambda *_, **__: new_figure(1, 1))


def grid(epoch: int, side: int, channels: int) -> np.ndarray:
    """Eight images of each class; an image's pixels are 60 x class + its number, then the epoch."""
    images = np.empty((24, side, side, channels), np.uint8)
    images[:] = (60 * (np.arange(24) // 8) + np.arange(24) % 8).reshape(-1, 1, 1, 1)
    images[:, 0, 0] = epoch
    return images


def make_project(
    root: Path,
    *,
    label: str = "projection",
    autoencoder: bool = False,
    average: bool = False,
    checkpoints: int = 3,
    side: int = 28,
    channels: int = 1,
    units: Sequence[tuple[str, int]] = (("all-0", 60),),
) -> Project:
    """Write all that the stage reads; its params.yaml is there.

    ``units`` are names and the images that each sees, in the order of the cells.
    """
    project = Project(root)
    paths = project.unit("all-0")
    images = rng.integers(0, 256, (60, side, side, channels), np.uint8)
    labels = np.arange(60) % 3
    for folder in (project.train, project.test, paths.generated, paths.filtered):
        write_image_set(folder, images, labels, NAMES, source="drawn shapes")
    for unit, size in units:
        project.unit(unit).subset.parent.mkdir()
        np.save(project.unit(unit).subset, np.arange(size))
    about = {"name": "shapes", "fingerprint": "0123456789abcdef", "notes": ["a note"]}
    pair = {"images": [["train", 0], ["test", 1]], "names": ["a", "b"], "bits": 3}
    write_json(project.real / "source.json", about | {"nearly_alike": {"nearest": [pair]}})

    project.results.mkdir(parents=True)
    write_cells(project, units, labels)
    choose.run(project)
    confirm_choices(project, labels)
    labelled = label != "none"
    write_scores(project, units, labelled)
    write_filtering_and_inspection(paths, autoencoder)
    write_training(paths, labelled, autoencoder, average, (side, channels))
    write_checkpoint_scores(paths, labelled, average, checkpoints)
    return project


def write_cells(project: Project, units: Sequence[tuple[str, int]], labels: np.ndarray) -> None:
    """Write cells of real images alone, of a mix, and of generated images alone."""
    rows = [
        {"protocol": "published", "unit": unit, "unit_real": size, "generator": "x"}
        | {"strategy": strategy}
        | {"n_real": n_real, "n_synthetic": n_synthetic, "seed": seed, "steps": 1}
        | {"images_seen": 1, "n_validation": 300, "validation_accuracy": 0.9}
        | {"test_accuracy": 0.9}
        | {"balanced_accuracy": 0.9, "class_accuracy": [0.9, 0.9, 0.9]}
        for unit, size in units
        for strategy, n_real, n_synthetic in (("none", size, 0), ("mix", size, 60), ("mix", 0, 60))
        for seed in (0, 1)
    ]
    pd.DataFrame(rows).to_parquet(project.results / "cells.parquet")
    predictions = np.where(rng.random((len(rows), 60)) < 0.9, labels, (labels + 1) % 3)
    np.save(project.results / "predictions.npy", predictions.astype(np.uint8))


def write_scores(project: Project, units: Sequence[tuple[str, int]], labelled: bool) -> None:
    """Write the scores of both pools of every unit."""
    names = ["fid_examiner", "inception_score", *["label_match"] * (labelled)]
    scores = [
        {"score": name, "unit": unit, "pool": pool, "value": 0.5 + place, "floor": 0.25, "n": 10}
        | {"floor_deviation": 0.125, "difference": 0.25 + place, "difference_deviation": 0.125}
        | {"n_splits": 50, "split": "test", "n_reference": 10}
        for place, (unit, _) in enumerate(units)
        for name in names
        for pool in ("generated", "filtered")
    ]
    write_json(project.results / "scores.json", scores)


def write_filtering_and_inspection(paths: UnitPaths, autoencoder: bool) -> None:
    """Write the tables of stages filter and inspect."""
    paths.filtering.mkdir(parents=True)
    pd.DataFrame(
        {"class_name": NAMES, "threshold": 0.0, "drawn": 20, "accepted": 15, "rate": 0.75}
    ).to_csv(paths.filtering / "acceptance.csv", index=False)
    confidence = pd.DataFrame({"group": "generated", "confidence": [0.5, 0.9]})
    confidence.to_csv(paths.filtering / "confidence.csv", index=False)

    # Of query 5 the training images 40, 3, 59 and 0.
    paths.inspection.mkdir(parents=True)
    pd.DataFrame(
        {"query": [5] * 4 + [7] * 4, "label": [2] * 4 + [1] * 4, "rank": [1, 2, 3, 4] * 2}
        | {"row": [40, 3, 59, 0, 3, 7, 8, 9], "distance": np.arange(8) / 8}
    ).to_csv(paths.inspection / "neighbours.csv", index=False)
    write_json(paths.inspection / "copies.json", COPIES)
    pd.DataFrame(
        {"class_name": [*NAMES, *NAMES], "label": [0, 1, 2] * 2, "n_queries": 20, "n_train": 20}
        | {"share": 0.5, "most": 0.25, "group": ["generated"] * 3 + ["test"] * 3}
    ).to_csv(paths.inspection / "coverage.csv", index=False)
    pd.DataFrame(
        {"group": ["real", "generated"], "label": [0, 1], "x": [0.5, -0.5], "y": [0.0, 0.0]}
    ).to_csv(paths.inspection / "projection.csv", index=False)
    write_json(paths.inspection / "explained.json", [0.75, 0.25])
    scored = [
        {"epoch": epoch, "group": group, "score": 0.7}
        for epoch in (6, 7)
        for group in ("generated", "training", "test")
    ]
    scored = pd.DataFrame(scored[: 0 if autoencoder else None], columns=["epoch", "group", "score"])
    scored.to_csv(paths.inspection / "discriminator.csv", index=False)


def write_training(
    paths: UnitPaths, labelled: bool, autoencoder: bool, average: bool, shape: tuple[int, int]
) -> None:
    """Write the generator and what its training left; images of a side and channels."""
    meta = {
        "system": {"name": "some-system", "weights": "plain"},
        "labelled": labelled,
        "epoch": KEPT,
        "stopped": None,
        "device": "cpu",
        "precision": "32-true",
        "budget": {"keep": "best"},
        "kept": "best",
    }
    save_checkpoint(paths.generator, "generator", {"x": torch.zeros(1)}, meta)
    epochs = np.arange(1, EPOCHS + 1)
    history = pd.DataFrame({"epoch": epochs, "images": 60 * epochs, "generator_loss": 1.0})
    history = history.assign(discriminator_loss=0.5, inception_score=2.0, fid=100.0 + epochs)
    if labelled:
        history["label_match"] = 0.5
    if autoencoder:
        history["reconstruction_loss"] = 0.25
    if average:
        history = history.assign(average_inception_score=2.5, average_fid=90.0)
    paths.training.mkdir(parents=True)
    paths.grids.mkdir(parents=True)
    history.to_csv(paths.training / "history.csv", index=False)
    for epoch in range(1, EPOCHS + 1):
        made = grid(epoch, *shape)
        Image.fromarray(tile(made)).save(paths.grids / f"grid-{epoch:04d}.png")
        if autoencoder:
            pairs = tile(made[:12], columns=6)
            Image.fromarray(pairs).save(paths.grids / f"reconstructions-{epoch:04d}.png")


def write_checkpoint_scores(
    paths: UnitPaths, labelled: bool, average: bool, checkpoints: int
) -> None:
    """Write the scores of the kept epochs, from epoch 4 on."""
    kept = [
        {"epoch": epoch, "weights": copy_of, "fid_examiner": 9.0 + epoch, "inception_score": 2.0}
        | ({"label_match": 0.875} if labelled else {})
        for epoch in range(4, 4 + checkpoints)
        for copy_of in ("plain", *["average"] * average)
    ]
    table = pd.DataFrame(kept, columns=None if kept else ["epoch", "weights"])
    paths.checkpoint_scores.parent.mkdir()
    table.to_csv(paths.checkpoint_scores, index=False)


def confirm_choices(project: Project, labels: np.ndarray) -> None:
    """Write made-up answers of two fresh classifiers for every cell that was chosen."""
    choices = read_json(project.results / "choices.json")["choices"]
    largest = max((choice["unit_real"] for choice in choices), default=0)
    arms: dict[tuple[Any, ...], list[str]] = {}
    for choice in choices:
        if choice["unit_real"] == largest:
            key = tuple(choice[name] for name in CELL)
            arms.setdefault(key, []).append(choice["arm"])
    rows = [
        dict(zip(CELL, key, strict=True))
        | {"arms": of_cell, "seed": seed, "steps": 1, "n_validation": 300}
        | {"validation_accuracy": 0.9, "half_validation_accuracy": 0.9, "test_accuracy": 0.9}
        for key, of_cell in arms.items()
        for seed in (0, 1)
    ]
    columns = [*CELL, "seed", "arms", "validation_accuracy", "half_validation_accuracy"]
    table = pd.DataFrame(rows, columns=None if rows else columns)
    table.to_parquet(project.results / "confirmed.parquet")
    right = rng.random((len(rows), len(labels))) < 0.9
    predictions = np.where(right, labels, (labels + 1) % 3).astype(np.uint8)
    np.save(project.results / "confirmed.npy", predictions)


def text_of(project: Project) -> str:
    """What the page says, without its markup and pictures."""
    page = (project.results / "report.html").read_text()
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]*>", " ", page, flags=re.S)).split())


def figure_names(project: Project) -> set[str]:
    return {path.stem for path in (project.results / "figures").glob("*.png")}


def drawn_arguments(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """Catch what a drawing function is given."""
    from reports import figures

    given: list[Any] = []
    draw: Callable[..., Any] = getattr(figures, name)

    def catch(*arguments: Any) -> Any:
        given.extend(arguments)
        return draw(*arguments)

    monkeypatch.setattr(figures, name, catch)
    return given


def test_a_generator_with_labels(bare: Path) -> None:
    project = make_project(bare)
    run(project)
    text = text_of(project)
    assert "reconstructions" not in figure_names(project)
    assert {"epoch_collage", "checkpoint_scores", "training_curves"} <= figure_names(project)
    assert "Label match" in text
    assert "without labels" not in text
    assert "has no labels" not in text
    assert "Of 3 checkpoints, FID is lowest at epoch 4 (13.00); the last, epoch 6" in text
    assert "Scores of the checkpoints (3)" in text
    assert "epoch 7 kept (plain weights)" in text
    metrics = json.loads((project.results / "metrics.json").read_text())
    assert metrics["label_match"] == 0.5


@pytest.mark.parametrize("autoencoder", [False, True])
@pytest.mark.parametrize("average", [False, True])
def test_a_generator_without_labels(bare: Path, autoencoder: bool, average: bool) -> None:
    project = make_project(bare, label="none", autoencoder=autoencoder, average=average)
    run(project)
    text = text_of(project)
    assert "The generator has no labels: the class of each of its images is the judge's" in text
    assert "label match is not defined" in text
    assert "Label match" not in text
    assert "nan" not in text.split()
    assert "label_match" not in json.loads((project.results / "metrics.json").read_text())
    assert ("reconstructions" in figure_names(project)) == autoencoder
    # An autoencoder has no discriminator of images.
    assert ("discriminator_scores" in figure_names(project)) == (not autoencoder)
    assert ("averaged copy" in text) == average


def test_the_collage_shows_different_classes_at_the_epochs_scores(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = drawn_arguments(monkeypatch, "epoch_collage")
    run(make_project(bare))
    grids, scores, kept = given
    assert kept == KEPT
    assert {1, KEPT, EPOCHS} <= set(grids)
    assert len(grids) == 8
    for epoch, images in grids.items():
        assert scores[epoch] == 100 + epoch
        assert images.shape == (12, 28, 28, 1)
        assert (images[:, 0, 0, 0] == epoch).all()
        # One of each class, then the next of each.
        assert (images[:, 1, 1, 0] // 60).tolist() == [0, 1, 2] * 4
        assert (images[:, 1, 1, 0] % 60).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_reconstructions_are_of_the_kept_epoch(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = drawn_arguments(monkeypatch, "reconstructions")
    project = make_project(bare, label="none", autoencoder=True, side=64, channels=3)
    run(project)
    pairs, drawn = given
    assert pairs.shape == (2, 6, 64, 64, 3)
    np.testing.assert_array_equal(pairs.reshape(12, 64, 64, 3), grid(KEPT, 64, 3)[:12])
    assert (drawn[:, 0, 0] == KEPT).all()


def test_without_checkpoints_there_is_no_figure_of_them(bare: Path) -> None:
    project = make_project(bare, checkpoints=0)
    run(project)
    assert "checkpoint_scores" not in figure_names(project)
    assert "Scores of the checkpoints" not in text_of(project)


@pytest.mark.parametrize(
    ("artefact", "stage"),
    [
        ("training/all-0/history.csv", "train-gan"),
        ("grids/all-0/grid-0007.png", "train-gan"),
        ("grids/all-0/reconstructions-0007.png", "train-gan"),
        ("checkpoints/all-0.csv", "score-checkpoints"),
    ],
)
def test_a_damaged_artefact_is_one_line(bare: Path, augment, artefact: str, stage: str) -> None:
    project = make_project(bare, label="none", autoencoder=True)
    path = project.results / artefact
    whole = path.read_bytes()
    other = tile(np.zeros((4, 9, 9, 1), np.uint8))
    damages = [b"", b"nonsense", whole[: len(whole) // 2]]
    if path.suffix == ".png":
        Image.fromarray(other).save(path)
        damages += [path.read_bytes(), whole[:40] + b"\0" * 9 + whole[49:]]
    else:
        damages.pop()
    for damage in damages:
        path.write_bytes(damage)
        error = augment(bare, "report").error
        assert path.name in error
        assert f"dvc repro {stage}" in error
    path.unlink()
    if not artefact.endswith("reconstructions-0007.png"):
        assert f"{path.name} is missing" in augment(bare, "report").error


@pytest.mark.parametrize(
    ("name", "column", "stage"),
    [
        ("cells", "unit_real", "train-classifiers"),
        ("cells", "steps", "train-classifiers"),
        ("confirmed", "arms", "confirm"),
        ("confirmed", "half_validation_accuracy", "confirm"),
    ],
)
def test_a_table_of_an_older_version_is_one_line(
    bare: Path, augment, name: str, column: str, stage: str
) -> None:
    path = make_project(bare).results / f"{name}.parquet"
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    error = augment(bare, "report").error
    assert f"results/{name}.parquet cannot be read (it has no column {column})" in error
    assert f"`dvc repro {stage}` makes it again" in error


def test_scores_of_an_older_version_are_one_line(bare: Path, augment) -> None:
    path = make_project(bare).results / "scores.json"
    rows = [{key: row[key] for key in row if key != "n_splits"} for row in read_json(path)]
    write_json(path, rows)
    error = augment(bare, "report").error
    assert "results/scores.json cannot be read (it has no column n_splits)" in error


def test_what_inspect_looked_up_is_drawn(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reports import figures
    from reports.figures.style import new_figure

    drawn: dict[str, tuple[Any, ...]] = {}

    def watch(name: str) -> None:
        def draw(*arguments: Any, **_: Any) -> Any:
            drawn[name] = arguments
            return new_figure(1, 1)

        monkeypatch.setattr(figures, name, draw)

    for name in ("nearest_neighbours", "activation_projection", "examples"):
        watch(name)
    project = make_project(bare)
    run(project)
    train = open_image_set(project.train)
    pool = open_image_set(project.unit("all-0").generated)
    queries, near, distances, names, labels = drawn["nearest_neighbours"]
    assert np.array_equal(queries, pool.images[[5, 7]])
    assert np.array_equal(near, train.images[[[40, 3, 59, 0], [3, 7, 8, 9]]])
    assert distances.tolist() == (np.arange(8) / 8).reshape(2, 4).tolist()
    assert (tuple(names), labels.tolist()) == (NAMES, [2, 1])
    assert drawn["activation_projection"][1] == (0.75, 0.25)

    # The best mix's classifier of the lowest seed.
    right, wrong, _ = drawn["examples"]
    test = open_image_set(project.test)
    confirmed = pd.read_parquet(project.results / "confirmed.parquet")
    row = int((confirmed["strategy"] == "mix").to_numpy().argmax())
    predicted = np.load(project.results / "confirmed.npy")[row]
    for label in range(3):
        hits = np.flatnonzero((test.labels == label) & (predicted == label))[:4]
        misses = np.flatnonzero((test.labels == label) & (predicted != label))[:4]
        assert np.array_equal(right[label], test.images[hits])
        assert np.array_equal(wrong[label][0], test.images[misses])
        assert (wrong[label][1] == (label + 1) % 3).all()


def test_studies_of_the_same_kind_of_images_stand_beside_ours(bare: Path, parameters) -> None:
    parameters(bare, {"data.source": "mnist", "data.path": None})
    project = make_project(bare)
    shutil.copytree(Path(__file__).parents[3] / "studies", bare / "studies")
    run(project)
    page = unescape((project.results / "report.html").read_text())
    assert "Beside the published studies" in page
    assert "imperial-mnist" in page
    assert "fau-mnist" in page
    assert "tribhuvan-fashion" not in page
    shutil.rmtree(bare / "studies")
    run(project)
    assert "Beside the published" not in (project.results / "report.html").read_text()


def test_a_short_pool_is_said_first(bare: Path) -> None:
    project = make_project(bare)
    pool = open_image_set(project.unit("all-0").generated)
    rows = np.flatnonzero(pool.labels != 1)
    write_image_set(
        project.unit("all-0").generated, pool.images[rows], pool.labels[rows], NAMES,
        source="drawn shapes", made_by={"per_class": 20},
    )  # fmt: skip
    run(project)
    page = unescape((project.results / "report.html").read_text())
    assert "The generator gave fewer than 20 generated images of circle (0)" in page
    assert "filtered images of" not in page


def test_a_generator_that_collapsed_is_said(bare: Path) -> None:
    project = make_project(bare)
    path = project.unit("all-0").generator / "meta.json"
    meta = json.loads(path.read_text())
    write_json(path, meta | {"collapse": "the images of every epoch are all alike; only 31 steps"})
    run(project)
    assert (
        "The generator collapsed: the images of every epoch are all alike; only 31 steps."
        in text_of(project)
    )


def test_copies_and_collapse_are_said_first(bare: Path) -> None:
    project = make_project(bare)
    folder = project.unit("all-0").inspection
    write_json(folder / "copies.json", COPIES | {"n_near": 5, "found": True, "chance": 0.01})
    coverage = pd.read_csv(folder / "coverage.csv", keep_default_na=False)
    coverage.loc[coverage["group"] == "generated", "share"] = 0.05
    coverage.to_csv(folder / "coverage.csv", index=False)
    run(project)
    first = text_of(project).split("To know first")[1].split("Figures")[0]
    assert "5 of 50 generated images (10.0%) are nearer" in first
    assert "moved by up to 2): copies." in first
    assert "60 generated images have 3 different nearest training images; 60 test" in first
    assert "the generator has collapsed onto few different images." in first


def test_both_rooms_take_the_same_strategies_for_controls() -> None:
    from augment.mixing.strategies import STRATEGIES
    from reports.verdict.statistics import CONTROLS

    assert {name for name, strategy in STRATEGIES.items() if strategy.is_control} == set(CONTROLS)
    # Transformed mixes are compared with what transforms the real images alike.
    for name, strategy in STRATEGIES.items():
        if strategy.classical and not strategy.is_control:
            assert STRATEGIES[name.removeprefix("mix-")].classical == strategy.classical


def test_below_the_images_that_the_generator_saw_there_is_no_verdict(bare: Path) -> None:
    """60 real images in the grid: all that the unit sees, or 60 of 61."""
    project = make_project(bare)
    run(project)
    assert "No comparison" not in text_of(project)
    cells = pd.read_parquet(project.results / "cells.parquet").assign(unit_real=61)
    cells.to_parquet(project.results / "cells.parquet")
    choose.run(project)
    confirm_choices(project, open_image_set(project.test).labels)
    lines = run(project)
    assert lines[0].startswith("No comparison. The generator saw all 61 training images")
    text = text_of(project)
    assert "the classifier only 60 of them" in text
    assert "there is no verdict" in text
    metrics = json.loads((project.results / "metrics.json").read_text())
    assert "cas" in metrics
    assert not any("gain" in name for name in metrics)
    assert json.loads((project.results / "verdict.json").read_text())["answer"] == "No comparison"


def test_the_verdict_is_of_the_units_that_see_the_most(
    bare: Path, units, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The units' cells of generated images alone have the same counts and stay apart."""
    named = [("30-0", 30), *((f"all-{repeat}", 60) for repeat in range(3))]
    units(bare, [name for name, _ in named])
    contour = drawn_arguments(monkeypatch, "accuracy_contour")
    examples = drawn_arguments(monkeypatch, "examples")
    project = make_project(bare, units=named)
    run(project)
    confirmed = pd.read_parquet(project.results / "confirmed.parquet")
    predictions = np.load(project.results / "confirmed.npy")
    labels = open_image_set(project.test).labels
    assert set(confirmed["unit"]) == {"all-0", "all-1", "all-2"}
    mixes = confirmed["strategy"].to_numpy() == "mix"
    right = (predictions == labels).mean(axis=1)
    metrics = json.loads((project.results / "metrics.json").read_text())
    assert len(metrics) <= 10
    assert metrics["accuracy_mix"] == pytest.approx(right[mixes].mean(), abs=1e-6)
    assert metrics["accuracy_control"] == pytest.approx(right[~mixes].mean(), abs=1e-6)
    assert metrics["fid_examiner"] == 1.5  # of all-0, the first that sees the most
    found = json.loads((project.results / "verdict.json").read_text())
    assert (found["n_units"], found["n_seeds"], found["unit_real"]) == (3, 2, 60)
    assert found["primary"]["gain"] == pytest.approx(metrics["gain"], abs=1e-6)
    assert found["primary"]["low"] < metrics["gain"] < found["primary"]["high"]
    assert found["shared"] == 1
    # One grid over real counts: 30 of the smaller unit, 60 and generated images of the largest.
    table = contour[0]
    assert set(zip(table["unit_real"], table["n_real"], strict=True)) == {
        (30, 30), (60, 60), (60, 0),
    }  # fmt: skip
    first = predictions[int(mixes.argmax())]
    assert len(examples[0][0]) == min(4, ((labels == 0) & (first == 0)).sum())
    assert set(examples[1][1][1]) <= set(first[(labels == 1) & (first != 1)])
    text = text_of(project)
    assert "holds for this training set" in text
    assert "All cells (6)" in text
    assert "A unit sees" in text


def test_cells_of_no_unit_of_the_study_are_refused(bare: Path, augment, units) -> None:
    units(bare, ["all-0", "all-1"])
    make_project(bare, units=[("all-1", 60)])
    units(bare, ["all-0"])
    error = augment(bare, "report").error
    assert "cells.parquet is of all-1, which this study does not have" in error
