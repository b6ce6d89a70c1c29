"""The Frechet distance of 2,048 features: ours against pytorch-fid's by the matrix square root."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from pytorch_fid.fid_score import calculate_frechet_distance
from threadpoolctl import threadpool_limits

from benchmarks.pairs import Pair, close
from reports.scores.frechet import fid, root_trace

DIMENSIONS = 2048


def features(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return made-up ones: not negative, most of their variance in a few directions."""
    axes = np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    spread = np.arange(1, DIMENSIONS + 1.0) ** -0.5
    found = np.maximum(rng.normal(size=(n, DIMENSIONS)) * spread @ axes + 0.05, 0)
    return found.astype(np.float32)


def moments(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance, as pytorch-fid computes them."""
    wide = found.astype(np.float64)
    return wide.mean(axis=0), np.cov(wide, rowvar=False)


def by_square_root(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    """Return pytorch-fid's distance, on as many threads as ours."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(calculate_frechet_distance(*a, *b))


def by_product(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    """Return ours where means and covariances are known."""
    with threadpool_limits(1):
        difference = a[0] - b[0]
        spread = np.trace(a[1]) + np.trace(b[1])
        return float(difference @ difference + spread - 2 * root_trace(a[1], b[1])[0])


def pairs() -> Iterator[Pair]:
    """Of known means and covariances, and of features: more and fewer than dimensions."""
    rng = np.random.default_rng(0)
    for n in (5000, 1000):
        with threadpool_limits(1):
            a, b = features(rng, n), features(rng, n)
            of_a, of_b = moments(a), moments(b)
        if n > DIMENSIONS:
            yield Pair(
                f"Frechet distance of covariances, {DIMENSIONS:,} dimensions",
                "distances",
                1,
                lambda of_a=of_a, of_b=of_b: by_product(of_a, of_b),
                lambda of_a=of_a, of_b=of_b: by_square_root(of_a, of_b),
                close(1e-6),
                repeats=3,
            )
        yield Pair(
            f"Frechet distance of {n:,} images a side, {DIMENSIONS:,} dimensions",
            "distances",
            1,
            lambda a=a, b=b: fid(a, b),
            lambda a=a, b=b: by_square_root(moments(a), moments(b)),
            close(1e-6),
            repeats=3,
        )
