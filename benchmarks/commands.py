"""What a command takes beside its work: its start, a repro with nothing to do, images by hand.

Each call is a process of its own. In a project whose study is done; without one, starts alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from augment.files import read_json
from benchmarks.pairs import Pair
from pipeline.project import Project

N = 6000
SLOW = {"torch", "torchvision", "pandas", "scipy", "sklearn", "matplotlib", "lightning_fabric"}
LOADED = f"import sys; print(*sorted({SLOW} & set(sys.modules)))"
STAGES = sorted((Path(__file__).parents[1] / "pipeline" / "stages").glob("[!_]*.py"))
FORWARD_PASSES = f"""
import sys
from pathlib import Path
import numpy as np
from augment.generators.sampling import load_sampler
sampler, _ = load_sampler(Path(sys.argv[1]))
np.save(sys.argv[2], sampler.draw(int(sys.argv[3]), 0, {N}, 0))
"""


def call(*command: str | Path, folder: Path | None = None) -> str:
    """Run a command in a folder; return what it printed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def python(*arguments: str | Path) -> str:
    """Run Python as this one."""
    return call(sys.executable, *arguments)


def what_loads(ours: str, theirs: str) -> str:
    """Say which slow packages a stage's start loads; the other one's is torch and no more."""
    assert theirs.split() == ["torch"], theirs
    return f"loads {', '.join(ours.split()) or 'nothing slow'}"


def up_to_date(ours: str, theirs: str) -> str:
    """Make sure that neither had anything to do."""
    for printed in (ours, theirs):
        assert "Data and pipelines are up to date" in printed, printed[-200:]
    return "neither had anything to do"


def draw(project: Path, folder: Path, label: int) -> np.ndarray:
    """Draw images by the command."""
    call(
        *(sys.executable, "-m", "pipeline.cli", "generate", "--force"),
        *("--label", f"{label}", "--n", f"{N}", "--out", folder / "ours"),
        folder=project,
    )
    images: np.ndarray = np.load(folder / "ours" / "images.npy")
    return images


def draw_alone(generator: Path, folder: Path, label: int) -> np.ndarray:
    """Draw images by the generator's forward passes alone."""
    python("-c", FORWARD_PASSES, generator, folder / "theirs.npy", f"{label}")
    images: np.ndarray = np.load(folder / "theirs.npy")
    return images


def equal_images(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Make sure that both drew the same."""
    assert np.array_equal(ours, theirs), "other images"
    return "equal images"


def pairs() -> Iterator[Pair]:
    """Each stage's imports, a repro, and images of one class."""
    for stage in STAGES:
        yield Pair(
            f"start of {stage.stem}, against importing torch",
            "starts",
            1,
            partial(python, "-c", f"import pipeline.cli, pipeline.stages.{stage.stem}; {LOADED}"),
            partial(python, "-c", f"import torch; {LOADED}"),
            what_loads,
            repeats=3,
        )
    project = Project.find()
    if "up to date" not in call("dvc", "status", folder=project.root):
        print("repro and generate: left out, for the study is not done here; run dvc repro first")
        return
    generator = project.unit(project.units[0]).generator
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        call("dvc", "init", "--no-scm", folder=empty)
        (empty / "dvc.yaml").write_text("stages: {}\n")
        yield Pair(
            "dvc repro with nothing to do, against an empty project",
            "calls",
            1,
            partial(call, "dvc", "repro", folder=project.root),
            partial(call, "dvc", "repro", folder=empty),
            up_to_date,
        )
        label = min(7, len(read_json(generator / "meta.json")["class_names"]) - 1)
        yield Pair(
            f"augment generate --n {N}, against torch and the forward passes",
            "images",
            N,
            partial(draw, project.root, empty, label),
            partial(draw_alone, generator, empty, label),
            equal_images,
        )
