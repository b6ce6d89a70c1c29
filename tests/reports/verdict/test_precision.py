"""Where an interval's width comes from, and what more repeats would buy."""

import numpy as np
import pytest
from scipy import stats

from reports.verdict.crossed import crossed_interval
from reports.verdict.precision import expected_half_width, precision

ONE_SEED = [(np.array([0.9]), np.array([0.9]))] * 3


def interval(units, images=0.1, noise=0.1, n_images=400, seed=0):
    rng = np.random.default_rng(seed)
    by_image = rng.normal(0, images, n_images) + rng.normal(0, noise, (len(units), n_images))
    d = np.array(units)[:, None] + by_image - by_image.mean(axis=1, keepdims=True)
    return crossed_interval(np.clip(d, -1, 1))


@pytest.mark.parametrize("images", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("spread", [0.0, 0.01, 0.1])
def test_the_same_repeats_are_expected_to_give_the_same_width(spread, images):
    found = interval(np.array([1, -1, 0.5, -0.5]) * spread, images)
    assert expected_half_width(found, 4) == pytest.approx(found.high - found.gain)


def test_three_repeats_reach_two_and_a_half_deviations_five_half_of_that():
    found = interval([0.02, -0.02, 0.0, 0.01, -0.01], images=0, noise=0)
    deviation = np.std([0.02, -0.02, 0.0, 0.01, -0.01], ddof=1)
    assert expected_half_width(found, 3) / deviation == pytest.approx(2.48, abs=0.01)
    assert expected_half_width(found, 5) / deviation == pytest.approx(1.24, abs=0.01)


def test_what_the_images_add_stays():
    found = interval([0.02, -0.02, 0.0])
    pure = found.v_images - found.v_residual
    many = expected_half_width(found, 10**9)
    assert many == pytest.approx(stats.t.ppf(0.975, 399) * pure**0.5, rel=1e-3)


def test_enough_repeats_are_the_fewest():
    found = interval([0.03, -0.02, 0.01], images=0.02)
    inside = precision(found, ONE_SEED, 0.1)
    assert (inside.repeats_needed, inside.needs_images) == (None, False)
    for margin in (None, 0.011):
        goal = found.gain if margin is None else max(found.gain, margin - found.gain)
        figures = precision(found, ONE_SEED, margin)
        needed = figures.repeats_needed
        assert needed is not None
        assert expected_half_width(found, needed) < goal
        assert expected_half_width(found, needed - 1) >= goal
        assert not figures.needs_images


def test_images_can_forbid_it():
    found = interval([0.001, 0.0, 0.002], images=0.5)
    figures = precision(found, ONE_SEED, None)
    assert (figures.repeats_needed, figures.needs_images) == (None, True)


def test_too_few_answers_that_differ_need_images_too():
    d = np.zeros((3, 200))
    d[:, 0] = 1
    figures = precision(crossed_interval(d), ONE_SEED, None)
    assert (figures.repeats_needed, figures.needs_images, figures.half_widths) == (None, True, {})
    assert figures.detectable > figures.half_width


@pytest.mark.parametrize("n_units", [3, 5, 10])
def test_the_detectable_gain_has_about_the_power_it_says(n_units):
    """Against the noncentral t distribution, where only units differ."""
    units = np.linspace(-0.02, 0.02, n_units)
    figures = precision(interval(units, 0, 0), ONE_SEED, None)
    shift = figures.detectable / (np.std(units, ddof=1) / n_units**0.5)
    power = stats.nct.sf(stats.t.ppf(0.975, n_units - 1), n_units - 1, shift)
    assert 0.7 < power < 0.81


def test_sources_add_up():
    """By hand: accuracies of two seeds, whose variance is halved and shared by the units."""
    found = interval([0.02, -0.02, 0.0])
    by_seed = [(np.array([0.90, 0.91]), np.array([0.88, 0.88]))] * 3
    sources = precision(found, by_seed, None).sources
    assert sources.seeds == pytest.approx(0.01**2 / 2 / 2 / 3 / found.variance)
    assert sources.images == pytest.approx((found.v_images - found.v_residual) / found.variance)
    assert sources.units + sources.seeds + sources.images == pytest.approx(1)


def test_seeds_never_explain_more_than_there_is():
    by_seed = [(np.array([0.1, 0.9]), np.array([0.5, 0.5]))] * 3
    sources = precision(interval([0.02, -0.02, 0.0]), by_seed, None).sources
    assert sources.units == pytest.approx(0)
    assert 0 < sources.seeds < 1


def test_one_seed_is_not_told_from_its_unit():
    sources = precision(interval([0.02, -0.02, 0.0]), ONE_SEED, None).sources
    assert sources.seeds is None
    assert sources.units + sources.images == pytest.approx(1)


def test_what_does_not_vary_has_no_sources():
    assert precision(crossed_interval(np.zeros((3, 50))), ONE_SEED, None).sources is None
