"""Images on a sheet: where they lie, and that whole pixels stay whole."""

from io import BytesIO

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reports import figures
from reports.figures.sheets import Tile, draw_sheet, gap_between
from reports.figures.style import DPI, house_style


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, max_size=6),
    st.integers(1, 4),
    st.tuples(st.integers(0, 90), st.integers(0, 40), st.integers(0, 40)),
    st.sampled_from([1, 3]),
)
@settings(deadline=None, max_examples=25)
def test_every_image_is_where_it_was_put_in_squares_of_whole_pixels(places, scale, room, channels):
    left, top, bottom = room
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(places), 30, 30, channels), dtype=np.uint8)
    tiles = [
        Tile(image, 32 * row, 32 * column)
        for image, (row, column) in zip(images, places, strict=True)
    ]

    @house_style
    def draw():
        return draw_sheet(tiles, (160, 160), scale, left=left, top=top, bottom=bottom)[0]

    figure = draw()
    with Image.open(BytesIO(figures.figure_bytes(figure)[0])) as png:
        page = np.asarray(png.convert("RGB"))
    assert page.shape == (160 * scale + top + bottom, max(160 * scale + left, 4 * DPI), 3)
    wanted = np.zeros((160, 160, 3), np.uint8)
    wanted[:] = 255, 255, 254
    for tile in tiles:
        wanted[tile.top : tile.top + 30, tile.left : tile.left + 30] = tile.image
    drawn = page[top : top + 160 * scale, left : left + 160 * scale]
    np.testing.assert_array_equal(drawn, wanted.repeat(scale, 0).repeat(scale, 1))


def test_gaps_grow_with_the_images():
    assert [gap_between(side) for side in (8, 28, 64, 128)] == [2, 2, 4, 8]
