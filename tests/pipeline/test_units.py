"""A study of several units, side by side, on top of one that is finished."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

UNITS = ["all-0", "all-1", "60-0", "60-1"]
CHANGES = {
    "units": UNITS,
    "mix.strategies": ["mix", "filtered"],
    "compute.processes": 2,
}


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What the stages printed, by stage."""
    return {}


@pytest.fixture(scope="module")
def units(
    study: Any,
    said: dict[str, str],
    augment: Callable[..., Any],
    parameters: Callable[..., None],
    stages: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The finished study with three more units, and the cache of before."""
    folder = tmp_path_factory.mktemp("units")
    root, cache = folder / "project", folder / "cache"
    for place in ("pictures", "data/real", "models/examiner"):
        shutil.copytree(study.root / place, root / place)
    shutil.copytree(study.cache, cache)
    shutil.copy(study.root / "params.yaml", root)
    parameters(root, CHANGES)
    for stage in stages[2:]:
        run = augment(root, stage, cache=cache)
        assert run.code == 0, (stage, run.err)
        said[stage] = run.out
    return root


@pytest.mark.slow
def test_only_the_new_units_are_trained(units: Path, said: dict[str, str]) -> None:
    for stage in ("train-judge", "train-gan"):
        (line,) = (each for each in said[stage].splitlines() if "comes from the cache" in each)
        assert "all-0" in line
    # Of a unit 8 recipes with 2 seeds each.
    assert "64 cells: 48 trained, 16 from the cache" in said["train-classifiers"]


@pytest.mark.slow
def test_a_unit_is_the_same_whatever_others_there_are(
    study: Any, units: Path, files_of: Callable[[Path], dict[str, bytes]]
) -> None:
    for place in ("models/generators", "data/generated", "data/filtered", "results/training",
                  "results/inspection", "results/filtering"):  # fmt: skip
        assert files_of(units / place / "all-0") == files_of(study.root / place / "all-0"), place


@pytest.mark.slow
def test_units_differ(units: Path) -> None:
    weights = [
        (units / "models" / kind / unit / "weights.safetensors").read_bytes()
        for kind in ("generators", "judges")
        for unit in UNITS
    ]
    assert len(set(weights)) == len(weights)
    subsets = {unit: np.load(units / "data/subsets" / f"{unit}.npy") for unit in UNITS}
    assert {unit: len(index) for unit, index in subsets.items()} == {
        "all-0": 108, "all-1": 108, "60-0": 60, "60-1": 60,
    }  # fmt: skip
    assert subsets["60-0"].tolist() != subsets["60-1"].tolist()


@pytest.mark.slow
def test_cells_of_every_unit_stay_apart(units: Path) -> None:
    cells = pd.read_parquet(units / "results/cells.parquet")
    alone = cells[(cells["strategy"] == "mix") & (cells["n_real"] == 0)]
    assert alone.groupby("unit")["unit_real"].unique().map(list).to_dict() == {
        "all-0": [108], "all-1": [108], "60-0": [60], "60-1": [60],
    }  # fmt: skip
    # No cell of a unit uses more real images than the unit sees.
    assert (cells["n_real"] <= cells["unit_real"]).all()
    metrics = json.loads((units / "results/metrics.json").read_text())
    largest = alone[alone["unit_real"] == 108]
    assert metrics["accuracy_synthetic_only"] == pytest.approx(
        largest["test_accuracy"].mean(), abs=1e-6
    )


@pytest.mark.slow
def test_the_report_says_what_the_units_share(units: Path) -> None:
    page = (units / "results/report.html").read_text()
    assert "The study has 4 units: all-0, all-1, 60-0, 60-1." in page
    assert "The units all-0, all-1 share 100% of their training images" in page
    shared = [np.load(units / f"data/subsets/60-{repeat}.npy") for repeat in (0, 1)]
    share = len(np.intersect1d(*shared)) / 60
    assert 0 < share < 1
    assert f"The units 60-0, 60-1 share {share:.0%} of their training images" in page


@pytest.mark.slow
def test_summaries_are_over_the_units(units: Path) -> None:
    summary = pd.read_csv(units / "results/training/summary.csv").set_index("images")
    histories = [
        pd.read_csv(units / f"results/training/{unit}/history.csv").set_index("images")
        for unit in ("all-0", "all-1")
    ]
    both = summary[(summary["units"] >= 2) & summary.index.isin(histories[0].index)]
    images = both.index.difference(
        pd.read_csv(units / "results/training/60-0/history.csv")["images"]
    )
    assert len(images)
    for name, column in (("fid", "fid"), ("loss_1", "generator_loss")):
        values = np.array([table.loc[images, column] for table in histories])
        assert np.allclose(summary.loc[images, f"{name}_mean"], values.mean(axis=0))
        assert np.allclose(summary.loc[images, f"{name}_min"], values.min(axis=0))
        assert np.allclose(summary.loc[images, f"{name}_max"], values.max(axis=0))
    scores = pd.read_csv(units / "results/checkpoints/summary.csv")
    assert (scores["units"] <= 4).all()
