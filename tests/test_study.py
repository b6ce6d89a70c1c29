"""The whole study on tiny data, from pictures to the report."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.project import Project
from tests.pipeline.stages.test_report import text_of

ROOT = Path(__file__).parents[1]


def tracked(root: Path, files_of) -> dict[str, bytes]:
    """Every file that is an output of a stage in dvc.yaml."""
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    found: dict[str, bytes] = {}
    for stage in stages.values():
        for out in stage["outs"]:
            name = out if isinstance(out, str) else next(iter(out))
            path = root / name
            assert path.exists(), f"{name} was not written"
            files = files_of(path) if path.is_dir() else {"": path.read_bytes()}
            found |= {f"{name}/{file}": content for file, content in files.items()}
    return found


def test_metrics_are_headline_numbers(study) -> None:
    metrics: dict[str, Any] = json.loads((study.root / "results/metrics.json").read_text())
    assert set(metrics) == {
        "accuracy_control",
        "accuracy_mix",
        "cas",
        "gain",
        "fid_examiner",
        "inception_score",
        "label_match",
    }
    for name in ("accuracy_control", "accuracy_mix", "cas", "label_match"):
        assert 0.5 < metrics[name] <= 1, name
    assert metrics["gain"] == pytest.approx(
        metrics["accuracy_mix"] - metrics["accuracy_control"], abs=2e-6
    )
    assert 1 <= metrics["inception_score"] <= 3
    assert metrics["fid_examiner"] > 0


def test_the_report_stands_alone_and_escapes_class_names(study) -> None:
    text = (study.root / "results/report.html").read_text()
    assert not re.search("<(script|link|iframe|object|embed)", text, flags=re.I)
    for address in re.findall(r"""(?:\bsrc=|\bhref=|url\()["']?([^"')>\s]*)""", text):
        assert address.startswith(("data:", "#")), address[:80]
    assert "@import" not in text
    shown = text_of(Project(study.root))
    for name in ("NA", "circle", "square & co"):
        assert name in shown
    assert "square &amp; co" in text
    assert not re.search(r"&(?!#?\w+;)", re.sub(r"data:[^\"')]*", "", text))
    assert "nan" not in re.findall(r"\b\w+\b", shown)


def test_the_report_begins_with_the_answer(study) -> None:
    answer = study.said["report"].out.splitlines()[0]
    first = answer.split(". ")[0]
    assert first
    assert first in text_of(Project(study.root))


def test_outputs_say_nothing_of_the_machine(study, files_of) -> None:
    places = {str(study.root.parent), str(Path.home() / ""), os.uname().nodename}
    for name, content in tracked(study.root, files_of).items():
        for place in places:
            assert len(place) < 6 or place.encode() not in content, f"{name} holds {place}"


def test_every_output_is_written_and_nothing_else(study, files_of) -> None:
    outputs = set(tracked(study.root, files_of))
    folders = ("data", "models", "results")
    there = {f"{folder}/{name}" for folder in folders for name in files_of(study.root / folder)}
    assert there == {name.rstrip("/") for name in outputs}


def test_figures_come_as_png_and_svg(study) -> None:
    folder = study.root / "results/figures"
    png = {path.stem for path in folder.glob("*.png")}
    svg = {path.stem for path in folder.glob("*.svg")}
    assert png == svg
    assert {"accuracy_contour", "sample_grid", "training_curves"} <= png
    assert len(list(folder.iterdir())) == len(png) + len(svg)


@pytest.mark.slow
def test_a_second_study_gives_the_same_bytes(study, tmp_path: Path, files_of, parameters) -> None:
    """Elsewhere, with a fresh cache, a process a stage, and cells in two processes."""
    pictures = tmp_path / "elsewhere" / "pictures"  # the report names the folder
    pictures.parent.mkdir()
    (study.root / "pictures").rename(pictures)
    try:
        root = tmp_path / "second"
        root.mkdir()
        (root / "params.yaml").write_bytes((study.root / "params.yaml").read_bytes())
        parameters(root, {"data.path": str(pictures), "compute.processes": 2})
        environment = os.environ | {
            "AUGMENT_CACHE_DIR": str(tmp_path / "cache"),
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "7",
            "PYTHONPATH": str(ROOT),
        }
        for stage in study.said:
            command = [sys.executable, "-m", "pipeline.cli", *stage.split()]
            done = subprocess.run(
                command, cwd=root, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (stage, done.stderr)
    finally:
        pictures.rename(study.root / "pictures")
    first, second = tracked(study.root, files_of), tracked(root, files_of)
    assert second.keys() == first.keys()
    assert [name for name in first if first[name] != second[name]] == []
