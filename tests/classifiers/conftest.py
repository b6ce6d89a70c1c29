"""Small image sets that a LeNet learns in a few steps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import ImageSet

MakeSet = Callable[..., ImageSet]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def bars(n: int, side: int = 28, channels: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bright bars on dark noise: class 0 lies, class 1 stands, class 2 fills a corner."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 60, size=(n, side, side, channels), dtype=np.uint8)
    width = side // 5
    for image, label in zip(images, labels, strict=True):
        at = int(rng.integers(side // 4, side // 2))
        if label == 0:
            image[at : at + width] = 220
        elif label == 1:
            image[:, at : at + width] = 220
        else:
            image[: side // 2, : side // 2] = 220
    return images, labels.astype(np.int64)


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """Write bars to an image set of that name."""

    def make(name: str = "bars", n: int = 60, **kwargs: int) -> ImageSet:
        images, labels = bars(n, **kwargs)
        folder = tmp_path / name
        return write_image_set(folder, images, labels, ("lying", "standing", "corner"), source="x")

    return make
