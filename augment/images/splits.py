"""Stratified splits, orderings and shares, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from augment.errors import AugmentError


class SplitError(AugmentError):
    """A split that cannot be made; its text is one line."""


def _largest_remainder(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Share ``total`` out in proportion to ``weights``; ties go to the earlier weight.

    Exact integer and rational arithmetic: floats would decide ties by rounding noise.
    """
    whole = sum(weights)
    quotas = [Fraction(weight) * total / whole for weight in weights]
    shares = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda part: shares[part] - quotas[part])
    for part in by_remainder[: total - sum(shares)]:
        shares[part] += 1
    return shares


def apportion(total: int, weights: np.ndarray) -> np.ndarray:
    """Share ``total`` out over classes in proportion to ``weights`` (largest remainder).

    The result sums to ``total`` exactly, differs from the exact share by less than 1, gives
    classes of weight 0 nothing, and never exceeds ``weights[c]`` while ``total`` is at most the
    sum of the weights. Ties go to the earlier class.

    Args:
        total: a number of images, 0 or more.
        weights: integers, one a class, 0 or more: for example images per class.

    Returns:
        int64, one number a class.

    Raises:
        SplitError: when ``total`` or a weight is negative, or when there are images to share out
            and all weights are 0.
    """
    counts = np.asarray(weights)
    if counts.ndim != 1 or (counts.size and not np.issubdtype(counts.dtype, np.integer)):
        raise SplitError(
            f"weights have dtype {counts.dtype} and {counts.ndim} dimensions; "
            "allowed: integers in one dimension"
        )
    exact = [int(count) for count in counts]
    if total < 0:
        raise SplitError(f"the number to share out is {total}; allowed: 0 or more")
    if any(count < 0 for count in exact):
        raise SplitError(f"a weight is {min(exact)}; allowed: 0 or more")
    if total == 0:
        return np.zeros(len(exact), dtype=np.int64)
    if sum(exact) == 0:
        raise SplitError(f"{total} images cannot be shared out over classes without images")
    return np.array(_largest_remainder(int(total), exact), dtype=np.int64)


def scored_per_class(test_per_class: np.ndarray, n: int) -> np.ndarray:
    """Return how many images of each class stage score takes from a test set, and from a pool.

    The first half of each class's test images, at most ``n`` of them, shared out like the halves;
    the other halves are what both are compared with. Of an odd number the first half has the
    smaller part in the first class, the larger in the second, and so on in turn.

    Args:
        test_per_class: test images of each class, integers, 0 or more.
        n: images to score at the most, 0 or more.

    Returns:
        int64, one number a class.

    Raises:
        SplitError: when ``n`` or a count is negative.
    """
    halves = first_halves(test_per_class)
    return apportion(min(n, int(halves.sum())), halves)


def first_halves(per_class: np.ndarray) -> np.ndarray:
    """Return half of each class's number, int64; odd classes give their spare to either in turn."""
    counts = np.asarray(per_class, dtype=np.int64)
    return (counts + np.arange(len(counts)) % 2) // 2


def _part_sizes(n: int, weights: Sequence[Fraction]) -> list[int]:
    """Share ``n`` images of one class out over parts, each wanted part getting at least one."""
    sizes = _largest_remainder(n, weights)
    for part, weight in enumerate(weights):
        if weight > 0 and sizes[part] == 0:
            sizes[sizes.index(max(sizes))] -= 1
            sizes[part] += 1
    return sizes


def stratified_split(
    labels: np.ndarray,
    fractions: Mapping[str, float],
    rng: np.random.Generator,
    class_names: Sequence[str] | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Split images at random so that every part keeps the class shares of the whole.

    Sizes are shared out in each class by largest remainder; a part with a fraction above 0 gets
    at least one image of every class. Images of one group stay together; then the sizes are as
    near as groups allow. Without groups of several images the split is the one without groups.

    Args:
        labels: integers, N, 0 or more.
        fractions: the share of each part, in [0, 1], together 1.
        rng: decides which images go where; a split is a function of labels, groups, fractions
            and rng.
        class_names: names for error messages; label numbers without it.
        groups: integers, N; equal ones never stand in two parts. None: every image by itself.

    Returns:
        For each part, in the order of ``fractions``: sorted int64 indices into ``labels``. The
        parts are disjoint and together hold every index.

    Raises:
        SplitError: when a part gets no image of a class.
    """
    # 1 - 0.9 is 0.09999999999999998; the nearby simple fraction is what the user wrote.
    weights = [
        Fraction(fraction).limit_denominator(10**9) or Fraction(fraction)
        for fraction in fractions.values()
    ]
    classes = np.unique(labels)
    sizes = np.zeros((len(classes), len(weights)), dtype=np.int64)
    for row, label in enumerate(classes):
        sizes[row] = _part_sizes(int((labels == label).sum()), weights)
    rows = np.searchsorted(classes, labels)
    placed = np.full(len(labels), -1, dtype=np.int64)
    if groups is not None:
        _place_groups(placed, rows, groups, sizes, rng)
    parts: list[list[np.ndarray]] = [[] for _ in weights]
    for row in range(len(classes)):
        single = rng.permutation(np.flatnonzero((rows == row) & (placed < 0)))
        ends = np.cumsum(_left_over(sizes[row], placed[rows == row], len(single)))
        for part, some in zip(parts, np.split(single, ends[:-1]), strict=True):
            part.append(some)
    for index, found_in in enumerate(parts):
        found_in.append(np.flatnonzero(placed == index))
    found = {
        name: np.sort(np.concatenate(part)).astype(np.int64)
        for name, part in zip(fractions, parts, strict=True)
    }
    for (name, chosen), weight in zip(found.items(), weights, strict=True):
        lacking = np.setdiff1d(classes, labels[chosen]) if weight > 0 else classes[:0]
        if len(lacking):
            missing = repr(class_names[lacking[0]]) if class_names is not None else str(lacking[0])
            raise SplitError(
                f"no image of class {missing} is left for {name}, because its images are in "
                "few, large groups; allowed: more groups, or a larger share for that part"
            )
    return found


def _place_groups(
    placed: np.ndarray,
    rows: np.ndarray,
    groups: np.ndarray,
    sizes: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Put every group of several images into one part; the largest first, at random among equals.

    Each goes where it overfills least, and among those where most room is left, as a share. While
    a class has parts without an image of it, its last groups are kept for them.

    Args:
        placed: int64, N, changed in place: the part of every image of such a group.
        rows: int64, N: the class of each image, as a row of ``sizes``.
        groups: integers, N.
        sizes: int64, classes x parts: the wanted sizes.
        rng: decides the order.
    """
    _, of_image, counts = np.unique(groups, return_inverse=True, return_counts=True)
    table = np.zeros((len(counts), len(sizes)), dtype=np.int64)
    np.add.at(table, (of_image, rows), 1)
    order = rng.permutation(np.flatnonzero(counts > 1))
    order = order[np.argsort(-counts[order], kind="stable")]
    room, lacks = sizes.copy(), sizes > 0
    groups_left = (table > 0).sum(axis=0)
    where = np.full(len(counts), -1, dtype=np.int64)
    for group in order:
        mine = table[group]
        present = mine > 0
        groups_left -= present
        over = np.maximum(mine[:, None] - room, 0).sum(axis=0)
        need = (mine[:, None] * room / np.maximum(sizes, 1)).sum(axis=0)
        # Parts that a class still lacks, after this group went to each part in turn.
        lacking = lacks[present].sum(axis=1)[:, None] - lacks[present]
        starved = (lacking > groups_left[present][:, None]).sum(axis=0)
        starved = starved + np.where(sizes.sum(axis=0) > 0, 0, len(sizes) + 1)
        part = min(range(sizes.shape[1]), key=lambda p: (starved[p], over[p], -need[p], p))
        where[group] = part
        room[:, part] -= mine
        lacks[present, part] = False
    placed[:] = where[of_image]


def _left_over(sizes: np.ndarray, placed: np.ndarray, n: int) -> list[int]:
    """Return how many of ``n`` images that are not placed yet go to each part of one class."""
    room = sizes - np.bincount(placed[placed >= 0], minlength=len(sizes))
    if (room >= 0).all():
        return [int(size) for size in room]
    # A group overfilled some part: first one image for each part that has none, then by room.
    shares = np.zeros(len(sizes), dtype=np.int64)
    empty = (sizes > 0) & (np.bincount(placed[placed >= 0], minlength=len(sizes)) == 0)
    for part in np.flatnonzero(empty)[:n]:
        shares[part] = 1
    rest = np.maximum(room - shares, 0)
    left = n - int(shares.sum())
    if left == 0:
        return [int(size) for size in shares]
    return [int(size) for size in shares + _largest_remainder(left, rest.tolist())]


def class_ordering(
    labels: np.ndarray, n_classes: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return a random order of the images of each class, from which recipes take prefixes.

    Args:
        labels: integers, N, values in ``0 .. n_classes - 1``.
        n_classes: the number of classes.
        rng: decides the order.

    Returns:
        ``n_classes`` int64 arrays of indices into ``labels``; empty for a class without images.
    """
    return [
        rng.permutation(np.flatnonzero(labels == label)).astype(np.int64)
        for label in range(n_classes)
    ]


def spread_rows(n: int, most: int) -> np.ndarray:
    """Return at most ``most`` of ``n`` row indices, int64, from all over: sets may be sorted."""
    return np.linspace(0, n - 1, min(most, n)).astype(np.int64)
