from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.grids import tile


def test_by_hand() -> None:
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    page = tile(images, columns=2, gap=1)
    w = 255
    assert page.tolist() == [
        [w, w, w, w, w],
        [w, 0, w, 1, w],
        [w, w, w, w, w],
        [w, 2, w, w, w],
        [w, w, w, w, w],
    ]


@given(
    n=st.integers(1, 20),
    columns=st.integers(1, 9),
    gap=st.integers(0, 3),
    channels=st.sampled_from([1, 3]),
)
def test_every_image_is_where_it_belongs(n: int, columns: int, gap: int, channels: int) -> None:
    height, width = 3, 5
    images = np.random.default_rng(n).integers(0, 255, (n, height, width, channels), np.uint8)
    page = tile(images, columns, gap)
    rows = (n + columns - 1) // columns
    size = (rows * height + (rows + 1) * gap, columns * width + (columns + 1) * gap)
    assert page.dtype == np.uint8
    assert page.shape == (size if channels == 1 else (*size, 3))
    page = page.reshape(*size, channels)
    white = np.ones(size, dtype=bool)
    for i, image in enumerate(images):
        top = gap + (i // columns) * (height + gap)
        left = gap + (i % columns) * (width + gap)
        np.testing.assert_array_equal(page[top : top + height, left : left + width], image)
        white[top : top + height, left : left + width] = False
    assert (page[white] == 255).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_takes_it(channels: int) -> None:
    from PIL import Image

    page = tile(np.zeros((5, 28, 28, channels), dtype=np.uint8))
    assert Image.fromarray(page).mode == ("L" if channels == 1 else "RGB")
