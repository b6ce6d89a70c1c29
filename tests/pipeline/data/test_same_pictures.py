import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from augment.images.image_set_writer import ImageSetWriter
from augment.images.image_sets import ImageSet, open_image_set
from augment.sources.fetched import SourceFile
from augment.sources.partition import Given, Partition, partition
from pipeline.data.same_pictures import (
    SamePictures,
    count_identical,
    find_nearly_alike,
    number_identical,
)

NAMES = ("bar", "ring")


def picture(number: int) -> np.ndarray:
    """Draw a picture, another one for every number: uint8, 32 x 32 x 1."""
    rng = np.random.default_rng(number)
    image = Image.new("L", (32, 32), int(rng.integers(160, 255)))
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        x, y, w, h = rng.integers(2, 20, 4).tolist()
        pen.ellipse((x, y, x + w, y + h), fill=int(rng.integers(0, 110)))
    return np.asarray(image)[..., None]


def image_set(folder: Path, numbers: list[tuple[int, int]]) -> ImageSet:
    """Write pictures by number and label."""
    with ImageSetWriter(folder, (len(numbers), 32, 32, 1), NAMES, "folder", {}) as writer:
        for number, label in numbers:
            writer.append(picture(number), label)
    return open_image_set(folder)


def find(
    folder: Path, files: bool = True, duplicates: str = "keep", **parts: list[tuple[int, int]]
) -> tuple[SamePictures, Partition]:
    sets = {part: image_set(folder / part, numbers) for part, numbers in parts.items()}
    identical = number_identical(sets)
    given = {part: Given(each.labels, identical[part]) for part, each in sets.items()}
    divided = partition(given, NAMES, test=0.2, validation=0.1, duplicates=duplicates, seed=0)
    names = {
        part: [SourceFile(f"{part}/{NAMES[label]}/{row}.png", f"{row}.png", 1)
               for row, (_, label) in enumerate(numbers)]
        for part, numbers in parts.items()
    }  # fmt: skip
    same = count_identical(sets, identical, divided)
    near = find_nearly_alike(sets, identical, divided, names if files else {})
    return SamePictures(same.facts | near.facts, same.lines + near.lines, near.picture), divided


def many(start: int, n: int = 10) -> list[tuple[int, int]]:
    return [(start + i, i % 2) for i in range(n)]


def test_identical_images_have_one_number_over_all_parts(tmp_path: Path) -> None:
    sets = {
        "train": image_set(tmp_path / "train", [(1, 0), (2, 0), (1, 1)]),
        "test": image_set(tmp_path / "test", [(3, 0), (2, 1)]),
    }
    assert {part: each.tolist() for part, each in number_identical(sets).items()} == {
        "train": [0, 1, 0],
        "test": [2, 1],
    }


def test_nothing_is_said_of_pictures_that_are_all_different(tmp_path: Path) -> None:
    found, _ = find(tmp_path, train=many(0, 40))
    assert found.lines == []
    assert found.picture is None
    assert found.facts == {
        "identical": {
            "images": 0,
            "in_two_classes": 0,
            "in_two_parts_of_the_source": 0,
            "in_two_parts": 0,
            "left_out": {},
        },
        "nearly_alike": {"pairs": 0, "bits": 10, "nearest": []},
    }


PARTS = {
    "train": [*many(0), (500, 0), (500, 1), *many(600, 4)],
    "validation": many(100, 4),
    "test": [*many(200, 4), (0, 0), (1, 1), (600, 0)],
}


def test_a_leak_that_is_kept_is_counted_and_said(tmp_path: Path) -> None:
    found, divided = find(tmp_path, **PARTS)
    assert divided.dropped == {}
    assert found.facts["identical"] == {
        "images": 8,
        "in_two_classes": 2,
        "in_two_parts_of_the_source": 3,
        "in_two_parts": 3,
        "left_out": {},
    }
    assert found.lines[:4] == [
        "8 of 27 images have an identical one",
        "3 of the source's images for validation or test are identical to one of another part",
        "2 images are identical to one of another class, so one of the labels is wrong; "
        "data.duplicates: drop leaves them out",
        "3 images for validation or test are identical to one of another part, which makes "
        "accuracies optimistic; data.duplicates: group or drop mends it",
    ]
    assert len(found.lines) == 4


def test_a_class_of_few_different_pictures_is_said(tmp_path: Path) -> None:
    train = [*many(0, 60), *[(500, 1)] * 40]
    found, _ = find(tmp_path, train=train)
    assert found.lines[-1] == "class 'ring': only 31 different images among 70"


def nearly(number: int) -> np.ndarray:
    image = picture(number).astype(int)
    return np.clip(image + 3, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("files", [True, False])
def test_pictures_that_are_nearly_alike_are_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: bool
) -> None:
    drawn = picture
    monkeypatch.setattr(
        f"{__name__}.picture", lambda n: nearly(n - 1000) if n >= 1000 else drawn(n)
    )
    found, _ = find(
        tmp_path, files, train=many(0, 20), validation=many(100, 4),
        test=[*many(200, 4), (1003, 1), (1104, 0)],
    )  # fmt: skip
    # 1003 is a brighter 3 of train, in test; 1104 is none of the four of validation.
    nearest = found.facts["nearly_alike"]["nearest"]
    assert found.facts["nearly_alike"]["pairs"] == len(nearest) == 1
    (pair,) = nearest
    assert pair["images"] == [["train", 3], ["test", 4]]
    assert pair["bits"] <= 10
    names = ["train/ring/3.png", "test/ring/4.png"] if files else ["train image 3", "test image 4"]
    assert pair["names"] == names
    (line,) = found.lines
    assert line.startswith("1 pairs of images in two parts or two classes look nearly the same, ")
    assert f"such as {names[0]} and {names[1]}; look at data/real/near-duplicates.png" in line
    assert found.picture is not None
    assert found.picture.dtype == np.uint8
    # The two pictures themselves, side by side.
    width = found.picture.shape[1] // 2
    assert (found.picture[:, :width] != found.picture[:, width : 2 * width]).any()
    shown = found.picture.reshape(-1).tolist()
    assert set(drawn(3).reshape(-1).tolist()) <= set(shown)
    json.dumps(found.facts, allow_nan=False)


def test_a_picture_in_two_classes_is_not_near_but_the_same(tmp_path: Path) -> None:
    found, _ = find(tmp_path, train=[*many(0, 20), (500, 0), (500, 1)])
    assert found.facts["nearly_alike"]["pairs"] == 0
    assert found.facts["identical"]["in_two_classes"] == 2
