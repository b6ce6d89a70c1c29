"""A generator without labels in the study: the judge's predictions are its images' labels."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from augment.checkpoints import read_meta, save_checkpoint
from augment.generators.gan.architectures import Architecture
from augment.generators.gan.networks import Generator
from augment.generators.sampling import load_sampler
from augment.images.image_sets import open_image_set
from classifiers.checkpoints import load_classifier
from classifiers.prediction import predict
from pipeline.pools.pool import pool_seed
from pipeline.project import Project
from reports.scores.table import SCORES

GENERATOR, JUDGE = "models/generators/all-0", "models/judges/all-0"
NAMES = ("NA", "circle", "square & co")


pytestmark = pytest.mark.usefixtures("one_thread")  # bytes depend on it


def put_generator(root: Path, classes: Sequence[int] = (0, 1, 2)) -> None:
    """Replace a project's generator by one without labels, written by hand.

    Its noise has a number for each of ``classes``: how brightly a real image of that class shows.
    """
    train = open_image_set(root / "data/real/train")
    shapes = [train.images[np.flatnonzero(train.labels == label)[0]] for label in classes]
    architecture = Architecture(
        n_classes=3,
        channels=1,
        image_size=28,
        generator=((len(classes),),),
        discriminator=((4,),),
        first_side=7,
        kind="dense",
        latent_dim=len(classes),
        label="none",
        generator_norm="none",
        discriminator_norm="none",
    )
    generator = Generator(architecture)
    weights = generator.state_dict()
    weights["layers.0.weight"].copy_(torch.eye(len(classes)))
    weights["layers.0.bias"].zero_()
    pixels = np.stack([shape.ravel() / 40 for shape in shapes], axis=1)
    weights["layers.2.weight"].copy_(torch.from_numpy(pixels))
    weights["layers.2.bias"].fill_(-3)
    meta = read_meta(root / GENERATOR, "generator")
    meta |= {"architecture": architecture.to_dict()}
    shutil.rmtree(root / GENERATOR)
    save_checkpoint(root / GENERATOR, "generator", weights, meta)


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What the stages printed, by stage."""
    return {}


@pytest.fixture(scope="module")
def unconditional(
    study, said: dict[str, str], augment, parameters, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The finished study, with the stages after the generator run again for one without labels."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("unconditional") / "project"
    shutil.copytree(study.root, root)
    put_generator(root)
    for pool in ("generated", "filtered"):
        shutil.rmtree(root / "data" / pool)
    parameters(root, {"filter.threshold": 0.9})
    for stage in ("generate", "filter", "mix", "score"):
        run = augment(root, stage, cache=study.cache)
        assert run.code == 0, (stage, run.err)
        said[stage] = run.out
    return root


@pytest.fixture
def copy(unconditional: Path, tmp_path: Path) -> Path:
    """A copy of that study to change."""
    return Path(shutil.copytree(unconditional, tmp_path / "project"))


@pytest.fixture
def project(unconditional: Path, bare: Path) -> Path:
    """A project with that generator and a judge and nothing else."""
    for model in (GENERATOR, JUDGE):
        shutil.copytree(unconditional / model, bare / model)
    return bare


@pytest.fixture
def generate(augment, project: Path):
    """Run `augment generate` in the project."""

    def run(*arguments: object):
        return augment(project, "generate", *map(str, arguments))

    return run


def stream(root: Path, n: int, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first images of the generator's one stream, and the judge's probabilities.

    In blocks of 500, as they are drawn: the last digits depend on it.
    """
    generator, _ = load_sampler(root / GENERATOR)
    judge = load_classifier(root / JUDGE)
    images = generator.draw(0, 0, n, pool_seed(Project(root), "all-0") if seed is None else seed)
    blocks = (images[start : start + 500] for start in range(0, n, 500))
    return images, np.concatenate([predict(judge, block).probabilities for block in blocks])


def first_of_each_class(
    probabilities: np.ndarray, counts: Sequence[int], threshold: float = 0.0
) -> np.ndarray:
    """Which images are kept, in the order drawn: int64."""
    answers, sure = probabilities.argmax(axis=1), probabilities.max(axis=1) >= threshold
    chosen = [np.flatnonzero((answers == c) & sure)[:n] for c, n in enumerate(counts)]
    assert [len(index) for index in chosen] == list(counts), "the stream is too short"
    return np.sort(np.concatenate(chosen))


def test_the_pool_is_the_streams_first_images_of_each_answer(
    unconditional: Path, said: dict[str, str]
) -> None:
    pool = open_image_set(unconditional / "data/generated/all-0")
    assert pool.counts().tolist() == [40, 40, 40]
    assert pool.class_names == NAMES
    images, probabilities = stream(unconditional, 2000)
    index = first_of_each_class(probabilities, [40, 40, 40])
    assert np.array_equal(pool.images, images[index])
    assert np.array_equal(pool.labels, probabilities[index].argmax(axis=1))
    made_by = pool.meta["made_by"]
    assert made_by.keys() == {"generator", "judge", "seed", "per_class"}
    assert said["generate"] == (
        f"unit all-0: 40 images of each of 3 classes from {index[-1] + 1} drawn without labels; "
        "the labels are the judge's predictions\n"
    )


def test_the_filtered_pool_is_the_same_stream_without_unsure_answers(
    unconditional: Path, said: dict[str, str]
) -> None:
    filtered = open_image_set(unconditional / "data/filtered/all-0")
    assert filtered.counts().tolist() == [40, 40, 40]
    images, probabilities = stream(unconditional, 5000)
    index = first_of_each_class(probabilities, [40, 40, 40], 0.9)
    assert np.array_equal(filtered.images, images[index])
    assert np.array_equal(filtered.labels, probabilities[index].argmax(axis=1))
    # It begins with those of the unselected pool that pass.
    pool = open_image_set(unconditional / "data/generated/all-0")
    sure = probabilities[first_of_each_class(probabilities, [40, 40, 40])].max(axis=1) >= 0.9
    for label in range(3):
        passed = pool.images[sure & (pool.labels == label)]
        mine = filtered.images[filtered.labels == label]
        assert 0 < len(passed) < 40
        assert np.array_equal(mine[: len(passed)], passed)
    assert said["filter"].startswith(f"unit all-0: {index[-1] + 1} images drawn without labels\n")


def test_the_tables_count_the_judges_own_answers(unconditional: Path) -> None:
    tables = unconditional / "results/filtering/all-0"
    acceptance = pd.read_csv(tables / "acceptance.csv", keep_default_na=False)
    assert (acceptance["drawn"] == 40).all()
    assert (acceptance.loc[acceptance["threshold"] == 0, "rate"] == 1).all()
    pool = open_image_set(unconditional / "data/generated/all-0")
    judge = load_classifier(unconditional / JUDGE)
    sure = predict(judge, pool.images).probabilities.max(axis=1)
    for (name, threshold), row in acceptance.set_index(["class_name", "threshold"]).iterrows():
        mine = pool.labels == NAMES.index(name)
        assert row["accepted"] == (sure[mine] >= threshold).sum()
    confidence = pd.read_csv(tables / "confidence.csv")
    generated = confidence.loc[confidence["group"] == "generated", "confidence"]
    assert np.allclose(generated, sure, atol=1e-5)
    # Until a class's last kept image, all with its answer are counted and no others.
    drawn = pd.read_csv(tables / "drawn.csv", keep_default_na=False)
    _, probabilities = stream(unconditional, 5000)
    answers, passed = probabilities.argmax(axis=1), probabilities.max(axis=1) >= 0.9
    for label, name in enumerate(NAMES):
        last = np.flatnonzero((answers == label) & passed)[39]
        row = drawn[drawn["class_name"] == name].iloc[0]
        assert (row["kept"], row["drawn"]) == (40, (answers[: last + 1] == label).sum())


def test_scores_leave_the_label_match_out(study, unconditional: Path) -> None:
    rows = json.loads((unconditional / "results/scores.json").read_text())
    assert [(row["pool"], row["score"]) for row in rows] == [
        (pool, score)
        for pool in ("generated", "filtered")
        for score in SCORES
        if not SCORES[score].needs
    ]
    # The floor is of real images and does not depend on the generator.
    before = json.loads((study.root / "results/scores.json").read_text())
    floors = {row["score"]: row["floor"] for row in before}
    assert all(row["floor"] == floors[row["score"]] for row in rows)


@pytest.mark.slow
def test_a_study_of_a_generator_that_lacks_a_class_ends_and_says_so(
    augment, copy: Path, parameters
) -> None:
    put_generator(copy, classes=(1, 2))
    parameters(copy, {"generate.max_draws": 1, "filter.max_draws": 2, "filter.threshold": 0.6})
    run = augment(copy, "generate")
    assert run.code == 0
    counts = open_image_set(copy / "data/generated/all-0").counts()
    assert counts[0] < 40
    lacking = ", ".join(f"{name} ({n})" for name, n in zip(NAMES, counts, strict=True) if n < 40)
    assert re.fullmatch(
        rf"unit all-0: {counts.sum()} images in 3 classes from \d+ drawn without labels; the "
        rf"labels are the judge's predictions\nfewer than 40 images within generate\.max_draws: "
        rf"{re.escape(lacking)}; mix leaves out the recipes that need more\n",
        run.out,
    )
    said = augment(copy, "filter").out
    assert "fewer than 40 images within filter.max_draws: NA" in said
    filtered = open_image_set(copy / "data/filtered/all-0").counts()
    kept = pd.read_csv(copy / "results/filtering/all-0/drawn.csv")["kept"]
    assert kept.tolist() == filtered.tolist()
    # Sixty images are 20 of each class: every recipe with generated images is left out.
    mixed = augment(copy, "mix")
    assert mixed.code == 0
    assert "recipes are left out (" in mixed.out
    recipes = pd.read_parquet(copy / "data/recipes.parquet")
    assert set(recipes["strategy"]) == {"none", "classical", "duplicated"}
    for stage in ("inspect", "train-classifiers", "choose", "confirm", "score", "report"):
        assert augment(copy, stage).code == 0, stage
    page = (copy / "results/report.html").read_text()
    assert "No comparison" in page
    assert "The generator gave fewer than 40 generated images of NA" in page


def test_without_a_judge_or_generator_the_stage_to_run_is_named(augment, copy: Path) -> None:
    (copy / JUDGE).rename(copy / "judge")
    run = augment(copy, "generate")
    assert "models/judges/all-0 is missing; `dvc repro train-judge`" in run.error
    shutil.rmtree(copy / GENERATOR)
    run = augment(copy, "score")
    assert "models/generators/all-0 is missing; `dvc repro train-gan`" in run.error


# By hand


def test_one_class_by_hand(generate, project: Path) -> None:
    run = generate("--label", "circle", "--n", 30)
    assert run.code == 0, run.err
    found = open_image_set(project / "generated/label-circle")
    images, probabilities = stream(project, 2000, seed=0)
    index = first_of_each_class(probabilities, [0, 30, 0])
    assert np.array_equal(found.images, images[index])
    assert found.labels.tolist() == [1] * 30
    assert found.meta["made_by"].keys() >= {"generator", "judge", "seed"}
    assert run.out == (
        "the generator takes no labels: they are the judge's predictions for "
        f"{index[-1] + 1} drawn images\n30 images and preview.png are in generated/label-circle\n"
    )


def test_all_classes_by_hand_are_the_same_images(generate, project: Path) -> None:
    generate("--all-labels", "--n", 20, "--out", "all")
    generate("--label", "2", "--label", "circle", "--n", 3, "--out", "few")
    every, few = open_image_set(project / "all"), open_image_set(project / "few")
    assert every.counts().tolist() == [20, 20, 20]
    assert few.counts().tolist() == [0, 3, 3]
    for label in (1, 2):
        mine = every.images[every.labels == label]
        assert np.array_equal(few.images[few.labels == label], mine[:3])
    assert generate("--all-labels", "--n", 20, "--out", "png", "--format", "png").code == 0
    for label, name in enumerate(("NA", "circle", "square & co")):
        files = sorted((project / "png" / name).iterdir())
        assert [path.name for path in files] == [f"{i:07d}.png" for i in range(20)]
        pictures = np.stack([np.array(Image.open(path)) for path in files])
        assert np.array_equal(pictures, every.images[every.labels == label][..., 0])


def test_the_preview_has_a_row_for_each_class_in_the_order_asked(generate, project: Path) -> None:
    # More than one block is drawn until all have 16.
    generate("--label", "2", "--label", "0", "--n", 250, "--out", "x")
    preview = np.array(Image.open(project / "x/preview.png"))
    assert preview.shape == (2 * 30 + 2, 16 * 30 + 2)
    found = open_image_set(project / "x")
    for row, label in enumerate((2, 0)):
        mine = found.images[found.labels == label]
        for column in (0, 15):
            shown = preview[2 + 30 * row : 30 + 30 * row, 2 + 30 * column : 30 + 30 * column]
            assert np.array_equal(shown, mine[column, ..., 0])


def test_a_least_confidence_by_hand(generate, project: Path) -> None:
    run = generate(
        "--label", "NA", "--label", "2", "--n", 25, "--min-confidence", 0.9, "--out", "x"
    )
    assert run.code == 0, run.err
    found = open_image_set(project / "x")
    images, probabilities = stream(project, 3000, seed=0)
    index = first_of_each_class(probabilities, [25, 0, 25], 0.9)
    assert np.array_equal(found.images, images[index])
    taken, *lines = run.out.splitlines()
    assert taken == "no class is called 2: --label 2 is class square & co"
    answers = probabilities.argmax(axis=1)
    for line, label in zip(lines, (0, 2), strict=False):
        last = index[answers[index] == label][-1]
        drawn = (answers[: last + 1] == label).sum()
        assert line == (
            f"class {NAMES[label]}: {25 / drawn:.1%} of {drawn} images predicted as it reached "
            "confidence 0.9"
        )
    assert lines[2:] == [
        "the generator takes no labels: they are the judge's predictions for "
        f"{index[-1] + 1} drawn images",
        "50 images and preview.png are in x",
    ]


def test_giving_up_by_hand_says_what_to_change(augment, project: Path, study, files_of) -> None:
    shutil.copytree(study.root / "data/real", project / "data/real")
    put_generator(project, classes=(1, 2))
    before = files_of(project)
    asked = ["generate", "--label", "NA", "--n", "50", "--max-draws", "2"]
    for more, said in (
        ([], "(.*) for \\d+ of 300 images .*; raise --max-draws"),
        (["--min-confidence", "0.9"], ".*; lower --min-confidence or raise --max-draws"),
    ):
        run = augment(project, *asked, *more)
        assert re.fullmatch(f"error: class NA is the judge's prediction{said}", run.error)
    assert files_of(project) == before


def test_without_a_judge_one_line_names_the_option(generate, project: Path) -> None:
    (project / JUDGE).rename(project / "elsewhere")
    for arguments in (["--label", "1"], ["--all-labels", "--min-confidence", 0.5]):
        error = generate(*arguments).error
        assert error.startswith(
            "error: the generator takes no labels, so a judge has to give them; there is no "
            "trained judge in "
        )
        assert error.endswith("judges/all-0; run `dvc repro train-judge` or give another --judge")
    run = generate("--label", "1", "--n", 2, "--judge", "elsewhere")
    assert run.code == 0, run.err
