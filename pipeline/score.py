"""Stage score: how close the pools are to the real test images, each with its floor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from augment.files import write_json
from augment.image_sets import ImageSet, open_image_set
from augment.sampling import load_generator
from augment.splits import apportion
from augment.streams import numpy_stream
from classifiers.checkpoints import load_lenet
from classifiers.prediction import Predictions, predict
from pipeline.progress import Progress
from pipeline.project import Project
from reports.inception import inception_features, load_inception
from reports.scores import fid, inception_score, label_match

_FEWEST = 10
"""Images that a score is computed for at the least: a pool may be short."""

Row = dict[str, str | float | int]


def run(project: Project) -> list[str]:
    """Write ``results/scores.json``: one row a score, unit and pool."""
    p = project.parameters
    project.require(project.test, project.examiner)
    for unit in p.units:
        paths = project.unit(unit)
        project.require(paths.generated, paths.filtered, paths.generator)
    test = open_image_set(project.test)
    examiner = load_lenet(project.examiner)
    extract: Callable[[np.ndarray], np.ndarray] | None = None
    progress = Progress("score", "images")
    if p.score.inception:
        given = p.score.inception_weights
        weights = None if given is None else project.given_path(given)
        network = load_inception(weights, allow_download=True)
        extract = lambda images: inception_features(network, images)  # noqa: E731
    rng = numpy_stream(p.seed, "score")
    # The floor is what a perfect generator would score: one half of the test images, which no
    # classifier was fitted to, against the other half, and as many generated images against it.
    halves = _halves(test, rng)
    reference = test.subset(halves[1])
    n = min(p.score.n, len(halves[0]))
    floor_images = test.subset(_first(test.labels[halves[0]], n, halves[0]))
    rows: list[Row] = []
    with progress:
        said_test = predict(examiner, reference.images)
        said_floor = predict(examiner, floor_images.images)
        inception_test = extract(reference.images) if extract else None
        inception_floor = extract(floor_images.images) if extract else None
        for unit in p.units:
            paths = project.unit(unit)
            conditional = load_generator(paths.generator)[0].architecture.conditional
            for name, folder in (("generated", paths.generated), ("filtered", paths.filtered)):
                pool = open_image_set(folder)
                chosen = pool.subset(_take(pool.labels, floor_images.counts()))
                if len(chosen) < _FEWEST:
                    continue
                said = predict(examiner, chosen.images)
                floors = _examiner_scores(said_floor, floor_images, said_test)
                values = _examiner_scores(said, chosen, said_test)
                if not conditional:
                    # Its labels are the judge's answers, and how often two classifiers agree says
                    # nothing of the images.
                    del values["label_match"]
                if extract and inception_test is not None and inception_floor is not None:
                    values["fid_inception"] = fid(extract(chosen.images), inception_test)
                    floors["fid_inception"] = fid(inception_floor, inception_test)
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
                    for score, value in values.items()
                ]
                progress.update(len(rows), len(rows), name)
    write_json(project.results / "scores.json", rows)
    return [f"{row['pool']} {row['score']}: {row['value']:.4g}" for row in rows]


def _examiner_scores(
    said: Predictions, images: ImageSet, reference: Predictions
) -> dict[str, float]:
    return {
        "fid_examiner": fid(said.features, reference.features),
        "inception_score": inception_score(said.probabilities),
        "label_match": label_match(said.probabilities, images.labels),
    }


def _halves(images: ImageSet, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cut a set in two at random, class by class: two sorted index arrays."""
    first, second = [], []
    for label in range(images.n_classes):
        mine = rng.permutation(np.flatnonzero(images.labels == label))
        # Odd classes give their spare image to either half in turn.
        cut = (len(mine) + label % 2) // 2
        first.append(mine[:cut])
        second.append(mine[cut:])
    return np.sort(np.concatenate(first)), np.sort(np.concatenate(second))


def _first(labels: np.ndarray, n: int, index: np.ndarray) -> np.ndarray:
    """Return the first ``n`` entries of ``index`` with the class shares of its ``labels``."""
    chosen: np.ndarray = index[_take(labels, apportion(n, np.bincount(labels)))]
    return chosen


def _take(labels: np.ndarray, per_class: np.ndarray) -> np.ndarray:
    """Return the first rows of each class, as many as asked."""
    return np.concatenate(
        [np.flatnonzero(labels == c)[:k] for c, k in enumerate(per_class.tolist())]
    )
