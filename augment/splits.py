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
) -> dict[str, np.ndarray]:
    """Split images at random so that every part keeps the class shares of the whole.

    Sizes are shared out in each class by largest remainder; a part with a fraction above 0 gets
    at least one image of every class.

    Args:
        labels: integers, N, 0 or more.
        fractions: the share of each part, in [0, 1], together 1.
        rng: decides which images go where; a split is a function of labels, fractions and rng.
        class_names: names for error messages; label numbers without it.

    Returns:
        For each part, in the order of ``fractions``: sorted int64 indices into ``labels``. The
        parts are disjoint and together hold every index.

    Raises:
        SplitError: when the fractions do not fit, or a class has fewer images than parts.
    """
    for name, fraction in fractions.items():
        if not 0 <= fraction <= 1:
            raise SplitError(f"the share of {name} is {fraction}; allowed: 0 to 1")
    if abs(sum(fractions.values()) - 1) > 1e-6:
        shares = ", ".join(f"{name} {fraction:g}" for name, fraction in fractions.items())
        raise SplitError(f"the shares are {shares}; allowed: shares that add up to 1")
    # 1 - 0.9 is 0.09999999999999998; the nearby simple fraction is what the user wrote.
    weights = [
        Fraction(fraction).limit_denominator(10**9) or Fraction(fraction)
        for fraction in fractions.values()
    ]
    wanted = sum(weight > 0 for weight in weights)
    parts: list[list[np.ndarray]] = [[] for _ in weights]
    for label in np.unique(labels):
        indices = rng.permutation(np.flatnonzero(labels == label))
        if len(indices) < wanted:
            name = class_names[label] if class_names is not None else str(label)
            raise SplitError(
                f"class {name!r} has too few images to split ({len(indices)}); "
                f"allowed: at least {wanted}, one each for {_wanted_names(fractions)}"
            )
        ends = np.cumsum(_part_sizes(len(indices), weights))
        for part, chosen in zip(parts, np.split(indices, ends[:-1]), strict=True):
            part.append(chosen)
    return {
        name: np.sort(np.concatenate([np.empty(0, dtype=np.int64), *part])).astype(np.int64)
        for name, part in zip(fractions, parts, strict=True)
    }


def _wanted_names(fractions: Mapping[str, float]) -> str:
    return ", ".join(name for name, fraction in fractions.items() if fraction > 0)


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

    Raises:
        SplitError: when a label is out of range.
    """
    wrong = (labels < 0) | (labels >= n_classes)
    if wrong.any():
        raise SplitError(
            f"label {labels[np.argmax(wrong)]} is out of range; allowed: 0 to {n_classes - 1}"
        )
    return [
        rng.permutation(np.flatnonzero(labels == label)).astype(np.int64)
        for label in range(n_classes)
    ]


def spread_rows(n: int, most: int) -> np.ndarray:
    """Return at most ``most`` of ``n`` row indices, int64, from all over: sets may be sorted."""
    return np.linspace(0, n - 1, min(most, n)).astype(np.int64)
