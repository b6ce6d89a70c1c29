"""Intervals against closed forms, simulation and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.verdict.intervals import (
    FEW_DIFFERENCES,
    StatisticsError,
    accuracy_interval,
    difference_interval,
    mean_interval,
)


def gain_interval(a, b):
    """Of right answers of a baseline and of what is compared with it."""
    return difference_interval(b.astype(int) - a)


def test_mean_interval_is_students_t():
    values = [0.97, 0.98, 0.96, 0.975]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx((np.mean(values), low, high, 4))


@pytest.mark.parametrize("values", [[0.957] * 3, [1.0]])
def test_values_that_all_agree_are_no_certainty(values):
    mean, low, high, n = mean_interval(values)
    assert (mean, n) == (pytest.approx(values[0]), len(values))
    assert np.isnan([low, high]).all()


def test_an_accuracy_of_100_percent_is_no_certainty():
    """36 of 36 right, with every seed: the bound of Clopper and Pearson."""
    found = accuracy_interval([1.0, 1.0, 1.0], 36)
    assert (found.mean, found.high, found.n) == (1, 1, 3)
    assert found.low == pytest.approx(stats.binomtest(36, 36).proportion_ci(0.95).low)
    assert found.low == pytest.approx(0.025 ** (1 / 36))


def test_an_accuracy_covers_seeds_and_test_images():
    """Squared distances of the two intervals add up."""
    values = [0.92, 0.9, 0.94]
    over_seeds = mean_interval(values)
    over_images = stats.binomtest(46, 50).proportion_ci(0.95)
    found = accuracy_interval(values, 50)
    half = over_seeds.high - 0.92
    assert found.low == pytest.approx(0.92 - np.hypot(half, 0.92 - over_images.low))
    assert found.high == pytest.approx(min(0.92 + np.hypot(half, over_images.high - 0.92), 1))
    assert np.isnan(accuracy_interval([0.92], 50)[1:3]).all()


@given(st.lists(st.integers(0, 36), min_size=2, max_size=4))
def test_an_accuracy_stays_a_share_and_is_never_a_point(right):
    found = accuracy_interval(np.array(right) / 36, 36)
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert found.high - found.low > 0.09


def test_gain_of_one_seed_is_the_paired_interval_over_images():
    rng = np.random.default_rng(0)
    a, b = rng.random((1, 400)) < 0.8, rng.random((1, 400)) < 0.85
    difference = b[0].astype(int) - a[0].astype(int)
    low, high = stats.t.interval(0.95, 399, loc=difference.mean(), scale=stats.sem(difference))
    result = gain_interval(a, b)
    assert (result.gain, result.low, result.high) == pytest.approx((difference.mean(), low, high))
    assert (result.n_seeds, result.n_images) == (1, 400)


def test_gain_that_varies_over_seeds_alone_is_students_t_over_seeds():
    """Every image alike: only seeds vary, and Welch-Satterthwaite leaves n_seeds - 1."""
    a = np.zeros((4, 50), dtype=bool)
    b = np.repeat([[False], [True], [True], [True]], 50, axis=1)
    low, high = stats.t.interval(0.95, 3, loc=0.75, scale=stats.sem([0, 1, 1, 1]))
    result = gain_interval(a, b)
    assert (result.gain, result.low, result.high) == pytest.approx((0.75, low, high))
    assert result.degrees_of_freedom == pytest.approx(3)


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_no_answer_that_differs_is_no_certainty(n_seeds):
    """On 36 images up to 9.7 % may differ, all for the better or all for the worse."""
    a = np.random.default_rng(2).random((n_seeds, 36)) < 0.7
    result = gain_interval(a, a)
    assert result.gain == 0
    assert -result.low == result.high == pytest.approx(1 - 0.025 ** (1 / 36))
    assert result.high == pytest.approx(0.097, abs=5e-4)


def changed(gained, lost, n_images, n_seeds=2):
    """Answers of two cells that differ on so many images, with every seed alike."""
    a, b = np.ones((2, n_seeds, n_images), dtype=bool)
    a[:, :gained] = False
    b[:, gained : gained + lost] = False
    return a, b


def test_four_gained_and_none_lost_of_36_do_not_exclude_0():
    """Exact sign test: p = 0.125."""
    result = gain_interval(*changed(4, 0, 36))
    assert result.gain == pytest.approx(4 / 36)
    assert result.gain - stats.t.ppf(0.975, 35) * result.standard_error > 0
    assert result.low < 0 < result.high
    assert gain_interval(*changed(6, 0, 36)).low > 0  # p = 0.031
    assert gain_interval(*changed(0, 6, 36)).high < 0


@given(st.integers(0, 29), st.integers(0, 29), st.integers(30, 200))
@settings(deadline=None, max_examples=50)
def test_few_differences_exclude_0_only_where_the_sign_test_does(gained, lost, n_images):
    gained, lost = min(gained, FEW_DIFFERENCES - 1), min(lost, FEW_DIFFERENCES - 1 - gained)
    lost = max(lost, 0)
    result = gain_interval(*changed(gained, lost, n_images))
    m = gained + lost
    if result.low > 0 or result.high < 0:
        assert stats.binomtest(gained, m).pvalue < 0.05
    center, half = result.gain, stats.t.ppf(0.975, result.degrees_of_freedom)
    assert result.low <= center - half * result.standard_error + 1e-12
    assert result.high >= center + half * result.standard_error - 1e-12
    # By hand: the ends of both shares that make it wider.
    share = stats.binomtest(m, n_images).proportion_ci(0.95)
    better = stats.binomtest(gained, m).proportion_ci(0.95) if m else (0, 1)
    exact = [
        wider((2 * end - 1) * of for of in share)
        for wider, end in zip((min, max), better, strict=True)
    ]
    assert result.low <= exact[0] + 1e-9
    assert result.high >= exact[1] - 1e-9
    students = center - half * result.standard_error
    assert min(abs(result.low - exact[0]), abs(result.low - students)) < 1e-9


def test_many_differences_keep_students_interval():
    result = gain_interval(*changed(FEW_DIFFERENCES, 0, 1000))
    half = stats.t.ppf(0.975, result.degrees_of_freedom) * result.standard_error
    assert (result.low, result.high) == pytest.approx((result.gain - half, result.gain + half))


@pytest.mark.parametrize("n_seeds", [1, 2, 3])
def test_small_test_sets_are_covered(n_seeds):
    """Small effects on 20 to 200 images; the seeds vary a quarter as much as the images."""
    rng = np.random.default_rng(n_seeds)
    hits = []
    for n_images in (20, 36, 60, 100, 200):
        for accuracy in (0.8, 0.97):
            for gain in (0.0, 0.02):
                own, shift = 0.3, 0.0 if n_seeds == 1 else 0.5 / n_images**0.5
                spread = (1 + own**2 + shift**2) ** 0.5
                limits = stats.norm.ppf([accuracy - gain, accuracy]) * spread
                for _ in range(60):
                    difficulty = rng.normal(size=n_images)
                    noise = own * rng.normal(size=(2, n_seeds, n_images))
                    seeds = shift * rng.normal(size=(2, n_seeds, 1))
                    a, b = difficulty + noise + seeds < limits[:, None, None]
                    found = gain_interval(a, b)
                    hits.append((n_images, found.low <= gain <= found.high))
    for n_images in (20, 36, 60, 100, 200):
        assert np.mean([hit for n, hit in hits if n == n_images]) >= 0.93
    assert np.mean([hit for _, hit in hits]) >= 0.95


def test_an_average_over_pairs_of_cells_is_surer_than_one_of_them():
    rng = np.random.default_rng(4)
    a, b = rng.random((2, 6, 3, 500)) < np.array([0.7, 0.75])[:, None, None, None]
    differences = b.astype(float) - a
    average = difference_interval(differences.mean(axis=0))
    each = [difference_interval(d) for d in differences]
    assert average.gain == pytest.approx(np.mean([one.gain for one in each]))
    assert average.standard_error < min(one.standard_error for one in each)
    assert (average.n_seeds, average.n_images) == (3, 500)


@pytest.mark.parametrize(
    "difference",
    [np.zeros(9), np.zeros((0, 9)), np.zeros((2, 1)), [[0.0, np.nan, 1.0]], [[0.0, 1.5]]],
)
def test_a_difference_of_another_kind_is_one_line(difference):
    with pytest.raises(StatisticsError, match="one seed or more x two images or more"):
        difference_interval(difference)


@pytest.mark.parametrize("values", [[], [0.5, np.nan], [[0.1, 0.2]]])
def test_mean_of_bad_values_is_refused(values):
    with pytest.raises(StatisticsError, match="finite numbers"):
        mean_interval(values)
