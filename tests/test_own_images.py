"""Images of the user's own, from the folder to what `augment check` and `augment fetch` say."""

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from PIL import Image

from augment.images.image_sets import ImageSetError, one_line, open_image_set
from augment.sources import SourceError, fetch_source
from pipeline.parameters.reading import load_parameters

ROOT = Path(__file__).parents[1]
RING_BAR = ("ring", "bar")
SMALL: dict[str, Any] = {
    "mix.real": [0, 1.0],
    "mix.synthetic": [0, 20],
    "train_gan.options.batch_size": 10,
    "train_gan.images": 4000,
}


def picture(kind: int, i: int, side: int = 40) -> Image.Image:
    """Draw a gray picture of random pixels, another one for every kind and i."""
    pixels = np.random.default_rng([kind, i]).integers(0, 256, (side, side), dtype=np.uint8)
    return Image.fromarray(pixels)


def draw(folder: Path, names: tuple[str, ...] = RING_BAR, n: int = 40, kind: str = "png") -> Path:
    """Draw n pictures of each class."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            picture(number, i).save(folder / name / f"p{i:03}.{kind}")
    return folder


@pytest.fixture
def own(bare: Path, parameters: Callable[..., None]) -> Path:
    """A project whose data.path is `pictures`, which is to be made."""
    parameters(bare, SMALL)
    return bare


@pytest.fixture
def accepted(own: Path, augment) -> Callable[[], tuple[list[str], list[str]]]:
    """Run check and fetch, which both agree, and give what they note."""

    def run() -> tuple[list[str], list[str]]:
        checked, fetched = augment(own, "check"), augment(own, "fetch")
        assert (checked.code, fetched.code) == (0, 0), (checked, fetched)
        notes = [
            line.split(maxsplit=2)[2]
            for line in checked.out.splitlines()
            if line.split()[:2] == ["warning", "data"]
        ]
        return notes, fetched.out.splitlines()[:-1]

    return run


@pytest.fixture
def refused(own: Path, augment) -> Callable[[], str]:
    """Run check and fetch, which both refuse for the same reason, and give it."""

    def run() -> str:
        checked, fetched = augment(own, "check"), augment(own, "fetch")
        assert checked.code == 2, checked
        errors = [line for line in checked.out.splitlines() if line.startswith("error")]
        said = fetched.error.removeprefix("error: ")
        assert said.split(" (and ")[0] in errors[0], (errors, said)
        assert "Traceback" not in checked.err
        assert not (own / "data/real/train").exists()
        return said

    return run


def counts(root: Path, part: str = "train") -> dict[str, int]:
    images = open_image_set(root / "data/real" / part, verify=True)
    return dict(zip(images.class_names, images.counts().tolist(), strict=True))


def total(root: Path) -> dict[str, int]:
    """Return the images of each class over all parts."""
    parts = [counts(root, path.name) for path in (root / "data/real").iterdir() if path.is_dir()]
    return {name: sum(part[name] for part in parts) for name in parts[0]}


# Nothing of the user's is lost


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("data/real", "data/real"),
        ("data/real", "data"),
        ("data/generated/x", "data/generated"),
        ("models/examiner", "models/examiner"),
        ("results/birds", "results/birds"),
        ("results/birds", "results"),
        ("data/real", "pictures/../data/real"),
        ("data/real", "{root}/data/real"),
        ("data/real", "link"),
        ("data/real", "."),
        ("data/real", ".."),
        ("pictures", "data/real/link"),
    ],
)
def test_pictures_in_a_place_of_an_output_are_refused_and_stay(
    own: Path, augment, parameters, files_of, place: str, path: str
) -> None:
    draw(own / place, n=5)
    (own / "pictures").mkdir(exist_ok=True)
    (own / "link").symlink_to(own / "data/real")
    (own / "data/real").mkdir(parents=True, exist_ok=True)
    (own / "data/real/link").symlink_to(own / "pictures")
    parameters(own, {"data.path": path.format(root=own)})
    before = files_of(own)
    assert "data.path is " in augment(own, "fetch").error
    checked = augment(own, "check")
    assert checked.code == 2
    assert "data.path is " in checked.out
    assert "of this project; allowed: " in checked.out
    assert files_of(own) == before


def test_pictures_in_data_real_are_kept_whatever_data_path_is(own: Path, augment, files_of) -> None:
    draw(own / "pictures", n=20)
    draw(own / "data/real", n=5)
    before = files_of(own)
    assert "data/real holds bar, which no stage wrote" in augment(own, "fetch").error
    assert augment(own, "check").code == 2
    assert files_of(own) == before


@pytest.mark.slow
def test_dvc_deletes_no_pictures_in_data_real(tmp_path: Path, parameters, files_of) -> None:
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("augment", "classifiers", "pipeline", "reports", "studies"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy(ROOT / name, root / name)
    (root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
    (root / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    draw(root / "data/real", n=5)
    parameters(root, {"data.source": "folder", "data.path": "data/real"})
    before = files_of(root / "data")
    # The command that stands beside this Python, whatever else is called so.
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    }
    ran = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "fetch"],
        cwd=root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode != 0
    assert "lies in data/real of this project" in ran.stderr
    assert files_of(root / "data") == before


# The same picture twice


def test_a_test_set_that_is_in_the_training_set(own: Path, accepted, parameters) -> None:
    draw(own / "pictures/train", n=40)
    draw(own / "pictures/test", n=10)  # the first ten of either class again
    shutil.copy(own / "pictures/train/ring/p000.png", own / "pictures/train/bar/zz.png")
    parameters(own, {"data.duplicates": "keep"})
    checked, fetched = accepted()
    assert checked == ["41 files have a copy (data.duplicates is keep)"]
    assert fetched[:4] == [
        "41 of 101 images have an identical one",
        "20 of the source's images for validation or test are identical to one of another part",
        "3 images are identical to one of another class, so one of the labels is wrong; "
        "data.duplicates: drop leaves them out",
        # Some of the twenty, and for validation none but what is in test too.
        fetched[3],
    ]
    assert "which makes accuracies optimistic; data.duplicates: group or drop" in fetched[3]
    assert total(own) == {"bar": 51, "ring": 50}

    parameters(own, {"data.duplicates": "group"})
    checked, fetched = accepted()
    assert checked[0] == "41 files have a copy (data.duplicates is group)"
    assert "21 images are left out: the same image or group is in test" in fetched
    assert not any("optimistic" in line for line in fetched)
    assert total(own) == {"bar": 40, "ring": 40}
    assert counts(own, "test") == {"bar": 10, "ring": 10}

    parameters(own, {"data.duplicates": "drop"})
    _, fetched = accepted()
    # The picture in both classes goes with its three copies.
    assert "3 images are left out: identical images stand in two classes" in fetched
    assert "19 images are left out: an identical image is kept" in fetched
    assert total(own) == {"bar": 40, "ring": 39}
    about = json.loads((own / "data/real/source.json").read_text())
    assert about["identical"] == {
        "images": 41,
        "in_two_classes": 3,
        "in_two_parts_of_the_source": 20,
        "in_two_parts": 0,
        "left_out": {
            "an identical image is kept": 19,
            "identical images stand in two classes": 3,
        },
    }


def test_few_pictures_many_times(own: Path, accepted, refused, parameters) -> None:
    draw(own / "pictures", n=40)
    for name in RING_BAR:
        for i in range(5, 40):
            shutil.copy(own / f"pictures/{name}/p000.png", own / f"pictures/{name}/p{i:03}.png")
    parameters(own, {"data.duplicates": "keep"})
    _, fetched = accepted()
    assert fetched[-2:] == [
        "class 'bar': only 5 different images among 40",
        "class 'ring': only 5 different images among 40",
    ]
    assert total(own) == {"bar": 40, "ring": 40}
    parameters(own, {"data.duplicates": "group"})
    accepted()
    assert total(own) == {"bar": 40, "ring": 40}
    where: dict[bytes, set[str]] = {}
    for part in ("train", "validation", "test"):
        for image in open_image_set(own / "data/real" / part).images:
            where.setdefault(image.tobytes(), set()).add(part)
    assert len(where) == 10
    assert all(len(parts) == 1 for parts in where.values())
    shutil.rmtree(own / "data")
    parameters(own, {"data.duplicates": "drop"})
    assert "train_gan.options.batch_size is 10; allowed: at most the 6 training images" in refused()


# Files


def test_gifs_are_pictures_like_others(own: Path, accepted) -> None:
    draw(own / "pictures", ("ring", "bar", "bow"), n=20)
    for file in sorted((own / "pictures/bar").iterdir())[:15]:
        Image.open(file).save(file.with_suffix(".gif"))
        file.unlink()
    assert accepted() == ([], [])
    assert total(own) == {"bar": 20, "bow": 20, "ring": 20}


def test_losses_are_judged_by_class(own: Path, accepted, refused) -> None:
    draw(own / "pictures", ("ring", "bar", "bow"), n=20)
    lost = sorted((own / "pictures/bar").iterdir())[:11]
    for file in lost:
        file.rename(file.with_suffix(".heic"))
        file.with_suffix(".heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert "11 of 20 pictures of class 'bar' cannot be read (bar/p000.heic (" in refused()
    for file in lost[3:]:
        draw(own / "pictures", ("ring", "bar"), n=20)
        file.with_suffix(".heic").unlink()
    for name in ("p000.json", "p001.json", "labels.csv"):
        (own / "pictures/bow" / name).write_text("{}")
    checked, fetched = accepted()
    assert checked == fetched
    losses, others = fetched
    assert losses.startswith("class 'bar': 3 of 23 pictures in pictures/ could not be read and are")
    assert losses.count(".heic (not a PNG, JPEG, WebP") == 3
    assert others.startswith(
        "3 files in pictures/ are no pictures and are left out: bow/labels.csv"
    )


def test_every_file_is_a_tiff(own: Path, accepted) -> None:
    draw(own / "pictures", n=20, kind="tif")
    assert accepted() == ([], [])
    assert total(own) == {"bar": 20, "ring": 20}


def test_odd_files_among_the_pictures(own: Path, accepted, parameters) -> None:
    root = draw(own / "pictures", n=20)
    parameters(own, {"data.channels": 3})
    kinds = {"tif": "TIFF", "gif": "GIF", "ppm": "PPM", "avif": "AVIF", "jfif": "JPEG"}
    for number, (suffix, kind) in enumerate(kinds.items()):
        picture(0, 100 + number).save(root / "ring" / f"x.{suffix}", format=kind)
    (root / "ring/empty.png").write_bytes(b"")
    (root / "ring/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 100)
    picture(1, 300, 200).save(root / "bar/cut.jpg")
    (root / "bar/cut.jpg").write_bytes((root / "bar/cut.jpg").read_bytes()[:1500])
    checked, fetched = accepted()
    assert fetched[0] == "not used (left by a system or a program): ring/Thumbs.db"
    assert fetched[1].startswith("class 'bar': 1 of 21 pictures in pictures/ could not be read")
    assert "bar/cut.jpg (" in fetched[1]
    assert fetched[2].startswith("class 'ring': 1 of 26 pictures in pictures/ could not be read")
    assert "ring/empty.png (" in fetched[2]
    # The first bytes of the cut file are good.
    assert checked == [fetched[0], fetched[2]]
    assert total(own) == {"bar": 20, "ring": 25}


def test_pictures_that_are_tiny_or_wide(own: Path, accepted, parameters) -> None:
    root = draw(own / "pictures", n=20)
    for i in range(10):
        Image.new("RGB", (1, 1), (i, i, i)).save(root / "ring" / f"one{i}.png")
        Image.new("RGB", (400, 12), (250, 2 * i, 20)).save(root / "bar" / f"wide{i}.png")
    parameters(own, {"data.image_size": 128, "data.channels": 3, "classifier.input_size": 128})
    checked, fetched = accepted()
    assert checked == fetched[: len(checked)]
    assert checked == [
        "60 of 60 pictures are smaller than 128 pixels and enlarged, such as ring/one0.png (1 x 1)",
        "10 of 60 pictures are more than twice as long one way as the other, and lose more than "
        "half by the crop to a square, such as bar/wide0.png (400 x 12)",
    ]


def test_a_huge_jpeg_is_read_and_a_bomb_is_left_out(own: Path, accepted) -> None:
    root = draw(own / "pictures", n=20)
    Image.new("L", (24_000, 4_000), 128).save(root / "ring/panorama.jpg")
    Image.new("1", (24_000, 4_000)).save(root / "bar/bomb.png")
    checked, fetched = accepted()
    assert checked == fetched
    bomb, wide = fetched
    assert bomb.startswith("class 'bar': 1 of 21 pictures in pictures/ could not be read")
    assert "bar/bomb.png (24000 x 4000 pixels, as in a decompression bomb; allowed: " in bomb
    assert "such as ring/panorama.jpg (24000 x 4000)" in wide
    assert total(own) == {"bar": 20, "ring": 21}


def test_unreadable_files_that_push_the_set_below_the_batch(
    own: Path, augment, parameters, refused
) -> None:
    draw(own / "pictures", n=20)
    for file in sorted((own / "pictures/ring").iterdir())[:8]:
        file.write_bytes(b"x")
    parameters(own, {"train_gan.options.batch_size": 28})
    assert refused() == (
        "params.yaml: train_gan.options.batch_size is 28; allowed: at most the 23 training images"
    )
    for command in ("check", "fetch"):
        said = augment(own, command).out
        assert "class 'ring': 8 of 20 pictures in pictures/ could not be read" in said


# Layouts


def test_train_and_val(own: Path, accepted) -> None:
    draw(own / "pictures/train", n=30)
    for number, name in enumerate(RING_BAR):
        (own / "pictures/val" / name).mkdir(parents=True)
        for i in range(6):
            picture(number, 500 + i).save(own / f"pictures/val/{name}/{i}.png")
    assert accepted() == ([], [])
    assert counts(own, "validation") == {"bar": 6, "ring": 6}
    assert counts(own, "test") == {"bar": 6, "ring": 6}
    assert counts(own) == {"bar": 24, "ring": 24}


def test_parts_in_capitals(own: Path, accepted) -> None:
    draw(own / "pictures/Train", n=30)
    for number, name in enumerate(RING_BAR):
        (own / "pictures/TEST" / name).mkdir(parents=True)
        for i in range(6):
            picture(number, 500 + i).save(own / f"pictures/TEST/{name}/{i}.png")
    assert accepted() == ([], [])
    assert counts(own, "test") == {"bar": 6, "ring": 6}
    assert total(own) == {"bar": 36, "ring": 36}


def test_an_archive_of_a_mac_and_an_empty_class(own: Path, accepted) -> None:
    draw(own / "pictures", n=20)
    (own / "pictures/__MACOSX/ring").mkdir(parents=True)
    (own / "pictures/__MACOSX/ring/._p000.png").write_bytes(b"x")
    (own / "pictures/unsorted").mkdir()
    checked, fetched = accepted()
    assert (
        checked
        == fetched
        == [
            "not used (left by a system or a program): __MACOSX",
            "not used (an empty folder): unsorted",
        ]
    )
    assert total(own) == {"bar": 20, "ring": 20}


def test_a_test_folder_without_classes(own: Path, accepted) -> None:
    draw(own / "pictures/train", n=20)
    (own / "pictures/test").mkdir()
    for i in range(5):
        picture(0, 500 + i).save(own / f"pictures/test/{i}.png")
    checked, fetched = accepted()
    assert checked == fetched
    assert "not used (no pictures in class folders): test" in fetched
    assert total(own) == {"bar": 20, "ring": 20}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("places", "said"),
    [
        (("train", "dev"), "beside train/ no part is known, and dev/ may be meant as one (seen: "),
        (("test", "val"), "train/ is missing (seen: test/, val/, with bar/, ring/ inside); "),
        (("Train_set", "test"), "train/ is missing (seen: Train_set/, test/, with "),
        (("dataset/train", "dataset/test"), "dataset/, with 2 folders (test/, train/) inside; "),
        (("dataset",), "has one folder only, dataset/, with 2 folders (bar/, ring/) inside; "),
    ],
)
def test_parts_that_cannot_be_told_from_classes(
    own: Path, refused, parameters, places: tuple[str, ...], said: str, nested: bool
) -> None:
    for place in places:
        draw(own / "pictures" / place, n=3)
    parameters(own, {"data.nested": nested})
    message = refused()
    assert said in message
    if places[0].startswith("dataset"):
        assert f"or data.path: {own / 'pictures/dataset'} where " in message


def test_scans_of_12_bits_in_files_of_16(own: Path, accepted) -> None:
    draw(own / "pictures", n=20)
    for i in range(3):
        values = np.random.default_rng(i).integers(0, 4096, (40, 40), dtype=np.uint16)
        values[0, :2] = 0, 4095
        Image.fromarray(values).save(own / f"pictures/ring/scan{i}.png")
    checked, fetched = accepted()
    assert checked == []  # no pixel is decoded
    assert fetched[0] == (
        "3 of 43 pictures have 16 bits a value, use at most a quarter of that range and get as few "
        "of the 256 shades of 8 bits, such as ring/scan0.png (0 to 16); scale them before to keep "
        "more"
    )


def test_names_of_classes_that_look_alike(own: Path, accepted) -> None:
    draw(own / "pictures", ("Cat", "cat", "bar"), n=20)
    if len(list((own / "pictures").iterdir())) < 3:
        pytest.skip("this file system is blind to capitals")
    said = (
        "classes 'Cat' and 'cat' look alike; if they are one class, put their pictures into one "
        "folder"
    )
    assert accepted() == ([said], [said])
    assert total(own) == {"Cat": 20, "bar": 20, "cat": 20}


def test_one_name_in_two_ways_of_unicode(own: Path, accepted, parameters) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    draw(own / "pictures/train", (composed, "bar"), n=20)
    for number, name in enumerate((decomposed, "bar")):
        (own / "pictures/test" / name).mkdir(parents=True)
        for i in range(6):
            picture(number, 500 + i).save(own / f"pictures/test/{name}/{i}.png")
    for name in (composed, decomposed):
        parameters(own, {"mix.synthetic": [0, {name: 20}]})
        assert accepted() == ([], [])
    assert counts(own, "test") == {"bar": 6, composed: 6}


def test_folders_inside_classes(own: Path, accepted, refused, parameters) -> None:
    draw(own / "pictures/ring", ("near", "far"), n=10)
    draw(own / "pictures", ("bar",), n=20)
    assert "class folder" in refused()
    assert "ring has 2 folders (far/, near/) inside" in refused()
    parameters(own, {"data.nested": True})
    # Those that are near are in the other class too.
    _, fetched = accepted()
    assert total(own) == {"bar": 20, "ring": 20}
    assert fetched[0] == "20 of 40 images have an identical one"


def test_links_that_lead_out_and_circles(own: Path, accepted, refused, parameters) -> None:
    draw(own / "pictures", ("ring",), n=20)
    draw(own / "elsewhere", ("birds", "bar"), n=20)
    (own / "pictures/bar").symlink_to(own / "elsewhere/bar")
    assert "bar is a link that leads out of" in refused()
    parameters(own, {"data.follow_links": True})
    assert accepted() == ([], [])
    (own / "elsewhere/bar/up").symlink_to(own / "elsewhere")
    (own / "elsewhere/bar/here").symlink_to(own / "elsewhere/bar")
    (own / "pictures/ring/itself.png").symlink_to(own / "pictures/ring/itself.png")
    circles = "not used (a link that leads in a circle): bar/here, bar/up, ring/itself.png"
    assert accepted() == ([circles], [circles])
    assert total(own) == {"bar": 20, "ring": 20}


# Parameters


@pytest.mark.parametrize("n", [1, 2])
def test_a_rare_class_is_named_with_its_true_count(own: Path, refused, n: int) -> None:
    draw(own / "pictures", ("ring", "bar"), n=20)
    draw(own / "pictures", ("a", "b", "1"), n=n)
    for name in ("a", "b"):
        shutil.rmtree(own / "pictures" / name)
    images = "1 image" if n == 1 else "2 images"
    assert refused() == (
        f"class '1' has too few images to split ({images}); allowed: at least 3, one each for "
        "train, test, validation"
    )


def test_three_images_of_a_class_are_enough(own: Path, accepted) -> None:
    draw(own / "pictures", ("ring", "bar"), n=20)
    draw(own / "pictures", ("a", "b", "1"), n=3)
    for name in ("a", "b"):
        shutil.rmtree(own / "pictures" / name)
    accepted()
    assert [counts(own, part)["1"] for part in ("train", "validation", "test")] == [1, 1, 1]


def errors(checked: Any) -> list[str]:
    return [line for line in checked.out.splitlines() if line.startswith("error")]


def test_all_problems_of_a_grid_at_once_and_what_fits_fits(
    own: Path, augment, parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "params.yaml", own)
    monkeypatch.setattr("pipeline.commands.check_machine._free_disk", lambda folder: 10**12)
    parameters(own, {
        "data.source": "fashion-mnist",
        "mix.strategies": ["mix", "filtered"],
    })  # fmt: skip
    found = errors(augment(own, "check"))
    fits = {}
    for line in found:
        key, _, rest = line.split("params.yaml: ")[1].partition(" is ")
        fits[key] = int(rest.split(f"allowed: {key} of at least ")[1].split(",")[0])
    assert fits == {"generate.per_class": 10_800, "filter.per_class": 10_800}
    parameters(own, fits)
    checked = augment(own, "check")
    assert checked.code == 0, errors(checked)


def test_all_problems_of_keys_rules_and_folder_at_once(own: Path, augment, parameters) -> None:
    draw(own / "pictures/dataset", n=3)
    parameters(own, {
        "seed": -1,
        "data.image_size": 30,
        "data.validation": 0,
        "data.groups": "a{99999999999}",
        "train_examiner.steps": 0,
        "train_judge.epochs": 3,
        "mix.strategies": ["mix", "filtered"],
        "filter": None,
    })  # fmt: skip
    checked = augment(own, "check")
    assert checked.code == 2
    said = [line.split(maxsplit=2)[1:] for line in errors(checked)]
    assert [(topic, text.split("; ")[0].removeprefix("params.yaml: ")) for topic, text in said] == [
        ("parameters", "seed is -1"),
        ("parameters", "data.image_size is 30"),
        ("parameters", "train_examiner.steps is 0"),
        (
            "parameters",
            "data.groups is 'a{99999999999}', which is no regular expression (the repetition "
            "number is too large)",
        ),
        ("parameters", "train_judge.steps is 60 and train_judge.epochs is 3"),
        ("parameters", "train_gan.keep is best"),
        ("parameters", "mix.strategies[1] is filtered"),
        (
            "data",
            f"{own / 'pictures'} has one folder only, dataset/, with 2 folders (bar/, ring/) "
            "inside",
        ),
    ]
    assert errors(augment(own, "check")) == errors(checked)
    assert augment(own, "fetch").error.endswith("(and 6 more: `augment check` shows all)")


def test_a_path_that_is_missing_is_said_beside_a_wrong_seed(own: Path, augment, parameters) -> None:
    parameters(own, {"seed": -1, "data.path": None})
    first, second = errors(augment(own, "check"))
    assert "params.yaml: seed is -1; allowed: " in first
    assert "params.yaml: data.path is null; allowed: a path, because" in second


def test_a_class_that_a_built_in_source_does_not_have(
    own: Path, augment, parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "params.yaml", own)
    monkeypatch.setattr("pipeline.commands.check_machine._free_disk", lambda folder: 10**12)
    parameters(own, {"data.source": "fashion-mnist", "mix.synthetic": [0, {"Trousers": 600}]})
    (found,) = errors(augment(own, "check"))
    assert "mix.synthetic[1] names the class 'Trousers'; did you mean 'Trouser'? allowed: " in found
    assert "'T-shirt/top', 'Trouser', 'Pullover'" in found
    parameters(own, {"mix.synthetic": [0, {"Trouser": 600}]})
    assert augment(own, "check").code == 0


def test_a_path_that_is_no_folder(own: Path, refused, parameters) -> None:
    picture(0, 0).save(own / "one.png")
    parameters(own, {"data.path": "one.png"})
    assert "one.png is a file, not a folder; allowed: a folder with one sub-folder a" in refused()
    parameters(own, {"data.path": "$HOME/birds"})
    assert refused() == (
        "data.path is '$HOME/birds', and there is no such path: variables are not expanded here; "
        "write ~/birds"
    )
    parameters(own, {"data.path": "birds"})
    assert "birds does not exist; allowed: a folder with one sub-folder a class" in refused()


def test_a_count_with_an_exponent(own: Path, refused) -> None:
    draw(own / "pictures", n=20)
    text = (own / "params.yaml").read_text()
    assert "per_class: 40\n" in text
    (own / "params.yaml").write_text(text.replace("per_class: 40\n", "per_class: 1e5\n"))
    said = refused()
    assert said.startswith("params.yaml: generate.per_class is 1e5; allowed: a whole number from 1")
    assert "(written 100000)" in said


def test_two_classes_of_90_are_scored_by_the_18_that_there_are(
    own: Path, accepted, parameters
) -> None:
    draw(own / "pictures", n=90)
    parameters(own, {"generate.per_class": 400, "filter.per_class": 400, "score.n": 1000})
    accepted()
    assert counts(own, "test") == {"bar": 18, "ring": 18}


# Groups


def group_rules(root: Path) -> dict[str, str]:
    """Write the same groups as a pattern and as a table: ten pictures of each class a patient."""
    rows = [(f"{name}/p{i:03}.png", f"patient {i // 10}") for name in RING_BAR for i in range(40)]
    (root / "groups.csv").write_text(
        "file,group\n" + "".join(f"{file},{group}\n" for file, group in rows)
    )
    return {"pattern": "^(p[0-9]{2})", "table": "groups.csv"}


def parts_of_patients(root: Path) -> dict[str, set[str]]:
    where: dict[str, set[str]] = {}
    for line in (root / "data/real/files.csv").read_text().splitlines()[1:]:
        part, _, file, *_ = line.split(",")
        where.setdefault(Path(file).name[:3], set()).add(part)
    return where


def test_groups_by_a_pattern_and_by_a_table_are_never_in_two_parts(
    own: Path, accepted, augment, parameters, files_of
) -> None:
    draw(own / "pictures", n=40)
    bytes_of: dict[str, dict[str, bytes]] = {}
    for kind, rule in group_rules(own).items():
        parameters(own, {"data.groups": rule})
        assert accepted()[1] == ["4 groups by data.groups"]
        assert "4 groups by data.groups" in augment(own, "check").out
        where = parts_of_patients(own)
        assert len(where) == 4
        assert all(len(parts) == 1 for parts in where.values())
        assert set().union(*where.values()) == {"train", "validation", "test"}
        bytes_of[kind] = files_of(own / "data/real")
    for content in bytes_of.values():
        content.pop("source.json")
    assert bytes_of["pattern"] == bytes_of["table"]


def test_names_in_a_table_of_groups_that_miss(own: Path, accepted, augment, parameters) -> None:
    draw(own / "pictures", n=40)
    rows = "".join(f"p{i:03}.png,patient {i // 10}\n" for i in range(41))
    (own / "Groups.CSV").write_text(f"file,group\n{rows}")
    parameters(own, {"data.groups": "Groups.CSV"})
    notes = [
        "4 groups by data.groups",
        "1 of 41 names in Groups.CSV stand for no picture that is read, such as p040.png",
        "40 of 41 names in Groups.CSV stand for several pictures of the same name, such as "
        "p000.png",
    ]
    assert accepted()[1] == notes
    said = augment(own, "check").out
    assert all(note in said for note in notes)


def test_a_rule_by_which_every_picture_is_alone_changes_nothing(
    own: Path, augment, parameters, files_of
) -> None:
    draw(own / "pictures", n=40)
    written = []
    for rule in (None, "^(p[0-9]{3})[.]png$"):
        if rule:  # a number is in both classes
            for file in (own / "pictures/bar").iterdir():
                file.rename(file.with_name(f"x{file.name}"))
        parameters(own, {"data.groups": rule})
        assert augment(own, "fetch").code == 0
        images = files_of(own / "data/real")
        written.append({name: images[name] for name in images if name.endswith(".npy")})
    assert written[0].keys() == written[1].keys()
    assert len(written[0]) > 0
    assert written[0] == written[1]


def test_groups_go_with_the_parts_that_are_given(own: Path, accepted, parameters) -> None:
    draw(own / "pictures/train", n=40)
    for number, name in enumerate(RING_BAR):
        (own / "pictures/test" / name).mkdir(parents=True)
        for i in range(6):
            picture(number, 500 + i).save(own / f"pictures/test/{name}/p00{i}.png")
    parameters(own, {"data.groups": "^(p[0-9]{2})"})
    checked, fetched = accepted()
    # The first ten of either class are of the patient who is in test.
    assert "20 images are left out: the same image or group is in test" in fetched
    assert checked == []
    assert total(own) == {"bar": 36, "ring": 36}
    assert counts(own, "test") == {"bar": 6, "ring": 6}


@pytest.mark.parametrize(
    ("rule", "content", "said"),
    [
        ("^(scene[0-9]+)", None, "none of the 80 files is in a group, such as p000.png; allowed:"),
        ("^(p", None, "data.groups is '^(p', which is no regular expression"),
        ("g.csv", None, "g.csv: cannot be read (No such file or directory)"),
        ("g.csv", "name,group\nx,y\n", "has the columns name, group; allowed: file and group"),
        ("g.csv", "file,group\np000.png,a\np000.png,b\n", "line 3: p000.png is in two groups"),
        ("g.csv", "file,group\nz.png,a\n", "none of the 80 files is in a group"),
        ("results/g.csv", "file,group\np000.png,a\n", "lies in results of this project"),
        ("a{99999999999}", None, "which is no regular expression (the repetition number is too"),
        ("G.CSV", None, "G.CSV: cannot be read (No such file or directory)"),
        ("^(p)", None, "class 'bar' has too few images to split (40 images, in 1 group)"),
    ],
)
def test_rules_of_groups_that_are_refused(
    own: Path, refused, parameters, rule: str, content: str | None, said: str
) -> None:
    draw(own / "pictures", n=40)
    if content is not None:
        (own / rule).parent.mkdir(exist_ok=True)
        (own / rule).write_text(content)
    parameters(own, {"data.groups": rule})
    assert said in refused()


# Any folder, any path, any numbers


NAMES = st.sampled_from(
    ["a", "b", "ring", "Ring", "train", "Test", "val", ".hidden", "Thumbs.db", "__MACOSX",
     "café", unicodedata.normalize("NFD", "café"), "猫", "x y", " x", "x.", "-x", "a\nb", "\x1b[0m",
     "\x7f", "😀", os.fsdecode(b"\xff"), "CON", "x.json", "%s", "{0}", "'\""]
) | st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)  # fmt: skip
PATHS = st.lists(NAMES, max_size=3).flatmap(
    lambda names: st.sampled_from([["ring", *names, "x"], ["bar", *names, "y"], [*names, "z"]])
)
KINDS = st.sampled_from(["png", "png", "png", "junk", "empty", "folder", "link", "link"])
ENTRIES = st.lists(st.tuples(PATHS, KINDS, st.none() | PATHS), max_size=12)


def plant(root: Path, entries: list[tuple[list[str], str, list[str] | None]]) -> None:
    """Make a tree of files, folders and links; what cannot be made is left out."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(entries), 8, 8), dtype=np.uint8)
    for number, (names, kind, target) in enumerate(entries):
        path = root.joinpath(*names)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or path.exists():
                continue
            if kind == "png":
                Image.fromarray(pixels[number]).save(path, "PNG")
            elif kind == "folder":
                path.mkdir()
            elif kind == "link":
                path.symlink_to(root.parent / "out" if target is None else root.joinpath(*target))
            else:
                path.write_bytes(b"junk" if kind == "junk" else b"")
        except OSError:  # a file stands where a folder is wanted, or the name is not allowed here
            continue


@settings(max_examples=60)
@given(
    entries=ENTRIES,
    usual=st.sampled_from([True, True, True, False]),
    nested=st.sampled_from([True, True, False]),
    follow_links=st.sampled_from([True, True, False]),
)
def test_every_file_is_used_or_named(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[Any],
    usual: bool,
    nested: bool,
    follow_links: bool,
) -> None:
    base = tmp_path_factory.mktemp("tree")
    root = base / "root"
    root.mkdir()
    plant(base / "out", [(["x.png"], "png", None)])
    if usual:  # most trees at random are refused
        classes = [([name, f"{i}.png"], "png", None) for name in ("ring", "bar") for i in range(6)]
        entries = [*classes, *entries]
    plant(root, entries)
    try:
        found = fetch_source(
            "folder", path=root, data_dir=None, image_size=28, channels=1, workdir=base / "work",
            nested=nested, follow_links=follow_links,
        )  # fmt: skip
    except (SourceError, ImageSetError) as error:
        said = str(error)
    else:
        said = ""
    event("refused" if said else "fetched")
    if said:
        assert said == one_line(said)
        return
    assert found.notes == [one_line(note) for note in found.notes]
    used = {file.path for files in found.files.values() for file in files}
    aside = {file.path: file.reason for file in found.left_out}
    assert all(aside.values())
    assert not used & aside.keys()
    assert sum(len(files) for files in found.files.values()) == len(used)
    assert {part: len(files) for part, files in found.files.items()} == {
        part: len(images) for part, images in found.sets.items()
    }
    for folder, folders, files in os.walk(root):
        for name in [*files, *(each for each in folders if (Path(folder) / each).is_symlink())]:
            path = Path(folder, name).relative_to(root)
            above = [str(each) for each in (path, *path.parents)]
            if path.as_posix() in used or any(each in aside for each in above):
                continue
            # A link to a folder is followed: what lies behind it is used or named.
            assert (root / path).is_dir(), (path, used, aside)
            inside = [each for each in (*used, *aside) if each.startswith(f"{path.as_posix()}/")]
            assert inside or not any((root / path).iterdir()), (path, used, aside)


PLACES = st.sampled_from(
    ["data", "real", "units", "models", "examiner", "results", "pictures", "studies", "train",
     ".", "..", "project", "to-real", "to-pictures", "up", "outside", "Data", "nowhere",
     ".dvc", ".git"]
)  # fmt: skip
# Ways there and back, and then a place that may be used, or any.
SPELLINGS = st.tuples(
    st.sampled_from(["", "./", "up/project/", "data/../", "../project/", "models/examiner/../../"]),
    st.sampled_from(["pictures", "to-pictures", "../outside", "studies/train", "studies"])
    | st.lists(PLACES, min_size=1, max_size=4).map("/".join),
).map("".join)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in whose every corner pictures of the user's lie."""
    base = tmp_path_factory.mktemp("crowded")
    root = base / "project"
    for place in (
        "data", "data/subsets", "models", "models/examiner", "results", "pictures", "studies/train",
        ".dvc", ".git", "../outside", "data/real",
    ):  # fmt: skip
        draw(root / place, n=6)
    for link, target in (("to-real", "data/real"), ("to-pictures", "pictures"), ("up", "..")):
        (root / link).symlink_to(target)
    (root / "data/to-pictures").symlink_to(root / "pictures")
    return root


@settings(max_examples=35)
@given(
    spelling=SPELLINGS,
    prefix=st.sampled_from(["", "{root}/", "~/project/", "/"]),
    in_real=st.sampled_from([False, False, True]),
    links=st.booleans(),
)
def test_no_path_costs_a_file(
    crowded: Path, augment, parameters, files_of, spelling: str, prefix: str, in_real: bool,
    links: bool,
) -> None:  # fmt: skip
    root = crowded
    aside = root.parent / "aside"
    if not in_real and (root / "data/real").exists():
        (root / "data/real").rename(aside)
    shutil.copy(ROOT / "params.yaml", root)
    parameters(root, SMALL | {
        "data.source": "folder",
        "data.path": prefix.format(root=root) + spelling,
        "data.nested": links,
        "data.follow_links": links,
        "train_gan.options.batch_size": 4,
        "mix.synthetic": [0, 4],
    })  # fmt: skip
    before = files_of(root.parent)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(root.parent))
            checked, fetched = augment(root, "check"), augment(root, "fetch")
        after = files_of(root.parent)
        made = {
            name for name in after
            if name.startswith(("project/data/real/", "project/logs/")) and name not in before
        }  # fmt: skip
        assert {name: content for name, content in after.items() if name not in made} == before
        assert checked.code == fetched.code
        event("refused" if fetched.code else "fetched")
        if fetched.code:
            assert fetched.error
            assert not made
    finally:
        if not in_real and aside.exists():
            shutil.rmtree(root / "data/real", ignore_errors=True)
            aside.rename(root / "data/real")
        shutil.rmtree(root / "logs", ignore_errors=True)


@pytest.mark.parametrize("number", range(20))
def test_check_and_fetch_agree(
    own: Path, augment, parameters, draw_noise: Callable[..., Path], number: int
) -> None:
    rng = np.random.default_rng([20_262, number])

    def one(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    names = ["a", "b", "c", "d"][: one(2, 2, 3, 4)]
    layout = one(("",), ("",), ("train", "test"), ("train", "val"), ("Train", "Valid", "Testing"))
    least = one(1, 3, 6)
    for part in layout:
        draw_noise(own / "pictures" / part, {name: int(rng.integers(least, 61)) for name in names})
    validation = one(0.0, 0.1, 0.1, 0.5)
    parameters(own, {
        "seed": int(rng.integers(3)),
        "data.test": one(0.05, 0.2, 0.5),
        "data.validation": validation,
        "data.duplicates": one("keep", "drop", "group"),
        "data.groups": one(None, None, r"^p(\d\d)", r"^p(\d)", r"^p(00)", "^q"),
        "train_gan.keep": "best" if validation else "last",
        "train_gan.options.batch_size": one(2, 10, 40, 100),
        "mix.real": one([0, 1.0], [0, 0.01, 1.0], [0, 30, 1.0], [0, 60]),
        "mix.synthetic": one([0, 20], [0, 1.0], [0, {"a": 30}], [0, {"c": 5}]),
        "generate.per_class": one(10, 40, 100),
        "filter.per_class": one(40, 100),
        "score.n": one(100, 1000),
    })  # fmt: skip
    checked, fetched = augment(own, "check"), augment(own, "fetch")
    assert (checked.code == 0) == (fetched.code == 0), (checked, fetched)
    if fetched.code:
        said = fetched.error.removeprefix("error: ").split(" (and ")[0]
        assert said in errors(checked)[0]
    else:
        parameters_now = load_parameters(own / "params.yaml")
        n_train = len(open_image_set(own / "data/real/train"))
        assert f"on up to {n_train} training images in {len(names)} classes" in checked.out
        assert parameters_now.data.validation == validation
