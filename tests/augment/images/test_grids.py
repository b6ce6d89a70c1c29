from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.images.grids import GAP, tile, untile


def test_by_hand() -> None:
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    page = tile(images, columns=2)
    w = 255
    white = [[w] * 8] * 2
    first, second = [w, w, 0, w, w, 1, w, w], [w, w, 2, w, w, w, w, w]
    assert page.tolist() == [*white, first, *white, second, *white]


@given(
    n=st.integers(1, 20),
    columns=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
)
def test_every_image_is_where_it_belongs(n: int, columns: int, channels: int) -> None:
    height, width = 3, 5
    images = np.random.default_rng(n).integers(0, 255, (n, height, width, channels), np.uint8)
    page = tile(images, columns)
    rows = (n + columns - 1) // columns
    size = (rows * height + (rows + 1) * GAP, columns * width + (columns + 1) * GAP)
    assert page.dtype == np.uint8
    assert page.shape == (size if channels == 1 else (*size, 3))
    page = page.reshape(*size, channels)
    white = np.ones(size, dtype=bool)
    for i, image in enumerate(images):
        top = GAP + (i // columns) * (height + GAP)
        left = GAP + (i % columns) * (width + GAP)
        np.testing.assert_array_equal(page[top : top + height, left : left + width], image)
        white[top : top + height, left : left + width] = False
    assert (page[white] == 255).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_takes_it(channels: int) -> None:
    from PIL import Image

    page = tile(np.zeros((5, 28, 28, channels), dtype=np.uint8))
    assert Image.fromarray(page).mode == ("L" if channels == 1 else "RGB")


@given(
    n=st.integers(1, 20),
    columns=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
)
def test_cutting_gives_back_what_was_laid_out(n: int, columns: int, channels: int) -> None:
    images = np.random.default_rng(n).integers(0, 255, (n, 3, 5, channels), np.uint8)
    places = untile(tile(images, columns), 3, 5)
    assert places.shape == (-(-n // columns), columns, 3, 5, channels)
    flat = places.reshape(-1, 3, 5, channels)
    np.testing.assert_array_equal(flat[:n], images)
    assert (flat[n:] == 255).all()


def test_cutting_takes_what_pillow_kept(tmp_path: Path) -> None:
    from PIL import Image

    images = np.random.default_rng(0).integers(0, 255, (16, 28, 28, 3), np.uint8)
    Image.fromarray(tile(images)).save(tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        places = untile(np.asarray(picture), 28, 28)
    np.testing.assert_array_equal(places, images.reshape(2, 8, 28, 28, 3))


@pytest.mark.parametrize(
    "page",
    [
        np.zeros((32, 33), np.uint8),
        np.zeros((31, 32), np.uint8),
        np.zeros((2, 32), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((32, 32), np.float32),
    ],
)
def test_a_picture_of_other_images_is_refused(page: np.ndarray) -> None:
    with pytest.raises(ValueError, match="images of 28 x 28 with gaps of 2"):
        untile(page, 28, 28)
