"""How many images of each class an entry of the grid asks for."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from augment.errors import AugmentError

if TYPE_CHECKING:
    import numpy as np

Count = int | float | dict[str, int]
"""Images, a share of the training images, or images by class name."""


class CountError(AugmentError):
    """A count by class names a class that does not exist."""


def resolve_count(entry: Count, n_train: int) -> int:
    """Return how many images an entry asks for.

    An int is a number of images, a float a share of the ``n_train`` training images (halves are
    rounded up), a mapping a number of images for each class.
    """
    if isinstance(entry, dict):
        return sum(entry.values())
    return math.floor(entry * n_train + 0.5) if isinstance(entry, float) else entry


def resolve_counts(entries: Sequence[Count], n_train: int) -> list[int]:
    """Return how many images each entry asks for; see :func:`resolve_count`."""
    return [resolve_count(entry, n_train) for entry in entries]


def counts_per_class(
    entry: Count, real_per_class: np.ndarray, class_names: Sequence[str]
) -> np.ndarray:
    """Return how many images of each class an entry asks for.

    A number or a share is apportioned like the classes of the training set; a class that a mapping
    does not name gets none.

    Args:
        entry: of mix.real or mix.synthetic.
        real_per_class: int64, training images of each class.
        class_names: one name a class, in the same order.

    Returns:
        int64 array, one count a class; the sum is ``resolve_count(entry, real_per_class.sum())``.

    Raises:
        CountError: a mapping names a class that does not exist.
    """
    import numpy as np

    from augment.images.splits import apportion

    real = np.asarray(real_per_class, dtype=np.int64)
    if not isinstance(entry, dict):
        return apportion(resolve_count(entry, int(real.sum())), real)
    for name in unknown_classes(entry, class_names):
        raise CountError(f"there is no class {name!r}; allowed: {', '.join(class_names)}")
    counts = {_composed(name): count for name, count in entry.items()}
    return np.array([counts.get(_composed(name), 0) for name in class_names], dtype=np.int64)


def pool_size(entry: int | float, real_per_class: np.ndarray) -> int:
    """Return how many images of each class a pool needs.

    Args:
        entry: that number, or a share of the training images with a decimal point.
        real_per_class: int64, training images of each class.

    Returns:
        The number, or what the share asks of the largest class, as in :func:`counts_per_class`.
    """
    if isinstance(entry, int):
        return entry
    return int(counts_per_class(entry, real_per_class, ()).max())


def unknown_classes(entry: Count, class_names: Sequence[str]) -> list[str]:
    """Return the classes that a mapping names and that do not exist, compared in Unicode's NFC."""
    known = {_composed(name) for name in class_names}
    names = entry if isinstance(entry, dict) else ()
    return [name for name in names if _composed(name) not in known]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
