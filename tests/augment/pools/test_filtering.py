from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.pools.filtering import (
    Accepted,
    PseudoLabelled,
    acceptance_by_threshold,
    accepted,
    draw_accepted,
    draw_pseudo_labelled,
)

K = 4


class Pool:
    """Images that carry their label and index, and a judge whose answers are fixed by both."""

    def __init__(self, seed: int = 0) -> None:
        self.asked: list[tuple[int, int]] = []
        weights = np.random.default_rng(seed).gamma(0.4, size=(K, 5000, K))
        self.probabilities = weights / weights.sum(axis=2, keepdims=True)

    def draw(self, label: int, start: int, stop: int) -> np.ndarray:
        self.asked.append((start, stop))
        index = np.arange(start, stop)
        images = np.empty((stop - start, 1, 1, 3), dtype=np.uint8)
        images[:, 0, 0] = np.stack([np.full_like(index, label), index // 256, index % 256], axis=1)
        return images

    def judge(self, images: np.ndarray) -> np.ndarray:
        pixels = images.reshape(-1, 3).astype(int)
        return self.probabilities[pixels[:, 0], pixels[:, 1] * 256 + pixels[:, 2]]

    def passing(self, label: int, threshold: float) -> list[int]:
        """Written out one by one, as the rule reads."""
        return [
            i
            for i, p in enumerate(self.probabilities[label].tolist())
            if max(p) == p[label] and p[label] >= threshold
        ]


def test_the_rule_by_hand() -> None:
    probabilities = np.array([[0.6, 0.4], [0.4, 0.6], [0.9, 0.1], [0.5, 0.5], [np.nan, np.nan]])
    assert accepted(probabilities, 0, 0.0).tolist() == [True, False, True, True, False]
    assert accepted(probabilities, 0, 0.6).tolist() == [True, False, True, False, False]
    assert accepted(probabilities, 0, 0.9).tolist() == [False, False, True, False, False]
    # The answer must be the label even where its confidence alone would do.
    assert accepted(probabilities, 1, 0.1).tolist() == [False, True, False, False, False]


def all_accepted(
    pool: Pool, label: int, n: int, *, threshold: float, limit: int, block: int = 500
) -> tuple[list[int], int]:
    """Return which images were kept, and how many were drawn."""

    def look(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        images = pool.draw(label, start, stop)
        return images, pool.judge(images)

    return joined_accepted(
        draw_accepted(look, label, n, threshold=threshold, limit=limit, block=block)
    )


def joined_accepted(pieces: Iterator[Accepted]) -> tuple[list[int], int]:
    kept: list[int] = []
    drawn = 0
    for piece in pieces:
        assert piece.images.dtype == np.uint8
        assert piece.images.shape[1:] == (1, 1, 3)
        kept += (piece.images[:, 0, 0, 1].astype(int) * 256 + piece.images[:, 0, 0, 2]).tolist()
        drawn = piece.drawn
    return kept, drawn


@settings(max_examples=40, deadline=None)
@given(
    block=st.integers(1, 700),
    other_block=st.integers(1, 700),
    n=st.integers(0, 40),
    label=st.integers(0, K - 1),
    threshold=st.sampled_from([0.0, 0.5, 0.9]),
)
def test_the_same_images_are_kept_whatever_the_block(
    block: int, other_block: int, n: int, label: int, threshold: float
) -> None:
    pool = Pool()
    expected = pool.passing(label, threshold)[:n]
    for size in (block, other_block):
        kept, drawn = all_accepted(pool, label, n, threshold=threshold, limit=5000, block=size)
        assert kept == expected
        assert drawn == (expected[-1] + 1 if n else 0)


def test_nothing_is_drawn_beyond_need_or_limit() -> None:
    pool = Pool()
    all_accepted(pool, 0, 5, threshold=0.0, limit=5000, block=100)
    assert pool.asked == [(0, 100)]
    pool.asked.clear()
    all_accepted(pool, 0, 5000, threshold=0.0, limit=250, block=100)
    assert pool.asked == [(0, 100), (100, 200), (200, 250)]


@given(
    size=st.integers(0, 200),
    n=st.integers(0, 60),
    threshold=st.sampled_from([0.0, 0.5, 0.9]),
    limit=st.integers(1, 900),
)
def test_it_goes_on_where_a_pool_ends(size: int, n: int, threshold: float, limit: int) -> None:
    pool = Pool()
    fresh = all_accepted(pool, 1, n, threshold=threshold, limit=limit, block=50)
    there = pool.draw(1, 0, size)
    pool.asked.clear()

    def look(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        # The last of the pool are fewer than a block.
        images = there[start:stop] if start < size else pool.draw(1, start, stop)
        return images, pool.judge(images)

    kept = draw_accepted(look, 1, n, threshold=threshold, limit=limit, block=50)
    assert joined_accepted(kept) == fresh
    assert all(start >= size for start, stop in pool.asked)


def test_at_the_limit_it_ends_with_what_it_has() -> None:
    pool = Pool()
    expected = [i for i in pool.passing(2, 0.9) if i < 300]
    assert all_accepted(pool, 2, 299, threshold=0.9, limit=300) == (expected, 300)
    assert all_accepted(pool, 2, 1, threshold=0.9, limit=0) == ([], 0)


def test_exactly_at_the_limit_is_enough() -> None:
    pool = Pool()
    three = pool.passing(3, 0.5)[:3]
    found = all_accepted(pool, 3, 3, threshold=0.5, limit=three[2] + 1, block=7)
    assert found == (three, three[2] + 1)
    few = all_accepted(pool, 3, 3, threshold=0.5, limit=three[2], block=7)
    assert few == (three[:2], three[2])


class Stream:
    """One stream of images that carry their index; class 1 comes seldom."""

    N = 6000

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        weights = np.random.default_rng(3).gamma([0.5, 0.15, 0.4, 0.5], size=(self.N, K))
        self.probabilities = weights / weights.sum(axis=1, keepdims=True)

    def draw(self, start: int, stop: int) -> np.ndarray:
        self.asked.append((start, stop))
        index = np.arange(start, stop)
        images = np.stack([index // 256, index % 256, index % 7], axis=1).astype(np.uint8)
        return images[:, None, None]

    def judge(self, images: np.ndarray) -> np.ndarray:
        pixels = images.reshape(-1, 3).astype(int)
        return self.probabilities[pixels[:, 0] * 256 + pixels[:, 1]]

    def look(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        images = self.draw(start, stop)
        return images, self.judge(images)

    def sorted_by_hand(
        self, counts: list[int], threshold: float
    ) -> tuple[list[tuple[int, int]], list[int]]:
        """Which images are kept, as (index, label), and the answers counted, one by one."""
        kept: list[tuple[int, int]] = []
        missing, predicted = list(counts), [0] * K
        for i, p in enumerate(self.probabilities.tolist()):
            label = p.index(max(p))
            if missing[label]:
                predicted[label] += 1
                if p[label] >= threshold:
                    missing[label] -= 1
                    kept.append((i, label))
        assert not any(missing), "the stream of this test is too short"
        return kept, predicted


def joined(pieces: list[PseudoLabelled], part: str) -> np.ndarray:
    return np.concatenate([getattr(piece, part) for piece in pieces])


@settings(max_examples=40, deadline=None)
@given(
    block=st.integers(1, 900),
    counts=st.lists(st.integers(0, 30), min_size=K, max_size=K).filter(any),
    threshold=st.sampled_from([0.0, 0.5, 0.9]),
)
def test_one_stream_is_sorted_by_the_answers_whatever_the_block(
    block: int, counts: list[int], threshold: float
) -> None:
    stream = Stream()
    expected, predicted = stream.sorted_by_hand(counts, threshold)
    pieces = list(
        draw_pseudo_labelled(stream.look, counts, threshold=threshold, limit=stream.N, block=block)
    )
    labels = joined(pieces, "labels")
    assert labels.dtype == np.int64
    assert labels.tolist() == [label for _, label in expected]
    images = joined(pieces, "images")
    assert images.dtype == np.uint8
    kept = [index for index, _ in expected]
    np.testing.assert_array_equal(images, stream.draw(0, stream.N)[kept])
    assert pieces[-1].predicted.tolist() == predicted
    assert pieces[-1].drawn == expected[-1][0] + 1
    assert all(len(piece.images) for piece in pieces)


def test_a_stream_is_drawn_no_further_than_needed() -> None:
    stream = Stream()
    counts = [3, 0, 3, 0]
    expected, _ = stream.sorted_by_hand(counts, 0.0)
    last = expected[-1][0]
    list(draw_pseudo_labelled(stream.look, counts, threshold=0.0, limit=stream.N, block=last + 1))
    assert stream.asked == [(0, last + 1)]
    stream.asked.clear()
    nothing = draw_pseudo_labelled(stream.look, [0] * K, threshold=0.0, limit=9)
    assert list(nothing) == []
    assert stream.asked == []


def test_a_stream_that_is_just_long_enough() -> None:
    stream = Stream()
    counts = [2, 2, 2, 2]
    last = stream.sorted_by_hand(counts, 0.5)[0][-1][0]
    for limit in (last, last + 1):
        pieces = draw_pseudo_labelled(stream.look, counts, threshold=0.5, limit=limit, block=7)
        assert sum(len(piece.images) for piece in pieces) == (8 if limit > last else 7)


def test_an_image_without_a_probability_is_never_kept() -> None:
    probabilities = np.array([[np.nan, np.nan], [0.3, 0.7], [0.8, 0.2]])
    images = np.arange(3, dtype=np.uint8).reshape(-1, 1, 1, 1)
    (piece,) = draw_pseudo_labelled(
        lambda start, stop: (images[start:stop], probabilities[start:stop]),
        [1, 1],
        threshold=0.0,
        limit=3,
    )
    assert piece.images.ravel().tolist() == [1, 2]
    assert piece.labels.tolist() == [1, 0]


def test_acceptance_by_class_and_threshold() -> None:
    pool = Pool()
    labels = np.repeat([2, 0, 1], [50, 30, 20])  # No image of class 3, and not in order.
    index = np.arange(100)
    probabilities = pool.probabilities[labels, index]
    rows = acceptance_by_threshold(probabilities, labels, ["a", "b", "c", "d"], [0.0, 0.5, 1.0])
    assert [(r["class_name"], r["threshold"]) for r in rows] == [
        (name, threshold) for name in "abcd" for threshold in (0.0, 0.5, 1.0)
    ]
    for row in rows:
        label = "abcd".index(str(row["class_name"]))
        mine = [i for i in index if labels[i] == label]
        threshold = float(row["threshold"])
        passing = set(pool.passing(label, threshold))
        assert row["drawn"] == len(mine)
        assert row["accepted"] == len([i for i in mine if i in passing])
        assert row["rate"] == (int(row["accepted"]) / len(mine) if mine else 0)
    assert all(rows[i]["accepted"] >= rows[i + 1]["accepted"] for i in (0, 1, 3, 4))  # type: ignore[operator]


def test_a_class_may_stay_short() -> None:
    def look(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        # The second answer always, as of a generator that collapsed.
        n = stop - start
        return np.zeros((n, 2, 2, 1), dtype=np.uint8), np.tile([0.25, 0.75], (n, 1))

    (found,) = draw_accepted(look, 0, 3, threshold=0.0, limit=10)
    assert (len(found.images), found.drawn) == (0, 10)
    (full,) = draw_accepted(look, 1, 3, threshold=0.0, limit=10)
    assert (len(full.images), full.drawn) == (3, 3)

    pieces = list(draw_pseudo_labelled(look, [3, 3], threshold=0.0, limit=10))
    assert np.concatenate([piece.labels for piece in pieces]).tolist() == [1, 1, 1]
    # All that were drawn count, those after the last one kept too.
    assert (pieces[-1].drawn, pieces[-1].predicted.tolist()) == (10, [0, 3])
    nothing = list(draw_pseudo_labelled(look, [3, 3], threshold=0.9, limit=10))
    assert [(len(piece.images), piece.drawn) for piece in nothing] == [(0, 10)]
    assert nothing[0].predicted.tolist() == [0, 10]
