"""Scores against closed forms and against independent libraries."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.errors import ReportError
from reports.scores import (
    ScoreError,
    fid,
    frechet_distance,
    inception_score,
    inception_score_interval,
    label_match,
)


def random_covariance(rng, size, rank=None):
    factor = rng.normal(size=(rank or 3 * size, size))
    return factor.T @ factor / len(factor)


def random_probabilities(rng, n, k, sharpness=2.0):
    logits = sharpness * rng.normal(size=(n, k))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def test_equal_covariances_give_the_squared_distance_of_the_means():
    rng = np.random.default_rng(0)
    cov = random_covariance(rng, 20)
    mean_a, mean_b = rng.normal(size=(2, 20))
    assert frechet_distance(mean_a, cov, mean_b, cov) == pytest.approx(
        np.square(mean_a - mean_b).sum(), abs=1e-8
    )


@given(
    st.lists(
        st.tuples(st.floats(0, 9), st.floats(0, 9), st.floats(-3, 3), st.floats(-3, 3)),
        min_size=1,
        max_size=8,
    )
)
@settings(deadline=None)
def test_diagonal_covariances_have_a_closed_form(rows):
    var_a, var_b, mean_a, mean_b = np.array(rows).T
    exact = np.square(mean_a - mean_b).sum() + np.square(np.sqrt(var_a) - np.sqrt(var_b)).sum()
    value = frechet_distance(mean_a, np.diag(var_a), mean_b, np.diag(var_b))
    # A variance below d epsilons of the largest counts as zero: its root is off by 1e-7 at most.
    assert value == pytest.approx(exact, abs=2e-6)


def test_rotated_commuting_covariances_are_exact_to_1e_8():
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    spectrum_a, spectrum_b = rng.uniform(0.1, 5, size=(2, 30))
    exact = np.square(np.sqrt(spectrum_a) - np.sqrt(spectrum_b)).sum()
    zero = np.zeros(30)
    value = frechet_distance(
        zero,
        rotation @ np.diag(spectrum_a) @ rotation.T,
        zero,
        rotation @ np.diag(spectrum_b) @ rotation.T,
    )
    assert value == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(("rank_a", "rank_b"), [(5, 40), (40, 5), (5, 5), (1, 1)])
def test_singular_covariances_are_exact(rank_a, rank_b):
    """Commuting covariances of low rank: the closed form needs only the spectra."""
    rng = np.random.default_rng(2)
    rotation = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    spectra = []
    for rank in (rank_a, rank_b):
        spectrum = np.zeros(40)
        spectrum[:rank] = rng.uniform(1, 50, size=rank)
        spectra.append(spectrum)
    covariances = [rotation @ np.diag(spectrum) @ rotation.T for spectrum in spectra]
    exact = np.square(np.sqrt(spectra[0]) - np.sqrt(spectra[1])).sum()
    value = frechet_distance(np.zeros(40), covariances[0], np.zeros(40), covariances[1])
    assert value == pytest.approx(exact, abs=1e-8)


def test_equals_pytorch_fid():
    from pytorch_fid.fid_score import calculate_frechet_distance

    rng = np.random.default_rng(3)
    mean_a, mean_b = rng.normal(size=(2, 48))
    cov_a, cov_b = random_covariance(rng, 48), 2 * random_covariance(rng, 48)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its sqrtm(disp=False)
        try:
            theirs = calculate_frechet_distance(mean_a, cov_a, mean_b, cov_b)
        except TypeError:
            pytest.skip("pytorch-fid's own distance does not run on this SciPy")
    assert frechet_distance(mean_a, cov_a, mean_b, cov_b) == pytest.approx(theirs, abs=1e-8)


def test_equals_torchmetrics():
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Flatten(torch.nn.Module):
        num_features = 12

        def forward(self, images):
            return images.flatten(1).double()

    rng = np.random.default_rng(4)
    real = rng.normal(size=(200, 3, 2, 2))
    fake = rng.normal(0.5, 1.3, size=(150, 3, 2, 2))
    metric = FrechetInceptionDistance(feature=Flatten(), input_img_size=(3, 2, 2))
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(fake), real=False)
    ours = fid(real.reshape(200, 12), fake.reshape(150, 12))
    assert ours == pytest.approx(float(metric.compute()), rel=1e-4)


@pytest.mark.parametrize(("n_a", "n_b"), [(500, 300), (10, 300), (300, 10), (10, 8), (2, 2)])
def test_fid_of_features_equals_the_distance_of_their_covariances(n_a, n_b):
    rng = np.random.default_rng(5)
    features_a = rng.normal(size=(n_a, 24)) @ rng.normal(size=(24, 24))
    features_b = rng.normal(size=(n_b, 24)) + 0.5
    whole = frechet_distance(
        features_a.mean(axis=0),
        np.cov(features_a, rowvar=False),
        features_b.mean(axis=0),
        np.cov(features_b, rowvar=False),
    )
    assert fid(features_a, features_b) == pytest.approx(whole, rel=1e-9, abs=1e-8)


@given(st.integers(0, 2**31), st.integers(2, 30), st.integers(2, 30), st.integers(1, 12))
@settings(deadline=None, max_examples=40)
def test_fid_is_symmetric_and_never_negative_and_zero_on_itself(seed, n_a, n_b, size):
    rng = np.random.default_rng(seed)
    features_a, features_b = rng.normal(size=(n_a, size)), rng.normal(size=(n_b, size))
    value = fid(features_a, features_b)
    assert value >= 0
    assert fid(features_b, features_a) == pytest.approx(value, abs=1e-9)
    assert fid(features_a, features_a[::-1]) == pytest.approx(0, abs=1e-9)


def test_fid_of_float32_features_is_computed_in_float64():
    features = np.random.default_rng(6).normal(1000, 1, size=(2, 60, 8)).astype(np.float32)
    assert fid(features[0], features[1]) == fid(
        features[0].astype(np.float64), features[1].astype(np.float64)
    )


def test_inception_score_of_certain_and_even_predictions_is_the_number_of_classes():
    assert inception_score(np.eye(7)[np.arange(70) % 7]) == pytest.approx(7)


def test_inception_score_of_unrecognisable_images_is_one():
    assert inception_score(np.full((20, 5), 0.2)) == pytest.approx(1)


def test_inception_score_of_two_classes_has_a_closed_form():
    table = np.array([[0.9, 0.1], [0.1, 0.9]])
    divergence = 0.9 * np.log(1.8) + 0.1 * np.log(0.2)
    assert inception_score(table) == pytest.approx(np.exp(divergence))


def test_inception_score_equals_torchmetrics():
    import torch
    from torchmetrics.image.inception import InceptionScore

    class Logits(torch.nn.Module):
        def forward(self, images):
            return images.flatten(1)

    logits = np.random.default_rng(7).normal(0, 2, size=(96, 1, 1, 6))
    metric = InceptionScore(feature=Logits(), splits=1)
    metric.update(torch.from_numpy(logits))
    probabilities = torch.softmax(torch.from_numpy(logits).flatten(1), dim=1).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = float(metric.compute()[0])
    assert inception_score(probabilities) == pytest.approx(theirs, rel=1e-5)


def test_inception_score_over_splits_is_the_mean_of_the_parts():
    table = random_probabilities(np.random.default_rng(8), 100, 5)
    parts = [inception_score(part) for part in np.split(table, 4)]
    mean, deviation = inception_score_interval(table, splits=4)
    assert mean == inception_score(table, splits=4) == pytest.approx(np.mean(parts))
    assert deviation == pytest.approx(np.std(parts))


def test_label_match_counts_agreement():
    table = np.array([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3], [0.5, 0.5]])
    assert label_match(table, np.array([0, 1, 1, 0])) == 0.75


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fid(np.zeros((5, 3)), np.zeros((5, 4))), "3 and 4 dimensions"),
        (lambda: fid(np.zeros((1, 3)), np.zeros((5, 3))), "1 rows"),
        (lambda: fid(np.full((5, 3), np.nan), np.zeros((5, 3))), "not finite"),
        (lambda: fid(np.zeros(5), np.zeros((5, 3))), "shape (5,)"),
        (lambda: frechet_distance([0, 0], np.eye(3), [0, 0], np.eye(2)), "shape (3, 3)"),
        (lambda: frechet_distance([0, 0], [[1, 2], [0, 1]], [0, 0], np.eye(2)), "symmetric"),
        (lambda: frechet_distance([0, 0], np.diag([1, -1]), [0, 0], np.eye(2)), "eigenvalue"),
        (lambda: inception_score(np.full((4, 3), 0.5)), "sum to 1"),
        (lambda: inception_score([[1.5, -0.5]]), "0 or more"),
        (lambda: inception_score(np.eye(3), splits=4), "4 splits of 3 rows"),
        (lambda: label_match(np.eye(3), [0, 1]), "3 integers"),
        (lambda: label_match(np.eye(3), [0, 1, 3]), "allowed: 0 to 2"),
        (lambda: label_match(np.eye(3), [0.0, 1.0, 2.0]), "float64"),
    ],
)
def test_bad_input_is_one_line_that_says_what_is_wrong(call, words):
    with pytest.raises(ScoreError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ReportError)
