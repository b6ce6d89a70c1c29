"""The halvings of the test images, and the floors that scores are set beside."""

import numpy as np
import pytest

from augment.images.image_sets import ImageSet
from augment.images.splits import first_halves
from pipeline.scoring import floors
from pipeline.scoring.floors import N_SPLITS, Floors, halvings
from reports.scores.table import Viewed, score_images

LABELS = np.repeat(np.arange(3), (21, 40, 31))


def real_images() -> ImageSet:
    images = np.zeros((len(LABELS), 2, 2, 1), dtype=np.uint8)
    return ImageSet(images, LABELS.astype(np.int64), ("a", "b", "c"))


def viewed(labels: np.ndarray, seed: int) -> Viewed:
    rng = np.random.default_rng(seed)
    features = np.eye(3)[labels] + rng.normal(0, 0.3, (len(labels), 3))
    probabilities = np.exp(3 * features)
    return Viewed(features, probabilities / probabilities.sum(axis=1, keepdims=True), labels)


def test_every_halving_is_another_one_and_has_every_image_once() -> None:
    splits = list(halvings(real_images(), 0))
    assert len(splits) == N_SPLITS >= 50
    for split in splits:
        everything = np.concatenate([split.reference, *split.other])
        assert np.array_equal(np.sort(everything), np.arange(len(LABELS)))
        assert np.array_equal([len(rows) for rows in split.other], first_halves([21, 40, 31]))
        assert all((LABELS[rows] == label).all() for label, rows in enumerate(split.other))
    assert len({tuple(split.reference) for split in splits}) == N_SPLITS
    again, other = (next(iter(halvings(real_images(), seed))) for seed in (0, 1))
    assert np.array_equal(again.reference, splits[0].reference)
    assert not np.array_equal(other.reference, splits[0].reference)


def test_of_many_test_images_some_are_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(halvings(real_images(), 0))
    monkeypatch.setattr(floors, "MOST_COMPARED", 12)
    some = list(halvings(real_images(), 0))
    for few, split in zip(some, whole, strict=True):
        assert np.isin(few.reference, split.reference).all()
        # In the classes' shares of 21, 40 and 31.
        assert np.bincount(LABELS[few.reference]).tolist() == [3, 5, 4]
        assert all(map(np.array_equal, few.other, split.other))
    assert len({tuple(split.reference) for split in some}) == N_SPLITS


def test_a_floor_has_as_many_images_of_each_class_and_not_always_the_first() -> None:
    splits = list(halvings(real_images(), 0))
    per_class = np.array([4, 0, 7])
    rows = [split.as_many(per_class) for split in splits]
    for chosen, split in zip(rows, splits, strict=True):
        assert np.bincount(LABELS[chosen], minlength=3).tolist() == [4, 0, 7]
        assert not np.isin(chosen, split.reference).any()
    # Every image has its turn: a set of test images may have the easy ones first.
    assert set(np.concatenate(rows)) == set(np.flatnonzero(LABELS != 1))


def test_a_floor_is_the_mean_over_the_halvings() -> None:
    test, splits = viewed(LABELS, 0), list(halvings(real_images(), 0))
    floors, generated = Floors(test, splits), viewed(LABELS[::3], 1)
    per_class = np.bincount(generated.labels)  # type: ignore[arg-type]
    rows = {row["score"]: row for row in floors.rows(generated, per_class)}
    by_hand = [
        score_images(test.rows(split.as_many(per_class)), test.rows(split.reference))
        for split in splits
    ]
    values = [score_images(generated, test.rows(split.reference)) for split in splits]
    for name, row in rows.items():
        floor, value = (np.array([each[name] for each in all_]) for all_ in (by_hand, values))
        assert row["floor"] == pytest.approx(floor.mean())
        assert row["floor_deviation"] == pytest.approx(floor.std(ddof=1))
        assert row["difference"] == pytest.approx((value - floor).mean(), abs=1e-12)
        assert row["difference_deviation"] == pytest.approx((value - floor).std(ddof=1), abs=1e-12)
        assert row["n_splits"] == N_SPLITS
    # What is known of the references from one pool changes nothing for the next.
    again = viewed(LABELS[1::3], 2)
    assert floors.score(again)["kid_examiner"].tolist() == [
        score_images(again, test.rows(split.reference))["kid_examiner"] for split in splits
    ]
    # A pool that is short of a class has a floor of its own.
    short = floors.of(np.array([per_class[0], 2, per_class[2]]))
    assert short["fid_examiner"].mean() != rows["fid_examiner"]["floor"]


def test_a_perfect_generator_is_at_its_floor() -> None:
    """Real images of the same kind, ten times over."""
    splits = list(halvings(real_images(), 0))
    off = []
    for seed in range(10):
        floors = Floors(viewed(LABELS, seed), splits)
        perfect = viewed(np.repeat(np.arange(3), first_halves([21, 40, 31])), 100 + seed)
        fid = (
            floors.score(perfect)["fid_examiner"]
            - floors.of(first_halves([21, 40, 31]))["fid_examiner"]
        )
        off.append(fid.mean())
    assert abs(np.mean(off)) < 3 * np.std(off, ddof=1) / 10**0.5 + 0.01
