"""Which images are for training, for choices and for test: one rule for every source.

Nothing here reads a pixel, so `augment check` and stage fetch decide by the same code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from augment.images.splits import SplitError, stratified_split
from augment.sources.grouping import join_groups
from augment.streams import numpy_stream

Duplicates = Literal["keep", "drop", "group"]

# What is looked after first: the test images of a source stay whole wherever that can be.
_ORDER = ("test", "validation", "train")
_MOST_NAMED = 5


@dataclass(frozen=True)
class Given:
    """The images of one part as the source has them.

    Attributes:
        labels: int64, N.
        identical: int64, N; equal numbers, in any part, are identical images. None: not known.
        groups: int64, N; equal numbers, in any part, belong together. None: no groups.
    """

    labels: np.ndarray
    identical: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Rows:
    """Images of a part: rows, sorted int64, of the source's part."""

    source: str
    index: np.ndarray


@dataclass(frozen=True)
class Partition:
    """Every part's images, and why others are in none."""

    parts: Mapping[str, Rows]  # train, test and, where there are any, validation
    reasons: Mapping[tuple[str, int], str] = field(default_factory=dict)  # by source's part and row

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many images were left out for each reason."""
        return Counter(self.reasons.values())


def partition(
    given: Mapping[str, Given],
    class_names: Sequence[str],
    *,
    test: float,
    validation: float,
    duplicates: Duplicates,
    seed: int,
) -> Partition:
    """Decide which images go where.

    Parts that the source has stay as they are; the others are split off train, stratified. Images
    of one group never stand in two parts: a split keeps them together, and what the source has in
    two parts stays in the one that comes first of test, validation and train.

    Args:
        given: the parts that the source has; ``train`` is always among them.
        class_names: one a class.
        test: share of train for test where the source has none, above 0.
        validation: share of the rest for choices, where the source has none; 0 for none at all.
        duplicates: ``keep`` identical images as any others; ``drop`` all but the first of them, and
            all of them where they stand in two classes; ``group`` them, so that they are never in
            two parts.
        seed: of the study.

    Raises:
        SplitError: naming a class that cannot be in every part.
    """
    parts = [name for name in _ORDER if name in given]
    where = np.concatenate([np.full(len(given[p].labels), i) for i, p in enumerate(parts)])
    row = np.concatenate([np.arange(len(given[part].labels)) for part in parts])
    labels = np.concatenate([given[part].labels for part in parts])
    identical, groups = _joined(given, parts, "identical"), _joined(given, parts, "groups")
    kept = np.ones(len(labels), dtype=bool)
    reasons: dict[tuple[str, int], str] = {}

    def drop(these: np.ndarray, reason: str) -> None:
        for each in np.flatnonzero(kept & these):
            reasons[parts[where[each]], int(row[each])] = reason
        kept[these] = False

    if duplicates == "drop" and identical is not None:
        drop(_in_two(identical, labels), "identical images stand in two classes")
        alive = np.flatnonzero(kept)
        again = np.ones(len(alive), dtype=bool)
        again[np.unique(identical[alive], return_index=True)[1]] = False
        drop(np.isin(np.arange(len(labels)), alive[again]), "an identical image is kept")
    links = groups
    if duplicates == "group" and identical is not None:
        links = identical if groups is None else join_groups(groups, identical)
    if links is not None:
        first = np.full(int(links.max(initial=-1)) + 1, len(parts))
        np.minimum.at(first, links[kept], where[kept])
        later = kept & (where > first[links])
        for index, part in enumerate(parts[:-1]):
            drop(later & (first[links] == index), f"the same image or group is in {part}")

    rows = {
        part: Rows(part, row[kept & (where == index)].astype(np.int64))
        for index, part in enumerate(parts)
    }
    shares = {"test": test, "validation": validation}
    wanted = {name: share for name, share in shares.items() if name not in given and share > 0}
    train = where == parts.index("train")
    of_train = None if links is None else links[train]
    _refuse_rare_classes(given, rows, class_names, ["train", *wanted], of_train, reasons)
    stages = [{name: share} for name, share in wanted.items()]
    if of_train is not None and len(np.unique(of_train)) < len(of_train) and len(stages) > 1:
        # Large groups leave no room for a second split after the first.
        stages = [{"test": test, "validation": (1 - test) * validation}]
    for stage in stages:
        rest = rows["train"].index
        split = stratified_split(
            given["train"].labels[rest],
            {"train": 1 - sum(stage.values()), **stage},
            numpy_stream(seed, "split", next(iter(stage))),
            class_names,
            None if of_train is None else of_train[rest],
        )
        for name in ("train", *stage):
            rows[name] = Rows("train", rest[split[name]])
    return Partition(rows, reasons)


def _refuse_rare_classes(
    given: Mapping[str, Given],
    rows: Mapping[str, Rows],
    class_names: Sequence[str],
    wanted: Sequence[str],
    groups: np.ndarray | None,
    reasons: Mapping[tuple[str, int], str],
) -> None:
    """Refuse classes that cannot be in every part, all of them at once.

    Args:
        given: the parts of the source.
        rows: what is left of each of them.
        class_names: one a class.
        wanted: the parts that train is split into.
        groups: int64, of every image of train; None where each is by itself.
        reasons: why images were left out.
    """
    found = []
    for part, chosen in rows.items():
        labels = given[part].labels[chosen.index]
        for label, name in enumerate(class_names):
            mine = labels == label
            n_groups = None
            if groups is not None and part == "train":
                n_groups = len(np.unique(groups[chosen.index][mine]))
            parts = wanted if part == "train" else [part]
            found += _too_few(int(mine.sum()), name, parts, n_groups)
    if found:
        dropped = Counter(reasons.values())
        found = [*found[:_MOST_NAMED], *_more(found)]
        found += [f"{n:,} images are left out: {reason}" for reason, n in dropped.items()]
        raise SplitError("; ".join(found))


def _too_few(n: int, name: str, parts: Sequence[str], n_groups: int | None) -> list[str]:
    """Return a line on a class that cannot have an image in every part, or none.

    Args:
        n: images of the class.
        name: of the class.
        parts: that it is split into.
        n_groups: groups of those images; None where every image is by itself.
    """
    if (n if n_groups is None else n_groups) >= len(parts):
        return []
    count = f"{n} image" if n == 1 else f"{n} images"
    if n_groups is not None and n_groups < n:
        count += f", in {n_groups} group" + ("s" if n_groups != 1 else "")
    what = "" if n_groups is None or n_groups == n else " groups"
    return [
        f"class {name!r} has too few images to split ({count}); "
        f"allowed: at least {len(parts)}{what}, one each for {', '.join(parts)}"
    ]


def _more(found: Sequence[str]) -> list[str]:
    more = len(found) - _MOST_NAMED
    return [f"and {more} more classes"] if more > 0 else []


def _joined(given: Mapping[str, Given], parts: Sequence[str], name: str) -> np.ndarray | None:
    """Return one kind of numbers over all parts, None where a part has none."""
    columns: list[np.ndarray | None] = [getattr(given[part], name) for part in parts]
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None


def _in_two(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return which entries share their number with an entry of another value: bool, N."""
    size = int(numbers.max(initial=-1)) + 1
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, -1)
    np.minimum.at(low, numbers, values)
    np.maximum.at(high, numbers, values)
    differs: np.ndarray = (low < high)[numbers]
    return differs


@dataclass(frozen=True)
class DuplicateCounts:
    """How often the same picture comes again among the images in use.

    Attributes:
        images: images that have an identical one.
        two_parts: test and validation images that are identical to one of another part.
        two_classes: images that are identical to one of another class.
        different: for each class, int64: different images in it.
        counts: for each class, int64: images in it.
    """

    images: int
    two_parts: int
    two_classes: int
    different: np.ndarray
    counts: np.ndarray


def count_duplicates(
    identical: np.ndarray, labels: np.ndarray, parts: np.ndarray, n_classes: int
) -> DuplicateCounts:
    """Count identical images.

    Args:
        identical: int64, N; equal numbers are identical images.
        labels: int64, N.
        parts: int64, N; 0 is train.
        n_classes: the number of classes.
    """
    size = int(identical.max(initial=-1)) + 1
    again = np.bincount(identical, minlength=size)[identical] > 1
    different = [len(np.unique(identical[labels == label])) for label in range(n_classes)]
    return DuplicateCounts(
        images=int(again.sum()),
        two_parts=int((_in_two(identical, parts) & (parts > 0)).sum()),
        two_classes=int(_in_two(identical, labels).sum()),
        different=np.array(different, dtype=np.int64),
        counts=np.bincount(labels, minlength=n_classes).astype(np.int64),
    )
