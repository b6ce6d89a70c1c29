"""The same picture twice among the real images: what is known of it, in numbers and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.images.grids import tile
from augment.images.image_sets import ImageSet, one_line
from augment.sources.duplicates import NEAR_BITS, identical_sets, near_pairs, perceptual_hashes
from augment.sources.fetched import SourceFile
from augment.sources.partition import DuplicateCounts, Partition, count_duplicates
from pipeline.compute.progress import Progress
from pipeline.data.real_images import PARTS

_MOST_PAIRS = 200
_SHOWN_PAIRS = 24
_BLOCK = 1024


@dataclass(frozen=True)
class SamePictures:
    """What was found: for the record, for the user, and to look at."""

    facts: dict[str, Any]  # JSON values
    lines: list[str]
    picture: np.ndarray | None = None  # uint8, H x W x C: the nearest pairs, one below the other


class _Images:
    """The images of all parts as one row, without a copy of them."""

    def __init__(self, sets: Mapping[str, ImageSet], divided: Partition) -> None:
        self.sets = sets
        self.parts = [part for part in PARTS if part in divided.parts]
        self.rows = [divided.parts[part] for part in self.parts]
        sizes = [len(rows.index) for rows in self.rows]
        self.part = np.repeat(np.arange(len(sizes)), sizes)  # int64, N: which of ``parts``
        self.row = np.concatenate([np.arange(size) for size in sizes])  # which image of the part
        self.labels = self.joined({part: each.labels for part, each in sets.items()})

    def joined(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return values of the source's parts in the order of the images."""
        return np.concatenate([values[rows.source][rows.index] for rows in self.rows])

    def place(self, number: int) -> tuple[str, int]:
        """Return an image's part and row in the source."""
        rows = self.rows[self.part[number]]
        return rows.source, int(rows.index[self.row[number]])

    def image(self, number: int) -> np.ndarray:
        """Return one image, uint8 H x W x C."""
        part, row = self.place(number)
        found: np.ndarray = self.sets[part].images[row]
        return found


def number_identical(sets: Mapping[str, ImageSet]) -> dict[str, np.ndarray]:
    """Return for each part int64 numbers, which identical images share over all parts."""
    numbers = identical_sets(image for each in sets.values() for image in each.images)
    ends = np.cumsum([len(each) for each in sets.values()])
    return dict(zip(sets, np.split(numbers, ends[:-1]), strict=True))


def count_identical(
    sets: Mapping[str, ImageSet], identical: Mapping[str, np.ndarray], divided: Partition
) -> SamePictures:
    """Count identical images in the source, and in the parts of the study.

    Args:
        sets: the parts that the source has.
        identical: from `number_identical`.
        divided: which image is in which part of the study.
    """
    images = _Images(sets, divided)
    names = sets["train"].class_names
    before = count_duplicates(
        np.concatenate([identical[part] for part in sets]),
        np.concatenate([each.labels for each in sets.values()]),
        np.concatenate([np.full(len(each), PARTS.index(part)) for part, each in sets.items()]),
        len(names),
    )
    after = count_duplicates(images.joined(identical), images.labels, images.part, len(names))
    facts = {
        "images": before.images,
        "in_two_classes": before.two_classes,
        "in_two_parts_of_the_source": before.two_parts,
        "in_two_parts": after.two_parts,
        "left_out": dict(divided.dropped),
    }
    return SamePictures({"identical": facts}, _lines(before, after, divided, names))


def find_nearly_alike(
    sets: Mapping[str, ImageSet],
    identical: Mapping[str, np.ndarray],
    divided: Partition,
    files: Mapping[str, Sequence[SourceFile]],
) -> SamePictures:
    """Look for pictures in two parts or two classes that are nearly alike.

    Args:
        sets: the parts that the source has.
        identical: from `number_identical`.
        divided: which image is in which part of the study.
        files: for each part of the source the file of every image, where there are files.
    """
    images = _Images(sets, divided)

    def name(number: int) -> str:
        part, row = images.place(number)
        if files.get(part):
            return one_line(files[part][row].path)
        return f"{images.parts[images.part[number]]} image {images.row[number]}"

    # Of identical images one is enough to look for those that are nearly alike.
    different = np.sort(np.unique(images.joined(identical), return_index=True)[1])
    hashes = []
    with Progress("fetch: pictures that are nearly alike", "images") as progress:
        for start in range(0, len(different), _BLOCK):
            block = np.stack([images.image(n) for n in different[start : start + _BLOCK]])
            hashes.append(perceptual_hashes(block))
            progress.update(start + len(block), len(different))
    kinds = (images.part * len(sets["train"].class_names) + images.labels)[different]
    near = near_pairs(np.concatenate(hashes), kinds, most=_MOST_PAIRS)
    pairs = different[near.pairs]
    facts = {
        "pairs": near.n,
        "bits": NEAR_BITS,
        "nearest": [
            {
                "images": [[images.parts[images.part[n]], int(images.row[n])] for n in pair],
                "names": [name(n) for n in pair],
                "bits": int(bits),
            }
            for pair, bits in zip(pairs, near.distance, strict=True)
        ],
    }
    if not near.n:
        return SamePictures({"nearly_alike": facts}, [])
    line = (
        f"{near.n:,} pairs of images in two parts or two classes look nearly the same, such as "
        f"{name(pairs[0, 0])} and {name(pairs[0, 1])}; look at "
        "data/real/near-duplicates.png: it is a hint, and all of them are kept"
    )
    shown = np.stack([images.image(n) for n in pairs[:_SHOWN_PAIRS].ravel()])
    return SamePictures({"nearly_alike": facts}, [line], tile(shown, columns=2))


def _lines(
    before: DuplicateCounts, after: DuplicateCounts, divided: Partition, names: Sequence[str]
) -> list[str]:
    lines = []
    if before.images:
        lines.append(f"{before.images:,} of {before.counts.sum():,} images have an identical one")
    if before.two_parts:
        lines.append(
            f"{before.two_parts:,} of the source's images for validation or test are identical to "
            "one of another part"
        )
    if before.two_classes:
        lines.append(
            f"{before.two_classes:,} images are identical to one of another class, so one of the "
            "labels is wrong; data.duplicates: drop leaves them out"
        )
    lines += [f"{n:,} images are left out: {reason}" for reason, n in divided.dropped.items()]
    if after.two_parts:
        lines.append(
            f"{after.two_parts:,} images for validation or test are identical to one of another "
            "part, which makes accuracies optimistic; data.duplicates: group or drop mends it"
        )
    lines += [
        f"class {names[label]!r}: only {after.different[label]:,} different images among "
        f"{after.counts[label]:,}"
        for label in np.flatnonzero(2 * after.different < after.counts).tolist()
    ]
    return lines
