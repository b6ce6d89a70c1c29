"""What every entry of the table of scores must keep."""

from dataclasses import replace

import numpy as np
import pytest

from reports.scores.coverage import closeness
from reports.scores.inputs import ScoreError
from reports.scores.kid import kid
from reports.scores.table import SCORES, Viewed, score_images

N, K = 60, 4


def viewed(seed: int, noise: float = 0.0) -> Viewed:
    """Images of which the networks see mostly the class; with noise ever less."""
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % K
    logits = 6 * np.eye(K)[labels] + rng.normal(0, 1 + 6 * noise, (N, K))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    features = np.eye(K)[labels] + rng.normal(0, 0.3, (N, K)) + 3 * noise
    return Viewed(features, probabilities, labels, features * 2, probabilities)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_a_finite_number_and_the_same_again(name: str) -> None:
    score, real = SCORES[name], viewed(0)
    value = score.compute(viewed(1), real)
    assert isinstance(value, float)
    assert np.isfinite(value)
    assert score.compute(viewed(1), real) == value


@pytest.mark.parametrize("name", SCORES)
def test_worse_images_score_worse(name: str) -> None:
    score, real = SCORES[name], viewed(0)
    good, bad = (score.compute(viewed(1, noise), real) for noise in (0.0, 1.0))
    assert good < bad if score.better == "lower" else good > bad


@pytest.mark.parametrize("name", SCORES)
def test_a_score_has_a_title_and_a_text(name: str) -> None:
    score = SCORES[name]
    assert score.title
    assert score.text(float("nan")) == "\N{EN DASH}"
    assert score.text(0.5) == ("50.0%" if score.is_share else f"{0.5:.{score.decimals}f}")
    assert all(hasattr(viewed(0), need) for need in score.needs)


@pytest.mark.parametrize("absent", ["labels", "inception_features", "inception_probabilities"])
def test_scores_of_what_there_is_not_are_left_out(absent: str) -> None:
    all_of_it = score_images(viewed(1), viewed(0))
    assert list(all_of_it) == list(SCORES)
    part = score_images(replace(viewed(1), **{absent: None}), viewed(0))
    left_out = {name for name in SCORES if absent in SCORES[name].needs}
    assert part == {name: value for name, value in all_of_it.items() if name not in left_out}


@pytest.mark.parametrize("name", ["kid_examiner", "coverage_examiner"])
def test_images_that_cannot_be_compared_are_refused_in_one_line(name: str) -> None:
    real = viewed(0)
    broken = replace(real, features=np.full_like(real.features, np.nan), known={})
    for bad in (broken, real.rows(np.array([3]))):
        for pair in ((bad, viewed(1)), (viewed(1), bad)):
            with pytest.raises(ScoreError):
                SCORES[name].compute(*pair)


def test_what_goes_by_one_set_alone_is_that_of_its_own_side() -> None:
    generated, real = viewed(1, 0.1).rows(np.arange(0, N, 2)), viewed(0)
    found = closeness(generated.features, real.features)
    for name, value in found._asdict().items():
        assert SCORES[f"{name}_examiner"].compute(generated, real) == value
    assert SCORES["kid_examiner"].compute(generated, real) == kid(generated.features, real.features)


def test_rows_of_a_view_are_those_of_all_its_parts() -> None:
    index = np.array([7, 3, 3])
    whole = replace(viewed(0), inception_features=None)
    part = whole.rows(index)
    assert np.array_equal(part.features, whole.features[index])
    assert np.array_equal(part.labels, whole.labels[index])  # type: ignore[index]
    assert part.inception_features is None


def test_scores_of_the_same_images_are_looked_up_by_the_images() -> None:
    """Four scores share one computation; that of other images must not be theirs."""
    pairs = [(viewed(1), viewed(0)), (viewed(2, 0.2), viewed(0)), (viewed(1), viewed(0))]
    first, other, again = (score_images(*pair)["coverage_examiner"] for pair in pairs)
    assert first == again != other


@pytest.mark.parametrize(
    ("name", "value", "deviation", "text"),
    [
        ("fid_examiner", -1.234, 1.939, "\N{MINUS SIGN}1.23 \N{PLUS-MINUS SIGN} 1.94"),
        ("fid_examiner", 0.001, 0.25, "0.00 \N{PLUS-MINUS SIGN} 0.25"),
        ("label_match", 0.0125, 0.005, "+1.2 \N{PLUS-MINUS SIGN} 0.5 points"),
    ],
)
def test_a_difference_has_a_sign_and_a_deviation(
    name: str, value: float, deviation: float, text: str
) -> None:
    assert SCORES[name].difference_text(value, deviation) == text
