"""The same picture twice: identical images as a fact, images that look nearly alike as a hint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image

from augment.sources.grouping import number_groups

HASH_SIDE = 16
"""A perceptual hash has this many bits squared."""

NEAR_BITS = 10
"""Two images look nearly the same when at most so many of the 256 bits of their hashes differ.

Chosen on MNIST, where two ones look alike and are not the same picture; see
benchmarks/near_duplicates.py.
"""


@dataclass(frozen=True)
class NearPairs:
    """Pairs of images that look nearly the same."""

    pairs: np.ndarray  # int64, K x 2: row numbers, the first smaller
    distance: np.ndarray  # int64, K: bits that differ, 0 to 256
    n: int  # how many pairs there are; only the nearest are in ``pairs``


def identical_sets(images: Iterable[np.ndarray]) -> np.ndarray:
    """Return a number for each image, int64 N, that identical images share.

    Two images are identical when every value is the same (by their BLAKE2b digests). Numbers count
    from 0 in the order of first appearance.

    Args:
        images: N of uint8 H x W x C, all of one size; read one by one.
    """
    return number_groups(
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        for image in images
    )


def perceptual_hashes(images: np.ndarray) -> np.ndarray:
    """Return the perceptual hash of each image: uint64, N x 4, 256 bits.

    The signs of the lowest 16 x 16 frequencies of the gray image against their median (pHash, as
    in the package imagehash).

    Args:
        images: uint8, N x H x W x C with C 1 or 3.
    """
    hashes = np.empty((len(images), HASH_SIDE * HASH_SIDE // 8), dtype=np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        bits = imagehash.phash(picture, hash_size=HASH_SIDE).hash
        hashes[row] = np.packbits(bits.ravel())
    return hashes.view(np.uint64)


def near_pairs(
    hashes: np.ndarray, kinds: np.ndarray, *, bits: int = NEAR_BITS, most: int = 1000
) -> NearPairs:
    """Find the pairs of images of different kinds whose hashes differ in at most ``bits`` bits.

    Of hashes in ``bits + 1`` pieces at least one piece is equal then, so only images with an equal
    piece are compared (Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index
    hashing", CVPR 2012). That finds all pairs without looking at each. Where most hashes have equal
    pieces, as those of a film's frames, each pair is looked at once instead.

    Args:
        hashes: uint64, N x 4, from `perceptual_hashes`.
        kinds: integers, N; pairs of one kind do not count.
        bits: 0 to 255.
        most: pairs to return at the most, the nearest first.
    """
    pieces = _pieces(hashes, bits + 1)
    if _comparisons(pieces) > len(hashes) * (len(hashes) - 1) // 2:
        pieces = np.zeros((1, len(hashes)), dtype=np.uint64)  # each pair once is less work
    pairs = np.empty((0, 2), dtype=np.int64)
    distance = np.empty(0, dtype=np.int64)
    n = 0
    for number, piece in enumerate(pieces):
        for a, b in _equal(piece):
            others = kinds[a] != kinds[b]
            a, b = a[others], b[others]
            apart = np.bitwise_count(hashes[a] ^ hashes[b]).sum(axis=1, dtype=np.int64)
            near = apart <= bits
            a, b, apart = a[near], b[near], apart[near]
            # A pair with two equal pieces counts once, with the first.
            keep = ~(pieces[:number, a] == pieces[:number, b]).any(axis=0)
            n += int(keep.sum())
            pairs = np.concatenate([pairs, np.stack([a[keep], b[keep]], axis=1)])
            distance = np.concatenate([distance, apart[keep]])
            if len(pairs) > 2 * most:
                pairs, distance = _nearest(pairs, distance, most)
    return NearPairs(*_nearest(pairs, distance, most), n)


def _pieces(hashes: np.ndarray, n: int) -> np.ndarray:
    """Return the hashes in at least ``n`` pieces: uint64, pieces x N."""
    n = max(n, 4)  # no piece has more than 64 bits
    bits = np.unpackbits(np.ascontiguousarray(hashes).view(np.uint8), axis=1)
    # Bits that are nearly the same for all images tell none apart, so each piece has its share.
    uneven = np.abs(2 * bits.sum(axis=0, dtype=np.int64) - len(bits))
    order = np.argsort(uneven, kind="stable")
    pieces = np.zeros((n, len(hashes), 8), dtype=np.uint8)
    for number, piece in enumerate(pieces):
        packed = np.packbits(bits[:, order[number::n]], axis=1)
        piece[:, : packed.shape[1]] = packed
    return pieces.view(np.uint64)[..., 0]


def _comparisons(pieces: np.ndarray) -> int:
    """Return how many pairs have an equal piece, a pair counted for each of them."""
    return sum(
        int((counts * (counts - 1) // 2).sum())
        for counts in (np.unique(piece, return_counts=True)[1] for piece in pieces)
    )


def _equal(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pairs of rows with equal values, the first row smaller, in arrays of up to N."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    places = np.arange(len(values))
    for step in range(1, len(values)):
        # Values are sorted: once two places apart differ, so do places further apart.
        places = places[: np.searchsorted(places, len(values) - step)]
        places = places[ordered[places] == ordered[places + step]]
        if not len(places):
            return
        yield order[places], order[places + step]


def _nearest(pairs: np.ndarray, distance: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((pairs[:, 1], pairs[:, 0], distance))[:most]
    return pairs[order], distance[order]
