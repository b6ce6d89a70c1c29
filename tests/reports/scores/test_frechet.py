"""The Frechet distance against closed forms and independent libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.errors import ReportError
from reports.scores.frechet import fid
from reports.scores.inputs import ScoreError


@pytest.mark.parametrize(("n_a", "n_b"), [(500, 300), (10, 300), (300, 10), (10, 8), (2, 2)])
def test_it_is_the_formula_of_its_paper(n_a, n_b):
    """By the eigenvalues of the product of the covariances, which may be singular."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(n_a, 24)) @ rng.normal(size=(24, 24)), rng.normal(size=(n_b, 24)) + 0.5
    cov_a, cov_b = (np.cov(features, rowvar=False) for features in (a, b))
    roots = np.sqrt(np.clip(np.linalg.eigvals(cov_a @ cov_b).real, 0, None))
    difference = a.mean(axis=0) - b.mean(axis=0)
    wanted = difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * roots.sum()
    assert fid(a, b) == pytest.approx(wanted, rel=1e-6)


def test_features_on_one_line_have_a_closed_form():
    """Rank 1: the root of the product is that of the standard deviations."""
    rng = np.random.default_rng(2)
    axis = np.array([0.6, 0.8, 0.0])
    a, b = rng.normal(1, 2, size=(2, 40))
    wanted = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert fid(np.outer(a, axis), np.outer(b, axis)) == pytest.approx(wanted, abs=1e-9)


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fid(np.zeros((5, 3)), np.zeros((5, 4))), "3 and 4 dimensions"),
        (lambda: fid(np.zeros((1, 3)), np.zeros((5, 3))), "1 rows"),
        (lambda: fid(np.full((5, 3), np.nan), np.zeros((5, 3))), "not finite"),
        (lambda: fid(np.zeros(5), np.zeros((5, 3))), "shape (5,)"),
    ],
)
def test_bad_input_is_one_line_that_says_what_is_wrong(call, words):
    with pytest.raises(ScoreError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ReportError)
