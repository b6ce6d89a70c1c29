"""Figures that look into a generator and a classifier: what they show, leave out and refuse."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import figures
from reports.errors import ReportError
from reports.figures.style import percent
from tests.reports.figures.looks import HOSTILE, noise, sheet_of, text, texts


def packed(row):
    """Four neighbouring values as one number, for every place of a row but the last three."""
    wide = row.astype(np.uint32)
    n = wide.shape[-1] - 3
    return sum(wide[..., k : n + k] << 8 * k for k in range(4))


def places_of(sheet, image):
    """Upper left corners at which a sheet holds an image, pixel by pixel."""
    side = image.shape[0]
    want = np.broadcast_to(image, (side, side, 3))
    # Few places start like the image; all of those are looked at in full.
    found = np.argwhere(packed(sheet[..., 0]) == packed(want[0, :4, 0])[0])
    return [
        (int(top), int(left))
        for top, left in found
        if np.array_equal(sheet[top : top + side, left : left + side, :3], want)
        and (sheet[top : top + side, left : left + side, 3] == 255).all()
    ]


def neighbours(n=10, side=28, channels=1, classes=10, k=4):
    """Arguments of `nearest_neighbours`, all images different."""
    images = noise(n * (k + 1), side, channels)
    distances = np.arange(n * k).reshape(n, k) + 0.25
    names = [f"class {c}" for c in range(classes)]
    return images[:n], images[n:].reshape(n, k, side, side, channels), distances, names, (
        np.arange(n) % classes
    )  # fmt: skip


@pytest.mark.parametrize(("side", "channels", "n"), [(28, 1, 10), (32, 3, 1), (128, 1, 3)])
def test_every_generated_image_stands_before_its_own_neighbours(side, channels, n):
    queries, near, *rest = neighbours(n, side, channels)
    figure = figures.nearest_neighbours(queries, near, *rest)
    sheet = sheet_of(figure)
    for query, row in zip(queries, near, strict=True):
        ((top, left),) = places_of(sheet, query)
        for image in row:
            ((beside, right),) = places_of(sheet, image)
            assert beside == top
            assert right >= left + side
            left = right
    shown = texts(figure)
    for distance in rest[0].flat:
        assert f"{distance:.2f}" in shown
    assert figure.get_size_inches()[0] <= 8.7


def right_and_wrong(n_classes, side=28, channels=1, right=6, wrong=5):
    """Arguments of `examples`: images of one class and kind differ in their seed."""
    names = [f"kind {k}" for k in range(n_classes)]
    successes = {k: noise(right, side, channels, 2 * k) for k in range(n_classes)}
    failures = {
        k: (noise(wrong, side, channels, 2 * k + 1), (k + 1 + np.arange(wrong)) % n_classes)
        for k in range(n_classes)
    }
    return successes, failures, names


@pytest.mark.parametrize(("side", "channels"), [(28, 1), (64, 3)])
def test_four_examples_of_each_class_right_before_wrong(side, channels):
    successes, failures, names = right_and_wrong(6, side, channels)
    figure = figures.examples(successes, failures, names)
    sheet = sheet_of(figure)
    for label in range(6):
        right = [places_of(sheet, image) for image in successes[label]]
        wrong = [places_of(sheet, image) for image in failures[label][0]]
        assert [len(places) for places in right] == [1, 1, 1, 1, 0, 0]
        assert [len(places) for places in wrong] == [1, 1, 1, 1, 0]
        row = [places[0] for places in right[:4] + wrong[:4]]
        assert len({top for top, _ in row}) == 1
        lefts = [left for _, left in row]
        assert lefts == sorted(lefts)
    shown = texts(figure)
    for label in range(6):
        # Once as the row's label, and once under each image that is predicted as this class.
        predicted = sum(int((failures[k][1][:4] == label).sum()) for k in range(6))
        assert shown.count(f"kind {label}") == 1 + predicted


def test_absent_examples_are_blank():
    images, nothing = noise(3, 28, 1), (noise(0, 28, 1), np.zeros(0, np.int64))
    right = {0: images[:0], 1: images[:0], 2: images}
    figure = figures.examples(
        right, {0: (images[:1], np.array([2])), 1: nothing, 2: nothing}, ["a", "b", "c"]
    )
    shown = texts(figure)
    assert "b" not in shown
    assert shown.count("c") == 2
    assert len(places_of(sheet_of(figure), images[0])) == 2


@pytest.mark.parametrize("side", [28, 128])
def test_rows_without_room_are_left_out_and_counted(side):
    queries, *rest = neighbours(60, side)
    of_classes = figures.examples(*right_and_wrong(60, side))
    of_images = figures.nearest_neighbours(queries, *rest)
    for figure in (of_classes, of_images):
        (note,) = [text for text in texts(figure) if "are shown" in text]
        shown, total = map(int, re.findall(r"\d+", note))
        assert (total, 5 <= shown <= 24) == (60, True)
        assert figure.get_size_inches()[1] < 12.5
    assert shown == sum(len(places_of(sheet_of(of_images), query)) for query in queries)


def test_names_that_differ_at_their_ends_can_be_told_apart():
    successes, failures, _ = right_and_wrong(4, 28)
    names = [f"a rather long name of {k}" for k in range(4)]
    shown = texts(figures.examples(successes, failures, names))
    short = {text for text in shown if "\N{HORIZONTAL ELLIPSIS}" in text and text[-1].isdigit()}
    assert {text[-1] for text in short} == {"0", "1", "2", "3"}


def coverage(names):
    rng = np.random.default_rng(0)
    rows = [
        {"class_name": name, "group": group, "n_queries": 200, "n_train": 5400,
         "share": rng.uniform(0.01, 0.03), "most": rng.uniform(0.01, 0.2)}
        for group in ("generated", "test") for name in names
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_coverage_sets_generated_beside_test_images():
    names = ["b", "a", "c"]
    table = coverage(names)
    figure = figures.neighbour_coverage(table.sample(frac=1, random_state=1))
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert sorted(rows) == sorted(names)
    for axes, column in zip(figure.axes, ("share", "most"), strict=True):
        lines = {line.get_label(): line for line in axes.get_lines()}
        for group in ("generated", "test"):
            wanted = table[table["group"] == group].set_index("class_name").loc[rows, column]
            np.testing.assert_allclose(lines[f"{group} images"].get_xdata(), wanted)
        # Told apart without colour.
        assert len({line.get_marker() for line in lines.values()}) == 2


def test_coverage_of_many_classes_draws_those_with_the_fewest_neighbours():
    names = [f"species {k}" for k in range(100)]
    table = coverage(names)
    figure = figures.neighbour_coverage(table)
    rows = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    generated = table[table["group"] == "generated"].nsmallest(24, "share")
    assert rows == set(generated["class_name"])
    assert any(text.startswith("24 of 100 classes") for text in texts(figure))


def test_coverage_of_one_class_and_of_unknown_shares():
    table = coverage(["a", "b"])
    unknown = table.assign(share=table["share"].where(table.index > 0), most=np.nan)
    zero = table.assign(share=0.0, most=0.0)
    for odd in (coverage(["only"]), unknown, zero):
        assert "nan" not in text(figures.neighbour_coverage(odd))


def scores(epochs=(29, 30), groups=("generated", "training", "test"), n=100):
    rng = np.random.default_rng(0)
    return pd.concat(
        [
            pd.DataFrame({"epoch": epoch, "group": group, "score": rng.beta(k + 1, 2, n)})
            for epoch in epochs
            for k, group in enumerate(groups)
        ]
    )


def test_the_last_two_epochs_are_drawn_with_the_share_above_a_half():
    table = scores((7, 8, 9))
    figure = figures.discriminator_scores(table)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Epoch 8", "Epoch 9"]
    for axes, epoch in zip(figure.axes, (8, 9), strict=True):
        entries = {text.get_text() for text in axes.get_legend().get_texts()}
        mine = table[table["epoch"] == epoch].groupby("group")["score"]
        wanted = {
            f"{group} (100): {percent(float((values > 0.5).mean()))}" for group, values in mine
        }
        assert entries == wanted
        assert len({handle.get_linestyle() for handle in axes.patches}) == 3


@pytest.mark.parametrize("groups", [("generated",), ("training", "test")])
def test_groups_without_scores_are_left_out(groups):
    figure = figures.discriminator_scores(scores((3,), groups))
    (axes,) = figure.axes
    assert len(axes.get_legend().get_texts()) == len(groups)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(deadline=None, max_examples=15)
def test_every_score_is_in_the_histogram(values):
    table = pd.DataFrame({"epoch": 1, "group": "test", "score": values})
    (axes,) = figures.discriminator_scores(table).axes
    (steps,) = axes.patches
    assert steps.get_data().values.sum() == pytest.approx(1)


def projection(n_classes, n=100):
    rng = np.random.default_rng(0)
    groups = [
        pd.DataFrame({"group": group, "label": np.arange(n) % n_classes,
                      "x": rng.normal(size=n), "y": rng.normal(size=n)})
        for group in ("generated", "real")
    ]  # fmt: skip
    return pd.concat(groups)


@pytest.mark.parametrize("n_classes", [1, 10, 11])
def test_groups_have_a_marker_and_few_classes_a_colour_and_a_name(n_classes):
    names = [f"name {k}" for k in range(n_classes)]
    figure = figures.activation_projection(projection(n_classes), (0.5, 0.25), names)
    (axes,) = figure.axes
    real, generated = axes.collections
    assert len(real.get_offsets()) == len(generated.get_offsets()) == 100
    assert not np.array_equal(real.get_paths()[0].vertices, generated.get_paths()[0].vertices)
    colours = {tuple(colour) for colour in generated.get_edgecolors()}
    shown = texts(figure)
    assert any("50.0% of the variance" in text for text in shown)
    assert "real images (100)" in shown
    assert len(colours) == (n_classes if n_classes <= 10 else 1)
    assert [name for name in names if name in shown] == (names if n_classes <= 10 else [])
    alone = projection(n_classes)[lambda table: table["group"] == "generated"]
    one = texts(figures.activation_projection(alone, (0.5, 0.0), names))
    assert "generated images (100)" in one
    assert "real images (100)" not in one


def test_hostile_names_are_drawn_as_text():
    n = len(HOSTILE)
    queries, near, distances, _, labels = neighbours(n, classes=n)
    successes, failures, _ = right_and_wrong(n)
    storable = [name for name in HOSTILE if name != "\udcff"]  # tables hold valid UTF-8 only
    for figure in (
        figures.nearest_neighbours(queries, near, distances, HOSTILE, labels),
        figures.examples(successes, failures, HOSTILE),
        figures.activation_projection(projection(n), (0.5, 0.25), HOSTILE),
        figures.neighbour_coverage(coverage(storable)),
    ):
        shown = " ".join(texts(figure))
        assert "<s" in shown
        assert "$\\" in shown


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.nearest_neighbours(*neighbours(side=32, channels=3)),
        lambda: figures.examples(*right_and_wrong(3)),
        lambda: figures.neighbour_coverage(coverage(["a", "b"])),
        lambda: figures.discriminator_scores(scores()),
        lambda: figures.activation_projection(projection(3), (0.5, 0.25), ["a", "b", "c"]),
    ],
)
def test_equal_figures_have_equal_bytes_and_give_no_warning(draw, recwarn):
    first = figures.figure_bytes(draw())
    assert first == figures.figure_bytes(draw())
    assert b"<dc:date>" not in first[1]
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("score", [1.5, np.nan])
def test_scores_that_are_no_probabilities_are_refused(score):
    with pytest.raises(ReportError, match="allowed: from 0 to 1"):
        figures.discriminator_scores(scores().assign(score=score))
