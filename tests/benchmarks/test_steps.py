"""Accuracy over steps, in a finished study."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from augment.files import write_json
from augment.images.image_set_writer import write_image_set
from augment.mixing.recipes import build_cells, cells_table


def test_a_study_without_validation_images_is_one_line(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = np.zeros((6, 28, 28, 1), dtype=np.uint8), np.arange(6) % 3
    for part in ("train", "test"):
        write_image_set(bare / "data/real" / part, images, labels, ("a", "b", "c"), source="x")
    (bare / "data/subsets/all-0").mkdir()
    np.save(bare / "data/subsets/all-0/train.npy", np.arange(6))
    two = np.array([2, 2, 2])
    (cell,) = build_cells("published", "all-0", 6, [two], [0 * two], [], [0])
    cells_table([cell]).to_parquet(bare / "data/recipes.parquet")
    choice = {k: getattr(cell, k) for k in ("unit", "unit_real", "strategy", "n_real")}
    write_json(
        bare / "results/choices.json", {"choices": [choice | {"arm": "none", "n_synthetic": 0}]}
    )
    monkeypatch.chdir(bare)
    monkeypatch.setattr(sys, "argv", ["steps.py"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("benchmarks.steps", run_name="__main__")
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said == "error: unit all-0 has no validation images; ask of test images with --test\n"
