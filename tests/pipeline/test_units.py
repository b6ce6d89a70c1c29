"""A strict study of several units, side by side, and what each of them may read."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import open_image_set
from pipeline.generators import plan

UNITS = ["all-0", "all-1", "all-2", "60-0", "60-1"]
CHANGES = {
    "study.protocol": "strict",
    "study.repeats": 3,
    "study.repeats_below": 2,
    "study.confirm_seeds": 2,
    "train_gan.keep": "best",
    "mix.real": [0, 60, 1.0],
    "mix.strategies": ["mix", "filtered", "mix-classical", "classical"],
    "compute.processes": 2,
}
MAKERS = ("subset", "train-judge", "train-gan", "generate", "filter", "mix", "choose")
"""Stages that make or choose images and cells; the others only report."""


@pytest.fixture(scope="module")
def units(
    study,
    augment,
    parameters,
    stages: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A strict study of the finished study's images, with an empty cache."""
    folder = tmp_path_factory.mktemp("units")
    root, cache = folder / "project", folder / "cache"
    for place in ("pictures", "data/real", "models/examiner"):
        shutil.copytree(study.root / place, root / place)
    shutil.copy(study.root / "params.yaml", root)
    parameters(root, CHANGES)
    for stage in stages[2:]:
        run = augment(root, stage, cache=cache)
        assert run.code == 0, (stage, run.err)
    return root


@pytest.mark.slow
def test_one_more_repeat_trains_only_the_new_unit(
    study, tmp_path: Path, augment, parameters, files_of
) -> None:
    root, cache = tmp_path / "project", tmp_path / "cache"
    for place in ("pictures", "data/real", "models/examiner"):
        shutil.copytree(study.root / place, root / place)
    shutil.copytree(study.cache, cache)
    shutil.copy(study.root / "params.yaml", root)
    parameters(root, {"study.repeats": 2, "compute.processes": 2})
    for stage in ("subset", "train-judge", "train-gan", "generate"):
        run = augment(root, stage, cache=cache)
        assert run.code == 0, (stage, run.err)
        if stage.startswith("train"):
            (line,) = (each for each in run.out.splitlines() if "comes from the cache" in each)
            assert "all-0" in line
    for place in ("models/generators", "data/generated", "results/training"):
        assert files_of(root / place / "all-0") == files_of(study.root / place / "all-0"), place


@pytest.mark.slow
def test_units_differ(units: Path) -> None:
    weights = [
        (units / "models" / kind / unit / "weights.safetensors").read_bytes()
        for kind in ("generators", "judges")
        for unit in UNITS
    ]
    assert len(set(weights)) == len(weights)
    subsets = {unit: np.load(units / "data/subsets" / unit / "train.npy") for unit in UNITS}
    assert {unit: len(index) for unit, index in subsets.items()} == {
        "all-0": 108, "all-1": 108, "all-2": 108, "60-0": 60, "60-1": 60,
    }  # fmt: skip
    assert subsets["60-0"].tolist() != subsets["60-1"].tolist()


@pytest.mark.slow
def test_cells_of_every_unit_stay_apart(units: Path) -> None:
    cells = pd.read_parquet(units / "results/cells.parquet")
    alone = cells[(cells["strategy"] == "mix") & (cells["n_real"] == 0)]
    assert alone.groupby("unit")["unit_real"].unique().map(list).to_dict() == {
        "all-0": [108], "all-1": [108], "all-2": [108], "60-0": [60], "60-1": [60],
    }  # fmt: skip
    # A cell has all real images of its unit, or none.
    assert ((cells["n_real"] == cells["unit_real"]) | (cells["n_real"] == 0)).all()
    metrics = json.loads((units / "results/metrics.json").read_text())
    largest = alone[alone["unit_real"] == 108]
    assert metrics["cas"] == pytest.approx(largest["test_accuracy"].mean(), abs=1e-6)


@pytest.mark.slow
def test_the_verdict_is_of_fresh_classifiers(units: Path) -> None:
    confirmed = pd.read_parquet(units / "results/confirmed.parquet")
    cells = pd.read_parquet(units / "results/cells.parquet")
    assert set(confirmed["unit"]) == {"all-0", "all-1", "all-2"}
    arms = {"real", "control", "mix", "classical", "mix-classical"}
    for _, rows in confirmed.groupby("unit"):
        of_arms = rows.explode("arms").groupby("arms")["seed"].nunique()
        assert of_arms.to_dict() == dict.fromkeys(arms, 2)
    # 12 validation images a unit are too few to choose by.
    choices = json.loads((units / "results/choices.json").read_text())["choices"]
    assert {choice["by"] for choice in choices} == {"fixed beforehand"}
    # The same recipes and seed numbers, yet other classifiers.
    keys = ["unit", "strategy", "n_real", "n_synthetic", "seed"]
    rows = {tuple(key): row for row, key in enumerate(cells[keys].to_numpy())}
    before = np.load(units / "results/predictions.npy")
    fresh = np.load(units / "results/confirmed.npy")
    same = [
        (before[rows[tuple(key)]] == fresh[row]).all()
        for row, key in enumerate(confirmed[keys].to_numpy())
    ]
    assert np.mean(same) < 0.5
    verdict = json.loads((units / "results/verdict.json").read_text())
    assert (verdict["n_units"], verdict["n_seeds"], verdict["shared"]) == (3, 2, 1)
    assert confirmed["half_validation_accuracy"].between(0, 1).all()


@pytest.mark.slow
def test_the_report_says_what_the_units_share(units: Path) -> None:
    page = (units / "results/report.html").read_text()
    assert "The study has 5 units: all-0, all-1, all-2, 60-0, 60-1." in page
    assert "The units all-0, all-1, all-2 share 100% of their training images" in page
    shared = [np.load(units / f"data/subsets/60-{repeat}/train.npy") for repeat in (0, 1)]
    share = len(np.intersect1d(*shared)) / 60
    assert 0 < share < 1
    assert f"The units 60-0, 60-1 share {share:.0%} of their training images" in page


@pytest.mark.slow
def test_summaries_are_over_the_units(units: Path) -> None:
    summary = pd.read_csv(units / "results/training/summary.csv").set_index("images")
    histories = [
        pd.read_csv(units / f"results/training/{unit}/history.csv").set_index("images")
        for unit in ("all-0", "all-1", "all-2")
    ]
    both = summary[(summary["units"] >= 3) & summary.index.isin(histories[0].index)]
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
    assert (scores["units"] <= 5).all()


@pytest.mark.slow
def test_what_makes_or_chooses_opens_no_test_image(
    units: Path, tmp_path: Path, augment, stages: tuple[str, ...]
) -> None:
    assert set(stages) - set(MAKERS) == {
        "fetch", "train-examiner", "score-checkpoints", "inspect", "train-classifiers", "confirm",
        "score", "report",
    }  # fmt: skip
    root, cache = tmp_path / "project", tmp_path / "cache"
    shutil.copytree(units, root)
    shutil.rmtree(root / "data/real/test")
    for stage in MAKERS:
        run = augment(root, stage, cache=cache)
        assert run.code == 0, (stage, run.err)


def outside_becomes_noise(root: Path, unit: str) -> None:
    """Pixels of all images outside a unit, and of all test images; labels outside change places."""
    rng = np.random.default_rng(0)
    for part in ("train", "validation", "test"):
        old = open_image_set(root / "data/real" / part)
        images = rng.integers(0, 256, old.images.shape, np.uint8)
        labels, names, source = np.array(old.labels), old.class_names, old.meta["source"]
        if part != "test":
            own = np.load(root / "data/subsets" / unit / f"{part}.npy")
            images[own] = old.images[own]
            others = np.setdiff1d(np.arange(len(labels)), own)
            labels[others] = rng.permutation(labels[others])
            assert (labels != old.labels).any()
        shutil.rmtree(root / "data/real" / part)
        write_image_set(root / "data/real" / part, images, labels, names, source=source)


@pytest.mark.slow
def test_nothing_outside_a_unit_decides_what_it_makes(units: Path, tmp_path: Path, augment) -> None:
    unit, root, cache = "60-1", tmp_path / "project", tmp_path / "cache"
    shutil.copytree(units, root)
    outside_becomes_noise(root, unit)
    for stage in ("train-judge", "train-gan", "generate", "filter"):
        assert augment(root, stage, "--unit", unit, cache=cache).code == 0, stage
    for place in ("models/judges", "models/generators"):
        weights = f"{place}/{unit}/weights.safetensors"
        assert (root / weights).read_bytes() == (units / weights).read_bytes(), place
    for place in ("data/generated", "data/filtered"):
        pool = f"{place}/{unit}/images.npy"
        assert (root / pool).read_bytes() == (units / pool).read_bytes(), place
    history = f"results/training/{unit}/history.csv"
    assert (root / history).read_bytes() == (units / history).read_bytes()
    assert augment(root, "mix", cache=cache).code == 0
    recipes = [pd.read_parquet(at / "data/recipes.parquet") for at in (units, root)]
    old, new = (table[table["unit"] == unit].reset_index(drop=True) for table in recipes)
    pd.testing.assert_frame_equal(old, new)
    assert augment(root, "train-classifiers", cache=cache).code == 0
    before, after = (pd.read_parquet(at / "results/cells.parquet") for at in (units, root))
    mine = before["unit"] == unit
    assert (before.loc[mine, "validation_accuracy"] == after.loc[mine, "validation_accuracy"]).all()
    assert (before.loc[mine, "test_accuracy"] != after.loc[mine, "test_accuracy"]).any()


@pytest.mark.slow
def test_an_epoch_is_chosen_by_the_units_own_validation_images(
    units: Path, tmp_path: Path, augment, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = "60-1"
    monkeypatch.setattr(plan, "LEAST_TO_CHOOSE_BY", 1)
    found = []
    for name in ("as-it-is", "noise"):
        root = tmp_path / name
        shutil.copytree(units, root)
        if name == "noise":
            outside_becomes_noise(root, unit)
        cache = tmp_path / f"{name}-cache"
        assert augment(root, "train-gan", "--unit", unit, cache=cache).code == 0
        meta = json.loads((root / "models/generators" / unit / "meta.json").read_text())
        history = pd.read_csv(root / "results/training" / unit / "history.csv")
        assert meta["kept"] == "best"
        assert meta["epoch"] == history.loc[history["fid"].idxmin(), "epoch"]
        found.append(((root / f"results/training/{unit}/history.csv").read_bytes(), meta["epoch"]))
    assert found[0] == found[1]


@pytest.mark.slow
def test_with_few_validation_images_the_last_epoch_is_kept_and_said_so(units: Path) -> None:
    for unit in UNITS:
        meta = json.loads((units / "models/generators" / unit / "meta.json").read_text())
        assert (meta["budget"]["keep"], meta["kept"]) == ("best", "last")
        history = pd.read_csv(units / "results/training" / unit / "history.csv")
        assert meta["epoch"] == history["epoch"].max()
    page = (units / "results/report.html").read_text()
    assert "Its last epoch was kept, not the best: the unit has too few validation images" in page
