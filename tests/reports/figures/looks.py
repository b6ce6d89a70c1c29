"""What tests read off a figure, and the pictures that they draw."""

import xml.etree.ElementTree as ET
from io import BytesIO
from itertools import combinations

import numpy as np
from PIL import Image

from reports import figures

HOSTILE = ["<script>&\"'", r"$\frac{", "a" * 200, "new\nline", "\udcff", "null\0", "四", ""]


def texts(figure):
    """The texts of a figure's SVG, both of its files checked to be readable."""
    png, svg = figures.figure_bytes(figure)
    with Image.open(BytesIO(png)) as image:
        image.load()
        assert image.width > 500
    root = ET.fromstring(svg)
    return ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]


def text(figure):
    return " ".join(texts(figure))


def titles(figure):
    """Titles of the panels that are shown."""
    panels = [
        axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"
    ]
    return [axes.get_title(loc="left") or axes.get_title() for axes in panels]


def boxes_of(figure, artists):
    """Where texts that are not empty are, in pixels."""
    figure.canvas.draw()
    return [artist.get_window_extent() for artist in artists if artist.get_text()]


def collide(boxes):
    def overlap(a, b):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        return width > 1 and height > 1

    return any(overlap(a, b) for a, b in combinations(boxes, 2))


def noise(n, side, channels, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def sheet_of(figure):
    """The image pixels of a sheet, height x width x 4."""
    return np.asarray(figure.axes[0].images[0].get_array())
