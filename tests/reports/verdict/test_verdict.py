"""Every word of the verdict, the arms it compares, and what it writes."""

import json

import numpy as np
import pandas as pd
import pytest

from reports.errors import StatisticsError
from reports.verdict.crossed import crossed_interval, holm
from reports.verdict.verdict import Chosen, reach_verdict
from tests.reports.verdict.confirmations import confirmation

HELPS = (0.05, 0.052, 0.055, 0.05)
NOTHING = (0.001, -0.001, 0.0, 0.0)
OPEN = (0.03, -0.02, 0.04, 0.01)


@pytest.mark.parametrize(
    ("gains", "margin", "word", "below"),
    [
        (HELPS, None, "helps", False),
        (HELPS, 0.01, "helps", False),
        (HELPS, 0.2, "helps", True),
        ([-gain for gain in HELPS], 0.01, "hurts", False),
        ([-gain for gain in HELPS], 0.2, "hurts", True),
        (NOTHING, 0.02, "no relevant difference", False),
        (NOTHING, 0.0005, "cannot tell", False),
        (NOTHING, None, "cannot tell", False),
        (OPEN, 0.02, "cannot tell", False),
        (HELPS[:2], 0.2, "too few repeats", False),
        (HELPS[:1], 0.2, "too few repeats", False),
    ],
)
def test_words(gains, margin, word, below):
    found = reach_verdict(*confirmation(gains), margin)
    assert (found.word, found.below_margin) == (word, below)
    assert found.primary.interval.gain == pytest.approx(np.mean(gains))
    assert found.n_units == len(gains)


def test_the_interval_is_that_over_units_and_images():
    confirmed, predictions, labels = confirmation(OPEN)
    right = predictions == labels
    d = []
    for unit in sorted(set(confirmed["unit"])):
        of_unit = confirmed["unit"] == unit
        mix = right[of_unit & (confirmed["strategy"] == "mix")].mean(axis=0)
        d.append(mix - right[of_unit & (confirmed["strategy"] == "none")].mean(axis=0))
    found = reach_verdict(confirmed, predictions, labels, None).primary
    assert found.interval == crossed_interval(d)
    assert found.accuracy - found.accuracy_against == pytest.approx(found.interval.gain)
    assert found.accuracy_against == pytest.approx(0.8)


def test_the_order_of_rows_and_images_changes_nothing():
    confirmed, predictions, labels = confirmation(OPEN, arms=("mix", "control", "classical"))
    rng = np.random.default_rng(0)
    rows, images = rng.permutation(len(confirmed)), rng.permutation(len(labels))
    mixed = reach_verdict(
        confirmed.iloc[rows], predictions[rows][:, images], labels[images], 0.01
    ).to_json()
    plain = reach_verdict(confirmed, predictions, labels, 0.01).to_json()
    assert mixed["chosen"] == plain["chosen"]
    for key in ("gain", "low", "high", "p", "word"):
        assert mixed["primary"][key] == pytest.approx(plain["primary"][key])


def test_secondary_contrasts_are_corrected():
    arms = ("mix", "control", "mix-classical", "classical")
    found = reach_verdict(*confirmation(HELPS, arms=arms), 0.01)
    pairs = [(c.arm, c.against) for c in found.secondary]
    assert pairs == [("mix-classical", "classical"), ("mix", "real")]
    p = [c.interval.p for c in found.secondary]
    assert [c.p_holm for c in found.secondary] == pytest.approx(holm(p))
    assert found.primary.p_holm is None
    # An arm that was not trained is left out.
    alone = reach_verdict(*confirmation(HELPS), 0.01)
    assert [(c.arm, c.against) for c in alone.secondary] == [("mix", "real")]


def test_a_secondary_sign_needs_the_corrected_p():
    """The interval of each excludes 0, but only just."""
    gains = (0.025, 0.05, 0.013, 0.04)
    arms = ("mix", "control", "mix-classical", "classical")
    found = reach_verdict(*confirmation(gains, arms=arms), None)
    assert found.word == "helps"
    assert 0.025 < found.primary.interval.p < 0.05
    assert {c.word for c in found.secondary} == {"cannot tell"}


def test_one_cell_may_be_another_in_each_unit():
    confirmed, predictions, labels = confirmation(HELPS)
    odd = (confirmed["unit"] == "r-1") & (confirmed["strategy"] == "mix")
    confirmed.loc[odd, ["strategy", "n_synthetic"]] = ["filtered", 1600]
    found = reach_verdict(confirmed, predictions, labels, 0.01)
    assert found.chosen["mix"] == (Chosen("mix", 400, 800, 3), Chosen("filtered", 400, 1600, 1))
    assert found.chosen["control"] == found.chosen["real"] == (Chosen("none", 400, 0, 4),)


def test_json_holds_plain_types():
    for gains in (HELPS, HELPS[:1]):
        found = reach_verdict(*confirmation(gains), np.float64(0.01), chosen_by="hand").to_json()
        again = json.loads(json.dumps(found, allow_nan=False))
        assert again["word"] == found["word"]
        assert again["primary"]["gain"] == pytest.approx(np.mean(gains))
        assert again["chosen"]["mix"][0]["n_units"] == len(gains)
        assert again["secondary"][0]["against"] == "real"
    assert found["primary"]["low"] is None
    assert found["primary"]["precision"] is None
    few = reach_verdict(*confirmation((0.0,) * 3, n_test=200, lost=2), None).to_json()
    assert json.loads(json.dumps(few, allow_nan=False))["primary"]["widened"] is True


def test_bad_input_is_one_line():
    confirmed, predictions, labels = confirmation(HELPS)
    given = predictions, labels
    with pytest.raises(StatisticsError, match="no column 'arms'"):
        reach_verdict(confirmed.drop(columns="arms"), *given, None)
    with pytest.raises(StatisticsError, match="16 classifiers x 2000"):
        reach_verdict(confirmed, predictions[:, 1:], labels, None)
    only = (confirmed["strategy"] == "mix").to_numpy()
    with pytest.raises(StatisticsError, match="no classifiers of arms"):
        reach_verdict(confirmed[only], predictions[only], labels, None)
    with pytest.raises(StatisticsError, match="two classifiers of one seed of arm"):
        reach_verdict(confirmed.assign(seed=0), *given, None)
    with pytest.raises(StatisticsError, match="two cells of arm"):
        reach_verdict(confirmed.assign(n_synthetic=range(16)), *given, None)
    with pytest.raises(StatisticsError):
        reach_verdict(pd.DataFrame(columns=confirmed.columns), predictions[:0], labels, None)
