"""Figures: what they show, that they are repeatable, and hostile names."""

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from augment.mixing.strategies import STRATEGIES
from reports import figures
from reports.errors import ReportError
from reports.figures.images import chosen_epochs
from reports.figures.inspection import CLASS_COLOURS
from reports.figures.style import INK, ORDERED, AccuracyScale, percent, plain
from reports.verdict.precision import Precision, Sources
from reports.verdict.statistics import gain_table, summarise_cells
from tests.reports.figures.looks import (
    HOSTILE,
    boxes_of,
    collide,
    noise,
    sheet_of,
    text,
    titles,
)

BY_STRATEGY = [
    figures.accuracy_contour,
    figures.accuracy_surface,
    figures.accuracy_over_real,
    figures.accuracy_over_synthetic,
]
"""Figures with a panel for each strategy."""

ORDER = [
    "Strategy: mix", "Strategy: filtered", "Strategy: fine-tune", "Strategy: source-channel",
    "Control: duplicated",
]  # fmt: skip


@pytest.fixture(scope="module")
def summary(study):
    return summarise_cells(study[0], 3600, 600)


@pytest.fixture(scope="module")
def full(full_study):
    return summarise_cells(full_study[0], 3600, 600)


# Accuracy over real and generated images


def test_contour_prints_every_trained_cell(summary):
    shown = text(figures.accuracy_contour(summary))
    for words in (*map(percent, summary["test_mean"]), "3,600", "Strategy: filtered"):
        assert words in shown


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
def test_small_grids_without_bands_are_drawn_too(summary, draw, rows):
    draw(summary.query(rows).assign(test_low=np.nan, test_high=np.nan)).canvas.draw()


def test_perfect_accuracy_is_drawn(summary):
    perfect = summary.assign(test_mean=1.0, test_low=1.0, test_high=1.0)
    assert "100" in text(figures.accuracy_contour(perfect))
    figures.accuracy_over_synthetic(perfect).canvas.draw()


def test_lines_pass_through_the_means(summary):
    axes = figures.accuracy_over_real(summary).axes[0]
    line = next(line for line in axes.get_lines() if line.get_label() == "1,200")
    wanted = summary.query("strategy == 'mix' and n_synthetic == 1200").sort_values("n_real")
    scale = AccuracyScale(summary["test_mean"].to_numpy())
    np.testing.assert_allclose(line.get_ydata(), scale.place(wanted["test_mean"].to_numpy()))


@pytest.mark.parametrize("draw", BY_STRATEGY)
@given(names=st.sets(st.sampled_from([title.split(": ")[1] for title in ORDER]), min_size=1))
@settings(deadline=None, max_examples=4)
def test_strategies_have_panels_in_one_order_and_classical_has_none(full, draw, names):
    figure = draw(full[full["strategy"].isin({*names, "none", "classical"})])
    assert titles(figure) == [title for title in ORDER if title.split(": ")[1] in names]


@pytest.mark.parametrize("draw", [figures.accuracy_contour, figures.accuracy_over_synthetic])
def test_the_axis_of_the_control_says_that_images_are_repeated(full, draw):
    label = (
        mpl.axes.Axes.get_ylabel if draw is figures.accuracy_contour else mpl.axes.Axes.get_xlabel
    )
    labels = [label(axes) for axes in draw(full).axes[:5]]
    assert labels == ["Generated training images"] * 4 + ["Repeated real training images"]
    assert "Repeated real" in text(figures.accuracy_surface(full))


def test_a_count_has_the_same_place_in_every_panel(full):
    panels = figures.accuracy_contour(full).axes
    for axes, title in zip(panels[:5], ORDER, strict=True):
        cells = full[full["strategy"].isin(["none", title.split(": ")[1]])]
        offsets = np.asarray(axes.collections[-1].get_offsets())
        wanted = {
            ((0, 300, 1200, 3600).index(row.n_real), (0, 1200, 3600, 7200).index(row.n_synthetic))
            for row in cells.itertuples()
        }
        assert set(map(tuple, offsets.astype(int).tolist())) == wanted
    # Fine-tuning needs real images: its first column is empty.
    assert min(x for x, _ in panels[2].collections[-1].get_offsets()) == 1


def test_classical_augmentation_is_one_dashed_line_in_every_panel(full):
    figure = figures.accuracy_over_real(full)
    wanted = full.query("strategy == 'classical'").sort_values("n_real")["test_mean"].to_numpy()
    scale = AccuracyScale(full["test_mean"].to_numpy())
    for axes in figure.axes[:5]:
        (dashed,) = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
        np.testing.assert_allclose(dashed.get_ydata(), scale.place(wanted))
        assert (dashed.get_color(), dashed.get_xdata().tolist()) == (INK, [1, 2, 3])
    shown = text(figure)
    assert shown.count("classical augmentation, no generated images") == 1
    assert "repeated real images" in shown
    for draw in (figures.accuracy_over_synthetic, figures.accuracy_contour):
        assert "classical" not in text(draw(full))
    without = text(figures.accuracy_over_real(full[full["strategy"].isin(["none", "mix"])]))
    assert not re.search("classical|repeated", without)


def test_every_control_that_adds_nothing_has_a_line_of_its_own(transformed_study):
    figure = figures.accuracy_over_real(summarise_cells(transformed_study[0], 3600, 600))
    for axes in figure.axes[:4]:
        own = [line for line in axes.get_lines() if line.get_linestyle() != "-"]
        assert [line.get_linestyle() for line in own] == ["--", ":"]
        assert len({line.get_marker() for line in own}) == 2
    shown = text(figure)
    for words in ("classical augmentation,", "classical augmentation, half as strong,"):
        assert shown.count(f"{words} no generated images") == 1
    assert titles(figure) == [
        "Strategy: mix", "Strategy: mix-classical", "Strategy: mix-classical-half",
        "Control: duplicated",
    ]  # fmt: skip
    shown = text(figures.gain_chart(gain_table(*transformed_study)))
    assert "control: classical-half" in shown
    assert shown.count("classical augmentation") == 1  # one label over the rows of both


@pytest.mark.parametrize("n_strategies", [1, 2, 5])
def test_values_and_counts_of_a_large_contour_do_not_collide(n_strategies):
    counts = (0, 600, 6000, 12000, 30000, 60000)
    rows = [
        {"strategy": title.split(": ")[1] if s else "none", "n_real": r, "n_synthetic": s}
        for title in ORDER[:n_strategies] for r in counts for s in counts
        if r + s and (r or title == ORDER[0])
    ]  # fmt: skip
    table = pd.DataFrame(rows).drop_duplicates()
    figure = figures.accuracy_contour(table.assign(test_mean=np.linspace(0.5, 0.995, len(table))))
    for axes in figure.axes[:n_strategies]:
        boxes = boxes_of(figure, axes.texts)
        assert len(boxes) >= 35 - 5
        assert not collide(boxes)
        assert not collide(boxes_of(figure, axes.get_xticklabels()))


@pytest.mark.parametrize("low", [0.1, 0.6, 0.9, 0.97])
@pytest.mark.parametrize("high", [0.98, 0.995, 1.0])
def test_accuracy_ticks_are_few_ordered_and_inside(low, high):
    scale = AccuracyScale([low, high, np.nan])
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8
    assert low - 1e-9 <= ticks[0] < ticks[-1] <= high + 1e-9
    assert (np.diff(ticks) > 0).all()
    assert (np.diff(scale.place(np.array(ticks))) > 0).all()


# Gains


def dots(axes):
    return [line for line in axes.get_lines() if line.get_linestyle() == "None"]


def marks(axes):
    """Places and values of a panel's dots."""
    return sorted((float(dot.get_ydata()[0]), float(dot.get_xdata()[0])) for dot in dots(axes))


def filled(axes):
    return [dot.get_markerfacecolor() == dot.get_color() for dot in dots(axes)]


def test_gain_chart_fills_what_is_told_after_correction(study):
    gains = gain_table(*study)
    assert gains["p_holm"].isna().all()  # one unit
    for axes in figures.gain_chart(gains).axes:
        assert filled(axes) == [False] * 6
    gains = gains.assign(low=gains["gain"] - 1e-4, high=gains["gain"] + 1e-4, p=0.001, p_holm=0.06)
    gains.loc[gains["n_real"] == 3600, "p_holm"] = [0.05, 0.001, 0.051, 1.0, 0.0, np.nan]
    *small, largest = figures.gain_chart(gains).axes
    assert sum(filled(largest)) == 3
    for axes in small:  # intervals without 0 too
        assert filled(axes) == [False] * 6


def test_gain_chart_marks_the_columns_that_are_optimistic(full_study):
    gains = gain_table(*full_study)
    marked = ["300 real\noptimistic", "1,200 real\noptimistic", "3,600 real"]
    assert titles(figures.gain_chart(gains)) == marked
    controls = gains[gains["strategy"].isin(["classical", "duplicated"])]
    assert titles(figures.gain_chart(controls)) == [t.split("\n")[0] for t in marked]


def test_gain_chart_has_a_column_a_real_count_and_names_the_controls(full_study):
    gains = gain_table(*full_study)
    over_classical = gains.assign(against="classical", gain=0.5)  # is not drawn
    both = pd.concat([gains, over_classical]).sample(frac=1, random_state=0)
    figure = figures.gain_chart(both)
    for axes, n_real in zip(figure.axes, (300, 1200, 3600), strict=True):
        wanted = gains[gains["n_real"] == n_real]
        assert sorted(x for _, x in marks(axes)) == pytest.approx(sorted(100 * wanted["gain"]))
        # The same row in every column.
        assert [y for y, _ in marks(axes)] == [y for y, _ in marks(figure.axes[0])]
        low, high = axes.get_xlim()
        assert low < 0 < high
    shown = text(figure)
    for words in (
        "classical augmentation", "+ 1,200 generated", "+ 7,200 repeated real",
        "control: duplicated", "control: classical", "every column has its own scale",
    ):  # fmt: skip
        assert words in shown
    assert "rows of the table" not in shown


def test_the_legend_of_every_strategy_is_inside_the_gain_chart():
    rows = [
        {"strategy": name, "n_real": 600, "n_synthetic": 600, "gain": 0.01, "low": 0.0,
         "high": 0.02, "against": "none", "p_holm": 1.0, "n_seeds": 3, "optimistic": False}
        for name in STRATEGIES if name != "none"
    ]  # fmt: skip
    figure = figures.gain_chart(pd.DataFrame(rows))
    figure.canvas.draw()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(rows)
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert box.y1 <= figure.bbox.height


def test_gain_chart_of_many_counts_says_what_it_leaves_out():
    counts = [100 * k for k in range(1, 10)]
    rows = [
        {"strategy": name, "n_real": r, "n_synthetic": s, "gain": 0.01, "low": 0.0, "high": 0.02,
         "against": "none", "p_holm": 1.0, "n_seeds": 3, "optimistic": False}
        for name in ("mix", "filtered") for r in counts for s in counts
    ]  # fmt: skip
    figure = figures.gain_chart(pd.DataFrame(rows))
    assert sum(len(marks(axes)) for axes in figure.axes) == 2 * 6 * 6
    shown = text(figure)
    for words in (
        "72 of 162 rows of the table of gains are drawn",
        *("100 real", "900 real", "+ 100 generated", "+ 900 generated"),
    ):
        assert words in shown


# The verdict


ARMS = {
    "real": "real images alone",
    "classical": "classical augmentation",
    "mix": "with generated images",
    "mix-classical": "with generated images, all augmented",
}


def curve_of(counts=(600, 6000, 60_000)):
    """Accuracies that rise with the count and, a little, from arm to arm."""
    rows = [
        (arm, n, 3, mean, mean - 0.02 - 0.001 * k, mean + 0.01)
        for k, arm in enumerate(ARMS)
        for n in counts
        for mean in [0.7 + 0.02 * np.log(n / 50) + 0.005 * k]
    ]
    return pd.DataFrame(rows, columns=["arm", "n_real", "n_units", "mean", "low", "high"])


def bars_of(axes):
    """Lower and upper ends of each arm's bars, with the places of both."""
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
    assert (axes.get_xscale(), axes.get_xticks().tolist()) == ("log", [600, 6000, 60_000])
    shown = text(figure)
    for words in (*ARMS.values(), "600", "6,000", "60,000", "Real training images"):
        assert words in shown
    # An arm that was not chosen has no line; the others keep their place and their look.
    fewer = figures.learning_curve(curve[curve["arm"] != "classical"]).axes[0].get_lines()
    for line, other in zip(fewer, [lines[0], *lines[2:]], strict=True):
        assert line.get_xdata().tolist() == other.get_xdata().tolist()
        for look in ("get_label", "get_color", "get_marker"):
            assert getattr(line, look)() == getattr(other, look)()


@pytest.mark.parametrize("counts", [(60, 600, 6000), (48_000, 54_000, 60_000), (600,)])
def test_arms_stand_aside_of_a_count_in_order_and_nearer_to_it_than_to_the_next(counts):
    (axes,) = figures.learning_curve(curve_of(counts)).axes
    drawn = np.log([line.get_xdata() for line in axes.get_lines()])
    places = drawn - np.log(counts)
    assert (np.diff(places, axis=0) > 0).all()
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-9)
    if len(counts) > 1:
        assert np.abs(places).max() < np.diff(np.log(counts)).min() / 2
    low, high = np.log(axes.get_xlim())
    assert low < drawn.min() < drawn.max() < high


def test_a_mean_without_bounds_is_a_mark_without_a_bar():
    curve = curve_of()
    curve.loc[curve["arm"] != "mix", ["low", "high"]] = np.nan
    (axes,) = figures.learning_curve(curve).axes
    for arm, line, bars in zip(ARMS, axes.get_lines(), bars_of(axes), strict=True):
        assert np.isfinite(line.get_ydata()).all()
        assert np.isfinite(bars).all()
        assert (np.ptp(bars[..., 1], axis=1) > 0).all() == (arm == "mix")


def test_labels_of_many_counts_do_not_collide():
    counts = (60, 100, 300, 600, 1000, 3000, 6000, 10_000, 50_000, 60_000)
    figure = figures.learning_curve(curve_of(counts))
    (axes,) = figure.axes
    boxes = boxes_of(figure, axes.get_xticklabels())
    shown = [label.get_text() for label in axes.get_xticklabels() if label.get_text()]
    assert len(shown) >= 5
    assert shown[-1] == "60,000"  # the verdict's
    assert "50,000" not in shown
    assert not collide(boxes)
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    # The legend covers no line.
    assert figure.legends[0].get_window_extent().y0 >= axes.get_window_extent().y1


def sure(units, seeds, images, half_widths):
    return Precision(0.02, Sources(units, seeds, images), 0.03, half_widths, 8, False)


@pytest.mark.parametrize(
    ("found", "bars"),
    [
        (
            sure(0.75, 0.125, 0.125, {3: 0.04, 5: 0.02, 10: 0.01, 20: 0.0075}),
            {"test images": 12.5, "classifier seeds": 12.5, "repeats: subset and generator": 75},
        ),
        (
            sure(0.875, None, 0.125, {3: 0.04}),
            {"test images": 12.5, "repeats and classifier seeds": 87.5},
        ),
        (
            sure(1.0, 0.0, 0.0, {}),
            {"test images": 0, "classifier seeds": 0, "repeats: subset and generator": 100},
        ),
    ],
)
def test_uncertainty_shows_shares_and_half_widths(found, bars):
    figure = figures.uncertainty(found)
    left, right = figure.axes
    labels = [
        *left.texts, *left.get_yticklabels(), *left.get_xticklabels(), *right.texts,
        left.xaxis.label,
    ]  # fmt: skip
    if found.half_widths:
        labels += [right.yaxis.label, *right.get_yticklabels(), right.xaxis.label]
    boxes = boxes_of(figure, labels)
    assert not collide(boxes)
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1
    names = [label.get_text().replace("\n", " ") for label in left.get_yticklabels()]
    assert dict(zip(names, [bar.get_width() for bar in left.patches], strict=True)) == bars
    assert [share.get_text() for share in left.texts] == [f"{w:.0f} %" for w in bars.values()]
    shown = text(figure)
    assert ("Unknown: too few predictions differ." in shown) == (not found.half_widths)
    assert ("Half-width (points)" in shown) == bool(found.half_widths)
    for line in right.get_lines():
        np.testing.assert_allclose(line.get_ydata(), [100 * w for w in found.half_widths.values()])
        ticks = [label.get_text() for label in right.get_xticklabels()]
        assert ticks == [str(n) for n in found.half_widths]
        assert right.get_ylim()[0] == 0
    assert len(right.get_lines()) == bool(found.half_widths)


# The generator


def history(epochs=5, **columns):
    epoch = np.arange(1, epochs + 1)
    table = {
        "epoch": epoch,
        "generator_loss": 1.0 / epoch,
        "discriminator_loss": 0.5 + 0 * epoch,
        "label_match": 1 - 0.5 / epoch,
        "inception_score": 9 - 1 / epoch,
        "fid": 60 / epoch,
    }
    return pd.DataFrame(table | columns)


def with_average(table):
    """The same scores of an averaged copy, all a little better."""
    return table.assign(
        average_label_match=table["label_match"] + 0.01,
        average_inception_score=table["inception_score"] + 0.1,
        average_fid=0.9 * table["fid"],
    )


def lines_of(figure, title):
    """Lines of a panel, without marks and the kept epoch's."""
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == title)
    return [line for line in axes.get_lines() if len(line.get_xdata()) > 1 and
            line.get_linestyle() in ("-", "--")]  # fmt: skip


def test_an_averaged_copy_is_a_second_dashed_line_with_its_own_values():
    table = with_average(history())
    figure = figures.training_curves(table, best_epoch=3)
    for title, name in (("Label match", "label_match"), ("Inception score", "inception_score"),
                        ("FID", "fid")):  # fmt: skip
        plain_line, averaged = lines_of(figure, title)
        np.testing.assert_allclose(plain_line.get_ydata(), table[name])
        np.testing.assert_allclose(averaged.get_ydata(), table[f"average_{name}"])
        assert (plain_line.get_linestyle(), averaged.get_linestyle()) == ("-", "--")
        assert averaged.get_color() != plain_line.get_color()
    shown = text(figure)
    assert shown.count("averaged copy") == shown.count("plain weights") == 1
    assert "averaged copy" not in text(figures.training_curves(history()))
    # The kept epoch is marked on the copy that is kept.
    kept = [line for line in figure.axes[4 - 1].get_lines() if line.get_markersize() == 8]
    assert [(*mark.get_xdata(), *mark.get_ydata()) for mark in kept] == [(3, 20)]


LOSSES = ["generator_loss", "discriminator_loss"]


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        (history(), ["Losses", "Label match", "Inception score", "FID"]),
        (with_average(history()), ["Losses", "Label match", "Inception score", "FID"]),
        (history().drop(columns="label_match"), ["Losses", "Inception score", "FID"]),
        (history(label_match=np.nan, inception_score=np.nan), ["Losses", "FID"]),
        (history(fid=np.nan).drop(columns=LOSSES), ["Label match", "Inception score"]),
        (
            history(reconstruction_loss=0.39),
            ["Losses", "Reconstruction error", "Label match", "Inception score", "FID"],
        ),
    ],
)
def test_curves_have_a_panel_for_what_there_is(table, shown):
    assert titles(figures.training_curves(table, best_epoch=2)) == shown


def test_whatever_losses_there_are_are_drawn():
    table = history(velocity_loss=0.3, another_loss=0.2, reconstruction_loss=0.39)
    figure = figures.training_curves(table.drop(columns=LOSSES))
    lines = lines_of(figure, "Losses")
    assert [line.get_label() for line in lines] == ["velocity", "another"]
    np.testing.assert_allclose(lines[0].get_ydata(), 0.3)
    np.testing.assert_allclose(lines_of(figure, "Reconstruction error")[0].get_ydata(), 0.39)


@pytest.mark.parametrize(
    ("fid", "scale"),
    [
        ([400.0, 50, 12, 11, 12], "log"),
        ([60, 30, 20, 15, 12], "linear"),
        ([400, 9, 0, 0, 0], "linear"),
    ],
)
def test_a_bad_start_does_not_flatten_the_rest_of_fid(fid, scale):
    assert figures.training_curves(history(fid=fid)).axes[3].get_yscale() == scale


@pytest.mark.parametrize("best", [None, 1])
def test_one_epoch_is_drawn_on_an_axis_of_whole_epochs(best):
    figure = figures.training_curves(history(1), best_epoch=best)
    figure.canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert all(tick == int(tick) for tick in axes.get_xticks() if low <= tick <= high)


def checkpoints(fids=(60.0, 20.0, 14.0, 17.0), copies=("plain",), **columns):
    """Scores every five epochs; the averaged copy's are a tenth lower."""
    rows = [
        {"epoch": 5 * k, "weights": copy, "fid_examiner": (0.9 if copy == "average" else 1) * fid}
        | {"inception_score": 9 - fid / 20, "label_match": 1 - fid / 300}
        for k, fid in enumerate(fids, 1)
        for copy in copies
    ]
    return pd.DataFrame(rows).assign(**columns)


def test_checkpoint_scores_draw_both_copies_and_print_the_best():
    table = checkpoints(copies=("plain", "average"))
    figure = figures.checkpoint_scores(table.sample(frac=1, random_state=0), best_epoch=14)
    plain_line, averaged = lines_of(figure, "FID, examiner")
    assert plain_line.get_xdata().tolist() == [5, 10, 15, 20]
    np.testing.assert_allclose(plain_line.get_ydata(), [60, 20, 14, 17])
    np.testing.assert_allclose(averaged.get_ydata(), [54, 18, 12.6, 15.3])
    shown = text(figure)
    for words in ("14.00", "12.60", "8.30", "95.3%", "averaged copy", "kept: 14"):
        assert words in shown
    one = text(figures.checkpoint_scores(checkpoints((60.0,), ("average",)), best_epoch=3))
    assert "54.00" in one
    assert "averaged copy" not in one


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({}, ["Inception score, examiner", "Label match, examiner"]),
        ({"label_match": np.nan}, ["Inception score, examiner"]),
        (
            {"fid_inception": 30.0, "inception_score": np.nan, "inception_score_inception": np.nan},
            ["FID, InceptionV3", "Label match, examiner"],
        ),
    ],
)
def test_checkpoint_scores_have_a_panel_for_each_score_there_is(columns, shown):
    assert titles(figures.checkpoint_scores(checkpoints(**columns))) == ["FID, examiner", *shown]


def test_confidence_histogram_of_certain_images():
    groups = {"Real": np.ones(10), "Generated": np.zeros(5)}
    shown = text(figures.confidence_histogram(groups, 0.9))
    for words in (
        "threshold 0.9",
        "Generated (5): 0.0% in the top bin (0.95 or more)",
        "Real (10): 100.0% in the top bin",
    ):
        assert words in shown


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@example([0.95, 0.5])
@settings(deadline=None, max_examples=20)
def test_the_share_in_the_top_bin_is_that_of_its_values(values):
    figure = figures.confidence_histogram({"some": np.array(values)})
    (legend,) = figure.legends
    share = np.mean([value >= 0.95 for value in values])
    assert f": {percent(float(share))} in the top bin" in legend.get_texts()[0].get_text()


def acceptance(names, thresholds):
    rows = [
        {"class_name": n, "threshold": t, "drawn": 1000, "accepted": int(1000 * (1 - t / 4))}
        for n in names
        for t in thresholds
    ]
    table = pd.DataFrame(rows)
    return table.assign(rate=table["accepted"] / table["drawn"])


def test_a_class_of_which_nothing_was_drawn_has_no_acceptance():
    table = acceptance(["cat", "dog"], [0.0, 0.5])
    table.loc[table["class_name"] == "dog", ["drawn", "accepted", "rate"]] = 0
    figure = figures.acceptance_chart(table, 0.5)
    assert [shown.get_text() for shown in figure.axes[0].texts] == ["100.0%", "87.5%"]
    assert "nan" not in text(figure)


@pytest.mark.parametrize("n_classes", [3, 120])
def test_of_many_classes_some_are_drawn_and_the_figure_says_so(n_classes):
    names = [f"class {k:03}" for k in range(n_classes)]
    images = np.full((n_classes, 8, 8, 1), 200, np.uint8)
    samples = figures.sample_grid({"Real": (images, np.arange(n_classes))}, names)
    shown = text(samples)
    assert ("are shown" in shown) == (n_classes == 120)
    drawn = 3
    if n_classes == 120:
        drawn = int(re.search(r"(\d+) of 120 classes are shown", shown)[1])
        assert samples.get_size_inches()[1] < 12.5
    assert [name in shown for name in names] == [True] * drawn + [False] * (n_classes - drawn)
    table = acceptance(names, [0.0, 0.5])
    table.loc[table["class_name"] == names[-2], "rate"] = 0.25
    figure = figures.acceptance_chart(table)
    shown = text(figure)
    assert ("30 of 120 classes: those that are accepted least" in shown) == (n_classes == 120)
    assert names[-2] in shown  # accepted least
    boxes = boxes_of(figure, figure.axes[0].get_yticklabels())
    assert len(boxes) == min(n_classes, 30)
    assert not collide(boxes)


# Pictures


def cut(sheet, side, row, column):
    """One image of a sheet."""
    gap = max(2, side // 16)
    top, left = gap + row * (side + gap), gap + column * (side + gap)
    image = sheet[top : top + side, left : left + side]
    assert (image[..., 3] == 255).all()
    return image[..., :3]


def test_sample_grid_shows_the_first_images_of_each_class():
    images, labels = noise(12, 8, 3), np.arange(12) % 3
    groups = {"Generated": (images, labels), "Real": (images[:6], labels[:6])}
    sheet = sheet_of(figures.sample_grid(groups, ["a", "b", "c"]))
    for index in range(12):
        image = cut(sheet, 8, index % 3, index // 3)
        np.testing.assert_array_equal(image, images[index])
    assert (sheet[:, 2 + 4 * 10 : 2 + 8 * 10, 3] == 0).all()  # only four images of each class
    right = sheet[:, 2 + 8 * 10 :, 3]
    assert (right[2:10] == 255).any(axis=0).sum() == 2 * 8


@pytest.mark.parametrize(
    ("side", "scale", "n"), [(28, 3, 12), (32, 2, 12), (64, 2, 8), (128, 1, 8)]
)
def test_images_are_as_large_as_the_page_allows(side, scale, n):
    figure = figures.epoch_collage({1: noise(12, side, 1)}, {})
    sheet = sheet_of(figure)
    assert round(figure.get_size_inches()[1] * 150) == scale * sheet.shape[0]
    assert sheet.shape[1] // (side + max(2, side // 16)) == n


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
    assert chosen == sorted(set(chosen) & set(epochs))
    assert len(chosen) == min(most, len(epochs))
    assert {min(epochs), max(epochs)} <= set(chosen)
    assert best in chosen or best not in epochs
    places = [sorted(epochs).index(epoch) for epoch in chosen_epochs(epochs, None, most)]
    assert np.ptp(np.diff(places)) <= 1 if len(places) > 1 else True


@pytest.mark.parametrize("n_epochs", [1, 8, 40])
def test_a_collage_shows_the_same_noise_in_every_row(n_epochs):
    epochs = list(range(2, 2 * n_epochs + 1, 2))
    grids = {epoch: noise(20, 28, 1, epoch) for epoch in epochs}
    best = epochs[n_epochs // 3]
    (axes,) = (figure := figures.epoch_collage(grids, {e: 100 / e for e in epochs}, best)).axes
    sheet, rows = sheet_of(figure), chosen_epochs(epochs, best)
    assert sheet.shape[:2] == (30 * len(rows) + 2, 12 * 30 + 2)
    for row, epoch in enumerate(rows):
        for column in range(12):
            image = cut(sheet, 28, row, column)
            np.testing.assert_array_equal(image, grids[epoch][column].repeat(3, -1))
    wanted = [f"epoch {e}\nFID {100 / e:.1f}" + "\nkept" * (e == best) for e in rows]
    assert [label.get_text() for label in axes.texts] == wanted
    # The frame is around the kept epoch's row.
    (frame,) = axes.patches
    middle = frame.get_y() + frame.get_height() / 2
    assert int(middle // 30) == rows.index(best)


def test_a_collage_says_no_score_it_does_not_know():
    grids = {epoch: noise(3, 28, 1) for epoch in (1, 2, 3)}
    figure = figures.epoch_collage(grids, {1: 12.34, 2: np.nan}, best_epoch=9)
    labels = [label.get_text() for label in figure.axes[0].texts]
    assert labels == ["epoch 1\nFID 12.3", "epoch 2", "epoch 3"]


def test_reconstructions_stand_under_what_they_are_of():
    pairs, drawn = np.stack([noise(16, 64, 3, 1), noise(16, 64, 3, 2)]), noise(40, 64, 3, 3)
    figure = figures.reconstructions(pairs, drawn)
    sheet = sheet_of(figure)
    for column in range(8):
        np.testing.assert_array_equal(cut(sheet, 64, 0, column), pairs[0, 2 * column])
        np.testing.assert_array_equal(cut(sheet, 64, 1, column), pairs[1, 2 * column])
        np.testing.assert_array_equal(cut(sheet, 64, 2, column), drawn[column])
    labels = [label.get_text() for label in figure.axes[0].texts]
    assert labels == ["Real", "Reconstructed", "From noise"]


def test_without_an_image_there_is_no_picture():
    with pytest.raises(ReportError, match="epoch collage: no images to show"):
        figures.epoch_collage({1: noise(0, 28, 1)}, {})


# Every figure


def test_hostile_names_are_drawn_as_text(summary):
    images, labels = noise(len(HOSTILE), 8, 1), np.arange(len(HOSTILE))
    shown = text(figures.sample_grid({HOSTILE[0]: (images, labels)}, HOSTILE))
    assert "<script>" in shown
    assert r"$\frac{" in shown
    storable = [name for name in HOSTILE if name != "\udcff"]  # tables hold valid UTF-8 only
    text(figures.acceptance_chart(acceptance(storable, [0.5, 0.9]), 0.9))
    text(figures.confidence_histogram(dict.fromkeys(HOSTILE, np.ones(3))))
    text(figures.accuracy_contour(summary.replace({"strategy": {"mix": HOSTILE[0]}})))
    for name in HOSTILE:
        assert plain(name).isprintable()
        assert len(plain(name)) <= 22


def test_equal_figures_have_equal_bytes_whatever_the_users_style(summary):
    first = figures.figure_bytes(figures.accuracy_contour(summary))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        before = dict(mpl.rcParams)
        second = figures.figure_bytes(figures.accuracy_contour(summary))
        assert dict(mpl.rcParams) == before
    assert first == second
    assert not re.search(rb"<dc:date>|Matplotlib v", first[1])
    assert len(first[1]) < 100_000


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
