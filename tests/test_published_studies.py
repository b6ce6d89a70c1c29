"""The quick form of every published study, with each of its systems, from pictures to the report.

On drawn shapes and with budgets of seconds; every other key is the preset's.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.study_files import load_study, study_names

ROOT = Path(__file__).parents[1]
SECONDS: dict[str, Any] = {
    "data.source": "folder",
    "data.path": "pictures",
    "classifier.batch_size": 16,
    "train_examiner.steps": 30,
    "train_judge.steps": 30,
    "train_gan.images": 240,
    "train_gan.width": 0.05,
    "train_gan.options.batch_size": 12,
    "train_gan.evaluate": 100,
    "compute.device": "cpu",
    "train_gan.precision": "32-true",
    "generate.per_class": 40,
    "generate.max_draws": 5,
    "filter.per_class": 40,
    "filter.max_draws": 5,
    "mix.real": [0, 1.0],
    "mix.synthetic": [0, 30],
    "train_classifiers.steps": 10,
    "compute.processes": 1,
    "score.n": 100,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "system"),
    [(name, system) for name in study_names(ROOT) for system in load_study(ROOT, name).systems],
)
def test_a_quick_form_ends_with_a_report(
    name: str, system: str, tmp_path: Path, augment, parameters, draw_shapes, stages, one_thread
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    parameters(root, {})
    draw_shapes(root / "pictures")
    chosen = ["--quick", "--system", system, "--data-path", "pictures"]
    written = augment(root, "preset", name, *chosen)
    assert written.code == 0, written.err
    parameters(root, SECONDS)
    for stage in stages:
        run = augment(root, *stage.split())
        assert run.code == 0, (stage, run.err)
    assert (root / "results/report.html").stat().st_size > 10_000
    metrics = json.loads((root / "results/metrics.json").read_text())
    assert 0 <= metrics.get("accuracy_control", metrics.get("accuracy_real", -1)) <= 1
    generator = record(augment, root, f"{name}/{system}")
    grid = record(augment, root, f"{name}/grid", "--cells")
    assert generator["images_seen"] == 240
    # The studies kept plain weights, the project's own generator the average.
    copies = {"average"} if system == "cdcgan-projection" else {"plain", "average"}
    assert set(generator["best"]) == copies
    assert len(grid["cells"]) > 0


def record(augment, root: Path, name: str, *options: str) -> dict[str, Any]:
    """Record a finished study; return what was written."""
    run = augment(root, "record", name, *options)
    assert run.code == 0, run.err
    content: dict[str, Any] = json.loads((root / f"studies/{name}.json").read_text())
    return content
