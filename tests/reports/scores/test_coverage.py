"""Precision, recall, density and coverage against their definitions and known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.scores import coverage as module
from reports.scores.coverage import Closeness, closeness


def features(seed: int, n: int, size: int = 4, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, size))


def by_definition(generated: np.ndarray, real: np.ndarray, k: int) -> Closeness:
    """Kynkaanniemi et al. 2019, equation 1; Naeem et al. 2020, equations 5 and 8."""

    def reach(rows: np.ndarray, i: int) -> float:
        others = [np.linalg.norm(rows[i] - rows[j]) for j in range(len(rows)) if j != i]
        return float(sorted(others)[k - 1])

    def inside(x: np.ndarray, rows: np.ndarray) -> list[bool]:
        return [np.linalg.norm(x - rows[j]) <= reach(rows, j) for j in range(len(rows))]

    balls = np.array([inside(x, real) for x in generated])
    return Closeness(
        precision=float(balls.any(axis=1).mean()),
        recall=float(np.mean([any(inside(x, generated)) for x in real])),
        density=float(balls.sum() / (k * len(generated))),
        coverage=float(balls.any(axis=0).mean()),
    )


@given(st.integers(4, 14), st.integers(4, 14), st.integers(1, 3), st.floats(-2, 2))
def test_it_is_its_definition(n: int, m: int, k: int, shift: float) -> None:
    a, b = features(0, n), features(1, m, shift=shift)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROWS", 5)  # several blocks, the last one not full
        assert closeness(a, b, k) == pytest.approx(by_definition(a, b, k), abs=1e-12)


def test_identical_sets_lie_in_one_another() -> None:
    a = features(0, 300)
    for rows in (a, a + 1000, np.repeat(a[:40], 10, axis=0) + 1000):
        found = closeness(rows, rows)
        assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
        assert found.density >= 1


def test_two_samples_of_one_distribution_are_near_one_another() -> None:
    found = closeness(features(0, 1000), features(1, 1000))
    assert found.precision > 0.8
    assert found.recall > 0.8
    assert found.density == pytest.approx(1, abs=0.1)  # its expectation, Naeem et al. 2020
    # Of equal sets, 1 - (n - 1) ... (n - k) / ((2 n - 1) ... (2 n - k)): equation 10 there.
    assert found.coverage == pytest.approx(1 - 0.5**5, abs=0.02)


def test_disjoint_sets_share_nothing() -> None:
    assert closeness(features(0, 50), features(1, 60, shift=100)) == (0, 0, 0, 0)


def test_a_collapsed_generator_is_precise_and_recalls_nothing() -> None:
    real = features(0, 500)
    # One real image again and again, with or without a trace of noise.
    for noise in (0, 1e-3):
        alike = real[np.zeros(500, dtype=int)] + noise * features(1, 500)
        found = closeness(alike, real)
        assert found.precision == 1
        assert found.recall <= 0.002
        assert found.coverage < 0.05


def test_scattered_images_are_recalled_and_not_precise() -> None:
    found = closeness(6 * features(0, 500), features(1, 500))
    assert found.precision < 0.2
    assert found.recall > 0.9


def test_few_images_have_fewer_neighbours() -> None:
    a, b = features(0, 3), features(1, 3)
    assert closeness(a, b) == pytest.approx(by_definition(a, b, 2))
