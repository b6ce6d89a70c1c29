"""The exploratory table: which rows, which pairs, which correction."""

import numpy as np
import pandas as pd
import pytest

from reports.errors import StatisticsError
from reports.verdict.contrasts import contrast_table
from reports.verdict.crossed import crossed_interval, holm

CELLS = [
    ("none", 400, 0),
    ("classical", 400, 0),
    ("duplicated", 400, 800),
    ("mix", 400, 800),
    ("mix-classical", 400, 800),
    ("mix", 0, 800),
    ("none", 100, 0),
    ("mix", 100, 800),
]


@pytest.fixture
def study():
    """Three units, two seeds, eight cells, 300 test images of one class each; mixes are better."""
    rng = np.random.default_rng(3)
    rows = [(unit, 400, *cell, seed) for unit in "abc" for cell in CELLS for seed in (0, 1)]
    columns = ["unit", "unit_real", "strategy", "n_real", "n_synthetic", "seed"]
    cells = pd.DataFrame(rows, columns=columns)
    labels = rng.integers(0, 10, 300)
    better = cells["strategy"].str.startswith("mix").to_numpy()[:, None]
    wrong = rng.random((len(cells), 300)) > np.where(better, 0.95, 0.85)
    return cells, np.where(wrong, (labels + 1) % 10, labels), labels


def test_a_row_a_cell_with_its_baseline(study):
    table = contrast_table(*study, 400)
    rows = table[["strategy", "n_real", "against"]].to_numpy().tolist()
    assert rows == [
        ["classical", 400, "none"],
        ["duplicated", 400, "none"],
        ["mix", 100, "none"],
        ["mix", 400, "none"],
        ["mix-classical", 400, "none"],
        ["mix-classical", 400, "classical"],
    ]
    assert (table["n_units"] == 3).all()
    assert (table["n_seeds"] == 2).all()
    assert table["p_holm"].to_numpy() == pytest.approx(holm(table["p"]))


def test_seeds_are_averaged_within_a_unit_first(study):
    cells, predictions, labels = study
    right = predictions == labels

    def mean(strategy, n_real, unit):
        of = cells.query("strategy == @strategy and n_real == @n_real and unit == @unit").index
        return right[of].mean(axis=0)

    d = [mean("mix", 400, unit) - mean("none", 400, unit) for unit in "abc"]
    wanted = crossed_interval(d)
    row = contrast_table(*study, 400).query("strategy == 'mix' and n_real == 400").iloc[0]
    found = row[["gain", "low", "high", "p"]].tolist()
    assert found == pytest.approx([wanted.gain, wanted.low, wanted.high, wanted.p])


def test_units_are_paired(study):
    """A unit without the baseline leaves its mix out."""
    cells, predictions, labels = study
    kept = ~((cells["unit"] == "b") & (cells["strategy"] == "none")).to_numpy()
    table = contrast_table(cells[kept], predictions[kept], labels, 400)
    assert dict(zip(table["against"], table["n_units"], strict=True)) == {"none": 2, "classical": 3}


def test_the_order_of_rows_changes_nothing(study):
    cells, predictions, labels = study
    order = np.random.default_rng(0).permutation(len(cells))
    mixed = contrast_table(cells.iloc[order], predictions[order], labels, 400)
    pd.testing.assert_frame_equal(mixed, contrast_table(*study, 400))


def test_units_of_other_sizes_do_not_mix(study):
    cells, predictions, labels = study
    other = cells.assign(unit_real=100, unit="z")
    both = pd.concat([cells, other], ignore_index=True)
    table = contrast_table(both, np.vstack([predictions, 0 * predictions]), labels, 400)
    pd.testing.assert_frame_equal(table, contrast_table(*study, 400))


def test_a_study_of_real_images_alone_has_an_empty_table(study):
    cells, predictions, labels = study
    kept = (cells["strategy"] == "none").to_numpy()
    table = contrast_table(cells[kept], predictions[kept], labels, 400)
    assert table.empty
    assert {"gain", "p", "p_holm"} <= set(table.columns)


def test_predictions_of_other_classifiers_are_refused(study):
    cells, predictions, labels = study
    with pytest.raises(StatisticsError, match="48 classifiers x 300 test images"):
        contrast_table(cells, predictions[1:], labels, 400)
