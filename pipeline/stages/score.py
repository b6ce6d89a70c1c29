"""Stage score: how close the pools are to the real test images, each with its floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from augment.files import write_json
from augment.images.image_sets import ImageSet, open_image_set
from augment.images.splits import first_halves, scored_per_class
from augment.streams import numpy_stream
from classifiers.checkpoints import load_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.compute.executor import threads
from pipeline.compute.progress import Progress
from pipeline.pools import open_pool
from pipeline.project import Project
from reports.scores.inception_network import inception_features, load_inception
from reports.scores.table import Viewed, score_images

_FEWEST = 10
"""Images that a score is computed for at the least: a pool may be short."""

Row = dict[str, str | float | int]
Extract = Callable[[np.ndarray], np.ndarray]
"""uint8 images -> InceptionV3's features."""


def run(project: Project) -> list[str]:
    """Write ``results/scores.json``: one row a score, unit and pool."""
    p = project.parameters
    project.require(project.test, project.examiner)
    test = open_image_set(project.test)
    examiner = load_classifier(project.examiner, p.classifier.model)
    extract: Extract | None = None
    progress = Progress("score", "images")
    if p.score.inception:
        network = load_inception(project.inception_weights, allow_download=True)
        extract = lambda images: inception_features(network, images)  # noqa: E731
    rng = numpy_stream(p.seed, "score")
    # The floor is what a perfect generator would score: one half of the test images, which no
    # classifier was fitted to, against the other half, and as many generated images against it.
    halves = _halves(test, rng)
    reference = test.subset(halves[1])
    n_scored = scored_per_class(test.counts(), p.score.n)
    floor_images = test.subset(halves[0][_take(test.labels[halves[0]], n_scored)])
    rows: list[Row] = []
    left_out: list[str] = []
    with threads(p.compute.threads), progress:
        real = _viewed(examiner, reference, extract)
        floors: dict[str, float] = {}
        if len(floor_images) >= _FEWEST:  # else no pool is scored
            floors = score_images(_viewed(examiner, floor_images, extract), real)
        for unit in p.units:
            unselected = open_pool(project, unit)
            labelled = unselected.sampler is None or unselected.sampler.architecture.conditional
            project.require(project.unit(unit).filtered)
            filtered = open_image_set(project.unit(unit).filtered)
            for name, pool in (("generated", unselected.images), ("filtered", filtered)):
                chosen = pool.subset(_take(pool.labels, floor_images.counts()))
                if len(chosen) < _FEWEST:
                    if name == "generated" or p.filter is not None:
                        left_out.append(
                            f"the {name} images of unit {unit} are not scored: {len(chosen)} of "
                            f"them beside {len(floor_images)} test images; {_FEWEST} are needed"
                        )
                    continue
                generated = _viewed(examiner, chosen, extract)
                if not labelled:
                    # Its labels are the judge's answers, and how often two classifiers agree says
                    # nothing of the images.
                    generated = replace(generated, labels=None)
                rows += [
                    {
                        "score": score,
                        "unit": unit,
                        "pool": name,
                        "value": value,
                        "floor": floors[score],
                        "n": len(chosen),
                        "split": "test",
                        "n_reference": len(reference),
                    }
                    for score, value in score_images(generated, real).items()
                ]
                progress.update(len(rows), len(rows), name)
    write_json(project.results / "scores.json", rows)
    lines = [
        f"unit {row['unit']}, {row['pool']} {row['score']}: {row['value']:.4g}" for row in rows
    ]
    return lines + left_out


def _viewed(examiner: Classifier, images: ImageSet, extract: Extract | None) -> Viewed:
    predictions = predict(examiner, images.images)
    return Viewed(
        predictions.features,
        predictions.probabilities,
        images.labels,
        extract(images.images) if extract else None,
    )


def _halves(images: ImageSet, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cut a set in two at random, class by class: two sorted index arrays."""
    first, second = [], []
    for label, cut in enumerate(first_halves(images.counts()).tolist()):
        mine = rng.permutation(np.flatnonzero(images.labels == label))
        first.append(mine[:cut])
        second.append(mine[cut:])
    return np.sort(np.concatenate(first)), np.sort(np.concatenate(second))


def _take(labels: np.ndarray, per_class: np.ndarray) -> np.ndarray:
    """Return the first rows of each class, as many as asked."""
    return np.concatenate(
        [np.flatnonzero(labels == c)[:k] for c, k in enumerate(per_class.tolist())]
    )
