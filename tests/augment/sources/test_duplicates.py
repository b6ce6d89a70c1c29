from __future__ import annotations

import imagehash
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from augment.sources.duplicates import (
    HASH_SIDE,
    NEAR_BITS,
    identical_sets,
    near_pairs,
    perceptual_hashes,
)


def drawings(n: int, side: int = 64, channels: int = 3) -> np.ndarray:
    """Draw n unlike pictures: uint8, n x side x side x channels."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(n):
        image = Image.new("RGB", (side, side), tuple(rng.integers(0, 256, 3).tolist()))
        pen = ImageDraw.Draw(image)
        for _ in range(5):
            x, y = rng.integers(0, side, 2).tolist()
            w, h = rng.integers(2, side // 2, 2).tolist()
            pen.ellipse((x, y, x + w, y + h), fill=tuple(rng.integers(0, 256, 3).tolist()))
        images.append(np.asarray(image))
    return np.stack(images)[..., :channels]


@given(st.lists(st.integers(0, 3), max_size=20))
def test_identical_images_share_a_number(which: list[int]) -> None:
    four = drawings(3, side=8)[[0, 1, 2, 0]]
    numbers = identical_sets(four[i] for i in which)
    assert numbers.dtype == np.int64
    seen: dict[int, int] = {}
    expected = [seen.setdefault(i % 3, len(seen)) for i in which]
    assert numbers.tolist() == expected


def test_one_gray_value_makes_another_image() -> None:
    image = np.zeros((28, 28, 1), np.uint8)
    other = image.copy()
    other[27, 27, 0] = 1
    assert identical_sets([image, other, image, image[::-1]]).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("channels", [1, 3])
def test_hashes_are_those_of_imagehash(channels: int) -> None:
    images = drawings(5, channels=channels)
    hashes = perceptual_hashes(images)
    assert hashes.dtype == np.uint64
    assert hashes.shape == (5, 4)
    for image, packed in zip(images, hashes, strict=True):
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        theirs = imagehash.phash(picture, hash_size=HASH_SIDE)
        ours = imagehash.ImageHash(np.unpackbits(packed.view(np.uint8)).reshape(16, 16) > 0)
        assert theirs - ours == 0


def test_the_same_picture_in_another_size_or_file_is_near_and_others_are_far() -> None:
    images = drawings(8)
    changed = []
    for image in images:
        smaller = Image.fromarray(image).resize((48, 48), Image.Resampling.LANCZOS)
        changed.append(np.asarray(smaller.resize((64, 64), Image.Resampling.LANCZOS)))
    brighter = np.clip(images.astype(int) + 8, 0, 255).astype(np.uint8)
    hashes = perceptual_hashes(np.concatenate([images, np.stack(changed), brighter]))
    found = near_pairs(hashes, np.repeat([0, 1, 2], 8))
    alike = {(i, j) for i in range(24) for j in range(i + 1, 24) if i % 8 == j % 8}
    assert {tuple(pair) for pair in found.pairs.tolist()} == alike
    assert found.n == len(alike)
    assert found.distance.max() <= NEAR_BITS


def by_hand(hashes: np.ndarray, kinds: np.ndarray, bits: int) -> list[tuple[int, int, int]]:
    """Compare every pair: (distance, first, second), sorted."""
    unpacked = np.unpackbits(hashes.view(np.uint8), axis=1).astype(int)
    found = []
    for i in range(len(hashes)):
        for j in range(i + 1, len(hashes)):
            apart = int(abs(unpacked[i] - unpacked[j]).sum())
            if kinds[i] != kinds[j] and apart <= bits:
                found.append((apart, i, j))
    return sorted(found)


@given(
    n=st.integers(0, 60),
    n_kinds=st.integers(1, 3),
    bits=st.integers(0, 255),
    most=st.integers(1, 40),
    noise=st.sampled_from([0.0, 0.005, 0.03, 0.3]),
    seed=st.integers(0, 1000),
)
@example(n=60, n_kinds=3, bits=10, most=40, noise=0.0, seed=0)
@example(n=60, n_kinds=3, bits=10, most=40, noise=0.03, seed=0)
@example(n=60, n_kinds=3, bits=0, most=40, noise=0.0, seed=0)
def test_pairs_are_all_pairs_and_the_nearest_are_kept(
    n: int, n_kinds: int, bits: int, most: int, noise: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2, (3, 256), dtype=np.uint8)
    rows = centres[rng.integers(0, 3, n)] ^ (rng.random((n, 256)) < noise)
    hashes = np.packbits(rows, axis=1).view(np.uint64).reshape(n, 4)
    kinds = rng.integers(0, n_kinds, n)
    expected = by_hand(hashes, kinds, bits)
    found = near_pairs(hashes, kinds, bits=bits, most=most)
    assert found.n == len(expected)
    assert [
        (apart, *pair)
        for apart, pair in zip(found.distance.tolist(), found.pairs.tolist(), strict=True)
    ] == expected[:most]
    assert found.pairs.dtype == np.int64
    assert found.distance.dtype == np.int64
