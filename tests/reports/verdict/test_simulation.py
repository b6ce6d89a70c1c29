"""Verdicts of made-up studies whose truth is known, at twelve hard corners."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.verdicts import CELLS, Setting, Study, corners, rates, settings, simulate

RUNS = 400


def slack(share, runs):
    """Three standard errors of a simulated share."""
    return 3 * (share * (1 - share) / runs) ** 0.5


def test_classifiers_have_the_accuracy_they_were_given():
    quiet = Setting(2, n_test=200_000, generator=0, subset=0, interaction=0, seeds=0)
    study = Study(replace(quiet, gain=0.01, best=0.005), np.random.default_rng(0))
    cells = np.array([0, 2, 3, CELLS.index(("filtered", 800))])
    right = study.answers(study.test, np.zeros(4, dtype=np.intp), cells)
    assert right.mean(axis=1) == pytest.approx([0.95, 0.95, 0.96, 0.965], abs=0.0015)


def test_the_truth_is_that_of_what_was_chosen():
    """All mixes gain a point, and the one that no study can miss five more."""
    setting = Setting(3, n_test=300, gain=0.01, best=0.05, accuracy=0.9, n_validation=2000)
    outcome = simulate(setting, np.random.default_rng(0), table=True)
    assert outcome.truth == pytest.approx(0.06)
    (chosen,) = outcome.found.chosen["mix"]
    assert (chosen.strategy, chosen.n_synthetic, chosen.n_units) == ("filtered", 800, 3)


def test_a_study_repeats_itself():
    first, again = (simulate(Setting(3), np.random.default_rng(5), table=True) for _ in range(2))
    assert first == again


def test_there_are_thirty_settings_and_twelve_corners():
    assert (len(settings()), len(corners())) == (30, 12)


@pytest.mark.slow
def test_verdicts_are_right_as_often_as_they_say():
    """Every corner within three standard errors of its bar, and all together within the bar."""
    found = [rates(setting, RUNS, seed=n, every=2) for n, setting in enumerate(corners())]
    for rate in found:
        assert rate.coverage >= 0.93 - slack(0.93, RUNS), rate
        assert rate.wrong_no_difference <= 0.05 + slack(0.05, RUNS), rate
        assert rate.family <= 0.06 + slack(0.06, rate.tables), rate
        assert abs(rate.bias) < 0.001, rate
    null = [rate for rate in found if rate.truth == 0]
    assert len(null) >= 8
    for rate in null:
        assert max(rate.helps, rate.hurts) <= 0.03 + slack(0.03, RUNS), rate
    assert np.mean([rate.coverage for rate in found]) >= 0.93
    assert np.mean([rate.helps for rate in null]) <= 0.03
    assert np.mean([rate.hurts for rate in null]) <= 0.03
    assert np.mean([rate.family for rate in found]) <= 0.06
