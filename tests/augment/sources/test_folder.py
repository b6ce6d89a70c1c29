from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.images.image_sets import open_image_set
from augment.sources.decoding import FORMATS_TEXT
from augment.sources.errors import SourceError
from augment.sources.fetched import FetchedData, SourceFile
from augment.sources.fetching import fetch_source
from augment.sources.folder import size_notes
from augment.sources.folder_layout import part_of, scan_folder


def picture(path: Path, value: int = 100, side: int = 28) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), value).save(path)


def tree(tmp_path: Path, places: str) -> Path:
    """A folder with a picture in each of some places."""
    for value, place in enumerate(places.split()):
        picture(tmp_path / "root" / place / "x.png", 10 * value)
    return tmp_path / "root"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of three pictures; the gray value says which picture it is."""
    root = tmp_path / "pets"
    for label, name in enumerate(("cat", "dog")):
        for index in range(3):
            picture(root / name / f"{index}.png", 10 * label + index)
    return root


def fetch(root: Path, size: int = 28, channels: int = 1, **options: bool) -> FetchedData:
    return fetch_source(
        "folder",
        path=root,
        data_dir=None,
        image_size=size,
        channels=channels,
        workdir=root.parent / "work",
        **options,
    )


def refused(root: Path, **options: bool) -> str:
    with pytest.raises(SourceError) as caught:
        fetch(root, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    work = root.parent / "work"
    assert not work.exists() or list(work.iterdir()) == []
    return message


def left_out(data: FetchedData) -> dict[str, str]:
    return {file.path: file.reason for file in data.left_out}


def values(data: FetchedData) -> list[int]:
    return [int(image[0, 0, 0]) for image in data.sets["train"].images]


def test_reads_classes_and_files_in_sorted_order(pets: Path) -> None:
    data = fetch(pets)
    assert data.sets["train"].class_names == ("cat", "dog")
    assert values(data) == [0, 1, 2, 10, 11, 12]
    assert data.sets["train"].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert list(data.sets) == ["train"]
    assert (data.notes, data.left_out) == ([], [])
    assert data.sets["train"].meta["source"] == "folder"
    assert str(pets.parent) not in (pets.parent / "work/train/meta.json").read_text()


@pytest.mark.parametrize(("size", "channels"), [(28, 3), (32, 1), (64, 3), (128, 1)])
def test_every_size_and_channel_count(pets: Path, size: int, channels: int) -> None:
    assert fetch(pets, size, channels).sets["train"].images.shape == (6, size, size, channels)


def test_every_image_has_its_file(pets: Path) -> None:
    files = fetch(pets).files["train"]
    assert [file.path for file in files] == [f"{c}/{i}.png" for c in ("cat", "dog") for i in "012"]
    for file in files:
        content = (pets / file.path).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        assert file == SourceFile(file.path, file.path[4:], len(content), sha256)


def test_order_holds_over_many_files(tmp_path: Path) -> None:
    root = tmp_path / "many"
    for index in range(300):
        picture(root / "a" / f"{index:03}.bmp", index % 251)
    picture(root / "b" / "x.bmp", 255)
    assert values(fetch(root)) == [index % 251 for index in range(300)] + [255]


def test_the_same_folder_gives_the_same_bytes(pets: Path) -> None:
    (pets / "cat" / "bad.png").write_bytes(b"bad")

    def content() -> list[bytes]:
        fetch(pets)
        return [path.read_bytes() for path in sorted((pets.parent / "work/train").iterdir())]

    assert content() == content()


def test_train_and_test_above_the_classes(pets: Path, tmp_path: Path) -> None:
    root = tmp_path / "split"
    root.mkdir()
    pets.rename(root / "train")
    for value, name in enumerate(("cat", "dog")):
        picture(root / "test" / name / "x.png", 50 + value)
    picture(root / "extra" / "x.png")
    picture(root / "loose.png")
    picture(root / "test" / "loose.png")
    data = fetch(root)
    assert len(data.sets["train"]) == 6
    assert [int(image[0, 0, 0]) for image in data.sets["test"].images] == [50, 51]
    assert [(file.path, file.below) for file in data.files["test"]] == [
        ("test/cat/x.png", "x.png"),
        ("test/dog/x.png", "x.png"),
    ]
    assert sorted(data.notes) == [
        "not used (beside the class folders): test/loose.png",
        "not used (beside train/, test/): extra, loose.png",
    ]
    assert left_out(data) == {
        "extra": "beside train/, test/",
        "loose.png": "beside train/, test/",
        "test/loose.png": "beside the class folders",
    }


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("train", "val", "test"), ("Training", "Valid", "TESTING"), ("TRAIN", "validation", "")],
)
def test_parts_by_any_of_their_names(
    tmp_path: Path, train: str, validation: str, test: str
) -> None:
    folders = [train, validation, *[test] * bool(test)]
    data = fetch(tree(tmp_path, " ".join(f"{part}/a {part}/b" for part in folders)))
    assert data.notes == []
    parts = ("train", "validation", "test")[: len(folders)]
    assert [*data.sets] == [*parts]
    for place, part in enumerate(parts):
        assert [int(each[0, 0, 0]) for each in data.sets[part].images] == [
            20 * place,
            20 * place + 10,
        ]
    assert part_of("tests") is None


def test_train_alone_is_the_folder_of_the_classes(tmp_path: Path) -> None:
    data = fetch(tree(tmp_path, "Train/cat Train/dog"))
    assert data.sets["train"].class_names == ("cat", "dog")
    assert data.files["train"][0].path == "Train/cat/x.png"


def test_pictures_for_test_without_classes_are_left_out(tmp_path: Path) -> None:
    data = fetch(tree(tmp_path, "train/cat train/dog test"))
    assert list(data.sets) == ["train"]
    assert left_out(data)["test"] == "no pictures in class folders"
    assert "not used (no pictures in class folders): test" in data.notes


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("places", "said"),
    [
        ("train/a train/b dev/a dev/b", "beside train/ no part is known, and dev/ may be meant"),
        ("train/a Train_set/a", "beside train/ no part is known, and Train_set/ may be meant"),
        ("train/a training/a dev/a", "beside train/, training/ no part is known, and dev/ may"),
        ("train/a train/b dev/b dev/c", "(seen: dev/, train/, with b/ inside)"),
        ("test/a test/b val/a val/b", "train/ is missing (seen: test/, val/, with a/, b/ inside)"),
        ("Train_set/a test/a", "train/ is missing (seen: Train_set/, test/, with a/ inside)"),
        ("TEST/a TEST/b", "train/ is missing (seen: TEST/, with a/, b/ inside)"),
        ("train test/a val/a", "no class folders are in train/ (seen: test/, train/, val/, with"),
    ],
)
def test_parts_that_cannot_be_used_are_no_classes(
    tmp_path: Path, places: str, said: str, nested: bool
) -> None:
    message = refused(tree(tmp_path, places), nested=nested)
    assert said in message
    assert (
        "allowed: parts called train or training, val or valid or validation, test or testing, of "
        "which train is needed; or classes whose inner folders have other names"
    ) in message
    assert "data.nested" not in message


NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("places", "said"),
    [
        (
            "train/a train/b val/a val/b valid/a valid/b",
            "has 2 folders (val/, valid/), which all stand for validation",
        ),
        ("train/a train/b train/c test/a test/b test/d", "(only in train: c; only in test: d)"),
        (f"test/{NFC} val/{NFD}", "train/ is missing (seen: test/, val/, with café/"),
        # One folder too deep.
        *(
            (f"set/{' set/'.join(inner.split())}", "root has one folder only, set/, with ")
            for inner in ("train/a test/a", "train/a train/b", "cat dog", "a/cat a/dog")
        ),
        (
            "cat/train cat/test dog/train dog/test",
            "has 2 folders (test/, train/) inside; allowed: parts above the classes, such as",
        ),
    ],
)
def test_what_cannot_be_told_is_refused_whatever_is_searched(
    tmp_path: Path, places: str, said: str, nested: bool
) -> None:
    root = tree(tmp_path, places)
    (root / "README.txt").write_text("read me")
    message = refused(root, nested=nested)
    assert said in message
    if "one folder only" in said:
        assert f"or data.path: {root}/set where the classes or parts are" in message
    assert "data.nested" not in message


@pytest.mark.parametrize(
    ("places", "classes"),
    [
        ("train test val", ("test", "train", "val")),
        ("train test", ("test", "train")),
        ("train/x bus/y", ("bus", "train")),
        ("train/x bus", ("bus", "train")),
        ("test/x car/y car/z", ("car", "test")),
        ("cat/2019 cat/2020 dog/2019 dog/2020", ("cat", "dog")),
    ],
)
def test_classes_that_are_called_like_parts(
    tmp_path: Path, places: str, classes: tuple[str, ...]
) -> None:
    data = fetch(tree(tmp_path, places), nested=True)
    assert data.sets["train"].class_names == classes
    assert [*data.sets] == ["train"]
    assert data.notes == []


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ("set/train/a set/test/a docs", "or data.path: {root}/set where all classes"),
        ("train/a train/b docs", "allowed: pictures only, or data.path: {root}/train where the"),
    ],
)
def test_advice_on_a_folder_inside_a_class_fits(tmp_path: Path, places: str, said: str) -> None:
    root = tree(tmp_path, places)
    message = refused(root)
    assert said.format(root=root) in message
    assert "data.nested" not in message


def test_circles_of_links_do_not_hold_up_the_look_for_parts(tmp_path: Path) -> None:
    for one, other in (("test", "val"), ("val", "test")):
        picture(tmp_path / "root" / one / "x.png")
        (tmp_path / "root" / one / "to").symlink_to(tmp_path / "root" / other)
    assert "train/ is missing" in refused(tmp_path / "root", nested=True)


def test_hidden_files_and_what_systems_leave_are_no_classes(pets: Path) -> None:
    (pets / ".git").mkdir()
    (pets / "cat" / ".DS_Store").write_bytes(b"x")
    (pets / "__MACOSX" / "cat").mkdir(parents=True)
    (pets / "__MACOSX" / "cat" / "._0.png").write_bytes(b"x")
    (pets / "dog" / "Thumbs.db").write_bytes(b"x")
    data = fetch(pets)
    assert data.sets["train"].class_names == ("cat", "dog")
    assert data.notes == [
        "not used (left by a system or a program): __MACOSX, dog/Thumbs.db",
    ]
    assert {name for name, reason in left_out(data).items() if reason == "hidden"} == {
        ".git",
        "cat/.DS_Store",
    }
    assert left_out(data).keys() == {".git", "cat/.DS_Store", "__MACOSX", "dog/Thumbs.db"}


def test_unreadable_files_are_named_and_counted(pets: Path) -> None:
    (pets / "cat" / "1b.png").write_bytes(b"not a picture")
    (pets / "cat" / "1c.png").write_bytes((pets / "cat" / "1.png").read_bytes()[:50])
    (pets / "dog" / "notes.txt").write_text("woof")
    (pets / "dog" / "new\nline.png").write_bytes(b"")
    data = fetch(pets)
    assert values(data) == [0, 1, 2, 10, 11, 12]
    wrong = f"not a {FORMATS_TEXT} picture"
    assert {name: reason for name, reason in left_out(data).items() if name != "cat/1c.png"} == {
        "cat/1b.png": wrong,
        "dog/new\nline.png": wrong,
        "dog/notes.txt": wrong,
    }
    assert [(f.below, f.size, f.sha256) for f in data.left_out] == [
        ("1b.png", 13, ""),
        ("1c.png", 50, ""),
        ("new\nline.png", 0, ""),
        ("notes.txt", 4, ""),
    ]
    cats, dogs, others = data.notes
    assert cats.startswith(
        "class 'cat': 2 of 5 pictures in pets/ could not be read and are left out: "
        f"cat/1b.png ({wrong}), cat/1c.png ("
    )
    assert dogs == (
        "class 'dog': 1 of 4 pictures in pets/ could not be read and are left out: "
        f"dog/new\\nline.png ({wrong})"
    )
    assert others == f"1 files in pets/ are no pictures and are left out: dog/notes.txt ({wrong})"


def test_files_beside_the_pictures_are_no_losses_and_a_long_list_is_shortened(pets: Path) -> None:
    beside = [f"cat/{i}.{end}" for i in range(3) for end in ("XML", "fits", "h5", "json", "mpg")]
    for name in beside:
        (pets / name).write_text("{}")
    data = fetch(pets)
    assert len(data.sets["train"]) == 6
    (note,) = data.notes
    assert note.startswith("15 files in pets/ are no pictures and are left out: cat/0.XML (")
    assert "cat/0.mpg" in note
    assert "cat/1.XML" not in note
    assert note.endswith("10 more")
    assert left_out(data).keys() == set(beside)


@pytest.mark.parametrize("suffix", ["png", "JPG", "heic", "svg", "NEF", "tga"])
def test_a_class_that_loses_most_is_refused(pets: Path, suffix: str) -> None:
    for index in range(3):
        (pets / "cat" / f"{index}.{suffix}x").write_bytes(b"x")
        (pets / "cat" / f"b{index}.{suffix}").write_bytes(b"x")
    assert len(fetch(pets).sets["train"]) == 6
    (pets / "cat" / f"b3.{suffix}").write_bytes(b"x")
    with pytest.raises(SourceError, match="4 of 7 pictures of class 'cat' cannot be read") as said:
        fetch(pets)
    assert "allowed: at most half of a class" in str(said.value)
    # The set of the earlier, successful fetch stays whole.
    assert len(open_image_set(pets.parent / "work/train")) == 6


def test_losses_are_counted_by_class_and_by_part(tmp_path: Path) -> None:
    root = tree(tmp_path, "train/cat train/dog test/cat test/dog")
    for name in ("bad.png", "worse.png"):
        (root / "test" / "dog" / name).write_bytes(b"x")
    # Two of six are lost, and of the test set's dogs two of three.
    assert "root/test: 2 of 3 pictures of class 'dog' cannot be read (test/dog/" in refused_after(
        root, ["train"]
    )


def refused_after(root: Path, written: list[str]) -> str:
    """Return why a folder is refused, of which some parts were written before."""
    with pytest.raises(SourceError) as caught:
        fetch(root)
    assert sorted(path.name for path in (root.parent / "work").iterdir()) == written
    return str(caught.value)


def test_a_class_without_a_readable_picture_is_named(pets: Path) -> None:
    (pets / "cow").mkdir()
    (pets / "cow" / "moo.png").write_bytes(b"moo")
    assert "1 of 1 pictures of class 'cow' cannot be read (cow/moo.png" in refused(pets)
    (pets / "cow" / "moo.png").rename(pets / "cow" / "moo.txt")
    assert "class 'cow' has no picture (cow/moo.txt" in refused(pets)


def test_too_few_classes(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / "a").mkdir(parents=True)
    (tmp_path / "empty" / "b").mkdir()
    (tmp_path / "nothing").mkdir()
    picture(tmp_path / "one" / "0" / "x.png")
    for place, said in (
        ("one", "too few class folders (seen: pictures of one class only, '0'); allowed: at least"),
        ("one/0", "too few class folders (seen: 1 files and no folder)"),
        ("empty", "(seen: 2 folders (a/, b/) without pictures)"),
        ("nothing", "(seen: nothing that is used)"),
        ("nowhere", "nowhere does not exist"),
        ("pets/cat/0.png", "0.png is a file, not a folder"),
    ):
        assert said in refused(tmp_path / place)


def test_an_empty_folder_is_no_class_and_is_named(pets: Path) -> None:
    (pets / "cow").mkdir()
    (pets / "cow" / ".hidden").write_bytes(b"")
    (pets / "unsorted").mkdir()
    data = fetch(pets)
    assert data.sets["train"].class_names == ("cat", "dog")
    assert data.notes == ["not used (an empty folder): cow, unsorted"]
    assert left_out(data) == {
        "cow": "an empty folder",
        "cow/.hidden": "hidden",
        "unsorted": "an empty folder",
    }


def test_a_folder_inside_a_class_is_refused_or_searched(pets: Path) -> None:
    picture(pets / "cat" / "young" / "x.png", 77)
    picture(pets / "cat" / "young" / "wild" / "y.png", 78)
    assert (
        "pets/cat has 1 folder (young/) inside; allowed: pictures only, or with data.nested: true"
        in refused(pets)
    )
    data = fetch(pets, nested=True)
    assert values(data) == [0, 1, 2, 77, 78, 10, 11, 12]
    assert [file.below for file in data.files["train"]][3:5] == ["young/x.png", "young/wild/y.png"]
    assert data.left_out == []


def test_class_names_are_compared_composed(tmp_path: Path) -> None:
    root = tree(tmp_path, f"train/bar train/{NFC} test/bar test/{NFD}")
    data = fetch(root)
    assert data.sets["train"].class_names == data.sets["test"].class_names == ("bar", NFC)
    (root / "train" / NFD).mkdir()
    if len(list((root / "train").iterdir())) == 2:
        pytest.skip("this file system composes names")
    picture(root / "train" / NFD / "x.png")
    assert "two folders of the name 'café', written in two ways" in refused_after(
        root, ["test", "train"]
    )


def test_classes_that_look_alike_are_said(tmp_path: Path) -> None:
    for name in ("Cat", "cat", "sea-lion", "sea lion", "bar"):
        picture(tmp_path / "root" / name / "x.png")
    if len(list((tmp_path / "root").iterdir())) < 5:
        pytest.skip("this file system is blind to capitals")
    data = fetch(tmp_path / "root")
    assert data.sets["train"].class_names == ("Cat", "bar", "cat", "sea lion", "sea-lion")
    assert data.notes == [
        f"classes {one!r} and {other!r} look alike; if they are one class, put their pictures "
        "into one folder"
        for one, other in (("Cat", "cat"), ("sea lion", "sea-lion"))
    ]


def test_links_may_stay_inside_and_not_lead_out(pets: Path, tmp_path: Path) -> None:
    (pets / "cat" / "twin.png").symlink_to(pets / "dog" / "2.png")
    assert values(fetch(pets)) == [0, 1, 2, 12, 10, 11, 12]
    picture(tmp_path / "secret" / "x.png")
    (pets / "dog" / "out.png").symlink_to(tmp_path / "secret" / "x.png")
    with pytest.raises(SourceError, match=r"out\.png is a link that leads out"):
        fetch(pets)
    (pets / "dog" / "out.png").unlink()
    (pets / "owl").symlink_to(tmp_path / "secret")
    with pytest.raises(SourceError, match="owl is a link that leads out"):
        fetch(pets)
    (pets / "dog" / "out.png").symlink_to(tmp_path / "secret" / "x.png")
    (tmp_path / "link").symlink_to(pets)  # The folder itself may be one.
    data = fetch(tmp_path / "link", follow_links=True)
    assert data.sets["train"].class_names == ("cat", "dog", "owl")
    assert values(data) == [0, 1, 2, 12, 10, 11, 12, 100, 100]
    assert data.left_out == []


@pytest.mark.parametrize("follow_links", [False, True])
def test_circles_of_links_are_left_out(pets: Path, follow_links: bool) -> None:
    (pets / "cat" / "itself.png").symlink_to(pets / "cat" / "itself.png")
    (pets / "cat" / "up").symlink_to(pets)
    (pets / "cat" / "here").symlink_to(pets / "cat")
    # Two folders that lead into each other.
    (pets / "cat" / "a").mkdir()
    (pets / "cat" / "b").mkdir()
    (pets / "cat" / "a" / "to-b").symlink_to(pets / "cat" / "b")
    (pets / "cat" / "b" / "to-a").symlink_to(pets / "cat" / "a")
    picture(pets / "cat" / "a" / "x.png", 77)
    data = fetch(pets, nested=True, follow_links=follow_links)
    # By a and by b: a link within the folder shows its pictures twice, and never more.
    assert values(data) == [0, 1, 2, 77, 77, 10, 11, 12]
    assert left_out(data) == dict.fromkeys(
        ["cat/a/to-b/to-a", "cat/b/to-a/to-b", "cat/here", "cat/itself.png", "cat/up"],
        "a link that leads in a circle",
    )


def test_broken_links_and_pipes_are_named_and_do_not_block(pets: Path) -> None:
    (pets / "cat" / "gone.png").symlink_to(pets / "cat" / "nothing.png")
    os.mkfifo(pets / "cat" / "pipe.png")
    data = fetch(pets)
    reason = "a broken link or not a regular file"
    assert left_out(data) == {"cat/gone.png": reason, "cat/pipe.png": reason}
    assert [file.size for file in data.left_out] == [-1, -1]
    assert "class 'cat': 2 of 5 pictures" in data.notes[0]


def test_a_decompression_bomb_is_left_out_and_named(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(pets / "cat" / "bomb.png", side=40)
    # Pillow itself refuses only what is twice over its limit.
    for limit in (28 * 28, 1599, 799):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        data = fetch(pets)
        assert values(data) == [0, 1, 2, 10, 11, 12]
        (note,) = data.notes
        assert "class 'cat': 1 of 4 pictures in pets/ could not be read" in note
        assert "cat/bomb.png (" in note
        assert f"decompression bomb; allowed: {limit:,}" in note


def test_class_names_that_are_no_text_are_refused(pets: Path) -> None:
    undecodable = os.fsencode(pets) + b"/\xff"
    try:
        os.mkdir(undecodable)  # noqa: PTH102
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (pets / os.fsdecode(b"\xff") / "x.png").write_bytes((pets / "cat" / "0.png").read_bytes())
    assert "UTF-8" in refused(pets)
    (pets / os.fsdecode(b"\xff")).rename(pets / "two\nlines")
    assert "one line" in refused(pets)


def test_undecodable_file_names_are_read_like_others(pets: Path) -> None:
    try:
        (pets / "cat" / os.fsdecode(b"\xff.png")).write_bytes(b"bad")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    picture(pets / "cat" / os.fsdecode(b"\xfe.png"), 5)
    data = fetch(pets)
    assert left_out(data).keys() == {os.fsdecode(b"cat/\xff.png")}
    assert values(data) == [0, 1, 2, 5, 10, 11, 12]
    assert data.files["train"][3].path == os.fsdecode(b"cat/\xfe.png")
    assert "cat/\\udcff.png" in data.notes[0]


def test_what_the_square_and_the_size_do_is_said(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for index in range(3):
        picture(root / "a" / f"{index}.png", side=64)
        picture(root / "b" / f"{index}.png", side=64)
    assert fetch(root, 64).notes == []
    picture(root / "a" / "dot.png", side=1)
    picture(root / "a" / "small.png", side=63)
    Image.new("L", (640, 64)).save(root / "b" / "wide.png")
    Image.new("L", (64, 128)).save(root / "b" / "half.png")
    Image.new("L", (64, 129)).save(root / "b" / "tall.png")
    frames = [Image.new("L", (64, 64), value) for value in (0, 255)]
    frames[0].save(root / "b" / "film.gif", save_all=True, append_images=frames[1:])
    data = fetch(root, 64)
    assert data.notes == [
        "2 of 12 pictures are smaller than 64 pixels and enlarged, such as a/dot.png (1 x 1)",
        "2 of 12 pictures are more than twice as long one way as the other, and lose more than "
        "half by the crop to a square, such as b/wide.png (640 x 64)",
        "1 of 12 pictures are of several frames or pages, of which the first is taken, such as "
        "b/film.gif (64 x 64)",
    ]
    assert size_notes([], [], 64, 1, root) == []


def test_16_bit_pictures_of_few_shades_are_counted(pets: Path) -> None:
    ramp = np.linspace(0, 1, 28 * 28).reshape(28, 28)
    for name, lowest, highest in (
        ("scan", 0, 4095),  # of 12 bits
        ("tomogram", 0x8000 - 1024, 0x8000 + 3071),
        ("camera", 0, 0x3FFF),
        ("sun", 0, 0x5FFF),
        ("whole", 0, 0xFFFF),
    ):
        values = (lowest + ramp * (highest - lowest)).astype(np.uint16)
        Image.fromarray(values).save(pets / "dog" / f"{name}.png")
    assert fetch(pets).notes == [
        "3 of 11 pictures have 16 bits a value, use at most a quarter of that range and get as few "
        "of the 256 shades of 8 bits, such as dog/tomogram.png (124 to 139); scale them before to "
        "keep more"
    ]


def test_the_scan_opens_no_file(pets: Path) -> None:
    (pets / "cat" / "0.png").chmod(0)
    os.mkfifo(pets / "cat" / "pipe.png")
    layout = scan_folder(pets)
    assert layout.class_names == ("cat", "dog")
    assert [path.name for path, label in layout.parts["train"].files if label == 0] == [
        "0.png",
        "1.png",
        "2.png",
        "pipe.png",
    ]


def test_class_names_are_kept(tmp_path: Path) -> None:
    names = ("<script>", "Käse&Brot", "猫")
    assert fetch(tree(tmp_path, " ".join(names))).sets["train"].class_names == names


def test_a_large_folder_is_not_held_in_memory(tmp_path: Path) -> None:
    """Peak memory of Python's allocations stays far below the set's own size."""
    import tracemalloc

    root = tmp_path / "root"
    for name in ("a", "b"):
        picture(root / name / "000.bmp", side=8)
        for index in range(1, 160):
            os.link(root / name / "000.bmp", root / name / f"{index:03}.bmp")
    tracemalloc.start()
    try:
        data = fetch(root, 128, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert data.sets["train"].images.nbytes > 15_000_000
    assert peak < 8_000_000


@pytest.mark.full_data
def test_the_faces(tmp_path: Path) -> None:
    data_dir = os.environ.get("AUGMENT_DATA_DIR")
    if not data_dir or not (Path(data_dir) / "faces").is_dir():
        pytest.skip("AUGMENT_DATA_DIR has no folder faces")
    root = Path(data_dir) / "faces"
    data = fetch_source(
        "folder", path=root, data_dir=None, image_size=64, channels=3, workdir=tmp_path
    )
    assert data.sets["train"].counts().tolist() == [830] * 4
    assert data.notes == []
    first = np.asarray(Image.open(sorted((root / "long_glasses").iterdir())[0]).convert("RGB"))
    np.testing.assert_array_equal(data.sets["train"].images[0], first)
