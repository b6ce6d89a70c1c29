"""Figures: what they show, that they are repeatable, and hostile names."""

import re
import xml.etree.ElementTree as ET
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from reports import figures
from reports.errors import ReportError
from reports.figures.images import chosen_epochs
from reports.figures.inspection import CLASS_COLOURS
from reports.figures.style import INK, ORDERED, AccuracyScale, percent, plain
from reports.verdict.precision import Precision, Sources
from reports.verdict.statistics import gain_table, summarise_cells

HOSTILE = ["<script>&\"'", r"$\frac{", "a" * 200, "new\nline", "\udcff", "null\0", "四", ""]

BY_STRATEGY = [
    figures.accuracy_contour,
    figures.accuracy_surface,
    figures.accuracy_over_real,
    figures.accuracy_over_synthetic,
]
"""Figures with a panel for each strategy."""


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


def with_average(table):
    """The same scores of an averaged copy, all a little better."""
    return table.assign(
        average_label_match=table["label_match"] + 0.01,
        average_inception_score=table["inception_score"] + 0.1,
        average_fid=0.9 * table["fid"],
    )


def checkpoints(fids=(60.0, 20.0, 14.0, 17.0), copies=("plain",), **columns):
    """Scores every five epochs; the averaged copy's are a tenth lower."""
    rows = [
        {"epoch": 5 * k, "weights": copy, "fid_examiner": (0.9 if copy == "average" else 1) * fid}
        | {"inception_score": 9 - fid / 20, "label_match": 1 - fid / 300}
        for k, fid in enumerate(fids, 1)
        for copy in copies
    ]
    return pd.DataFrame(rows).assign(**columns)


def panel_titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]


def lines_of(figure, title):
    """Lines of a panel, without marks and the kept epoch's."""
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == title)
    return [line for line in axes.get_lines() if len(line.get_xdata()) > 1 and
            line.get_linestyle() in ("-", "--")]  # fmt: skip


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
    return summarise_cells(study[0], 3600, 600)


def test_contour_prints_every_trained_cell(summary):
    text = parsed(figures.accuracy_contour(summary))
    for value in summary["test_mean"]:
        assert percent(value) in text
    assert "3,600" in text
    assert "Strategy: filtered" in text


@pytest.mark.parametrize("draw", BY_STRATEGY)
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
    parsed(figures.accuracy_over_real(summarise_cells(cells, 3600, 600)))


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


def filled(axes):
    """Whether each dot of a panel is filled."""
    dots = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    return [dot.get_markerfacecolor() == dot.get_color() for dot in dots]


def test_gain_chart_fills_what_is_told_after_correction(study):
    gains = gain_table(*study)
    assert gains["p_holm"].isna().all()  # one unit
    for axes in figures.gain_chart(gains).axes:
        assert filled(axes) == [False] * 6
    full = gains["n_real"] == 3600
    gains = gains.assign(low=gains["gain"] - 1e-4, high=gains["gain"] + 1e-4, p=0.001, p_holm=0.06)
    gains.loc[full, "p_holm"] = [0.05, 0.001, 0.051, 1.0, 0.0, np.nan]
    *small, largest = figures.gain_chart(gains).axes
    assert sum(filled(largest)) == 3
    for axes in small:  # intervals without 0 too
        assert filled(axes) == [False] * 6


def test_gain_chart_draws_gains_over_real_images_alone(study):
    gains = gain_table(*study)
    over_classical = gains.assign(against="classical", gain=0.5)
    figure = figures.gain_chart(pd.concat([gains, over_classical]))
    values = [x for axes in figure.axes for _, x in marks(axes)]
    assert sorted(values) == pytest.approx(sorted(100 * gains["gain"]))
    assert "rows of the table" not in parsed(figure)
    with pytest.raises(ReportError, match="no mix has a real-only cell"):
        figures.gain_chart(over_classical)


def test_gain_chart_marks_the_columns_that_are_optimistic(full_study):
    gains = gain_table(*full_study)
    titles = ["300 real\noptimistic", "1,200 real\noptimistic", "3,600 real"]
    assert panel_titles(figures.gain_chart(gains)) == titles
    controls = gains[gains["strategy"].isin(["classical", "duplicated"])]
    assert panel_titles(figures.gain_chart(controls)) == [t.split("\n")[0] for t in titles]
    assert "optimistic" not in parsed(figures.gain_chart(gain_table(*with_all(full_study))))


def with_all(study):
    """The cells of 1,200 real images and fewer added ones, which are all there are."""
    cells, predictions, labels = study
    rows = (cells["n_real"] == 1200).to_numpy()
    return cells[rows].assign(unit_real=1200), predictions[rows], labels


def marks(axes):
    """Places and values of a panel's dots."""
    dots = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    return sorted((float(dot.get_ydata()[0]), float(dot.get_xdata()[0])) for dot in dots)


def test_gain_chart_has_a_column_a_real_count_and_names_the_controls(full_study):
    gains = gain_table(*full_study)
    figure = figures.gain_chart(gains.sample(frac=1, random_state=0))
    assert [title.split("\n")[0] for title in panel_titles(figure)] == [
        "300 real", "1,200 real", "3,600 real",
    ]  # fmt: skip
    for axes, n_real in zip(figure.axes, (300, 1200, 3600), strict=True):
        wanted = gains[gains["n_real"] == n_real]
        assert sorted(x for _, x in marks(axes)) == pytest.approx(sorted(100 * wanted["gain"]))
        # The same row in every column.
        assert [y for y, _ in marks(axes)] == [y for y, _ in marks(figure.axes[0])]
        low, high = axes.get_xlim()
        assert low < 0 < high
    text = parsed(figure)
    for words in (
        "classical augmentation", "+ 1,200 generated", "+ 7,200 repeated real",
        "control: duplicated", "control: classical", "every column has its own scale",
    ):  # fmt: skip
        assert words in text
    assert "rows of the table" not in text


def test_gain_chart_of_many_counts_says_what_it_leaves_out():
    counts = [100 * k for k in range(1, 10)]
    rows = [
        {"strategy": name, "n_real": r, "n_synthetic": s, "gain": 0.01, "low": 0.0, "high": 0.02,
         "against": "none", "p_holm": 1.0, "n_seeds": 3, "optimistic": False}
        for name in ("mix", "filtered") for r in counts for s in counts
    ]  # fmt: skip
    figure = figures.gain_chart(pd.DataFrame(rows))
    assert len(figure.axes) == 6
    assert sum(len(marks(axes)) for axes in figure.axes) == 2 * 6 * 6
    text = parsed(figure)
    assert "72 of 162 rows of the table of gains are drawn" in text
    for words in ("100 real", "900 real", "+ 100 generated", "+ 900 generated"):
        assert words in text


# The verdict


ARMS = {
    "real": "real images alone",
    "classical": "classical augmentation",
    "mix": "with generated images",
    "mix-classical": "with generated images, all augmented",
}


def curve_of(counts=(600, 6000, 60_000), arms=tuple(ARMS)):
    """Accuracies that rise with the count and, a little, from arm to arm."""
    rows = [
        (arm, n, 3, mean, mean - 0.02 - 0.001 * k, mean + 0.01)
        for k, arm in enumerate(arms)
        for n in counts
        for mean in [0.7 + 0.02 * np.log(n / 50) + 0.005 * k]
    ]
    return pd.DataFrame(rows, columns=["arm", "n_real", "n_units", "mean", "low", "high"])


def bars_of(axes):
    """Lower and upper ends of each set of bars, with the places of both."""
    return [np.array(bars.get_segments()) for bars in axes.collections]


def test_the_learning_curve_has_each_arms_means_and_bounds():
    curve = curve_of()
    figure = figures.learning_curve(curve.sample(frac=1, random_state=0))
    (axes,) = figure.axes
    scale = AccuracyScale(curve[["low", "high"]].to_numpy().ravel())
    lines = axes.get_lines()
    assert [line.get_label() for line in lines] == list(ARMS.values())
    assert len({line.get_marker() for line in lines}) == 4
    for arm, line, bars in zip(ARMS, lines, bars_of(axes), strict=True):
        wanted = curve[curve["arm"] == arm]
        np.testing.assert_allclose(line.get_ydata(), scale.place(wanted["mean"].to_numpy()))
        for end, name in enumerate(("low", "high")):
            np.testing.assert_allclose(bars[:, end, 1], scale.place(wanted[name].to_numpy()))
            np.testing.assert_allclose(bars[:, end, 0], line.get_xdata())
    assert axes.get_xscale() == "log"
    assert axes.get_xticks().tolist() == [600, 6000, 60_000]
    text = parsed(figure)
    for words in (*ARMS.values(), "600", "6,000", "60,000", "Real training images"):
        assert words in text


@pytest.mark.parametrize("counts", [(60, 600, 6000), (48_000, 54_000, 60_000), (600,)])
def test_arms_stand_aside_of_a_count_in_order_and_nearer_to_it_than_to_the_next(counts):
    (axes,) = figures.learning_curve(curve_of(counts)).axes
    places = np.log(np.array([line.get_xdata() for line in axes.get_lines()]) / counts)
    assert (np.diff(places, axis=0) > 0).all()
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-9)
    if len(counts) > 1:
        assert np.abs(places).max() < np.diff(np.log(counts)).min() / 2
    low, high = np.log(axes.get_xlim())
    drawn = np.log([line.get_xdata() for line in axes.get_lines()])
    assert low < drawn.min() < drawn.max() < high


def test_an_arm_that_was_not_chosen_has_no_line_and_the_others_keep_theirs():
    def looks(figure):
        return {
            line.get_label(): (line.get_color(), line.get_marker(), *line.get_xdata())
            for line in figure.axes[0].get_lines()
        }

    curve = curve_of()
    whole = looks(figures.learning_curve(curve))
    figure = figures.learning_curve(curve[curve["arm"] != "classical"])
    whole.pop("classical augmentation")
    assert looks(figure) == whole
    assert "classical augmentation" not in parsed(figure)


def test_one_count_is_a_mark_an_arm_with_its_bar():
    figure = figures.learning_curve(curve_of((600,), ("real", "mix")))
    (axes,) = figure.axes
    assert [len(line.get_xdata()) for line in axes.get_lines()] == [1, 1]
    assert [len(bars) for bars in bars_of(axes)] == [1, 1]
    assert axes.get_xticks().tolist() == [600]
    parsed(figure)


def test_a_mean_without_bounds_is_a_mark_without_a_bar():
    curve = curve_of()
    curve.loc[curve["arm"] != "mix", ["low", "high"]] = np.nan
    (axes,) = figures.learning_curve(curve).axes
    for arm, line, bars in zip(ARMS, axes.get_lines(), bars_of(axes), strict=True):
        assert np.isfinite(line.get_ydata()).all()
        assert np.isfinite(bars).all()
        assert (np.ptp(bars[..., 1], axis=1) > 0).all() == (arm == "mix")
    bare = curve.assign(low=np.nan, high=np.nan, mean=0.8)
    assert "nan" not in parsed(figures.learning_curve(bare))


def test_labels_of_many_counts_do_not_collide():
    counts = (60, 100, 300, 600, 1000, 3000, 6000, 10_000, 50_000, 60_000)
    figure = figures.learning_curve(curve_of(counts))
    figure.canvas.draw()
    (axes,) = figure.axes
    assert axes.get_xticks().tolist() == list(counts)
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    texts = [label.get_text() for label in labels]
    assert len(texts) >= 5
    assert texts[-1] == "60,000"  # the verdict's
    assert "50,000" not in texts
    boxes = [label.get_window_extent() for label in labels]
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    # The legend covers no line.
    assert figure.legends[0].get_window_extent().y0 >= axes.get_window_extent().y1


def sure(seeds=0.125, half_widths=None):
    sources = Sources(0.75 if seeds is not None else 0.875, seeds, 0.125)
    widths = {3: 0.04, 5: 0.02, 10: 0.01, 20: 0.0075} if half_widths is None else half_widths
    return Precision(0.02, sources, 0.03, widths, 8, False)


def bars_by_name(axes):
    axes.figure.canvas.draw()
    names = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in axes.patches], strict=True))


def test_uncertainty_shows_shares_and_half_widths():
    figure = figures.uncertainty(sure())
    left, right = figure.axes
    assert bars_by_name(left) == {
        "test images": 12.5, "classifier seeds": 12.5, "repeats: subset and generator": 75,
    }  # fmt: skip
    assert [text.get_text() for text in left.texts] == ["12 %", "12 %", "75 %"]
    (line,) = right.get_lines()
    np.testing.assert_allclose(line.get_ydata(), [4, 2, 1, 0.75])
    assert [label.get_text() for label in right.get_xticklabels()] == ["3", "5", "10", "20"]
    assert right.get_ylim()[0] == 0
    text = parsed(figure)
    for words in ("Where the uncertainty comes from", "Half-width (points)", "Repeats"):
        assert words in text
    assert "Unknown" not in text


def test_one_classifier_seed_is_not_told_from_repeats():
    (left, _) = figures.uncertainty(sure(seeds=None)).axes
    assert bars_by_name(left) == {"test images": 12.5, "repeats and classifier seeds": 87.5}


def test_half_widths_that_are_not_known_are_no_axis():
    figure = figures.uncertainty(sure(half_widths={}))
    _, right = figure.axes
    assert not right.get_lines()
    text = parsed(figure)
    assert "Unknown: too few answers differ." in text
    assert "Half-width" not in text
    assert "75 %" in text
    figure.canvas.draw()
    assert right.texts[0].get_window_extent().x1 <= figure.bbox.x1


def test_no_text_of_the_uncertainty_collides_or_is_cut():
    figure = figures.uncertainty(Precision(0.02, Sources(1.0, 0.0, 0.0), 0.03, {3: 1.0}, 8, False))
    figure.canvas.draw()
    left, right = figure.axes
    texts = [*left.texts, *left.get_yticklabels(), *left.get_xticklabels()]
    texts += [left.xaxis.label, right.yaxis.label, *right.get_yticklabels(), right.xaxis.label]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_nothing_that_varies_has_no_sources():
    with pytest.raises(ReportError, match="no answer differs"):
        figures.uncertainty(Precision(0.0, None, 0.0, {}, None, False))


# A panel for each strategy


ORDER = [
    "Strategy: mix", "Strategy: filtered", "Strategy: fine-tune", "Strategy: source-channel",
    "Control: duplicated",
]  # fmt: skip


@pytest.fixture(scope="module")
def full(full_study):
    return summarise_cells(full_study[0], 3600, 600)


@pytest.mark.parametrize("draw", BY_STRATEGY)
@given(
    names=st.sets(
        st.sampled_from(["mix", "filtered", "fine-tune", "source-channel", "duplicated"]),
        min_size=1,
    )
)
@settings(deadline=None, max_examples=4)
def test_strategies_have_panels_in_one_order_and_classical_has_none(full, draw, names):
    figure = draw(full[full["strategy"].isin({*names, "none", "classical"})])
    wanted = [title for title in ORDER if title.split(": ")[1] in names]
    if draw is figures.accuracy_surface:
        assert [axes.get_title() for axes in figure.axes] == wanted
    else:
        assert [title for title in panel_titles(figure) if title] == wanted


@pytest.mark.parametrize("draw", [figures.accuracy_contour, figures.accuracy_over_synthetic])
def test_the_axis_of_the_control_says_that_images_are_repeated(full, draw):
    figure = draw(full)
    axes = {axes.get_title(loc="left"): axes for axes in figure.axes}
    across = draw is figures.accuracy_over_synthetic
    labels = {
        title: axes[title].get_xlabel() if across else axes[title].get_ylabel() for title in ORDER
    }
    assert labels.pop("Control: duplicated") == "Repeated real training images"
    assert set(labels.values()) == {"Generated training images"}
    assert "Repeated real" in parsed(figures.accuracy_surface(full))


def test_a_count_has_the_same_place_in_every_panel(full):
    panels = {axes.get_title(loc="left"): axes for axes in figures.accuracy_contour(full).axes}
    for title in ORDER:
        strategy = title.split(": ")[1]
        cells = full[full["strategy"].isin(["none", strategy])]
        offsets = np.asarray(panels[title].collections[-1].get_offsets())
        wanted = {
            ((0, 300, 1200, 3600).index(row.n_real), (0, 1200, 3600, 7200).index(row.n_synthetic))
            for row in cells.itertuples()
        }
        assert set(map(tuple, offsets.astype(int).tolist())) == wanted
    # Fine-tuning needs real images: its first column is empty.
    assert min(x for x, _ in panels[ORDER[2]].collections[-1].get_offsets()) == 1


def test_classical_augmentation_is_one_dashed_line_in_every_panel(full):
    figure = figures.accuracy_over_real(full)
    wanted = full.query("strategy == 'classical'").sort_values("n_real")["test_mean"].to_numpy()
    scale = AccuracyScale(full["test_mean"].to_numpy())
    for axes in figure.axes[:5]:
        (dashed,) = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
        np.testing.assert_allclose(dashed.get_ydata(), scale.place(wanted))
        assert dashed.get_color() == INK
        assert dashed.get_xdata().tolist() == [1, 2, 3]
    text = parsed(figure)
    assert text.count("classical augmentation, no generated images") == 1
    assert "repeated real images" in text
    for draw in (figures.accuracy_over_synthetic, figures.accuracy_contour):
        assert "classical" not in parsed(draw(full))
    without = parsed(figures.accuracy_over_real(full[full["strategy"].isin(["none", "mix"])]))
    assert "classical" not in without
    assert "repeated" not in without


def test_every_control_that_adds_nothing_has_a_line_of_its_own(transformed_study):
    cells = summarise_cells(transformed_study[0], 3600, 600)
    figure = figures.accuracy_over_real(cells)
    for axes in figure.axes[:4]:
        own = [line for line in axes.get_lines() if line.get_linestyle() != "-"]
        assert [line.get_linestyle() for line in own] == ["--", ":"]
        assert len({line.get_marker() for line in own}) == 2
    text = parsed(figure)
    for words in ("classical augmentation,", "classical augmentation, half as strong,"):
        assert text.count(f"{words} no generated images") == 1
    titles = [title for title in panel_titles(figure) if title]
    assert titles == [
        "Strategy: mix", "Strategy: mix-classical", "Strategy: mix-classical-half",
        "Control: duplicated",
    ]  # fmt: skip
    text = parsed(figures.gain_chart(gain_table(*transformed_study)))
    assert "control: classical-half" in text
    assert text.count("classical augmentation") == 1  # one label over the rows of both


def boxes_of(figure, axes):
    """Where the texts of a panel are, in pixels."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]


def overlap(a, b):
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return width > 1 and height > 1


@pytest.mark.parametrize("n_strategies", [1, 2, 5])
def test_values_and_counts_of_a_large_contour_do_not_collide(n_strategies):
    counts = (0, 600, 6000, 12000, 30000, 60000)
    names = ("mix", "filtered", "fine-tune", "source-channel", "duplicated")[:n_strategies]
    rows = [
        {"strategy": name if s else "none", "n_real": r, "n_synthetic": s, "test_mean": 0.9}
        for name in names for r in counts for s in counts if r + s and (r or name == "mix")
    ]  # fmt: skip
    table = pd.DataFrame(rows).drop_duplicates(["strategy", "n_real", "n_synthetic"])
    table["test_mean"] = np.linspace(0.5, 0.995, len(table))
    figure = figures.accuracy_contour(table)
    for axes in figure.axes[:n_strategies]:
        boxes = boxes_of(figure, axes)
        assert len(boxes) >= 35 - 5
        ticks = [label.get_window_extent() for label in axes.get_xticklabels()]
        for group in (boxes, ticks):
            pairs = [(a, b) for i, a in enumerate(group) for b in group[:i]]
            assert not any(overlap(a, b) for a, b in pairs)


def test_sample_grid_shows_the_first_images_of_each_class():
    images, labels = noise(12, 8, 3), np.arange(12) % 3
    groups = {"Generated": (images, labels), "Real": (images[:6], labels[:6])}
    sheet = np.asarray(figures.sample_grid(groups, ["a", "b", "c"]).axes[0].images[0].get_array())
    for index in range(12):
        image = cut(sheet, 8, index % 3, index // 3)
        np.testing.assert_array_equal(image, images[index])
    assert (sheet[:, 2 + 4 * 10 : 2 + 8 * 10, 3] == 0).all()  # only four images of each class
    right = sheet[:, 2 + 8 * 10 :, 3]
    assert (right[2:10] == 255).any(axis=0).sum() == 2 * 8


@pytest.mark.parametrize("n_classes", [3, 120])
def test_of_many_classes_some_are_drawn_and_the_figure_says_so(n_classes):
    names = [f"class {k:03}" for k in range(n_classes)]
    images = np.full((n_classes, 8, 8, 1), 200, np.uint8)
    samples = figures.sample_grid({"Real": (images, np.arange(n_classes))}, names)
    table = acceptance(names, [0.0, 0.5])
    table.loc[table["class_name"] == names[-2], "rate"] = 0.25
    text = parsed(samples)
    if n_classes == 120:
        drawn = int(re.search(r"(\d+) of 120 classes are shown", text)[1])
        assert [name in text for name in names] == [True] * drawn + [False] * (120 - drawn)
        assert samples.get_size_inches()[1] < 12.5
    else:
        assert "are shown" not in text
    figure = figures.acceptance_chart(table)
    assert ("30 of 120 classes: those that are accepted least" in parsed(figure)) == (
        n_classes == 120
    )
    labels = figure.axes[0].get_yticklabels()
    assert len(labels) == min(n_classes, 30)
    boxes = [label.get_window_extent() for label in labels]
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    # The class that is accepted least is among those that are drawn.
    assert names[-2] in parsed(figures.acceptance_chart(table))


def test_a_class_of_which_nothing_was_drawn_has_no_acceptance():
    table = acceptance(["cat", "dog"], [0.0, 0.5])
    table.loc[table["class_name"] == "dog", ["drawn", "accepted", "rate"]] = 0
    figure = figures.acceptance_chart(table, 0.5)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == ["100.0%", "87.5%"]
    bars = parsed(figures.acceptance_chart(table[table["threshold"] == 0.5]))
    assert "nan" not in bars
    assert "87.5%" in bars


def test_an_averaged_copy_is_a_second_dashed_line_with_its_own_values():
    table = with_average(history())
    figure = figures.training_curves(table, best_epoch=3)
    for title, name in (("Label match", "label_match"), ("Inception score", "inception_score"),
                        ("FID", "fid")):  # fmt: skip
        plain_line, averaged = lines_of(figure, title)
        np.testing.assert_allclose(plain_line.get_ydata(), table[name])
        np.testing.assert_allclose(averaged.get_ydata(), table[f"average_{name}"])
        assert (plain_line.get_linestyle(), averaged.get_linestyle()) == ("-", "--")
        assert averaged.get_label() == "averaged copy"
        assert averaged.get_color() != plain_line.get_color()
    text = parsed(figure)
    assert text.count("averaged copy") == text.count("plain weights") == 1
    assert "averaged copy" not in parsed(figures.training_curves(history()))


def test_the_kept_epoch_is_marked_on_the_copy_that_is_kept():
    axes = figures.training_curves(with_average(history()), best_epoch=3).axes[-1]
    marks = [line for line in axes.get_lines() if line.get_markersize() == 8]
    assert [(*mark.get_xdata(), *mark.get_ydata()) for mark in marks] == [(3, 20)]


@pytest.mark.parametrize("optional", [[], ["label_match"], ["label_match", "inception_score"]])
@pytest.mark.parametrize("average", [False, True])
def test_curves_have_a_panel_for_each_score_there_is(optional, average):
    table = with_average(history()) if average else history()
    absent = [name for name in table if name.removeprefix("average_") in optional]
    titles = panel_titles(figures.training_curves(table.drop(columns=absent), best_epoch=2))
    assert ("Label match" in titles) == ("label_match" not in optional)
    assert ("Inception score" in titles) == ("inception_score" not in optional)
    assert {"Losses", "FID"} <= set(titles)


def test_an_autoencoders_reconstruction_has_a_panel_of_its_own():
    table = history().drop(columns="label_match").assign(reconstruction_loss=0.4 - 0.01)
    figure = figures.training_curves(table, best_epoch=1)
    assert panel_titles(figure) == ["Losses", "Reconstruction error", "Inception score", "FID"]
    np.testing.assert_allclose(lines_of(figure, "Reconstruction error")[0].get_ydata(), 0.39)
    assert "Reconstruction error" not in panel_titles(figures.training_curves(history()))


def test_whatever_losses_there_are_are_drawn():
    table = history().drop(columns=["generator_loss", "discriminator_loss"])
    figure = figures.training_curves(table.assign(velocity_loss=0.3, another_loss=0.2))
    lines = lines_of(figure, "Losses")
    assert [line.get_label() for line in lines] == ["velocity", "another"]
    np.testing.assert_allclose(lines[0].get_ydata(), 0.3)
    assert "Losses" not in panel_titles(figures.training_curves(table))


def test_a_bad_start_does_not_flatten_the_rest_of_fid():
    wide = history().assign(fid=[400.0, 50, 12, 11, 12])
    assert figures.training_curves(wide).axes[-1].get_yscale() == "log"
    assert figures.training_curves(history()).axes[-1].get_yscale() == "linear"
    zero = history().assign(fid=[400.0, 50, 0, 0, 0])
    assert figures.training_curves(zero).axes[-1].get_yscale() == "linear"


@pytest.mark.parametrize("best", [None, 1])
def test_one_epoch_is_drawn_on_an_axis_of_whole_epochs(best):
    figure = figures.training_curves(history(1), best_epoch=best)
    figures.figure_bytes(figure)
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert all(tick == int(tick) for tick in axes.get_xticks() if low <= tick <= high)


def test_checkpoint_scores_draw_both_copies_and_print_the_best():
    table = checkpoints(copies=("plain", "average"))
    figure = figures.checkpoint_scores(table.sample(frac=1, random_state=0), best_epoch=14)
    plain_line, averaged = lines_of(figure, "FID, examiner")
    assert plain_line.get_xdata().tolist() == [5, 10, 15, 20]
    np.testing.assert_allclose(plain_line.get_ydata(), [60, 20, 14, 17])
    np.testing.assert_allclose(averaged.get_ydata(), [54, 18, 12.6, 15.3])
    text = parsed(figure)
    for words in ("14.00", "12.60", "8.30", "95.3%", "averaged copy", "kept: 14"):
        assert words in text


@pytest.mark.parametrize("copies", [("plain",), ("average",), ("plain", "average")])
@pytest.mark.parametrize("absent", [[], ["label_match"], ["label_match", "inception_score"]])
@pytest.mark.parametrize("inception", [False, True])
def test_checkpoint_scores_have_a_panel_for_each_score_there_is(copies, absent, inception):
    table = checkpoints(copies=copies).drop(columns=absent)
    if inception:
        table = table.assign(fid_inception=[30.0 + k for k in range(len(table))],
                             inception_score_inception=np.nan)  # fmt: skip
    titles = panel_titles(figures.checkpoint_scores(table))
    assert ("FID, InceptionV3" in titles) == inception
    assert "Inception score, InceptionV3" not in titles
    assert ("Label match, examiner" in titles) == ("label_match" not in absent)
    assert titles[0] == "FID, examiner"


def test_one_checkpoint_is_drawn():
    assert "60.00" in parsed(figures.checkpoint_scores(checkpoints((60.0,)), best_epoch=3))


@given(
    st.sets(st.integers(1, 500), min_size=1, max_size=60).flatmap(
        lambda epochs: st.tuples(
            st.permutations(sorted(epochs)), st.sampled_from([None, 501, *sorted(epochs)])
        )
    ),
    st.integers(3, 12),
)
@settings(deadline=None)
def test_chosen_epochs_are_spread_with_the_first_the_best_and_the_last(given_epochs, most):
    epochs, best = given_epochs
    chosen = chosen_epochs(epochs, best, most)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(epochs)
    assert len(chosen) == min(most, len(epochs))
    assert {min(epochs), max(epochs)} <= set(chosen)
    assert best in chosen or best not in epochs
    places = [sorted(epochs).index(epoch) for epoch in chosen_epochs(epochs, None, most)]
    assert np.ptp(np.diff(places)) <= 1 if len(places) > 1 else True


def noise(n, side, channels, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def shown(figure):
    """The picture in the PNG, and the sheet of image pixels that it was made from."""
    axes = figure.axes[0]
    sheet = np.asarray(axes.images[0].get_array())
    png, _ = figures.figure_bytes(figure)
    with Image.open(BytesIO(png)) as image:
        page = np.asarray(image.convert("RGB"))
    left, width = (axes.get_position().x0, axes.get_position().width)
    left, width = round(left * page.shape[1]), round(width * page.shape[1])
    return page[:, left : left + width], sheet


def cut(sheet, side, row, column):
    """One image of a sheet."""
    gap = max(2, side // 16)
    top, left = gap + row * (side + gap), gap + column * (side + gap)
    image = sheet[top : top + side, left : left + side]
    assert (image[..., 3] == 255).all()
    return image[..., :3]


@pytest.mark.parametrize(
    ("side", "scale", "n"), [(28, 3, 12), (32, 2, 12), (64, 2, 8), (128, 1, 8)]
)
def test_images_are_as_large_as_the_page_allows(side, scale, n):
    page, sheet = shown(figures.epoch_collage({1: noise(12, side, 1)}, {}))
    assert page.shape[0] == scale * sheet.shape[0]
    assert sheet.shape[1] // (side + max(2, side // 16)) == n


@pytest.mark.parametrize("n_epochs", [1, 2, 8, 9, 40])
def test_a_collage_shows_the_same_noise_in_every_row(n_epochs):
    epochs = list(range(2, 2 * n_epochs + 1, 2))
    grids = {epoch: noise(20, 28, 1, epoch) for epoch in epochs}
    best = epochs[n_epochs // 3]
    figure = figures.epoch_collage(grids, {e: 100 / e for e in epochs}, best)
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    rows = chosen_epochs(epochs, best)
    assert sheet.shape[:2] == (30 * len(rows) + 2, 12 * 30 + 2)
    for row, epoch in enumerate(rows):
        for column in range(12):
            image = cut(sheet, 28, row, column)
            np.testing.assert_array_equal(image, grids[epoch][column].repeat(3, -1))
    labels = [text.get_text() for text in figure.axes[0].texts]
    wanted = [f"epoch {e}\nFID {100 / e:.1f}" + "\nkept" * (e == best) for e in rows]
    assert labels == wanted
    # The frame is around the kept epoch's row.
    (frame,) = figure.axes[0].patches
    middle = frame.get_y() + frame.get_height() / 2
    assert int(middle // 30) == rows.index(best)


def test_a_collage_says_no_score_it_does_not_know():
    grids = {epoch: noise(3, 28, 1) for epoch in (1, 2, 3)}
    text = parsed(figures.epoch_collage(grids, {1: 12.34, 2: np.nan}, best_epoch=9))
    assert text.count("FID") == 1
    assert "FID 12.3" in text
    assert "kept" not in text
    assert "nan" not in text


def test_reconstructions_stand_under_what_they_are_of():
    pairs, drawn = np.stack([noise(16, 64, 3, 1), noise(16, 64, 3, 2)]), noise(40, 64, 3, 3)
    figure = figures.reconstructions(pairs, drawn)
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    for column in range(8):
        np.testing.assert_array_equal(cut(sheet, 64, 0, column), pairs[0, 2 * column])
        np.testing.assert_array_equal(cut(sheet, 64, 1, column), pairs[1, 2 * column])
        np.testing.assert_array_equal(cut(sheet, 64, 2, column), drawn[column])
    text = parsed(figure)
    for label in ("Real", "Reconstructed", "From noise"):
        assert label in text
    assert "kept" not in text


def test_confidence_histogram_of_certain_images():
    text = parsed(
        figures.confidence_histogram({"Real": np.ones(10), "Generated": np.zeros(5)}, 0.9)
    )
    assert "threshold 0.9" in text
    assert "Generated (5): 0.0% in the top bin (0.95 or more)" in text
    assert "Real (10): 100.0% in the top bin" in text


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@example([0.95, 0.5])
@settings(deadline=None, max_examples=20)
def test_the_share_in_the_top_bin_is_that_of_its_values(values):
    figure = figures.confidence_histogram({"some": np.array(values)})
    (legend,) = figure.legends
    share = np.mean([value >= 0.95 for value in values])
    assert f": {percent(float(share))} in the top bin" in legend.get_texts()[0].get_text()


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
        lambda: figures.learning_curve(pd.DataFrame()),
        lambda: figures.sample_grid({}, ["a"]),
        lambda: figures.sample_grid({"x": (np.zeros((1, 8, 8, 1)), np.zeros(1, int))}, ["a"]),
        lambda: figures.training_curves(pd.DataFrame({"epoch": [1]})),
        lambda: figures.checkpoint_scores(pd.DataFrame({"epoch": [], "weights": []})),
        lambda: figures.epoch_collage({}, {}),
        lambda: figures.epoch_collage({1: np.zeros((0, 28, 28, 1), np.uint8)}, {}),
        lambda: figures.epoch_collage(
            {1: np.zeros((1, 28, 28, 1), np.uint8), 2: np.zeros((1, 32, 32, 1), np.uint8)}, {}
        ),
        lambda: figures.reconstructions(
            np.zeros((3, 2, 28, 28, 1), np.uint8), np.zeros((2, 28, 28, 1), np.uint8)
        ),
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
def test_counts_and_classes_stand_out_on_light_and_dark_ground(ground):
    colours = [*(ORDERED(k / 5) for k in range(6)), *CLASS_COLOURS]
    assert min(contrast(colour, ground) for colour in colours) >= 3


def test_plain_names_are_short_and_printable():
    for name in HOSTILE:
        assert plain(name).isprintable()
        assert len(plain(name)) <= 22
