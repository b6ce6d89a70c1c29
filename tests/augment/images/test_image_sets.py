from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.errors import AugmentError
from augment.images.image_set_writer import ImageSetWriter, write_image_set
from augment.images.image_sets import (
    ImageSet,
    ImageSetError,
    check_class_names,
    image_digest,
    one_line,
    open_image_set,
)

NAMES = ["cat", "dog", "<b>cow</b>"]


def arrays(n: int = 7, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    images = rng.integers(0, 256, (n, 5, 4, channels), dtype=np.uint8)
    return images, np.arange(n, dtype=np.int64) % 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_image_set(tmp_path / "set", *arrays(), NAMES, source="test", made_by={"why": "test"})
    return tmp_path / "set"


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(folder: Path) -> str:
    """The one line with which opening ``folder`` is refused."""
    with pytest.raises(ImageSetError) as caught:
        open_image_set(folder)
    message = str(caught.value)
    assert isinstance(caught.value, AugmentError)
    assert "\n" not in message
    assert str(folder) in message
    return message


@pytest.mark.parametrize("channels", [1, 3])
def test_what_was_written_is_opened(tmp_path: Path, channels: int) -> None:
    images, labels = arrays(channels=channels)
    write_image_set(tmp_path / "a" / "set", images, labels, NAMES, source="s", made_by={"k": [1]})
    opened = open_image_set(tmp_path / "a" / "set")
    np.testing.assert_array_equal(opened.images, images)
    np.testing.assert_array_equal(opened.labels, labels)
    assert isinstance(opened.images, np.memmap)
    assert not opened.images.flags.writeable
    assert not opened.labels.flags.writeable
    assert opened.class_names == tuple(NAMES)
    assert len(opened) == 7
    assert opened.n_classes == 3
    assert opened.counts().tolist() == [3, 2, 2]
    assert opened.counts().dtype == np.int64
    assert opened.meta["made_by"] == {"k": [1]}
    assert opened.digest == image_digest(images, labels)
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"set"}


def test_the_same_content_gives_the_same_bytes_whatever_the_chunks(tmp_path: Path) -> None:
    images, labels = arrays()
    write_image_set(tmp_path / "whole", images, labels, NAMES, source="test")
    with ImageSetWriter(tmp_path / "one", (7, 5, 4, 1), NAMES, "test") as writer:
        for image, label in zip(images, labels, strict=True):
            writer.append(image, int(label))
    with ImageSetWriter(tmp_path / "more", (99, 5, 4, 1), NAMES, "test", exact=False) as writer:
        writer.append(images[:3], labels[:3].tolist())
        writer.append(images[3:3], [])
        writer.append(images[3:], labels[3:].astype(np.uint8))
    assert all_bytes(tmp_path / "whole") == all_bytes(tmp_path / "one")
    assert all_bytes(tmp_path / "whole") == all_bytes(tmp_path / "more")
    np.testing.assert_array_equal(np.load(tmp_path / "more" / "images.npy"), images)


def test_a_set_without_an_image_is_a_set_where_that_is_allowed(tmp_path: Path) -> None:
    for n in (0, 7):
        with ImageSetWriter(tmp_path / "set", (n, 5, 4, 1), NAMES, "test", exact=False):
            pass
        empty = open_image_set(tmp_path / "set")
        assert empty.digest == image_digest(empty.images, empty.labels)
        assert empty.images.shape == (0, 5, 4, 1)
        assert empty.images.dtype == np.uint8
        assert empty.counts().tolist() == [0] * len(NAMES)
        assert len(empty.subset([])) == 0
    with pytest.raises(ImageSetError, match="the number of images is 0; allowed: 1 or more"):
        ImageSetWriter(tmp_path / "set", (0, 5, 4, 1), NAMES, "test")
    with pytest.raises(ImageSetError, match="is -1; allowed: 0 or more"):
        ImageSetWriter(tmp_path / "set", (-1, 5, 4, 1), NAMES, "test", exact=False)
    with (
        pytest.raises(ImageSetError, match="0 of 7 images were written"),
        ImageSetWriter(tmp_path / "set", (7, 5, 4, 1), NAMES, "test"),
    ):
        pass


def test_digest_depends_on_pixels_labels_and_shape() -> None:
    images, labels = arrays()
    digests = {
        image_digest(images, labels),
        image_digest(images ^ np.uint8(1), labels),
        image_digest(images, labels[::-1]),
        image_digest(images.reshape(7, 4, 5, 1), labels),
    }
    assert len(digests) == 4


def test_subset_keeps_order_and_gets_its_own_digest(folder: Path) -> None:
    whole = open_image_set(folder)
    part = whole.subset([5, 0, 5])
    np.testing.assert_array_equal(part.images, whole.images[[5, 0, 5]])
    assert part.labels.tolist() == [2, 0, 2]
    assert part.class_names == whole.class_names
    assert not isinstance(part.images, np.memmap)
    assert part.digest == image_digest(part.images, part.labels) != whole.digest
    assert len(whole.subset([])) == 0


@pytest.mark.parametrize("indices", [[7], [-1], [0.5], [[0]], [True]])
def test_subset_refuses_what_is_no_index(folder: Path, indices: Any) -> None:
    with pytest.raises(ImageSetError, match="allowed"):
        open_image_set(folder).subset(indices)


def test_a_failed_write_leaves_nothing_and_keeps_the_old_set(folder: Path) -> None:
    before = all_bytes(folder)
    images, labels = arrays(20)

    def fail_midway() -> None:
        with ImageSetWriter(folder, (20, 5, 4, 1), NAMES, "test") as writer:
            writer.append(images[:5], labels[:5])
            raise KeyError("something else went wrong")

    with pytest.raises(KeyError, match="something else"):
        fail_midway()
    with (
        pytest.raises(ImageSetError, match="5 of 20 images were written"),
        ImageSetWriter(folder, (20, 5, 4, 1), NAMES, "test") as writer,
    ):
        writer.append(images[:5], labels[:5])
    assert all_bytes(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["set"]


def test_unwritable_meta_leaves_nothing(tmp_path: Path) -> None:
    for value in (object(), float("nan"), "\udcff"):
        with pytest.raises(ImageSetError, match="made_by"):
            write_image_set(
                tmp_path / "set", *arrays(), NAMES, source="test", made_by={"bad": value}
            )
    assert list(tmp_path.iterdir()) == []


def test_never_replaces_anything_but_an_image_set(folder: Path, tmp_path: Path) -> None:
    write_image_set(folder, *arrays(3), NAMES, source="test")
    assert len(open_image_set(folder)) == 3
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    write_image_set(pictures, *arrays(3), NAMES, source="test")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_bytes(b"dear")
    for place in (photos, photos / "holiday.jpg"):
        with pytest.raises(ImageSetError, match="not an image set"):
            write_image_set(place, *arrays(3), NAMES, source="test")
    assert (photos / "holiday.jpg").read_bytes() == b"dear"


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 5, 4, 1), np.float32), [0, 1], "dtype float32; allowed: uint8"),
        (np.zeros((2, 5, 5, 1), np.uint8), [0, 1], "allowed: N x 5 x 4 x 1"),
        (np.zeros((2, 5, 4, 3), np.uint8), [0, 1], "allowed: N x 5 x 4 x 1"),
        (np.zeros((2, 5, 4, 1), np.uint8), [0, 3], "label 2 is 3; allowed: 0 to 2"),
        (np.zeros((2, 5, 4, 1), np.uint8), [-1, 0], "label 1 is -1; allowed: 0 to 2"),
        (np.zeros((2, 5, 4, 1), np.uint8), [0], "2 images and 1 labels"),
        (np.zeros((2, 5, 4, 1), np.uint8), [0.0, 1.0], "dtype float64; allowed: integers"),
        (np.zeros((3, 5, 4, 1), np.uint8), [0, 1, 2], "at most 3"),
    ],
)
def test_writer_refuses(tmp_path: Path, images: np.ndarray, labels: Any, message: str) -> None:
    def write() -> None:
        with ImageSetWriter(tmp_path / "set", (3, 5, 4, 1), NAMES, "test") as writer:
            writer.append(np.zeros((5, 4, 1), np.uint8), 0)
            writer.append(images, labels)

    with pytest.raises(ImageSetError, match=message) as caught:
        write()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("n", "channels", "names", "message"),
    [
        (0, 1, NAMES, "number of images is 0"),
        (1, 2, NAMES, "1 or 3 channels"),
        (1, 1, [], "no class names"),
        (1, 1, ["a", "a"], "twice"),
        (1, 1, ["a", " "], "non-empty"),
        (1, 1, ["a\nb"], "one line"),
        (1, 1, ["\udcff"], "UTF-8"),
        (1, 1, "abc", "a list of texts"),
    ],
)
def test_writer_refuses_its_arguments(
    tmp_path: Path, n: int, channels: int, names: Any, message: str
) -> None:
    with pytest.raises(ImageSetError, match=message) as caught:
        ImageSetWriter(tmp_path / "set", (n, 5, 4, channels), names, "test")
    assert "\n" not in str(caught.value)


def test_class_names_of_every_language_are_allowed() -> None:
    names = ("Käse & <Brot>", "猫　犬", "👩‍🚀", "T-shirt/top")
    assert check_class_names(names) == names


def test_write_refuses_mismatched_arrays(tmp_path: Path) -> None:
    images, labels = arrays()
    cases = ((images[0], labels), (images, labels[:-1]), (images, labels[:, None]))
    for wrong_images, wrong_labels in cases:
        with pytest.raises(ImageSetError, match="have shape"):
            write_image_set(tmp_path / "set", wrong_images, wrong_labels, NAMES, source="test")


def test_a_set_in_memory_is_checked() -> None:
    images, labels = arrays()
    assert ImageSet(images, labels, ("a", "b", "c")).counts().tolist() == [3, 2, 2]
    for wrong_images, wrong_labels in (
        (images.astype(np.int16), labels),
        (images[..., 0], labels),
        (images, labels.astype(np.int32)),
        (images, labels[:-1]),
        (images, labels + 1),
    ):
        with pytest.raises(ImageSetError, match="allowed"):
            ImageSet(wrong_images, wrong_labels, ("a", "b", "c"))


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "meta.json"])
def test_missing_or_damaged_file(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for damaged in (b"", content[:-1], content[: len(content) // 2], b"\x80\x04N.", b"PK\x03\x04"):
        (folder / name).write_bytes(damaged)
        if damaged != content[:-1] or name != "meta.json":  # meta.json ends in a line break
            assert name in refused(folder)
    (folder / name).unlink()
    assert f"{name} is missing" in refused(folder)
    (folder / name).mkdir()
    assert name in refused(folder)


def test_missing_folder(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "nowhere")


def test_trailing_bytes_are_noticed(folder: Path) -> None:
    with (folder / "images.npy").open("ab") as file:
        file.write(b"x")
    assert "header says" in refused(folder)


def test_pickled_arrays_are_never_loaded(folder: Path) -> None:
    np.save(folder / "labels.npy", np.array([print, 1], dtype=object), allow_pickle=True)
    assert "labels.npy" in refused(folder)
    (folder / "labels.npy").write_bytes(pickle.dumps(np.zeros(7)))
    assert "labels.npy" in refused(folder)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("images.npy", np.zeros((7, 5, 4, 1), np.float64), "allowed: uint8"),
        ("images.npy", np.zeros((7, 5, 4), np.uint8), "allowed: N x height"),
        ("images.npy", np.zeros((6, 5, 4, 1), np.uint8), "6 images and 7 labels"),
        ("images.npy", np.zeros((7, 4, 5, 1), np.uint8), "says shape"),
        ("images.npy", np.asfortranarray(np.zeros((7, 5, 4, 3), np.uint8)), "C order"),
        ("labels.npy", np.zeros(7, np.int32), "allowed: int64"),
        ("labels.npy", np.zeros(7, ">i8"), "allowed: int64"),
        ("labels.npy", np.full(7, 3), "label 0 is 3; allowed: 0 to 2"),
        ("labels.npy", np.full(7, -1), "label 0 is -1"),
        ("labels.npy", np.zeros((7, 1), np.int64), "2 dimensions"),
    ],
)
def test_arrays_that_do_not_fit(folder: Path, name: str, array: np.ndarray, message: str) -> None:
    np.save(folder / name, array)
    assert message in refused(folder)


@pytest.mark.parametrize(
    "shape", ["(9223372036854775807, 5, 4, 1)", "(-7, 5, 4, 1)", "(7, 5, 4, 99999999999)", "[7]"]
)
def test_hostile_npy_header(folder: Path, shape: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 140
    (folder / "images.npy").write_bytes(content)
    assert "images.npy" in refused(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format_version", 2),
        ("format_version", None),
        ("format_version", "x" * 10**5),
        ("class_names", "abc"),
        ("class_names", ["a", "b"]),
        ("class_names", ["a", "b", "b"]),
        ("class_names", ["a", "b", 3]),
        ("class_names", ["a", "b", "c\nd"]),
        ("class_names", ["a", "b", "c\n" * 10**5]),
        ("shape", [7, 5, 4, 3]),
        ("shape", [7] * 10**5),
        ("shape", None),
        ("digest", 5),
        ("made_by", []),
        ("source", None),
    ],
)
def test_meta_that_does_not_fit(folder: Path, key: str, value: Any) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    meta[key] = value
    (folder / "meta.json").write_text(json.dumps(meta))
    assert len(refused(folder)) < 500


@pytest.mark.parametrize("text", ["[]", "null", "{", '{"format_version":1}', "[" * 100_000])
def test_meta_that_is_no_meta(folder: Path, text: str) -> None:
    (folder / "meta.json").write_text(text)
    assert "meta.json" in refused(folder)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30))
def test_one_line_is_one_printable_line(text: str) -> None:
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    shown.encode()


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 255), value=st.integers(0, 255))
def test_a_changed_byte_is_an_error_or_another_valid_set(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    """Whatever byte of header or pixels changes: a checked set or the one error."""
    folder = tmp_path_factory.mktemp("damage") / "set"
    write_image_set(folder, *arrays(), NAMES, source="test")
    content = bytearray((folder / "images.npy").read_bytes())
    content[position] = value
    (folder / "images.npy").write_bytes(content)
    outcome: object
    try:
        outcome = open_image_set(folder).images.shape
    except ImageSetError as error:
        outcome = str(error).splitlines()
    assert outcome == (7, 5, 4, 1) or (isinstance(outcome, list) and len(outcome) == 1)
