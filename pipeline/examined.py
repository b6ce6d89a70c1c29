"""Images as the examiner, and InceptionV3 where it is asked for, see them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from augment.files import sha256_array, sha256_file
from augment.images.image_sets import ImageSet
from augment.images.splits import first_halves
from augment.streams import numpy_stream
from classifiers.checkpoints import load_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.compute.cache import kept_features
from pipeline.project import Project
from reports.scores import inception_network
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
    cache: Path  # the user's

    @classmethod
    def load(cls, project: Project) -> Networks:
        """Load them; InceptionV3's weights may be downloaded."""
        p = project.parameters
        examiner = load_classifier(project.examiner, p.classifier.model)
        if not p.score.inception:
            return cls(examiner, None, project.cache)
        inception = load_inception(project.inception_weights, allow_download=True)
        return cls(examiner, inception, project.cache)

    def view(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        inception_rows: np.ndarray | None = None,
        *,
        real: bool = False,
    ) -> Viewed:
        """Return what the networks see.

        Args:
            images: uint8 N x H x W x C.
            labels: int64 N, what they were generated for; None where nothing was asked for.
            inception_rows: the images that InceptionV3 sees, which it takes minutes for on a CPU;
                None is all.
            real: they come again, with other pools and in other stages: what InceptionV3 sees of
                them is kept in the user's cache.
        """
        seen = predict(self.examiner, images)
        if self.inception is None:
            return Viewed(seen.features, seen.probabilities, labels)
        chosen = images if inception_rows is None else images[inception_rows]
        compute = partial(inception_features, self.inception, chosen)
        if real:
            features = kept_features(self.cache, _features_key(self.inception, chosen), compute)
        else:
            features = compute()
        answers = inception_probabilities(self.inception, features)
        return Viewed(seen.features, seen.probabilities, labels, features, answers)


def _features_key(network: nn.Module, images: np.ndarray) -> str:
    """Return the digest of what the features of images depend on."""
    parts = [sha256_array(values.numpy()) for values in network.state_dict().values()]
    parts += [sha256_array(images), sha256_file(Path(inception_network.__file__))]
    parts += [torch.__version__, str(torch.get_num_threads())]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


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
