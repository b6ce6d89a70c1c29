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


def rows_of_features(seed, n, size=300, decay=0.5):
    """Not negative, as after a ReLU, and most of the variance in a few directions."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(size, size)))[0]
    spread = np.arange(1, size + 1.0) ** -decay
    return np.maximum(rng.normal(size=(n, size)) * spread @ axes + 0.05, 0)


def by_singular_values(a, b):
    """The definition, by the centred features themselves."""
    a_, b_ = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (a, b))
    difference = a.mean(axis=0) - b.mean(axis=0)
    roots = np.linalg.svd(a_ @ b_.T, compute_uv=False)
    return difference @ difference + (a_**2).sum() + (b_**2).sum() - 2 * roots.sum()


@pytest.mark.parametrize(("n_a", "n_b"), [(700, 900), (305, 400), (150, 150), (40, 900), (900, 40)])
def test_many_dimensions_need_no_singular_values(n_a, n_b, monkeypatch):
    a, b = rows_of_features(1, n_a), rows_of_features(2, n_b)
    wanted = by_singular_values(a, b)
    monkeypatch.setattr(np.linalg, "svd", lambda *_, **__: pytest.fail("singular values"))
    assert fid(a, b) == pytest.approx(wanted, rel=1e-9)


def test_many_dimensions_agree_with_pytorch_fid():
    from pytorch_fid.fid_score import calculate_frechet_distance

    a, b = rows_of_features(1, 700), rows_of_features(2, 900)
    moments = [x for f in (a, b) for x in (f.mean(axis=0), np.cov(f, rowvar=False))]
    assert fid(a, b) == pytest.approx(calculate_frechet_distance(*moments), rel=1e-6)


@pytest.mark.parametrize(
    "a",
    [
        pytest.param(np.repeat(rows_of_features(1, 20), 40, axis=0), id="copies of few images"),
        pytest.param(np.repeat(rows_of_features(1, 1), 400, axis=0), id="copies of one image"),
        pytest.param(rows_of_features(1, 700) * (np.arange(300) > 40), id="dead dimensions"),
        pytest.param(rows_of_features(2, 400, decay=3.0), id="nearly dead dimensions"),
        pytest.param(rows_of_features(1, 200, decay=3.0), id="nearly dead, few images"),
    ],
)
def test_dimensions_without_variance_cost_no_precision(a):
    b = rows_of_features(2, 500, decay=3.0)
    assert fid(a, b) == pytest.approx(by_singular_values(a, b), rel=1e-9)
    assert fid(b, a) == pytest.approx(by_singular_values(a, b), rel=1e-9)


def test_many_dimensions_are_zero_on_themselves_and_leave_torch_its_threads():
    import torch

    features = rows_of_features(1, 400)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert fid(features, features[::-1]) == pytest.approx(0, abs=1e-9)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


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
