"""Figures: what they show, that they are repeatable, and hostile names."""

import re
import xml.etree.ElementTree as ET
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reports import figures
from reports.errors import ReportError
from reports.statistics import gain_table, summarise_cells
from reports.style import ORDERED, AccuracyScale, percent, plain

HOSTILE = ["<script>&\"'", r"$\frac{", "a" * 200, "new\nline", "\udcff", "null\0", "四", ""]


def parsed(figure):
    """Both files of a figure, checked to be readable; the SVG's text."""
    png, svg = figures.figure_bytes(figure)
    with Image.open(BytesIO(png)) as image:
        image.load()
        assert image.width > 500
    root = ET.fromstring(svg)
    return " ".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))


def history(epochs=5):
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "generator_loss": 1.0 / epoch,
            "discriminator_loss": 0.5 + 0 * epoch,
            "label_match": 1 - 0.5 / epoch,
            "inception_score": 9 - 1 / epoch,
            "fid": 60 / epoch,
        }
    )


def acceptance(names, thresholds):
    rows = [
        {"class_name": n, "threshold": t, "drawn": 1000, "accepted": int(1000 * (1 - t / 4))}
        for n in names
        for t in thresholds
    ]
    table = pd.DataFrame(rows)
    return table.assign(rate=table["accepted"] / table["drawn"])


@pytest.fixture(scope="module")
def summary(study):
    return summarise_cells(study[0])


def test_contour_prints_every_trained_cell(summary):
    text = parsed(figures.accuracy_contour(summary))
    for value in summary["test_mean"]:
        assert percent(value) in text
    assert "3,600" in text
    assert "Strategy: filtered" in text


def test_contour_leaves_the_missing_corner_empty(summary):
    panel = figures.accuracy_contour(summary).axes[0]
    offsets = np.concatenate([np.asarray(c.get_offsets()) for c in panel.collections[-1:]])
    assert len(offsets) == 15
    assert [0, 0] not in offsets.tolist()


@pytest.mark.parametrize(
    "draw",
    [
        figures.accuracy_contour,
        figures.accuracy_surface,
        figures.accuracy_over_real,
        figures.accuracy_over_synthetic,
    ],
)
@pytest.mark.parametrize(
    "rows",
    [
        "strategy == 'none'",
        "strategy == 'mix' and n_real == 300",
        "strategy == 'filtered' and n_synthetic == 1200",
        "strategy == 'mix' and n_real == 0 and n_synthetic == 1200",
        "(n_real == 0 and n_synthetic == 1200) or (n_real == 300 and n_synthetic == 0)",
    ],
)
def test_small_grids_are_drawn_too(summary, draw, rows):
    figures.figure_bytes(draw(summary.query(rows)))


def test_one_seed_is_drawn_without_bands(make):
    cells, _, _ = make(seeds=(0,))
    parsed(figures.accuracy_over_real(summarise_cells(cells)))


def test_perfect_accuracy_is_drawn(summary):
    perfect = summary.assign(test_mean=1.0, test_low=1.0, test_high=1.0)
    assert "100" in parsed(figures.accuracy_contour(perfect))
    parsed(figures.accuracy_over_synthetic(perfect))


def test_lines_pass_through_the_means(summary):
    axes = figures.accuracy_over_real(summary).axes[0]
    line = next(line for line in axes.get_lines() if line.get_label() == "1,200")
    wanted = summary.query("strategy == 'mix' and n_synthetic == 1200").sort_values("n_real")
    scale = AccuracyScale(summary["test_mean"].to_numpy())
    np.testing.assert_allclose(line.get_ydata(), scale.place(wanted["test_mean"].to_numpy()))


def test_gain_chart_fills_only_what_excludes_zero(study):
    gains = gain_table(*study)
    axes = figures.gain_chart(gains).axes[0]
    dots = [li for li in axes.get_lines() if li.get_linestyle() == "None"]
    hollow = [dot for dot in dots if dot.get_markerfacecolor() != dot.get_color()]
    assert len(dots) == len(gains)
    assert len(hollow) == (gains["verdict"] == "cannot tell").sum()
    assert 0 < len(hollow) < len(dots)


def test_sample_grid_shows_the_first_images_of_each_class():
    images = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    labels = np.arange(12) % 3
    figure = figures.sample_grid({"Generated": (images, labels)}, ["a", "b", "c"], per_class=5)
    sheet = figure.axes[0].images[0].get_array()
    assert sheet.shape == (30, 50, 4)
    assert [int(sheet[15, 5 + 10 * k, 0]) for k in range(4)] == [1, 4, 7, 10]
    assert sheet[15, 45, 3] == 0  # only four images of each class


def test_sample_grid_of_colour_images_keeps_their_colour():
    images = np.zeros((2, 64, 64, 3), dtype=np.uint8)
    images[..., 2] = 200
    figure = figures.sample_grid({"Generated": (images, np.array([0, 1]))}, ["cat", "dog"])
    assert figure.axes[0].images[0].get_array()[32, 32].tolist() == [0, 0, 200, 255]
    parsed(figure)


def test_training_curves_mark_the_kept_epoch():
    text = parsed(figures.training_curves(history(), best_epoch=3))
    assert "kept: 3" in text
    assert "FID" in text


def test_training_curves_of_a_part_of_the_scores():
    table = history(1).drop(columns="fid").assign(inception_score=np.nan)
    text = parsed(figures.training_curves(table))
    assert "FID" not in text
    assert "Inception" not in text


def test_confidence_histogram_of_certain_images():
    text = parsed(
        figures.confidence_histogram({"Real": np.ones(10), "Generated": np.zeros(5)}, 0.9)
    )
    assert "threshold 0.9" in text
    assert "Generated (5)" in text


def test_acceptance_of_many_classes_and_of_one_threshold():
    names = [f"class {k}" for k in range(100)]
    assert "87.5%" in parsed(figures.acceptance_chart(acceptance(names, [0.0, 0.5]), 0.5))
    assert "77.5%" in parsed(figures.acceptance_chart(acceptance(names[:3], [0.9]), 0.9))


def test_hostile_names_are_drawn_as_text(summary):
    images = np.zeros((len(HOSTILE), 8, 8, 1), dtype=np.uint8)
    labels = np.arange(len(HOSTILE))
    text = parsed(figures.sample_grid({HOSTILE[0]: (images, labels)}, HOSTILE))
    assert "<script>" in text
    assert r"$\frac{" in text
    storable = [name for name in HOSTILE if name != "\udcff"]  # tables hold valid UTF-8 only
    parsed(figures.acceptance_chart(acceptance(storable, [0.5, 0.9]), 0.9))
    parsed(figures.confidence_histogram(dict.fromkeys(HOSTILE, np.ones(3))))
    parsed(figures.accuracy_contour(summary.replace({"strategy": {"mix": HOSTILE[0]}})))


def test_equal_figures_have_equal_bytes_whatever_the_users_style(summary):
    first = figures.figure_bytes(figures.accuracy_contour(summary))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        second = figures.figure_bytes(figures.accuracy_contour(summary))
    assert first == second
    assert not re.search(rb"<dc:date>|Matplotlib v", first[1])
    assert len(first[1]) < 100_000


def test_drawing_leaves_the_users_style_alone(summary):
    before = dict(mpl.rcParams)
    figures.figure_bytes(figures.accuracy_over_real(summary))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    "call",
    [
        lambda: figures.accuracy_contour(pd.DataFrame({"strategy": [], "test_mean": []})),
        lambda: figures.gain_chart(pd.DataFrame()),
        lambda: figures.sample_grid({}, ["a"]),
        lambda: figures.sample_grid({"x": (np.zeros((1, 8, 8, 1)), np.zeros(1, int))}, ["a"]),
        lambda: figures.training_curves(pd.DataFrame({"epoch": [1]})),
        lambda: figures.confidence_histogram({"a": np.array([])}),
        lambda: figures.confidence_histogram({"a": np.array([1.5])}),
        lambda: figures.acceptance_chart(pd.DataFrame()),
    ],
)
def test_nothing_to_draw_is_one_line(call):
    with pytest.raises(ReportError) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("low", [0.1, 0.6, 0.9, 0.97])
@pytest.mark.parametrize("high", [0.98, 0.995, 1.0])
def test_accuracy_ticks_are_few_ordered_and_inside(low, high):
    scale = AccuracyScale([low, high])
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(ticks)
    assert low - 1e-9 <= ticks[0] < ticks[-1] <= high + 1e-9
    assert (np.diff(scale.place(np.array(ticks))) > 0).all()


def contrast(colour, ground):
    """WCAG 2 contrast ratio of two colours."""
    levels = []
    for code in (colour, ground):
        rgb = np.array(mpl.colors.to_rgb(code))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        levels.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(levels) / min(levels)


@pytest.mark.parametrize("ground", ["#fffffe", "#19212a"])
def test_lines_of_counts_stand_out_on_light_and_dark_ground(ground):
    assert min(contrast(ORDERED(k / 5), ground) for k in range(6)) >= 3


def test_plain_names_are_short_and_printable():
    for name in HOSTILE:
        assert plain(name).isprintable()
        assert len(plain(name)) <= 22
