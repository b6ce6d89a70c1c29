"""Stage score: how close the pools are to the real test images, each with its floor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from augment.files import write_json
from augment.image_sets import ImageSet, open_image_set
from augment.splits import apportion
from augment.streams import numpy_stream
from classifiers.checkpoints import load_lenet
from classifiers.prediction import Predictions, predict
from pipeline.progress import Progress
from pipeline.project import Project
from reports.inception import inception_features, load_inception
from reports.scores import fid, inception_score, label_match

Row = dict[str, str | float | int]


def run(project: Project) -> list[str]:
    """Write ``results/scores.json``: one row a score, unit and pool."""
    p = project.parameters
    project.require(project.test, project.train, project.examiner)
    for unit in p.units:
        project.require(project.unit(unit).generated, project.unit(unit).filtered)
    test, train = open_image_set(project.test), open_image_set(project.train)
    examiner = load_lenet(project.examiner)
    extract: Callable[[np.ndarray], np.ndarray] | None = None
    progress = Progress("score", "images")
    if p.score.inception:
        given = p.score.inception_weights
        weights = None if given is None else project.root / Path(given).expanduser()
        network = load_inception(weights, allow_download=True)
        extract = lambda images: inception_features(network, images)  # noqa: E731
    rng = numpy_stream(p.seed, "score")
    # The floor: the same score of real training images, as many, against the same test images.
    n = min(p.score.n, len(train))
    floor_images = train.subset(np.sort(_even(train, n, rng)))
    rows: list[Row] = []
    with progress:
        said_test = predict(examiner, test.images)
        said_floor = predict(examiner, floor_images.images)
        inception_test = extract(test.images) if extract else None
        inception_floor = extract(floor_images.images) if extract else None
        for unit in p.units:
            for name, folder in (
                ("generated", project.unit(unit).generated),
                ("filtered", project.unit(unit).filtered),
            ):
                pool = open_image_set(folder)
                chosen = pool.subset(_first(pool, n))
                said = predict(examiner, chosen.images)
                floors = _examiner_scores(said_floor, floor_images, said_test)
                values = _examiner_scores(said, chosen, said_test)
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
                        "n": n,
                        "split": "test",
                        "n_reference": len(test),
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


def _even(images: ImageSet, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``n`` images with the set's own class shares."""
    share = apportion(n, images.counts())
    return np.concatenate(
        [
            rng.permutation(np.flatnonzero(images.labels == c))[:k]
            for c, k in enumerate(share.tolist())
        ]
    )


def _first(pool: ImageSet, n: int) -> np.ndarray:
    """Take the first of each class, as evenly as ``n`` divides."""
    share = apportion(n, np.full(pool.n_classes, n))
    return np.concatenate(
        [np.flatnonzero(pool.labels == c)[:k] for c, k in enumerate(share.tolist())]
    )
