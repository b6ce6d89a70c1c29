"""Stage score: how close the pools are to the real test images, each with its floor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from augment.files import write_json
from augment.images.image_sets import ImageSet, open_image_set
from augment.images.splits import scored_per_class
from pipeline.compute.executor import threads
from pipeline.compute.progress import Progress
from pipeline.examined import Networks, Split, first_of_each_class, halvings
from pipeline.pools import open_pool
from pipeline.project import Project
from reports.scores.table import Viewed, score_images

_FEWEST = 10
"""Images that a score is computed for at the least: a pool may be short."""

Row = dict[str, str | float | int]
OverSplits = dict[str, np.ndarray]
"""The name of a score -> its value of each split, float64 `N_SPLITS`."""


def run(project: Project) -> list[str]:
    """Write ``results/scores.json``: one row a score, unit and pool.

    A row's ``value`` is the mean over the halvings of the test images of the pool against the one
    half, ``floor`` that of the other half against it, ``difference`` the first minus the second.
    ``floor_deviation`` and ``difference_deviation`` are standard deviations over the halvings: what
    one halving would be off by. They say nothing of other test images or another generator.
    """
    p = project.parameters
    project.require(project.test, project.examiner)
    networks = Networks.load(project)
    test = open_image_set(project.test)
    per_class = scored_per_class(test.counts(), p.score.n)
    splits = list(halvings(test, p.seed))
    rows: list[Row] = []
    left_out: list[str] = []
    with threads(p.compute.threads), Progress("score", "pools") as progress:
        floors = _Floors(networks.view(test.images, test.labels, real=True), splits)
        pools = [(unit, *each) for unit in project.units for each in _pools(project, unit)]
        for done, (unit, name, pool, labelled) in enumerate(pools, 1):
            chosen = first_of_each_class(pool, per_class)
            if len(chosen) < _FEWEST:
                if name == "generated" or p.filter is not None:
                    left_out.append(
                        f"the {name} images of unit {unit} are not scored: {len(chosen)} of "
                        f"them beside {int(per_class.sum())} test images; {_FEWEST} are needed"
                    )
                continue
            # Without labels, they are the judge's answers, and how often two classifiers agree
            # says nothing of the images.
            generated = networks.view(chosen.images, chosen.labels if labelled else None)
            about: Row = {"unit": unit, "pool": name, "n": len(chosen)}
            about |= {"split": "test", "n_reference": len(splits[0].reference)}
            values, floor = floors.score(generated), floors.of(chosen.counts())
            rows += [about | row for row in _rows(values, floor)]
            progress.update(done, len(pools), name)
    write_json(project.results / "scores.json", rows)
    lines = [
        f"unit {row['unit']}, {row['pool']} {row['score']}: {row['value']:.4g} "
        f"(real images {row['floor']:.4g})"
        for row in rows
    ]
    return lines + left_out


class _Floors:
    """Scores over all halvings of the test images: of a pool, and of as many real images."""

    def __init__(self, test: Viewed, splits: Sequence[Split]) -> None:
        self._test, self._splits = test, splits
        self._known: dict[tuple[int, ...], OverSplits] = {}

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
            score_images(view, self._test.rows(split.reference))
            for view, split in zip(views, self._splits, strict=True)
        ]
        return {name: np.array([row[name] for row in scored]) for name in scored[0]}


def _rows(values: Mapping[str, np.ndarray], floors: Mapping[str, np.ndarray]) -> Iterator[Row]:
    """Yield a row for each score of a pool: its mean, its floor's, and the difference."""
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


def _pools(project: Project, unit: str) -> Iterator[tuple[str, ImageSet, bool]]:
    """Yield the name and images of a unit's pools, and whether they were asked for by label."""
    unselected = open_pool(project, unit)
    labelled = unselected.sampler is None or unselected.sampler.architecture.conditional
    yield "generated", unselected.images, labelled
    project.require(project.unit(unit).filtered)
    yield "filtered", open_image_set(project.unit(unit).filtered), labelled
