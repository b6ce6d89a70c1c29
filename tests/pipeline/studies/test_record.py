"""`augment record`: what a generator, or a grid of classifiers, reached, in a file for git."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from augment.images.image_sets import open_image_set
from pipeline.evidence import shown_parameters
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import parse_parameters
from pipeline.project import Project
from pipeline.studies.record import recorded_parameters
from pipeline.studies.records import CellsRecord, GeneratorRecord, read_record
from reports.verdict.statistics import gain_table, summarise_cells

ROOT = Path(__file__).parents[3]
CLAIMS = """
title: Drawn shapes
data: shapes
images: {name: shapes, train: 5000, test: 0, classes: 3}
says: nothing
open: everything
protocol: {pool: {system: cdcgan-projection, epochs: 2}}
systems: {cdcgan-projection: {}}
params: {data.source: folder, train_gan.system: cdcgan-projection}
quick: {}
claims:
  - id: mixing-helps
    text: Generated images help
    test:
      kind: cells
      a: {strategy: none, n_real: [30, 5000], n_synthetic: [0]}
      b: {strategy: mix, n_real: [30, 5000], n_synthetic: [60]}
      expects: higher
  - id: filtering-caps
    text: Filtering caps the best
    test: {kind: best, a: mix, b: filtered, expects: lower}
  - id: filtering-smooths
    text: Filtering smooths
    test: {kind: roughness, a: mix, b: filtered, expects: lower}
  - id: quality-falls
    text: It is lost again
    test: {kind: course, system: cdcgan-projection}
"""


def given(recorded: dict[str, Any]) -> Parameters:
    """The parameters of a fresh checkout with those of a record."""
    values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    for key, value in recorded.items():
        values[key] = values[key] | value if isinstance(value, dict) else value
    return parse_parameters(values)


PATHS = {
    "data.path": "/home/alice/pictures",
    "data.groups": "/home/alice/Patients.CSV",
    "generate.source": "folder",
    "generate.path": "/home/alice/made",
    "score.inception_weights": "/home/alice/weights.pth",
}


def test_the_users_paths_are_neither_recorded_nor_shown(bare: Path, parameters) -> None:
    parameters(bare, PATHS)
    project = Project(bare)
    sections = ("data", "classifier", "train_gan", "generate", "compute")
    record = recorded_parameters(project.parameters, "32-true", sections)
    shown = shown_parameters(project, {"name": "pictures"})
    assert "alice" not in json.dumps([record, shown])
    assert record["data"]["groups"] == "TABLE.csv"  # a table, and no pattern
    parameters(bare, {"data.groups": "^(p[0-9]+)_"})
    p = Project(bare).parameters
    assert recorded_parameters(p, None, ["data"])["data"]["groups"] == "^(p[0-9]+)_"
    assert shown_parameters(Project(bare), {"name": "x"})["data"]["groups"] == "^(p[0-9]+)_"


@pytest.fixture
def trained(study, tmp_path: Path) -> Path:
    """A copy of what `augment record` reads of the finished tiny study."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(study.root / "params.yaml", root)
    for name in ("data/real", "data/subsets", "models/generators", "results/training",
                 "results/checkpoints", "results/inspection", "logs"):  # fmt: skip
        shutil.copytree(study.root / name, root / name)
    for name in ("cells.parquet", "predictions.npy"):
        shutil.copy(study.root / "results" / name, root / "results")
    return root


def recorded(root: Path, name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((root / "studies" / f"{name}.json").read_text())
    return values


def test_a_record_holds_the_best_of_every_score_and_what_it_depends_on(
    augment, trained: Path
) -> None:
    run = augment(trained, "record", "tiny/default")
    assert run.code == 0, run.err
    assert "studies/tiny/default.json" in run.out
    record = recorded(trained, "tiny/default")
    scores = pd.read_csv(trained / "results/checkpoints/all-0.csv")
    for copy_of, best in record["best"].items():
        rows = scores[scores["weights"] == copy_of]
        assert best["fid_examiner"]["value"] == rows["fid_examiner"].min()
        assert best["label_match"]["value"] == rows["label_match"].max()
        for score, found in best.items():
            here = rows[rows["epoch"] == found["epoch"]]
            assert here[score].item() == found["value"]
    assert set(record["best"]) == set(scores["weights"])
    assert len(record["checkpoints"]) == len(scores)
    history = pd.read_csv(trained / "results/training/all-0/history.csv")
    assert record["epochs"] == history["epoch"].max()
    assert record["images_seen"] == history["images"].max()
    assert record["seconds_per_epoch"] > 0
    assert record["system"]["name"] == "cdcgan-projection"
    p = record["parameters"]
    assert (p["seed"], p["train_gan"]["system"]) == (0, "cdcgan-projection")
    assert (p["data"]["path"], p["data"]["test"]) == ("FOLDER", 0.2)
    assert "pictures" not in json.dumps(record)  # a user's own paths stay at home
    # The arithmetic that was used, not "auto".
    assert p["train_gan"]["precision"] == "32-true"
    assert given(p).train_gan.options["batch_size"] == 12

    read = read_record(trained / "studies/tiny/default.json", "tiny/default")
    assert isinstance(read, GeneratorRecord)
    assert read.name == "tiny/default"
    # 60 steps of 16 on 108 images.
    assert read.examiner_epochs == pytest.approx(60 * 16 / 108)
    assert "batch_size 12" in read.options
    assert "system" not in read.options


def test_neighbours_are_those_of_the_inspection(augment, trained: Path) -> None:
    augment(trained, "record", "tiny")
    coverage = pd.read_csv(trained / "results/inspection/all-0/coverage.csv")
    shares = coverage.groupby("group")["share"].mean()  # classes of one size
    n = coverage[coverage["group"] == "test"]["n_queries"].sum()
    found = recorded(trained, "tiny")["neighbours"]
    assert found == {
        "generated": pytest.approx(shares["generated"], abs=1e-6),
        "test": pytest.approx(shares["test"], abs=1e-6),
        "queries": n,
    }


def test_what_was_not_inspected_or_timed_is_left_open(augment, trained: Path) -> None:
    shutil.rmtree(trained / "results/inspection/all-0")
    shutil.rmtree(trained / "logs")
    assert augment(trained, "record", "tiny").code == 0
    record = recorded(trained, "tiny")
    assert "neighbours" not in record
    assert record["seconds_per_epoch"] is None


@pytest.mark.parametrize(
    ("table", "stage"),
    [
        ("inspection/all-0/discriminator.csv", "`dvc repro inspect`"),
        ("checkpoints/all-0.csv", "`dvc repro score-checkpoints`"),
    ],
)
def test_tables_of_another_training_are_refused_and_missing_ones_named(
    augment, trained: Path, table: str, stage: str
) -> None:
    path = trained / "results" / table
    pd.read_csv(path).assign(epoch=10_000).to_csv(path, index=False)
    assert stage in augment(trained, "record", "tiny").error
    path.unlink()
    assert stage in augment(trained, "record", "tiny").error
    assert not (trained / "studies").exists()


@pytest.mark.parametrize("name", ["../escape", "/tmp/x", "a/b/c", "A", "", "a.json", "a/../b"])
def test_a_name_that_is_no_plain_name_is_refused(augment, trained: Path, name: str) -> None:
    assert "is not allowed" in augment(trained, "record", name).error


# The grid of classifiers


def cells_of(root: Path) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the cells table, the predictions and the test labels."""
    return (
        pd.read_parquet(root / "results/cells.parquet"),
        np.load(root / "results/predictions.npy"),
        open_image_set(root / "data/real/test").labels,
    )


def same(a: Any, b: Any) -> bool:
    """Compare JSON values with six digits; what is not a number is None."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, float) and np.isnan(b):
        return a is None
    return bool(a == (round(b, 6) if isinstance(b, float) else b))


def test_a_grid_has_a_row_a_recipe(augment, trained: Path) -> None:
    run = augment(trained, "record", "tiny/grid", "--cells")
    assert run.code == 0, run.err
    cells, predictions, labels = cells_of(trained)
    record = recorded(trained, "tiny/grid")
    summary = summarise_cells(cells, 108, len(labels))
    assert f"holds {len(cells)} classifiers, {len(summary)} recipes" in run.out
    assert "claims" not in run.out
    assert record["kind"] == "cells"
    assert record["strategies"] == list(cells["strategy"].unique())
    for row, expected in zip(record["cells"], summary.to_dict("records"), strict=True):
        keys = ["strategy", "n_real", "n_synthetic"]
        assert [row[key] for key in keys] == [expected[key] for key in keys]
        group = cells[(cells[keys] == [row[key] for key in keys]).all(axis=1)]
        assert row["seeds"] == [0, 1]
        assert row["test_accuracy"] == pytest.approx(group["test_accuracy"].tolist(), abs=1e-6)
        for name in ("mean", "low", "high"):
            assert same(row[name], expected[f"test_{name}"])
        mixed = row["strategy"] not in ("none", "classical", "duplicated")
        assert row["optimistic"] == (mixed and row["n_real"] == 30 and row["n_synthetic"] > 0)
    small = [row["low"] for row in record["gains"] if row["n_real"] == 30]
    assert small == [None] * len(small)  # one unit
    assert small
    assert same(record["gains"], gain_table(cells, predictions, labels).to_dict("records"))
    assert record["confirmed"] == []  # neither stage confirm nor
    assert record["verdict"] is None  # stage report has run here
    assert record["contrasts"] == []
    confirmed = (
        cells.drop(columns="class_accuracy")
        .head(2)
        .assign(arms=[["real"], ["control", "classical"]], half_validation_accuracy=[np.nan, 0.75])
    )
    confirmed.to_parquet(trained / "results/confirmed.parquet")
    (trained / "results/verdict.json").write_text('{"word": "cannot tell"}')
    assert augment(trained, "record", "tiny/grid", "--cells").code == 0
    again = recorded(trained, "tiny/grid")
    rows = again["confirmed"]
    assert same(rows, confirmed.to_dict("records"))
    assert [row["arms"] for row in rows] == [["real"], ["control", "classical"]]
    # All else is the same again.
    assert again == record | {"confirmed": rows, "verdict": {"word": "cannot tell"}}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda table: table.assign(n_real=table["n_real"] + 1),
            "error: results/confirmed.parquet has cells that results/cells.parquet has not; "
            "`dvc repro confirm` makes it again\n",
        ),
        (lambda table: table.drop(columns="arms"), "arms"),
    ],
)
def test_classifiers_of_another_verdict_are_not_recorded(
    augment, trained: Path, damage: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    cells = pd.read_parquet(trained / "results/cells.parquet")
    confirmed = cells.head(1).assign(arms=[["real"]], half_validation_accuracy=0.5)
    damage(confirmed).to_parquet(trained / "results/confirmed.parquet")
    run = augment(trained, "record", "tiny/grid", "--cells")
    assert run.code == 2
    assert said in run.err
    assert run.err.count("\n") == 1
    assert not (trained / "studies/tiny/grid.json").exists()


def test_a_grid_says_what_it_was_made_from(augment, trained: Path) -> None:
    augment(trained, "record", "tiny/grid", "--cells")
    record = recorded(trained, "tiny/grid")
    assert record["data"] | {"digest": ""} == {
        "source": "folder", "digest": "", "train": 108, "validation": 12, "test": 30,
    }  # fmt: skip
    assert record["classifier"] == {
        "model": "lenet", "pretrained": False, "epochs": None, "steps": 20, "batch_size": 16,
        "input_size": 32,
        "steps_taken": {"least": 20, "most": 20}, "images_seen": {"least": 320, "most": 320},
    }  # fmt: skip
    generator = record["generator"]
    assert (generator["system"], generator["width"]) == ("cdcgan-projection", 0.17)
    history = pd.read_csv(trained / "results/training/all-0/history.csv")
    kept = history[history["epoch"] == generator["epoch"]]
    assert generator["images_seen"] == kept["images"].item()
    p = record["parameters"]
    assert p["mix"]["real"] == [0, 30, 1.0]
    assert p["train_classifiers"] == {"steps": 20, "epochs": None}
    assert p["classical"]["flip"] == 0.5
    assert p["compute"] == {"threads": 1}
    assert given(p).data.path == "FOLDER"  # It can be put beside a fresh params.yaml.
    assert "pictures" not in json.dumps(record)  # a user's own paths stay at home
    cells, *_ = cells_of(trained)
    cost = record["cost"]
    assert (cost["cells"], cost["images"]) == (len(cells), 320 * len(cells))
    assert cost["images_per_second"] > 0
    assert cost["wall_minutes"] >= 0
    read = read_record(trained / "studies/tiny/grid.json", "tiny/grid")
    assert isinstance(read, CellsRecord)
    assert len(read.cells) == len(record["cells"])


def test_claims_are_measured_where_the_predictions_are(augment, trained: Path) -> None:
    (trained / "studies/tiny").mkdir(parents=True)
    (trained / "studies/tiny/study.yaml").write_text(CLAIMS)
    run = augment(trained, "record", "tiny/grid", "--cells")
    assert run.out.rstrip().endswith("; 2 of 3 claims measured")
    mixing, best, rough = recorded(trained, "tiny/grid")["contrasts"]
    cells, predictions, labels = cells_of(trained)

    def right(*cell: str | int) -> np.ndarray:
        rows = (cells[["strategy", "n_real", "n_synthetic"]] == list(cell)).all(axis=1)
        return predictions[rows.to_numpy()] == labels

    # All 5,000 images of the study stand for all of ours, which are 108.
    gains = [right("mix", n, 60).mean() - right("none", n, 0).mean() for n in (30, 108)]
    assert mixing["claim"] == "mixing-helps"
    assert mixing["difference"] == pytest.approx(np.mean(gains), abs=1e-6)
    assert mixing["low"] <= mixing["difference"] <= mixing["high"]
    assert (mixing["n_seeds"], mixing["n_images"], mixing["missing"]) == (2, 30, [])
    assert mixing["pairs"] == [f"none {n} + 0 -> mix {n} + 60" for n in (30, 108)]
    assert mixing["optimistic_counts"] == [30]
    assert "expects" not in mixing["test"]
    assert (best["claim"], best["chosen_by"]) == ("filtering-caps", "validation")
    assert (rough["difference"], rough["pairs"]) == (None, [])
    assert rough["missing"] == ["3 synthetic counts at one real count, of mix and filtered"]


def test_published_facts_that_are_not_valid_stop_the_record(augment, trained: Path) -> None:
    (trained / "studies/tiny").mkdir(parents=True)
    (trained / "studies/tiny/study.yaml").write_text(CLAIMS.replace("roughness", "ruffness"))
    run = augment(trained, "record", "tiny/grid", "--cells")
    assert "studies/tiny/study.yaml: claims[2].test" in run.error
    assert not (trained / "studies/tiny/grid.json").exists()


def test_a_grid_that_does_not_fit_or_is_missing_is_refused(augment, trained: Path) -> None:
    def refusal() -> str:
        error: str = augment(trained, "record", "tiny", "--cells").error
        return error

    path, predictions = (
        trained / "results" / name for name in ("cells.parquet", "predictions.npy")
    )
    cells = pd.read_parquet(path)
    cells.assign(generator="cdcgan").to_parquet(path)
    assert "of another generator" in (error := refusal())
    assert "`dvc repro train-classifiers`" in error
    cells.to_parquet(path)
    np.save(predictions, np.load(predictions)[1:])
    assert "test images" in refusal()
    for file in (predictions, path):
        file.unlink()
        assert f"{file.relative_to(trained)}" in (error := refusal())
        assert "`dvc repro train-classifiers`" in error
    assert not (trained / "studies").exists()


@pytest.mark.parametrize("kinds", [[], ["--cells"]])
def test_only_a_record_of_its_kind_is_replaced(augment, trained: Path, kinds: list[str]) -> None:
    other = [] if kinds else ["--cells"]
    assert augment(trained, "record", "tiny", *kinds).code == 0
    before = recorded(trained, "tiny")
    assert "is a record of another kind" in augment(trained, "record", "tiny", *other).error
    assert recorded(trained, "tiny") == before
    assert augment(trained, "record", "tiny", *kinds).code == 0
    for text in ("{", "[]", '{"format": 1, "name": "tiny", "kind": "cells"}'):
        (trained / "studies/tiny.json").write_text(text)
        assert augment(trained, "record", "tiny", *kinds).error == (
            "error: studies/tiny.json is no record, or a damaged one; choose another name, or "
            "remove it"
        )
        assert (trained / "studies/tiny.json").read_text() == text


@pytest.mark.parametrize("change", ["none", "other", "damaged"])
def test_a_cost_that_no_log_tells_is_left_open(augment, trained: Path, change: str) -> None:
    if change == "none":
        shutil.rmtree(trained / "logs")
    elif change == "other":
        path = trained / "logs/cells.csv"
        pd.read_csv(path).assign(seed=9).to_csv(path, index=False)
        (trained / "logs/stages.jsonl").write_text('{"stage": "fetch", "seconds": 1}\n')
    else:
        (trained / "logs/cells.csv").write_text("strategy\n")
        (trained / "logs/stages.jsonl").write_text('{"stage": "train-classifiers", "sec\n[]\n')
    augment(trained, "record", "tiny", "--cells")
    cost = recorded(trained, "tiny")["cost"]
    assert cost["cells"] > 0
    assert [cost[key] for key in ("core_minutes", "images_per_second", "wall_minutes")] == [
        None
    ] * 3


def test_every_run_of_the_stage_counts(augment, trained: Path) -> None:
    rows = [("train-classifiers", 60.0), ("report", 999.0), ("train-classifiers", 30.0)]
    lines = [json.dumps({"stage": stage, "began": 0, "seconds": s}) for stage, s in rows]
    (trained / "logs/stages.jsonl").write_text("\n".join(lines))
    augment(trained, "record", "tiny", "--cells")
    assert recorded(trained, "tiny")["cost"]["wall_minutes"] == 1.5


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"train_gan.system": "cdcgan"}, "train_gan.system differs"),
        ({"train_gan.width": 1.0}, "train_gan.width differs"),
        ({"train_gan.options.generator_rate": 1e-4}, "an option of train_gan differs"),
        ({"train_gan.images": 9_999_999}, "train_gan.images differs"),
        ({"data.source": "mnist", "data.path": None}, "data.source differs"),
        ({"seed": 7}, "seed differs"),
    ],
)
def test_parameters_changed_since_the_training_are_refused(
    augment, parameters, trained: Path, change: dict[str, Any], difference: str
) -> None:
    parameters(trained, change)
    for options in ([], ["--cells"]):
        error = augment(trained, "record", "tiny", *options).error
        assert f"params.yaml is not that of the trained generator: {difference}" in error
    assert not (trained / "studies").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*/*.json")), ids=lambda p: p.stem)
def test_a_kept_record_can_be_read_and_put_into_params_yaml(path: Path) -> None:
    record = read_record(path, f"{path.parent.name}/{path.stem}")
    assert record.setting("data", "source") == record.data.source
    recorded = json.loads(path.read_text())["parameters"]
    parameters = given(recorded)
    if recorded.get("generate", {}).get("source") == "folder":
        assert "train_gan" not in recorded
    else:
        assert parameters.train_gan.precision != "auto"  # the one that was used
