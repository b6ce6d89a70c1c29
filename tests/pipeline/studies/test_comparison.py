"""The comparison's rows, and the words for what differs between two protocols."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.studies.comparison import (
    COLUMNS,
    Figure,
    Measurement,
    Protocol,
    comparison_table,
    differences,
    number_text,
    width_text,
)

DASH = "\N{EN DASH}"
FIGURE = Figure("imperial-mnist", "cdcgan", "FID (InceptionV3)", 17.3, Protocol(), decimals=1)
FULL = Protocol(
    data="MNIST", n_train=60000, image_size=28, width=1.0, epochs=50, batch_size=100, options="",
    features="InceptionV3", lenet_epochs=30, epoch="the best of all epochs",
    classifiers="30 epochs", choice="the best on test", machine="K80",
)  # fmt: skip


def row_of(figure, ours):
    return comparison_table([(figure, ours)]).iloc[0].to_dict()


def test_a_mean_has_its_interval_over_seeds() -> None:
    values = (20.0, 22.0, 27.0)
    row = row_of(FIGURE, Measurement(values, Protocol()))
    low, high = stats.t.interval(0.95, 2, loc=23, scale=stats.sem(values))
    assert row == {
        "study": "imperial-mnist",
        "system": "cdcgan",
        "measure": "FID (InceptionV3)",
        "published": "17.3",
        "ours": "23.0",
        "interval": f"{low:.1f} to {high:.1f}",
        "n": 3,
        "same_protocol": "yes",
        "why": "",
    }


def test_one_seed_has_no_interval_and_what_was_not_run_is_missing() -> None:
    row = row_of(FIGURE, Measurement((20.0,), Protocol()))
    assert (row["ours"], row["interval"], row["n"]) == ("20.0", DASH, 1)
    row = row_of(FIGURE, None)
    assert (row["ours"], row["interval"], row["n"]) == ("missing", DASH, 0)
    assert (row["same_protocol"], row["why"]) == (DASH, "")


def test_fractions_are_shown_as_percentages() -> None:
    figure = replace(FIGURE, value=0.4793, share=True, decimals=2, note="so it says")
    row = row_of(figure, Measurement((0.98765,), Protocol()))
    assert (row["published"], row["ours"], row["why"]) == ("47.93", "98.77", "so it says")
    # An interval of a share does not pass its ends.
    assert row_of(figure, Measurement((0.99, 0.9999), Protocol()))["interval"].endswith(
        " to 100.00"
    )
    assert row_of(figure, Measurement((0.0, 0.01), Protocol()))["interval"].startswith("0.00 to ")
    # Seeds that all agree are no certainty.
    assert row_of(figure, Measurement((1.0, 1.0), Protocol()))["interval"] == "\N{EN DASH}"
    # Of an accuracy, the test images are left to chance, too: of 400, all right.
    same = row_of(figure, Measurement((1.0, 1.0), Protocol(), n_test=400))
    assert same["interval"] == "99.08 to 100.00"
    # 0.29 is not 29/100 in binary.
    assert row_of(replace(figure, value=0.29), None)["published"] == "29"


OTHERS = {
    "data": ("a folder of images", "a folder of images for MNIST"),
    "n_train": (54000, "54,000 training images, not 60,000"),
    "image_size": (64, "64 pixels a side, not 28"),
    "width": (1 / 16, "width 1/16"),
    "epochs": (2.7777, "2.78 epochs, not 50"),
    "batch_size": (50, "batch 50, not 100"),
    "options": ("latent uniform", "latent uniform"),
    "features": ("LeNet", "features of LeNet, not InceptionV3"),
    "lenet_epochs": (8.533, "LeNet of 8.53 epochs, not 30"),
    "epoch": ("epoch 31", "epoch 31, not the best of all epochs"),
    "classifiers": ("4,000 steps", "4,000 steps a classifier, not 30 epochs"),
    "choice": ("the largest counts", "the largest counts, not the best on test"),
    "machine": ("AMD EPYC with 2 cores", "AMD EPYC with 2 cores, not K80"),
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(Protocol)])
def test_every_fact_that_differs_has_its_words(name) -> None:
    value, words = OTHERS[name]
    assert differences(FULL, replace(FULL, **{name: value})) == [words]
    for side in (FULL, replace(FULL, **{name: value})):
        assert differences(replace(side, **{name: None}), FULL) == []
        assert differences(FULL, replace(side, **{name: None})) == []
    assert differences(FULL, FULL) == []
    row = row_of(
        replace(FIGURE, protocol=FULL, note="84 % in the text"),
        Measurement((1.0,), replace(FULL, **{name: value})),
    )
    assert (row["same_protocol"], row["why"]) == ("no", f"{words}; 84 % in the text")


def test_an_epoch_without_its_last_small_batch_is_an_epoch() -> None:
    assert differences(FULL, replace(FULL, epochs=49.97)) == []
    assert differences(FULL, replace(FULL, epochs=49)) == ["49 epochs, not 50"]


def test_an_empty_comparison_keeps_its_columns() -> None:
    assert comparison_table([]).columns.tolist() == COLUMNS


@given(st.integers(1, 64), st.integers(1, 64))
def test_widths_are_shares(n, m) -> None:
    text = width_text(n / m)
    top, _, bottom = text.partition("/")
    assert int(top) / int(bottom or 1) == pytest.approx(n / m)


def test_numbers_are_short() -> None:
    texts = {30.0: "30", 300000: "300,000", 8.5333: "8.53", 0.06: "0.06"}
    assert [number_text(value) for value in texts] == list(texts.values())
    assert width_text(0.1234567) == "0.123"  # no share
