"""The interval over units and test images against SciPy, closed forms and its own inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.errors import StatisticsError
from reports.verdict.crossed import crossed_interval, half_width, holm
from reports.verdict.intervals import difference_interval


def answers(seed, n_units=4, n_images=200, spread=0.05, gain=0.02):
    """Differences with a part of the units, one of the images, and noise."""
    rng = np.random.default_rng(seed)
    units = rng.normal(gain, spread, (n_units, 1))
    images = rng.normal(0, 0.1, n_images)
    return np.clip(units + images + rng.normal(0, 0.1, (n_units, n_images)), -1, 1)


def test_units_alone_are_students_t_over_units():
    by_unit = np.array([0.01, 0.03, -0.02, 0.04])
    found = crossed_interval(np.repeat(by_unit[:, None], 500, axis=1))
    oracle = stats.ttest_1samp(by_unit, 0)
    low, high = oracle.confidence_interval(0.95)
    assert (found.gain, found.low, found.high) == pytest.approx((by_unit.mean(), low, high))
    assert found.p == pytest.approx(oracle.pvalue)
    assert (found.v_images, found.v_residual) == pytest.approx((0, 0))


def test_images_alone_are_students_t_over_images():
    by_image = np.random.default_rng(0).normal(0.02, 0.2, 300).clip(-1, 1)
    found = crossed_interval(np.tile(by_image, (3, 1)))
    oracle = stats.ttest_1samp(by_image, 0)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))
    assert found.p == pytest.approx(oracle.pvalue)


def test_the_parts_are_those_of_a_table_of_two_ways():
    """By hand: 2 units x 3 images."""
    d = np.array([[0.0, 0.3, 0.6], [0.2, 0.1, 0.6]])
    found = crossed_interval(d)
    assert found.gain == pytest.approx(0.3)
    assert found.v_units == pytest.approx(0)
    assert found.v_images == pytest.approx(np.var([0.1, 0.2, 0.6], ddof=1) / 3)
    # Residuals -0.1, 0.1, 0 and their opposites, one degree of freedom times two.
    assert found.v_residual == pytest.approx(0.04 / 2 / 6)
    assert found.variance == pytest.approx(found.v_images - found.v_residual)


def test_the_variance_is_the_sum_less_the_residual():
    d = answers(1)
    found = crossed_interval(d)
    both = difference_interval(d)
    assert found.variance == pytest.approx(both.standard_error**2 - found.v_residual)
    half = half_width(0.025, (found.v_units, 4), (found.v_images, 200), found.v_residual)
    assert (found.low, found.high) == pytest.approx((found.gain - half, found.gain + half))


def test_the_half_width_by_hand():
    few, many = stats.t.ppf(0.975, 2), stats.t.ppf(0.975, 99)
    assert half_width(0.025, (4.0, 3), (0.0, 100), 0.0) == pytest.approx(2 * few)
    assert half_width(0.025, (0.0, 3), (4.0, 100), 0.0) == pytest.approx(2 * many)
    both = np.hypot(few, 3**0.5 * many)
    assert half_width(0.025, (1.0, 3), (3.0, 100), 0.0) == pytest.approx(both)
    # The residual is left with the units.
    assert half_width(0.025, (1.0, 3), (3.5, 100), 0.5) == pytest.approx(both)
    # Never narrower than over images alone, even where units happen to agree.
    assert half_width(0.025, (0.01, 3), (4.0, 100), 4.0) == pytest.approx(2 * many)
    assert half_width(0.025, (0.0, 3), (0.0, 100), 0.0) == 0


@pytest.mark.parametrize("n_units", [3, 5, 10])
@pytest.mark.parametrize(
    ("units", "residual", "choice"),
    [(1, 0, 0), (0.97, 0.03, 0), (0.5, 0.5, 0), (0.97, 0, 0.03), (0.4, 0.2, 0.4), (0, 0, 1)],
)
@pytest.mark.parametrize("tail", [0.025, 0.00125])
def test_normal_parts_are_covered(n_units, units, residual, choice, tail):
    """Units normal, what images add known: wrong no more often than it says, far out too."""
    rng = np.random.default_rng(0)
    n, truth = 20_000, (units + residual + choice) ** 0.5
    v_units = (units + residual) * rng.chisquare(n_units - 1, n) / (n_units - 1)
    of_images = choice + residual, 10**6
    half = [half_width(tail, (v, n_units), of_images, residual) for v in v_units]
    # The share outside is computed, not drawn.
    outside = 2 * stats.norm.sf(np.array(half) / truth)
    assert outside.mean() <= 2 * tail * 1.02 + 3 * outside.std() / n**0.5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(2, 6), st.sampled_from([20, 50, 200]))
def test_p_is_the_level_at_which_the_interval_reaches_0(seed, n_units, n_images):
    d = answers(seed, n_units, n_images)
    found = crossed_interval(d)
    if found.p < 0.999:
        at = crossed_interval(d, 1 - found.p)
        assert min(abs(at.low), abs(at.high)) < 1e-6
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(2, 5), st.sampled_from([60, 500]))
def test_p_fits_the_widened_interval_too(better, worse, n_units, n_images):
    """Units that all agree: the images are those of a sign test."""
    d = np.zeros((n_units, n_images))
    d[:, :better], d[:, better : better + worse] = 1, -1
    found = crossed_interval(d)
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    if 0 < better + worse < 30:
        assert found.p >= stats.binomtest(better, better + worse).pvalue - 1e-9


@given(st.integers(0, 999))
def test_swapping_turns_the_gain_round_and_the_order_changes_nothing(seed):
    rng, d = np.random.default_rng(seed), answers(seed)
    there, back = crossed_interval(d), crossed_interval(-d)
    assert (-back.gain, -back.high, -back.low) == pytest.approx((there.gain, there.low, there.high))
    assert back.p == pytest.approx(there.p)
    mixed = crossed_interval(rng.permutation(rng.permutation(d, axis=0), axis=1))
    assert (mixed.low, mixed.high, mixed.p) == pytest.approx((there.low, there.high, there.p))


@pytest.mark.parametrize("n_units", [2, 5])
def test_no_answer_that_differs_is_no_certainty(n_units):
    found = crossed_interval(np.zeros((n_units, 100)))
    assert found.gain == 0
    assert found.low == pytest.approx(-found.high)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 100))  # Clopper and Pearson of 0 of 100
    assert (found.p, found.widened) == (1, True)


def test_one_unit_has_no_interval():
    found = crossed_interval(answers(0, n_units=1))
    assert found.gain == pytest.approx(answers(0, n_units=1).mean())
    assert np.isnan([found.low, found.high, found.p, found.variance]).all()


def test_a_difference_without_any_variance_is_sure_of_its_sign():
    assert crossed_interval(np.full((3, 100), 1.0)).p == 1e-12


@pytest.mark.parametrize(
    "difference", [[0.1, 0.2], [[0.1]], [[0.1, 1.2]], [[0.1, float("nan")]], np.empty((0, 5))]
)
def test_bad_differences_are_one_line(difference):
    with pytest.raises(StatisticsError, match="one unit or more x two images"):
        crossed_interval(difference)


def test_holm_by_hand():
    """Holm (1979): 4 x 0.01, 3 x 0.02, 2 x 0.03 (not below the one before), 0.5."""
    assert holm([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.04, float("nan"), 0.01]) == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)
    assert holm([]).shape == (0,)
