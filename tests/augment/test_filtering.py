from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.errors import AugmentError
from augment.filtering import (
    AcceptanceError,
    acceptance_by_threshold,
    accepted,
    draw_accepted,
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
        kept = draw_accepted(
            pool.draw, pool.judge, label, n, threshold=threshold, limit=5000, block=size
        )
        assert kept.index.tolist() == expected
        assert kept.index.dtype == np.int64
        assert kept.images.shape == (n, 1, 1, 3)
        assert kept.images.dtype == np.uint8
        np.testing.assert_array_equal(
            kept.images, [pool.draw(label, i, i + 1)[0] for i in expected] or kept.images
        )
        confidences = pool.probabilities[label, expected, label]
        np.testing.assert_array_equal(kept.confidence, confidences)
        assert kept.drawn == (expected[-1] + 1 if n else 0)
        assert kept.rate == (n / kept.drawn if n else 0)


def test_a_larger_number_begins_with_the_smaller() -> None:
    pool = Pool()
    few = draw_accepted(pool.draw, pool.judge, 1, 10, threshold=0.5, limit=5000)
    many = draw_accepted(pool.draw, pool.judge, 1, 90, threshold=0.5, limit=5000)
    np.testing.assert_array_equal(many.images[:10], few.images)


def test_nothing_is_drawn_beyond_need_or_limit() -> None:
    pool = Pool()
    draw_accepted(pool.draw, pool.judge, 0, 5, threshold=0.0, limit=5000, block=100)
    assert pool.asked == [(0, 100)]
    pool.asked.clear()
    with pytest.raises(AcceptanceError):
        draw_accepted(pool.draw, pool.judge, 0, 5000, threshold=0.0, limit=250, block=100)
    assert pool.asked == [(0, 100), (100, 200), (200, 250)]


def test_giving_up_is_one_line_that_says_all() -> None:
    pool = Pool()
    found = len([i for i in pool.passing(2, 0.9) if i < 300])
    with pytest.raises(AcceptanceError) as caught:
        draw_accepted(
            pool.draw, pool.judge, 2, 299, threshold=0.9, limit=300, name="boot", advice="do less"
        )
    assert isinstance(caught.value, AugmentError)
    assert str(caught.value) == (
        f"class boot: {found} of 300 images reached confidence 0.9 ({found / 300:.1%}), "
        "299 were asked for; do less"
    )
    with pytest.raises(AcceptanceError, match="class 2: 0 of 0 images"):
        draw_accepted(pool.draw, pool.judge, 2, 1, threshold=0.9, limit=0)


def test_exactly_at_the_limit_is_enough() -> None:
    pool = Pool()
    third = pool.passing(3, 0.5)[2]
    kept = draw_accepted(pool.draw, pool.judge, 3, 3, threshold=0.5, limit=third + 1, block=7)
    assert kept.drawn == third + 1
    with pytest.raises(AcceptanceError):
        draw_accepted(pool.draw, pool.judge, 3, 3, threshold=0.5, limit=third, block=7)


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
