import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from augment.checkpoints import read_meta, save_checkpoint
from augment.generators.gan.networks import Generator
from augment.generators.gan.systems import SYSTEMS
from augment.generators.sampling import CHUNK
from augment.images.image_sets import open_image_set
from classifiers.checkpoints import load_classifier, save_classifier
from classifiers.models.contract import Architecture
from classifiers.models.lenet import LeNet
from classifiers.prediction import predict
from pipeline.commands.draw import find_labels
from pipeline.errors import PipelineError


@pytest.fixture(autouse=True)
def _one_thread(one_thread) -> None:
    """Bytes depend on the number of threads."""


@pytest.fixture
def project(study, bare: Path) -> Path:
    """A project with a trained generator and judge and nothing else."""
    for models in ("models/generators", "models/judges"):
        shutil.copytree(study.root / models, bare / models)
    return bare


@pytest.fixture
def generate(augment, project: Path):
    """Run `augment generate` in the project."""

    def run(*arguments: str):
        return augment(project, "generate", *map(str, arguments))

    return run


def rename_classes(project: Path, *names: object) -> None:
    path = project / "models/generators/all-0/meta.json"
    meta = json.loads(path.read_text())
    meta["class_names"] = list(names)
    path.write_text(json.dumps(meta))


def pictures(folder: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def test_images_of_a_label_as_an_image_set(generate, project: Path) -> None:
    run = generate("--label", "circle", "--n", 5)
    assert run.code == 0
    assert run.out == "5 images and preview.png are in generated/label-circle\n"
    out = project / "generated/label-circle"
    images = open_image_set(out)
    assert images.images.shape == (5, 28, 28, 1)
    assert images.labels.tolist() == [1] * 5
    assert images.class_names == ("NA", "circle", "square & co")
    files = {"images.npy", "labels.npy", "meta.json", "preview.png", ".made-by-augment"}
    assert {path.name for path in out.iterdir()} == files
    assert [path.name for path in (project / "generated").iterdir()] == ["label-circle"]
    made_by = images.meta["made_by"]
    assert (made_by["seed"], made_by["min_confidence"]) == (0, None)


def test_images_show_what_was_asked_for(generate, project: Path) -> None:
    generate("--all-labels", "--n", 60)
    images = open_image_set(project / "generated/all-labels")
    answers = predict(load_classifier(project / "models/judges/all-0"), images.images)
    # Chance is a third; how far so short a training comes differs from processor to processor.
    assert (answers.classes == images.labels).mean() > 0.5


def test_image_i_is_the_same_whatever_else_is_asked_for(generate, project: Path) -> None:
    n = CHUNK + 10
    generate("--label", "circle", "--n", n, "--out", "many")
    many = open_image_set(project / "many").images
    for i, arguments in enumerate(
        (["--n", 3], ["--n", CHUNK], ["--n", CHUNK + 1], ["--n", 7, "--label", "NA"])
    ):
        generate("--label", "1", *arguments, "--out", f"few{i}")
        few = open_image_set(project / f"few{i}")
        mine = few.images[few.labels == 1]
        assert np.array_equal(mine, many[: len(mine)])
    generate("--label", "circle", "--n", n, "--out", "files", "--format", "png")
    assert np.array_equal(pictures(project / "files/circle"), many[..., 0])


def test_one_command_gives_the_same_bytes_and_another_seed_others(
    generate, project: Path, files_of
) -> None:
    for image_format in ("npy", "png"):
        for out, seed in (("a", 1), ("b", 1), ("c", 2)):
            folder = f"{image_format}-{out}"
            generate("--all-labels", "--n", 4, "--seed", seed, "--out", folder, "--format",
                     image_format)  # fmt: skip
        a, b, c = (files_of(project / f"{image_format}-{x}") for x in "abc")
        assert a == b
        assert a.keys() == c.keys()
        assert a["preview.png"] != c["preview.png"]


def test_labels_by_name_and_number_come_once_in_the_order_asked(generate, project: Path) -> None:
    run = generate(
        "--label", "square & co", "--label", "0", "--label", "2", "--label", "NA", "--n", 2
    )
    assert run.code == 0
    images = open_image_set(project / "generated/labels-square & co-NA")
    assert images.labels.tolist() == [2, 2, 0, 0]


def test_the_preview_shows_every_label_in_a_row(generate, project: Path) -> None:
    generate("--all-labels", "--n", 20, "--out", "x")
    preview = np.array(Image.open(project / "x/preview.png"))
    assert preview.shape == (3 * 30 + 2, 16 * 30 + 2)
    images = open_image_set(project / "x").images
    for row, first in enumerate((0, 20, 40)):
        shown = preview[2 + 30 * row : 30 + 30 * row, 2:30]
        assert np.array_equal(shown, images[first, ..., 0])


def test_a_least_confidence_keeps_what_the_judge_is_sure_of(generate, project: Path) -> None:
    run = generate("--label", "NA", "--n", 30, "--min-confidence", "0.9", "--out", "sure")
    assert run.code == 0
    found = re.fullmatch(
        r"class NA: (\d+\.\d)% of (\d+) drawn images reached confidence 0\.9\n"
        r"30 images and preview\.png are in sure\n",
        run.out,
    )
    assert found
    drawn = int(found[2])
    assert float(found[1]) == pytest.approx(100 * 30 / drawn, abs=0.06)
    sure = open_image_set(project / "sure")
    judge = load_classifier(project / "models/judges/all-0")
    # Batches differ, and with them the last digits.
    assert predict(judge, sure.images).probabilities[:, 0].min() > 0.9 - 1e-4
    # They are, in order, those of all drawn images that pass; the last one drawn is the last kept.
    generate("--label", "NA", "--n", drawn, "--out", "all")
    everything = open_image_set(project / "all").images
    probabilities = predict(judge, everything).probabilities
    passed = (probabilities.argmax(1) == 0) & (probabilities[:, 0] >= 0.9)
    assert np.array_equal(everything[passed], sure.images)
    assert passed[-1]


def test_a_confidence_out_of_reach_is_given_up_in_one_line(
    generate, project: Path, files_of
) -> None:
    generate("--label", "1", "--n", 3, "--out", "x")
    before = files_of(project)
    run = generate("--label", "1", "--n", 5, "--min-confidence", 1, "--max-draws", 2, "--out", "x",
                   "--force")  # fmt: skip
    assert run.error == (
        "error: class circle: 0 of 10 images reached confidence 1 (0.0%), 5 were asked for; "
        "lower --min-confidence or raise --max-draws"
    )
    assert files_of(project) == before


HOSTILE = [
    ("../x", "a/b", "square"),
    ("..", ".", "..."),
    ("1-x", "../x", "/"),
    ("0", "1.class", "日本"),
    ("-rf", "~", "$HOME"),
    ("x" * 300, "x" * 301, "<script>alert(1)</script>"),
    ("preview.png", "set", "images.npy"),
    ("classes.csv", ".made-by-augment", "Preview.PNG"),
    ("CON", "\\\\host\\x", "2."),
]


@pytest.mark.parametrize("names", HOSTILE)
def test_class_names_never_lead_out_of_the_folder(
    generate, project: Path, files_of, names: tuple[str, ...]
) -> None:
    rename_classes(project, *names)
    before = set(files_of(project.parent))
    run = generate("--all-labels", "--n", 2, "--format", "png", "--out", "x")
    assert run.code == 0, run.err
    new = set(files_of(project.parent)) - before
    assert all(name.startswith("project/x/") for name in new)
    # Every image has a file of its own, beside the preview and two tables.
    assert len(new) == 3 + 3 * 2
    assert generate("--all-labels", "--n", 2, "--out", "y").code == 0
    images = open_image_set(project / "y").images
    with (project / "x/classes.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["class_name"] for row in table] == list(names)
    for label, row in enumerate(table):
        assert row["label"] == str(label)
        folder = project / "x" / row["folder"]
        assert np.array_equal(pictures(folder), images[2 * label : 2 * label + 2, ..., 0])
    # What is written there is still the command's own.
    again = ["--all-labels", "--n", 1, "--out", "x", "--force"]
    assert generate(*again).code == 0
    # The default place as well.
    before = set(files_of(project.parent))
    assert generate("--label", "1", "--n", 1).code == 0
    new = set(files_of(project.parent)) - before
    assert all(re.match(r"project/generated/label-[^/]+/[^/]+$", name) for name in new)


NAMES = [
    "golden retriever", "Bär & Co", "猫", "$5 <b>bill$", "_background", "-dash", "a,b", "x" * 120,
    "100%", "NULL", "yes", "007",
]  # fmt: skip


def test_a_reader_of_folders_finds_the_users_own_class_numbers(
    study, tmp_path: Path, augment, parameters, units
) -> None:
    root = tmp_path / "project"
    rng = np.random.default_rng(0)
    for name in NAMES:
        (root / "pictures" / name).mkdir(parents=True)
        for i in range(3):
            picture = Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8))
            picture.save(root / "pictures" / name / f"{i}.png")
    own = ImageFolder(str(root / "pictures"))
    architecture = SYSTEMS["cdcgan-projection"].architecture(len(NAMES), 1, 28, 0.17)
    meta = read_meta(study.root / "models/generators/all-0", "generator")
    weights = Generator(architecture).state_dict()
    changes = {"architecture": architecture.to_dict(), "class_names": own.classes}
    save_checkpoint(root / "model", "generator", weights, meta | changes)
    parameters(root)
    units(root, ["all-0"])
    run = augment(root, "generate", "--all-labels", "--n", "2", "--format", "png", "--out", "x",
                  "--model", "model")  # fmt: skip
    assert run.code == 0, run.err
    found = ImageFolder(str(root / "x"))
    assert found.classes == own.classes
    assert found.class_to_idx == own.class_to_idx
    with (root / "x/classes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["label", "class_name", "folder"],
        *([str(label), name, name] for label, name in enumerate(own.classes)),
    ]
    assert (
        generate_one(augment, root, "0") == "no class is called 0: --label 0 is class $5 <b>bill$"
    )
    assert (
        generate_one(augment, root, "007") == "1 images and preview.png are in generated/label-007"
    )
    assert generate_one(augment, root, "Ba\u0308r & Co").endswith("in generated/label-Bär & Co")


def generate_one(augment, root: Path, label: str) -> str:
    run = augment(root, "generate", "--label", label, "--n", "1", "--model", "model")
    assert run.code == 0, run.err
    return run.out.splitlines()[0]


def test_find_labels() -> None:
    names = ["1", "0", "ten", "Bär"]
    # A name goes before a number.
    assert find_labels(["0", "2", "ten", "1", "Ba\u0308r"], names) == (
        [1, 2, 0, 3],
        ["no class is called 2: --label 2 is class ten"],
    )
    for text in ("4", "-1", "", " ", "\u0661", "\u00b2", "1.0", "Ten", "9" * 5000):
        with pytest.raises(PipelineError, match="is unknown; allowed: 1, 0, ten"):
            find_labels([text], names)
    with pytest.raises(PipelineError, match="no label was asked for"):
        find_labels([], names)
    with pytest.raises(PipelineError, match=r"allowed: 0, 1, .*, 19, \.\.\.$"):
        find_labels(["x"], [str(n) for n in range(100)])


@pytest.mark.parametrize("image_format", ["npy", "png"])
def test_force_replaces_what_the_command_wrote(generate, project: Path, image_format: str) -> None:
    generate("--all-labels", "--n", 3, "--out", "x", "--format", "png")
    arguments = ["--label", "1", "--n", 2, "--out", "x", "--format", image_format, "--force"]
    assert generate(*arguments).code == 0
    assert generate(*arguments).code == 0
    kept = {"npy": {"images.npy", "labels.npy", "meta.json"}, "png": {"circle", "classes.csv"}}
    assert {path.name for path in (project / "x").iterdir()} == {
        "preview.png", ".made-by-augment", *kept[image_format]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("out", "force", "problem"),
    [
        ("x", [], "--out x is not empty; give another one, or --force to replace"),
        ("x", ["--force"], "--out x holds circle/mine.png, which this command did not write"),
        ("changed", ["--force"], "holds preview.png, which was changed after this command wrote"),
        ("own", ["--force"], "holds no .made-by-augment"),
        ("file", ["--force"], "--out file is not a folder"),
        ("file/x", ["--force"], "file"),
        # Links are not followed.
        ("link", ["--force"], "is not a folder"),
        ("broken", ["--force"], "is not a folder"),
        *((out, ["--force"], f"--out is {out}, which") for out in ("models/x", "data", ".")),
    ],
)
def test_what_is_the_users_is_not_replaced(
    generate, project: Path, files_of, out: str, force: list[str], problem: str
) -> None:
    for name in ("x", "changed"):
        generate("--label", "1", "--n", 2, "--out", name, "--format", "png")
    (project / "x/circle/mine.png").write_text("mine")
    with (project / "changed/preview.png").open("ab") as handle:
        handle.write(b"retouched")
    (project / "own").mkdir()
    for name in ("own/0000001.png", "file"):
        (project / name).write_text("mine")
    (project / "link").symlink_to("own")
    (project / "broken").symlink_to("nowhere")
    before = files_of(project)
    assert problem in generate("--label", "1", "--n", 1, "--out", out, *force).error
    assert files_of(project) == before


def test_files_that_come_while_it_draws_are_kept(
    generate, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mark(folder: Path) -> None:
        (project / "x").mkdir()
        (project / "x/mine.png").write_text("mine")

    monkeypatch.setattr("pipeline.commands.draw.mark_folder", mark)
    assert "is not empty" in generate("--label", "1", "--n", 2, "--out", "x").error
    assert [path.name for path in (project / "x").iterdir()] == ["mine.png"]


def test_home_is_expanded(
    generate, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (project / "models").rename(tmp_path / "trained")
    run = generate("--label", "1", "--n", 1, "--out=~/x", "--model=~/trained/generators/all-0",
                   "--judge=~/trained/judges/all-0", "--min-confidence", 0)  # fmt: skip
    assert run.code == 0, run.err
    assert (tmp_path / "x/images.npy").exists()
    assert "no home folder of nobody-here" in generate("--label", "1", "--out=~nobody-here/x").error


@pytest.mark.parametrize("out", [".", "", "..", "../../a"])
def test_the_working_directory_is_not_replaced(augment, project: Path, out: str) -> None:
    inside = project / "a" / "b"
    inside.mkdir(parents=True)
    run = augment(inside, "generate", "--label", "1", "--n", "1", "--out", out)
    assert "--out" in run.error
    assert inside.is_dir()


def test_an_empty_folder_is_welcome(generate, project: Path) -> None:
    (project / "x").mkdir()
    assert generate("--label", "1", "--n", 1, "--out", "x").code == 0


def test_without_a_model_one_line_says_what_to_run(generate, project: Path) -> None:
    assert "give another one" in generate("--label", "1", "--model", "nowhere").error
    judge = project / "models/judges/all-0"
    judge.rename(project / "judge")
    assert "dvc repro train-judge" in generate("--label", "1", "--min-confidence", 0.5).error
    assert generate("--label", "1", "--n", 1).code == 0  # no judge is needed here
    weights = project / "models/generators/all-0/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "weights.safetensors" in generate("--label", "1").error
    shutil.rmtree(project / "models")
    run = generate("--label", "1")
    assert run.error.endswith("models/generators/all-0; run `dvc repro train-gan` first")


def test_a_judge_of_other_images_is_refused(generate, project: Path) -> None:
    save_classifier(project / "other", LeNet(Architecture(5)), {})
    asked = ["--label", "1", "--n", 1, "--min-confidence", 0, "--judge"]
    assert "has n_classes 5 and the generator 3" in generate(*asked, "other").error
    save_classifier(project / "colour", LeNet(Architecture(3, 3)), {})
    assert "has channels 3 and the generator 1" in generate(*asked, "colour").error
    generator = project / "models/generators/all-0"
    assert "'classifier' is needed" in generate(*asked, str(generator)).error


@pytest.mark.parametrize(
    "names", [None, "circle", ["a", "b"], ["a", "b", "c", "d"], ["a", "b", 3], ["a", "a", "b"]]
)
def test_a_model_whose_classes_do_not_fit_is_refused(
    generate, project: Path, names: object
) -> None:
    path = project / "models/generators/all-0/meta.json"
    meta = json.loads(path.read_text()) | {"class_names": names}
    path.write_text(json.dumps(meta))
    assert "class name" in generate("--label", "1", "--n", 1).error.replace("_", " ")


def test_wrong_requests_are_one_line(generate, project: Path, files_of) -> None:
    before = files_of(project)
    for arguments, problem in (
        (["--n", 5], "no label was asked for; give --label (repeatable) or --all-labels"),
        (["--all-labels", "--label", "NA"], "--label and --all-labels were both given"),
        (["--label", "triangle"], "--label 'triangle' is unknown; allowed: NA, circle, square"),
        (["--label", "3"], "--label '3' is unknown"),
        (["--label", ""], "--label '' is unknown"),
        (["--label", "a\nb"], "is unknown"),
        (["--label", "1", "--n", 0], "--n"),
        (["--all-labels", "--n", 9_999_999], "29,999,997 images; allowed: at most 10,000,000"),
        (["--label", "1", "--min-confidence", 1.5], "--min-confidence"),
        (["--label", "1", "--max-draws", 0], "--max-draws"),
        (["--label", "1", "--seed", -1], "--seed"),
        (["--label", "1", "--format", "jpg"], "'npy', 'png'"),
        (["--unit", "all-0", "--label", "1"], "it goes with no other option"),
        (["--unit", "all-0", "--n", 5], "it goes with no other option"),
        (["--unit", "all-1"], "unit 'all-1' is not one of this study; allowed: all-0"),
    ):
        assert problem in generate(*arguments).error
    assert files_of(project) == before
