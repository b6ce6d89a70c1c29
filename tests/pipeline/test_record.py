"""`augment record`: what a generator reached, in a file for git."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest


@pytest.fixture
def trained(study, tmp_path: Path) -> Path:
    """A copy of what `augment record` reads of the finished tiny study."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(study.root / "params.yaml", root)
    for name in ("data/real", "models/units", "results/units", "logs"):
        shutil.copytree(study.root / name, root / name)
    return root


def recorded(root: Path, name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((root / "studies" / f"{name}.json").read_text())
    return values


def test_the_best_of_every_score_and_where_it_was(augment, trained: Path) -> None:
    run = augment(trained, "record", "tiny/default")
    assert run.code == 0, run.err
    assert "studies/tiny/default.json" in run.out
    record = recorded(trained, "tiny/default")
    scores = pd.read_csv(trained / "results/units/all-0/checkpoints.csv")
    for copy_of, best in record["best"].items():
        rows = scores[scores["weights"] == copy_of]
        assert best["fid_examiner"]["value"] == rows["fid_examiner"].min()
        assert best["label_match"]["value"] == rows["label_match"].max()
        for score, found in best.items():
            here = rows[rows["epoch"] == found["epoch"]]
            assert here[score].item() == found["value"]
    assert set(record["best"]) == set(scores["weights"])
    assert len(record["checkpoints"]) == len(scores)
    history = pd.read_csv(trained / "results/units/all-0/training/history.csv")
    assert record["epochs"] == history["epoch"].max()
    assert record["images_seen"] == history["images"].max()
    assert record["seconds_per_epoch"] > 0
    assert record["system"]["name"] == "cdcgan-projection"
    assert "train_gan.system=cdcgan-projection" in record["command"]
    assert "pictures" not in json.dumps(record)  # a user's own paths stay at home


def test_scores_of_another_training_are_refused(augment, trained: Path) -> None:
    path = trained / "results/units/all-0/checkpoints.csv"
    scores = pd.read_csv(path)
    scores["epoch"] += 10_000
    scores.to_csv(path, index=False)
    assert "score-checkpoints" in augment(trained, "record", "tiny").error
    assert not (trained / "studies").exists()


@pytest.mark.parametrize("name", ["../escape", "/tmp/x", "a/b/c", "A", "", "a.json", "a/../b"])
def test_a_name_that_is_no_plain_name_is_refused(augment, trained: Path, name: str) -> None:
    assert "is not allowed" in augment(trained, "record", name).error


def test_what_is_missing_is_named(augment, trained: Path) -> None:
    (trained / "results/units/all-0/checkpoints.csv").unlink()
    assert "`dvc repro score-checkpoints`" in augment(trained, "record", "tiny").error


def test_without_a_log_of_times_they_are_left_open(augment, trained: Path) -> None:
    shutil.rmtree(trained / "logs")
    assert augment(trained, "record", "tiny").code == 0
    assert recorded(trained, "tiny")["seconds_per_epoch"] is None
