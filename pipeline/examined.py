"""Images as the examiner, and InceptionV3 where it is asked for, see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import nn

from augment.images.image_sets import ImageSet
from augment.images.splits import first_halves
from augment.streams import numpy_stream
from classifiers.checkpoints import load_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.project import Project
from reports.scores.inception_network import (
    inception_features,
    inception_probabilities,
    load_inception,
)
from reports.scores.table import Viewed


@dataclass(frozen=True)
class Networks:
    """What scores images."""

    examiner: Classifier
    inception: nn.Module | None  # None where params.yaml does not ask for it

    @classmethod
    def load(cls, project: Project) -> Networks:
        """Load them; InceptionV3's weights may be downloaded."""
        p = project.parameters
        examiner = load_classifier(project.examiner, p.classifier.model)
        if not p.score.inception:
            return cls(examiner, None)
        return cls(examiner, load_inception(project.inception_weights, allow_download=True))

    def view(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        inception_rows: np.ndarray | None = None,
    ) -> Viewed:
        """Return what the networks see.

        Args:
            images: uint8 N x H x W x C.
            labels: int64 N, what they were generated for; None where nothing was asked for.
            inception_rows: the images that InceptionV3 sees, which it takes minutes for on a CPU;
                None is all.
        """
        seen = predict(self.examiner, images)
        if self.inception is None:
            return Viewed(seen.features, seen.probabilities, labels)
        chosen = images if inception_rows is None else images[inception_rows]
        features = inception_features(self.inception, chosen)
        answers = inception_probabilities(self.inception, features)
        return Viewed(seen.features, seen.probabilities, labels, features, answers)


N_SPLITS = 50
"""Random halvings of the test images that scores and floors are averaged over. One is noise: the
floor of FID on 1,000 digits has a deviation of 1.94 over halvings, beside a mean of 11.28. Of 50
the mean is off by a seventh of a deviation, and all of them take seconds, since what the networks
see is computed once."""


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

    Args:
        test: the test images, which no classifier was fitted to.
        seed: of the study.
    """
    cuts = first_halves(test.counts()).tolist()
    for number in range(N_SPLITS):
        rng = numpy_stream(seed, "score", number)
        mixed = [rng.permutation(np.flatnonzero(test.labels == c)) for c in range(len(cuts))]
        second = [mine[cut:] for mine, cut in zip(mixed, cuts, strict=True)]
        other = tuple(mine[:cut] for mine, cut in zip(mixed, cuts, strict=True))
        yield Split(np.sort(np.concatenate(second)), other)


def first_of_each_class(images: ImageSet, per_class: np.ndarray) -> ImageSet:
    """Return the first images of each class, as many as asked for, or all where there are fewer."""
    rows = [np.flatnonzero(images.labels == c)[:n] for c, n in enumerate(per_class.tolist())]
    return images.subset(np.concatenate(rows))
