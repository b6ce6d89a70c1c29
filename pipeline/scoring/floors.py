"""What real images score beside as many generated ones: the floor of every score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.images.image_sets import ImageSet
from augment.images.splits import apportion, first_halves
from augment.streams import numpy_stream
from reports.scores.table import Viewed, score_images

N_SPLITS = 50
"""Random halvings of the test images that scores and floors are averaged over. One is noise: the
floor of FID on 1,000 digits has a deviation of 1.94 over halvings, beside a mean of 11.28. Of 50
the mean is off by a seventh of a deviation, and all of them take seconds, since what the networks
see is computed once."""

MOST_COMPARED = 5_000
"""Images of the half that is compared with, at the most: some scores look at all pairs, and their
time and memory would grow with the square of the test images."""

Row = dict[str, str | float | int]
OverSplits = dict[str, np.ndarray]
"""The name of a score -> its value of each split, float64 `N_SPLITS`."""


@dataclass(frozen=True)
class Split:
    """The test images in two random halves, of one size in each class or nearly."""

    reference: np.ndarray  # int64, rows of the half that is compared with
    other: tuple[np.ndarray, ...]  # int64, rows of the other half by class, in random order

    def as_many(self, per_class: np.ndarray) -> np.ndarray:
        """Return rows of the other half, int64: as many of each class as asked for."""
        rows = [mine[:n] for mine, n in zip(self.other, per_class.tolist(), strict=True)]
        return np.concatenate(rows)


def halvings(test: ImageSet, seed: int) -> Iterator[Split]:
    """Yield `N_SPLITS` random halvings of the test images, each from a stream of its own.

    The other half of each stands in for generated images: what it scores against the reference, a
    perfect generator would, with as many images. That is the floor.

    Of many test images `MOST_COMPARED` of the one half are compared with, in the classes' shares.

    Args:
        test: the test images, which no classifier was fitted to.
        seed: of the study.
    """
    counts = test.counts()
    cuts = first_halves(counts).tolist()
    compared = counts - cuts
    if compared.sum() > MOST_COMPARED:
        compared = apportion(MOST_COMPARED, compared)
    for number in range(N_SPLITS):
        rng = numpy_stream(seed, "score", number)
        mixed = [rng.permutation(np.flatnonzero(test.labels == c)) for c in range(len(cuts))]
        second = [
            mine[cut : cut + n] for mine, cut, n in zip(mixed, cuts, compared.tolist(), strict=True)
        ]
        other = tuple(mine[:cut] for mine, cut in zip(mixed, cuts, strict=True))
        yield Split(np.sort(np.concatenate(second)), other)


class Floors:
    """Scores over all halvings of the test images: of a pool, and of as many real images."""

    def __init__(self, test: Viewed, splits: Sequence[Split]) -> None:
        self._test, self._splits = test, splits
        self._known: dict[tuple[int, ...], OverSplits] = {}
        # Of each split's reference, which every pool is compared with. The references themselves
        # would take gigabytes with InceptionV3's features.
        self._known_of: list[dict[str, Any]] = [{} for _ in splits]

    def rows(self, generated: Viewed, per_class: np.ndarray) -> Iterator[Row]:
        """Yield a row for each score of a pool: its mean, its floor's, and the difference.

        Args:
            generated: what the networks see of the pool's images.
            per_class: how many there are of each class, int64.
        """
        values, floors = self.score(generated), self.of(per_class)
        for score, value in values.items():
            floor = floors[score]
            yield {
                "score": score,
                "value": float(value.mean()),
                "floor": float(floor.mean()),
                "floor_deviation": float(floor.std(ddof=1)),
                "difference": float((value - floor).mean()),
                "difference_deviation": float((value - floor).std(ddof=1)),
                "n_splits": len(floor),
            }

    def score(self, generated: Viewed) -> OverSplits:
        """Return what a pool scores against the reference half of each split."""
        return self._over_splits([generated] * len(self._splits))

    def of(self, per_class: np.ndarray) -> OverSplits:
        """Return what as many real images of each class score: those of the other half."""
        key = tuple(per_class.tolist())
        if key not in self._known:
            views = (self._test.rows(split.as_many(per_class)) for split in self._splits)
            self._known[key] = self._over_splits(views)
        return self._known[key]

    def _over_splits(self, views: Iterable[Viewed]) -> OverSplits:
        scored = [
            score_images(view, self._test.rows(split.reference, known))
            for view, split, known in zip(views, self._splits, self._known_of, strict=True)
        ]
        return {name: np.array([row[name] for row in scored]) for name in scored[0]}
