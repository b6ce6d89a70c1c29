from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.image_sets import open_image_set
from augment.sources import FetchedData, SourceError, fetch_source


def picture(path: Path, value: int = 100, side: int = 28) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), value).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of three pictures; the gray value says which picture it is."""
    root = tmp_path / "pets"
    for label, name in enumerate(("cat", "dog")):
        for index in range(3):
            picture(root / name / f"{index}.png", 10 * label + index)
    return root


def fetch(root: Path, size: int = 28, channels: int = 1) -> FetchedData:
    return fetch_source(
        "folder",
        path=root,
        data_dir=None,
        image_size=size,
        channels=channels,
        workdir=root.parent / "work",
    )


def refused(root: Path) -> str:
    with pytest.raises(SourceError) as caught:
        fetch(root)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    work = root.parent / "work"
    assert not work.exists() or list(work.iterdir()) == []
    return message


def values(data: FetchedData) -> list[int]:
    return [int(image[0, 0, 0]) for image in data.train.images]


def test_reads_classes_and_files_in_sorted_order(pets: Path) -> None:
    data = fetch(pets)
    assert data.train.class_names == ("cat", "dog")
    assert values(data) == [0, 1, 2, 10, 11, 12]
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test is None
    assert data.notes == []
    assert data.train.meta["source"] == "folder"
    assert data.train.meta["made_by"]["unreadable"] == {"n": 0, "files": []}
    assert str(pets.parent) not in (pets.parent / "work/train/meta.json").read_text()


@pytest.mark.parametrize("size", [28, 32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_and_channel_count(pets: Path, size: int, channels: int) -> None:
    assert fetch(pets, size, channels).train.images.shape == (6, size, size, channels)


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
    assert len(data.train) == 6
    assert data.test is not None
    assert [int(image[0, 0, 0]) for image in data.test.images] == [50, 51]
    assert sorted(data.notes) == [
        "not used, because beside the class folders of test/: loose.png",
        "not used, because beside the class folders: loose.png",
        "not used, because train/ and test/ are: extra",
    ]


def test_classes_may_be_called_train_and_test(tmp_path: Path) -> None:
    picture(tmp_path / "root" / "train" / "x.png")
    picture(tmp_path / "root" / "test" / "x.png")
    data = fetch(tmp_path / "root")
    assert data.train.class_names == ("test", "train")
    assert data.test is None


def test_hidden_files_and_folders_are_ignored(pets: Path) -> None:
    (pets / ".git").mkdir()
    (pets / ".DS_Store").write_bytes(b"x")
    (pets / "cat" / ".DS_Store").write_bytes(b"x")
    data = fetch(pets)
    assert len(data.train) == 6
    assert data.notes == []


def test_unreadable_files_are_named_and_counted(pets: Path) -> None:
    (pets / "cat" / "1b.png").write_bytes(b"not a picture")
    (pets / "dog" / "notes.txt").write_text("woof")
    (pets / "dog" / "new\nline.png").write_bytes(b"")
    data = fetch(pets)
    assert values(data) == [0, 1, 2, 10, 11, 12]
    assert data.train.meta["made_by"]["unreadable"] == {
        "n": 3,
        "files": ["cat/1b.png", "dog/new\\nline.png", "dog/notes.txt"],
    }
    (note,) = data.notes
    assert "3 of 9 files could not be read" in note
    assert "cat/1b.png (not a PNG, JPEG, WebP or BMP picture)" in note
    assert len(note.splitlines()) == 1


def test_a_long_list_of_unreadable_files_is_shortened_in_the_note_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for index in range(9):
        picture(root / "a" / f"{index}.png")
        (root / "a" / f"{index}.bad").write_bytes(b"x")
    picture(root / "b" / "x.png")
    data = fetch(root)
    assert "a/4.bad" in data.notes[0]
    assert "a/5.bad" not in data.notes[0]
    assert "4 more" in data.notes[0]
    assert len(data.train.meta["made_by"]["unreadable"]["files"]) == 9


def test_half_unreadable_is_the_limit(pets: Path) -> None:
    for index in range(6):
        (pets / "cat" / f"{index}.bad").write_bytes(b"x")
    assert len(fetch(pets).train) == 6
    (pets / "dog" / "one-more.bad").write_bytes(b"x")
    with pytest.raises(SourceError, match="7 of 13 files are not readable"):
        fetch(pets)
    # The set of the earlier, successful fetch stays whole.
    assert len(open_image_set(pets.parent / "work/train", verify=True)) == 6


def test_a_class_without_a_readable_picture_is_named(pets: Path) -> None:
    (pets / "cow").mkdir()
    (pets / "cow" / "moo.png").write_bytes(b"moo")
    assert "class 'cow' has no readable picture (cow/moo.png" in refused(pets)


def test_too_few_classes(pets: Path, tmp_path: Path) -> None:
    assert "too few class folders (only '0')" in refused(make(tmp_path / "one" / "0" / "x.png", 3))
    picture(tmp_path / "flat" / "x.png")
    assert "too few class folders (none)" in refused(tmp_path / "flat")
    assert "there is no folder" in refused(tmp_path / "nowhere")
    assert "there is no folder" in refused(pets / "cat" / "0.png")


def make(path: Path, levels_up: int) -> Path:
    picture(path)
    return path.parents[levels_up - 2]


def test_an_empty_class_is_named(pets: Path) -> None:
    (pets / "cow").mkdir()
    (pets / "cow" / ".hidden").write_bytes(b"")
    assert "cow is empty" in refused(pets)


def test_a_folder_inside_a_class_is_refused(pets: Path) -> None:
    picture(pets / "cat" / "young" / "x.png")
    assert "has a folder inside ('young')" in refused(pets)


def test_different_classes_in_train_and_test(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for place in ("train/a", "train/b", "train/c", "test/a", "test/b", "test/d"):
        picture(root / place / "x.png")
    assert "(only in train: c; only in test: d)" in refused(root)


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


def test_the_folder_itself_may_be_a_link(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(pets)
    assert len(fetch(tmp_path / "link").train) == 6


def test_link_loops_and_broken_links(pets: Path) -> None:
    (pets / "cat" / "gone.png").symlink_to(pets / "cat" / "nothing.png")
    data = fetch(pets)
    assert data.train.meta["made_by"]["unreadable"]["files"] == ["cat/gone.png"]
    (pets / "cat" / "loop.png").symlink_to(pets / "cat" / "loop.png")
    with pytest.raises(SourceError, match=r"loop\.png is a link that leads in a circle"):
        fetch(pets)


def test_a_pipe_does_not_block(pets: Path) -> None:
    os.mkfifo(pets / "cat" / "pipe.png")
    assert fetch(pets).train.meta["made_by"]["unreadable"]["files"] == ["cat/pipe.png"]


def test_a_decompression_bomb_is_one_line(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (28 * 28, 500):  # Pillow itself refuses only what is twice over its limit
        picture(pets / "cat" / "bomb.png", side=29)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        if limit == 500:
            picture(pets / "cat" / "bomb.png", side=64)
        assert "decompression bomb" in refused(pets)


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
    data = fetch(pets)
    assert data.train.meta["made_by"]["unreadable"]["files"] == ["cat/\\udcff.png"]


def test_class_names_are_kept(tmp_path: Path) -> None:
    names = ("<script>", "Käse & Brot", "猫")
    for name in names:
        picture(tmp_path / "root" / name / "x.png")
    assert fetch(tmp_path / "root").train.class_names == names


@pytest.mark.parametrize(
    ("source", "size", "channels", "message"),
    [
        ("imagenet", 28, 1, "allowed: mnist5k, mnist, fashion-mnist, folder"),
        ("mnist5k", 30, 1, "allowed: 28, 32, 64 or 128"),
        ("mnist5k", 28, 4, "allowed: 1 or 3"),
        ("folder", 28, 1, "needs data.path"),
    ],
)
def test_arguments_are_checked(
    tmp_path: Path, source: str, size: int, channels: int, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        fetch_source(
            source, path=None, data_dir=None, image_size=size, channels=channels, workdir=tmp_path
        )


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
    assert data.train.images.nbytes > 15_000_000
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
    assert data.train.counts().tolist() == [830] * 4
    assert data.notes == []
    first = np.asarray(Image.open(sorted((root / "long_glasses").iterdir())[0]).convert("RGB"))
    np.testing.assert_array_equal(data.train.images[0], first)
