"""The kernel distance against its definition and an independent library."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.scores import kid as module
from reports.scores.kid import kid


def features(seed: int, n: int, size: int = 5, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, size))


def by_definition(a: np.ndarray, b: np.ndarray) -> float:
    """Equation 4 of Binkowski et al. 2018, pair by pair."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def within(rows: np.ndarray) -> float:
        n = len(rows)
        pairs = [kernel(rows[i], rows[j]) for i in range(n) for j in range(n) if i != j]
        return sum(pairs) / (n * (n - 1))

    return within(a) + within(b) - 2 * float(np.mean([kernel(x, y) for x in a for y in b]))


@given(st.integers(2, 12), st.integers(2, 12), st.floats(-2, 2))
def test_it_is_its_definition(n_a: int, n_b: int, shift: float) -> None:
    a, b = features(0, n_a), features(1, n_b, shift=shift)
    assert kid(a, b) == pytest.approx(by_definition(a, b), rel=1e-9, abs=1e-9)


def test_it_equals_torchmetrics() -> None:
    import torch
    from torchmetrics.image.kid import poly_mmd

    a, b = features(2, 40), features(3, 40, shift=0.3)
    theirs = float(poly_mmd(torch.from_numpy(a), torch.from_numpy(b)))
    assert kid(a, b) == pytest.approx(theirs, rel=1e-9)


def test_it_is_unbiased_where_fid_is_not() -> None:
    both = [[kid(features(2 * i, n), features(2 * i + 1, n)) for i in range(300)] for n in (5, 40)]
    for values in both:
        error = np.std(values) / np.sqrt(len(values))
        assert abs(np.mean(values)) < 4 * error
        assert min(values) < 0 < max(values)


def test_it_grows_with_the_sixth_power_of_the_features_scale() -> None:
    a, b = 1e3 * features(6, 30), 1e3 * features(7, 30, shift=1)
    assert kid(2 * a, 2 * b) == pytest.approx(64 * kid(a, b), rel=1e-3)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = features(4, 31), features(5, 17)
    whole = kid(a, b)
    monkeypatch.setattr(module, "_ROWS", 4)
    assert kid(a, b) == pytest.approx(whole, rel=1e-12)
