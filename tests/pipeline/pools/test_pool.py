"""The images of a pool whose label the judge predicts, and those drawn behind it."""

from types import SimpleNamespace

import numpy as np
import pytest

from augment.images.image_sets import ImageSet
from pipeline.pools import pool as pools
from pipeline.pools.pool import Pool, draw_confident

SETTINGS = SimpleNamespace(threshold=0.5, max_draws=10)


def stream(label: int, start: int, stop: int) -> np.ndarray:
    """Images that carry their label and number."""
    numbers = np.arange(start, stop)
    shape = (len(numbers), 1, 1, 3)
    columns = [np.full_like(numbers, label), numbers // 256, numbers % 256]
    return np.stack(columns, axis=1).astype(np.uint8).reshape(shape)


def probabilities(images: np.ndarray) -> np.ndarray:
    """Read every third image as asked."""
    label, high, low = images.reshape(-1, 3).astype(int).T
    sure = (256 * high + low) % 3 == 0
    right = np.where(label == 0, 0.9, 0.1)
    first = np.where(sure, right, 1 - right)
    return np.stack([first, 1 - first], axis=1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images the judge was shown."""
    shown: list[int] = []

    def predict(judge: object, images: np.ndarray) -> SimpleNamespace:
        shown.append(len(images))
        return SimpleNamespace(probabilities=probabilities(images))

    monkeypatch.setattr(pools, "predict", predict)
    return shown


def pool_of(per_class: tuple[int, int], sampler: object) -> Pool:
    images = np.concatenate([stream(label, 0, n) for label, n in enumerate(per_class)])
    labels = np.repeat(np.arange(2), per_class)
    return Pool(ImageSet(images, labels, ("a", "b")), sampler, "generated")  # type: ignore[arg-type]


@pytest.mark.parametrize("per_class", [(0, 7), (500, 500), (700, 3), (2000, 2000)])
def test_it_goes_on_where_a_pool_ends(per_class: tuple[int, int], asked: list[int]) -> None:
    drawn: list[int] = []

    def draw(label: int, start: int, stop: int, seed: int) -> np.ndarray:
        assert start >= per_class[label]
        drawn.append(stop - start)
        return stream(label, start, stop)

    pool = pool_of(per_class, SimpleNamespace(draw=draw))
    found = list(draw_confident(pool, None, probabilities(pool.images.images), 0, SETTINGS, 400))  # type: ignore[arg-type]
    for label in (0, 1):
        pieces = [piece for of, piece in found if of == label]
        kept = np.concatenate([piece.images for piece in pieces])
        # The first 400 numbers that 3 divides, whether they were in the pool or drawn.
        np.testing.assert_array_equal(kept, stream(label, 0, 1198)[::3])
        assert pieces[-1].drawn == 1198
    # None of the pool's is judged again.
    assert asked == drawn


def test_a_folder_of_images_ends_where_they_end(asked: list[int]) -> None:
    pool = pool_of((30, 900), None)
    found = list(draw_confident(pool, None, probabilities(pool.images.images), 0, SETTINGS, 40))  # type: ignore[arg-type]
    kept = [sum(len(piece.images) for of, piece in found if of == label) for label in (0, 1)]
    assert kept == [10, 40]
    assert asked == []
