import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.image_sets import open_image_set
from augment.sampling import CHUNK
from classifiers.checkpoints import load_lenet, save_lenet
from classifiers.lenet import LeNet, LeNetArchitecture
from classifiers.prediction import predict
from pipeline.errors import PipelineError
from pipeline.generate import file_name, find_labels


@pytest.fixture(autouse=True)
def _one_thread(one_thread) -> None:
    """Bytes depend on the number of threads."""


@pytest.fixture
def project(study, bare: Path) -> Path:
    """A project with a trained generator and judge and nothing else."""
    models = "models/units/all-0"
    shutil.copytree(study.root / models, bare / models)
    return bare


@pytest.fixture
def generate(augment, project: Path):
    """Run `augment generate` in the project."""

    def run(*arguments: str):
        return augment(project, "generate", *map(str, arguments))

    return run


def rename_classes(project: Path, *names: object) -> None:
    path = project / "models/units/all-0/generator/meta.json"
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
    assert {path.name for path in out.iterdir()} == {
        "images.npy",
        "labels.npy",
        "meta.json",
        "preview.png",
    }
    assert [path.name for path in (project / "generated").iterdir()] == ["label-circle"]
    made_by = images.meta["made_by"]
    assert made_by["seed"] == 0
    assert made_by["min_confidence"] is None


def test_images_show_what_was_asked_for(generate, project: Path) -> None:
    generate("--all-labels", "--n", 60)
    images = open_image_set(project / "generated/all-labels")
    said = predict(load_lenet(project / "models/units/all-0/judge"), images.images)
    assert (said.classes == images.labels).mean() > 0.8


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
    images = open_image_set(project / "generated/labels-2.square_co-NA")
    assert images.labels.tolist() == [2, 2, 0, 0]


def test_png_is_one_file_an_image_in_a_folder_a_class(generate, project: Path) -> None:
    assert generate("--all-labels", "--n", 3, "--format", "png", "--out", "x").code == 0
    files = {str(p.relative_to(project / "x")) for p in (project / "x").rglob("*.png")}
    assert files == {
        "preview.png",
        *(f"{name}/000000{i}.png" for name in ("NA", "circle", "2.square_co") for i in range(3)),
    }
    assert pictures(project / "x/NA").shape == (3, 28, 28)


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
    judge = load_lenet(project / "models/units/all-0/judge")
    # Batches differ, and with them the last digits.
    assert predict(judge, sure.images).probabilities[:, 0].min() > 0.9 - 1e-4
    # They are, in order, those of all drawn images that pass; the last one drawn is the last kept.
    generate("--label", "NA", "--n", drawn, "--out", "all")
    everything = open_image_set(project / "all").images
    said = predict(judge, everything).probabilities
    passed = (said.argmax(1) == 0) & (said[:, 0] >= 0.9)
    assert np.array_equal(everything[passed], sure.images)
    assert passed[-1]


def test_a_confidence_out_of_reach_is_given_up_in_one_line(
    generate, project: Path, files_of
) -> None:
    before = files_of(project)
    run = generate("--label", "1", "--n", 5, "--min-confidence", 1, "--max-draws", 2)
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
    # Every image has a file of its own.
    assert len(new) == 1 + 3 * 2
    assert generate("--all-labels", "--n", 2, "--out", "y").code == 0
    images = open_image_set(project / "y").images
    for label, name in enumerate(names):
        folder = project / "x" / file_name(name, label)
        assert np.array_equal(pictures(folder), images[2 * label : 2 * label + 2, ..., 0])
    # The default place as well.
    before = set(files_of(project.parent))
    assert generate("--label", "1", "--n", 1).code == 0
    new = set(files_of(project.parent)) - before
    assert all(re.match(r"project/generated/label-[^/]+/[^/]+$", name) for name in new)


def test_folder_names_are_safe_and_distinct() -> None:
    names = ["7", "a b", "a_b", "", "..", "0.a_b", "ä", "x" * 61, "x" * 62, "x" * 60, "0", "3"]
    folders = [file_name(name, label) for label, name in enumerate(names)]
    assert len(set(folders)) == len(folders)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,70}", folder) for folder in folders)
    assert all(folder.strip(".") for folder in folders)
    assert folders[0] == "7"


def test_find_labels() -> None:
    names = ["1", "0", "ten"]
    assert find_labels(["0", "2", "ten", "1"], names) == [1, 2, 0]  # a name goes before a number
    for text in ("3", "-1", "", " ", "\u0661", "\u00b2", "1.0", "Ten", "9" * 5000):
        with pytest.raises(PipelineError, match="is unknown; allowed: 1, 0, ten"):
            find_labels([text], names)
    with pytest.raises(PipelineError, match="no label was asked for"):
        find_labels([], names)
    with pytest.raises(PipelineError, match=r"allowed: 0, 1, .*, 19, \.\.\.$"):
        find_labels(["x"], [str(n) for n in range(100)])


def test_what_is_there_is_not_overwritten(generate, project: Path, files_of) -> None:
    generate("--label", "1", "--n", 3, "--out", "x")
    before = files_of(project)
    assert "--force" in generate("--label", "1", "--n", 2, "--out", "x").error
    (project / "file").write_text("mine")
    assert "is not a folder" in generate("--label", "1", "--out", "file", "--force").error
    (project / "file").unlink()
    assert files_of(project) == before


@pytest.mark.parametrize("image_format", ["npy", "png"])
def test_force_replaces_what_the_command_wrote(generate, project: Path, image_format: str) -> None:
    generate("--all-labels", "--n", 3, "--out", "x", "--format", "png")
    arguments = ["--label", "1", "--n", 2, "--out", "x", "--format", image_format, "--force"]
    assert generate(*arguments).code == 0
    assert generate(*arguments).code == 0
    kept = {"npy": {"images.npy", "labels.npy", "meta.json"}, "png": {"circle"}}[image_format]
    assert {path.name for path in (project / "x").iterdir()} == {"preview.png", *kept}


@pytest.mark.parametrize("own", ["notes.txt", "circle/holiday.png", "circle/a/0000000.png"])
def test_force_never_replaces_files_of_the_user(
    generate, project: Path, files_of, own: str
) -> None:
    generate("--label", "1", "--n", 2, "--out", "x", "--format", "png")
    (project / "x" / own).parent.mkdir(exist_ok=True)
    (project / "x" / own).write_text("mine")
    before = files_of(project)
    run = generate("--label", "1", "--n", 2, "--out", "x", "--force")
    assert "did not write" in run.error
    assert files_of(project) == before


def test_a_folder_that_only_has_a_preview_of_its_own_is_kept(
    generate, project: Path, files_of
) -> None:
    (project / "x").mkdir()
    (project / "x/preview.png").write_text("mine")
    (project / "x/thesis.tex").write_text("mine")
    before = files_of(project)
    assert "thesis.tex" in generate("--label", "1", "--n", 2, "--out", "x", "--force").error
    assert files_of(project) == before


def test_a_link_is_not_followed(generate, project: Path) -> None:
    (project / "elsewhere").mkdir()
    (project / "link").symlink_to("elsewhere")
    (project / "broken").symlink_to("nowhere")
    for name in ("link", "broken"):
        assert "is not a folder" in generate("--label", "1", "--out", name, "--force").error
    assert list((project / "elsewhere").iterdir()) == []


def test_a_failed_replacement_loses_nothing(generate, project: Path, files_of) -> None:
    generate("--label", "1", "--n", 3, "--out", "x")
    before = files_of(project)
    run = generate("--label", "1", "--n", 3, "--out", "x", "--force", "--min-confidence", 1,
                   "--max-draws", 1)  # fmt: skip
    assert "reached confidence 1" in run.error
    assert files_of(project) == before


@pytest.mark.parametrize("out", [".", "", ".."])
def test_the_working_directory_is_not_replaced(augment, project: Path, out: str) -> None:
    inside = project / "a" / "b"
    inside.mkdir(parents=True)
    run = augment(inside, "generate", "--label", "1", "--n", "1", "--out", out)
    assert "--out" in run.error
    assert inside.is_dir()


def test_an_empty_folder_is_welcome(generate, project: Path) -> None:
    (project / "x").mkdir()
    assert generate("--label", "1", "--n", 1, "--out", "x").code == 0


def test_a_place_below_a_file_is_one_line(generate, project: Path) -> None:
    (project / "file").write_text("mine")
    assert "file" in generate("--label", "1", "--n", 1, "--out", "file/x").error
    assert (project / "file").read_text() == "mine"


def test_without_a_model_one_line_says_what_to_run(generate, project: Path) -> None:
    assert "give another one" in generate("--label", "1", "--model", "nowhere").error
    judge = project / "models/units/all-0/judge"
    judge.rename(project / "judge")
    assert "dvc repro train-judge" in generate("--label", "1", "--min-confidence", 0.5).error
    assert generate("--label", "1", "--n", 1).code == 0  # no judge is needed here
    shutil.rmtree(project / "models")
    run = generate("--label", "1")
    assert run.error.endswith("models/units/all-0/generator; run `dvc repro train-gan` first")


def test_another_model_and_judge(generate, project: Path) -> None:
    (project / "models/units/all-0").rename(project / "elsewhere")
    run = generate("--label", "1", "--n", 2, "--model", "elsewhere/generator", "--judge",
                   "elsewhere/judge", "--min-confidence", 0)  # fmt: skip
    assert run.code == 0, run.err


def test_a_judge_of_other_images_is_refused(generate, project: Path) -> None:
    save_lenet(project / "other", LeNet(LeNetArchitecture(5)), {})
    asked = ["--label", "1", "--n", 1, "--min-confidence", 0, "--judge"]
    assert "has n_classes 5 and the generator 3" in generate(*asked, "other").error
    save_lenet(project / "colour", LeNet(LeNetArchitecture(3, 3)), {})
    assert "has channels 3 and the generator 1" in generate(*asked, "colour").error
    generator = project / "models/units/all-0/generator"
    assert "'lenet' is needed" in generate(*asked, str(generator)).error


@pytest.mark.parametrize(
    "names", [None, "circle", ["a", "b"], ["a", "b", "c", "d"], ["a", "b", 3], ["a", "a", "b"]]
)
def test_a_model_whose_classes_do_not_fit_is_refused(
    generate, project: Path, names: object
) -> None:
    path = project / "models/units/all-0/generator/meta.json"
    meta = json.loads(path.read_text()) | {"class_names": names}
    path.write_text(json.dumps(meta))
    assert "class name" in generate("--label", "1", "--n", 1).error.replace("_", " ")


def test_a_damaged_model_is_refused(generate, project: Path) -> None:
    weights = project / "models/units/all-0/generator/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "weights.safetensors" in generate("--label", "1").error
    weights.unlink()
    assert "weights.safetensors is missing" in generate("--label", "1").error


def test_wrong_requests_are_one_line(generate, project: Path, files_of) -> None:
    before = files_of(project)
    for arguments, said in (
        ([], "no label was asked for; give --label (repeatable) or --all-labels"),
        (["--all-labels", "--label", "NA"], "--label and --all-labels were both given"),
        (["--label", "triangle"], "--label 'triangle' is unknown; allowed: NA, circle, square"),
        (["--label", "3"], "--label '3' is unknown"),
        (["--label", ""], "--label '' is unknown"),
        (["--label", "a\nb"], "is unknown"),
        (["--label", "1", "--n", 0], "--n"),
        (["--label", "1", "--n", "many"], "--n"),
        (["--all-labels", "--n", 9_999_999], "29,999,997 images; allowed: at most 10,000,000"),
        (["--label", "1", "--min-confidence", 1.5], "--min-confidence"),
        (["--label", "1", "--max-draws", 0], "--max-draws"),
        (["--label", "1", "--seed", -1], "--seed"),
        (["--label", "1", "--format", "jpg"], "'npy', 'png'"),
        (["--unit", "all-0", "--label", "1"], "it goes with no other option"),
        (["--unit", "all-0", "--n", 5], "it goes with no other option"),
        (["--unit", "all-0", "--force"], "it goes with no other option"),
        (["--unit", "all-1"], "unit 'all-1' is not in params.yaml; allowed: all-0"),
    ):
        assert said in generate(*arguments).error
    assert files_of(project) == before


def test_the_pool_is_another_stream_than_images_by_hand(study, generate, project: Path) -> None:
    pool = open_image_set(study.root / "data/units/all-0/generated")
    assert pool.counts().tolist() == [40, 40, 40]
    generate("--all-labels", "--n", 40, "--out", "x")
    assert not np.array_equal(open_image_set(project / "x").images, pool.images)
