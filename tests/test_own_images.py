"""Images of the user's own, from the folder to what `augment check` and `augment fetch` say."""

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
from augment.sources.errors import SourceError
from augment.sources.fetching import fetch_source

ROOT = Path(__file__).parents[1]
RING_BAR = ("ring", "bar")
SMALL: dict[str, Any] = {
    "mix.real": [0, 1.0],
    "mix.synthetic": [0, 20],
    "train_gan.options.batch_size": 10,
    "train_gan.images": 4000,
}


def picture(kind: int, i: int) -> Image.Image:
    """Draw a gray picture of random pixels, another one for every kind and i."""
    pixels = np.random.default_rng([kind, i]).integers(0, 256, (40, 40), dtype=np.uint8)
    return Image.fromarray(pixels)


def draw(folder: Path, names: tuple[str, ...] = RING_BAR, n: int = 40) -> Path:
    """Draw n pictures of each class."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            picture(number, i).save(folder / name / f"p{i:03}.png")
    return folder


@pytest.fixture
def own(bare: Path, parameters) -> Path:
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
    images = open_image_set(root / "data/real" / part)
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
        ("results/birds", "results"),
        ("data/real", "{root}/data/real"),
        ("data/real", "."),
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


# What check and fetch say of a folder


def copy_in_test(root: Path) -> None:
    """The first ten pictures of either class are in test again, and one is in both classes."""
    draw(root / "pictures/train", n=40)
    draw(root / "pictures/test", n=10)
    shutil.copy(root / "pictures/train/ring/p000.png", root / "pictures/train/bar/zz.png")


@pytest.mark.parametrize(
    ("duplicates", "images", "said"),
    [
        ("keep", (51, 50), "which makes accuracies optimistic; data.duplicates: group or drop"),
        ("group", (40, 40), "21 images are left out: the same image or group is in test"),
        # The picture in both classes goes with its three copies.
        ("drop", (40, 39), "3 images are left out: identical images stand in two classes"),
    ],
)
def test_a_test_set_that_is_in_the_training_set(
    own: Path, accepted, parameters, duplicates: str, images: tuple[int, int], said: str
) -> None:
    copy_in_test(own)
    parameters(own, {"data.duplicates": duplicates})
    checked, fetched = accepted()
    assert checked[0] == f"41 files have a copy (data.duplicates is {duplicates})"
    assert fetched[0] == "41 of 101 images have an identical one"
    assert said in " ".join(fetched)
    assert any("optimistic" in line for line in fetched) == (duplicates == "keep")
    assert total(own) == dict(zip(("bar", "ring"), images, strict=True))


def rename_to_other_formats(root: Path) -> None:
    folder = draw(root / "pictures", n=20)
    kinds = {"tif": "TIFF", "gif": "GIF", "ppm": "PPM", "avif": "AVIF", "jfif": "JPEG"}
    for number, (suffix, kind) in enumerate(kinds.items()):
        picture(0, 100 + number).save(folder / "ring" / f"x.{suffix}", format=kind)


def leave_odd_files(root: Path) -> None:
    folder = draw(root / "pictures", n=20)
    (folder / "ring/empty.png").write_bytes(b"")
    (folder / "ring/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 100)
    (folder / "bar/labels.csv").write_text("{}")
    (folder / "__MACOSX/ring").mkdir(parents=True)
    (folder / "__MACOSX/ring/._p000.png").write_bytes(b"x")
    (folder / "unsorted").mkdir()


def draw_tiny_wide_and_huge(root: Path) -> None:
    folder = draw(root / "pictures", n=20)
    Image.new("L", (1, 1), 9).save(folder / "ring/one.png")
    Image.new("L", (24_000, 4_000), 128).save(folder / "ring/panorama.jpg")
    Image.new("1", (24_000, 4_000)).save(folder / "bar/bomb.png")


def put_pictures_beside_classes(root: Path) -> None:
    draw(root / "pictures/train", n=20)
    (root / "pictures/test").mkdir()
    picture(0, 500).save(root / "pictures/test/0.png")


def link_in_circles(root: Path) -> None:
    draw(root / "pictures", ("ring",), n=20)
    draw(root / "elsewhere", ("birds", "bar"), n=20)
    (root / "pictures/bar").symlink_to(root / "elsewhere/bar")
    (root / "elsewhere/bar/up").symlink_to(root / "elsewhere")
    (root / "pictures/ring/itself.png").symlink_to(root / "pictures/ring/itself.png")


@pytest.mark.parametrize(
    ("plant_files", "changes", "images", "said"),
    [
        (rename_to_other_formats, {"data.channels": 3}, {"bar": 20, "ring": 25}, []),
        (
            leave_odd_files,
            {},
            {"bar": 20, "ring": 20},
            [
                "not used (left by a system or a program): __MACOSX, ring/Thumbs.db",
                "not used (an empty folder): unsorted",
                "class 'ring': 1 of 21 pictures in pictures/ could not be read",
                "1 files in pictures/ are no pictures and are left out: bar/labels.csv",
            ],
        ),
        (
            draw_tiny_wide_and_huge,
            {},
            {"bar": 20, "ring": 22},
            [
                "class 'bar': 1 of 21 pictures in pictures/ could not be read",
                "1 of 42 pictures are smaller than 28 pixels and enlarged, such as ring/one.png",
                "1 of 42 pictures are more than twice as long one way as the other, and lose more",
            ],
        ),
        (
            put_pictures_beside_classes,
            {},
            {"bar": 20, "ring": 20},
            [
                "not used (no pictures in class folders): test",
                "not used (beside the class folders): test/0.png",
            ],
        ),
        (
            link_in_circles,
            {"data.follow_links": True},
            {"bar": 20, "ring": 20},
            ["not used (a link that leads in a circle): bar/up, ring/itself.png"],
        ),
    ],
)
def test_check_and_fetch_note_the_same(
    own: Path,
    accepted,
    parameters,
    plant_files: Callable[[Path], None],
    changes: dict[str, Any],
    images: dict[str, int],
    said: list[str],
) -> None:
    plant_files(own)
    parameters(own, changes)
    checked, fetched = accepted()
    assert checked == fetched
    assert [any(line.startswith(each) for line in fetched) for each in said] == [True] * len(said)
    assert len(fetched) == len(said)
    assert total(own) == images


def lose_most_of_a_class(root: Path) -> None:
    draw(root / "pictures", n=20)
    for file in sorted((root / "pictures/bar").iterdir())[:11]:
        file.write_bytes(b"\0\0\0\x18ftypheic")


def draw_a_rare_class(root: Path) -> None:
    draw(root / "pictures", n=20)
    (root / "pictures/1").mkdir()
    picture(2, 0).save(root / "pictures/1/0.png")


def draw_few_pictures_many_times(root: Path) -> None:
    draw(root / "pictures", n=40)
    for name in RING_BAR:
        for i in range(5, 40):
            shutil.copy(root / f"pictures/{name}/p000.png", root / f"pictures/{name}/p{i:03}.png")


def draw_folders_inside_a_class(root: Path) -> None:
    draw(root / "pictures/ring", ("near", "far"), n=10)
    draw(root / "pictures", ("bar",), n=20)


def draw_parts_inside(root: Path) -> None:
    for part in ("train", "test"):
        draw(root / "pictures/dataset" / part, n=3)


@pytest.mark.parametrize(
    ("plant_files", "changes", "said"),
    [
        (lose_most_of_a_class, {}, "11 of 20 pictures of class 'bar' cannot be read (bar/p000"),
        (draw_a_rare_class, {}, "class '1' has too few images to split (1 image); allowed: at "),
        (
            draw_few_pictures_many_times,
            {"data.duplicates": "drop"},
            "train_gan.options.batch_size is 10; allowed: at most the 6 training images",
        ),
        (draw_folders_inside_a_class, {}, "ring has 2 folders (far/, near/) inside"),
        (draw_parts_inside, {}, "dataset/, with 2 folders (test/, train/) inside; "),
        (draw_parts_inside, {"data.nested": True}, "or data.path: {root}/pictures/dataset where "),
        (link_in_circles, {}, "bar is a link that leads out of"),
        (draw_a_rare_class, {"data.path": "pictures/1/0.png"}, "0.png is a file, not a folder; "),
        (draw_a_rare_class, {"data.path": "$HOME/birds"}, "expanded here; write ~/birds"),
        (draw_a_rare_class, {"data.path": "birds"}, "birds does not exist; allowed: a folder"),
        (lambda root: draw(root / "pictures"), {"data.groups": "g.csv"}, "g.csv: cannot be read"),
        (lambda root: draw(root / "pictures"), {"data.groups": "^q"}, "none of the 80 files is in"),
        (lambda root: draw(root / "pictures"), {"data.groups": "^(p)"}, "(40 images, in 1 group)"),
    ],
)
def test_check_and_fetch_refuse_for_the_same_reason(
    own: Path,
    refused,
    parameters,
    plant_files: Callable[[Path], object],
    changes: dict[str, Any],
    said: str,
) -> None:
    plant_files(own)
    parameters(own, changes)
    assert said.format(root=own) in refused()


# Parameters


def errors(checked: Any) -> list[str]:
    return [line for line in checked.out.splitlines() if line.startswith("error")]


def test_a_class_that_a_built_in_source_does_not_have(own: Path, augment, parameters) -> None:
    shutil.copy(ROOT / "params.yaml", own)
    parameters(own, {"data.source": "fashion-mnist", "mix.synthetic": [0, {"Trousers": 600}]})
    (found,) = errors(augment(own, "check"))
    assert "mix.synthetic[1] names the class 'Trousers'; did you mean 'Trouser'? allowed: " in found


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


# Groups


def test_pictures_of_one_group_are_never_in_two_parts(
    own: Path, accepted, augment, parameters
) -> None:
    """Ten pictures of each class are of a patient."""
    draw(own / "pictures", n=40)
    parameters(own, {"data.groups": "^(p[0-9]{2})"})
    assert accepted()[1] == ["4 groups by data.groups"]
    assert "4 groups by data.groups" in augment(own, "check").out
    where: dict[str, set[str]] = {}
    for line in (own / "data/real/files.csv").read_text().splitlines()[1:]:
        part, _, file, *_ = line.split(",")
        where.setdefault(Path(file).name[:3], set()).add(part)
    assert [len(parts) for parts in where.values()] == [1] * 4
    assert set().union(*where.values()) == {"train", "validation", "test"}


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
