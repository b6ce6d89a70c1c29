"""Stage score: how close the pools are to the real test images, each with its floor."""

from __future__ import annotations

from collections.abc import Iterator

from augment.files import write_json
from augment.images.image_sets import ImageSet, open_image_set
from augment.images.splits import scored_per_class
from pipeline.class_rows import first_of_each_class
from pipeline.compute.device import threads
from pipeline.compute.progress import Progress
from pipeline.pools.pool import open_pool
from pipeline.project import Project
from pipeline.scoring.floors import Floors, Row, halvings
from pipeline.scoring.networks import Networks

_FEWEST = 10
"""Images that a score is computed for at the least: a pool may be short."""


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
        floors = Floors(networks.view(test.images, test.labels, real=True), splits)
        pools = [(unit, *each) for unit in project.units for each in _pools(project, unit)]
        for done, (unit, name, pool, labelled) in enumerate(pools, 1):
            scored = pool.subset(first_of_each_class(pool.labels, per_class))
            if len(scored) < _FEWEST:
                if name == "generated" or p.filter is not None:
                    left_out.append(
                        f"the {name} images of unit {unit} are not scored: {len(scored)} of "
                        f"them beside {int(per_class.sum())} test images; {_FEWEST} are needed"
                    )
                continue
            # Without labels, they are the judge's predictions, and how often two classifiers agree
            # says nothing of the images.
            generated = networks.view(scored.images, scored.labels if labelled else None)
            about: Row = {"unit": unit, "pool": name, "n": len(scored)}
            about |= {"split": "test", "n_reference": len(splits[0].reference)}
            rows += [about | row for row in floors.rows(generated, scored.counts())]
            progress.update(done, len(pools), name)
    write_json(project.results / "scores.json", rows)
    lines = [
        f"unit {row['unit']}, {row['pool']} {row['score']}: {row['value']:.4g} "
        f"(real images {row['floor']:.4g})"
        for row in rows
    ]
    return lines + left_out


def _pools(project: Project, unit: str) -> Iterator[tuple[str, ImageSet, bool]]:
    """Yield the name and images of a unit's pools, and whether they were asked for by label."""
    unselected = open_pool(project, unit)
    yield "generated", unselected.images, unselected.labelled
    project.require(project.unit(unit).filtered)
    yield "filtered", open_image_set(project.unit(unit).filtered), unselected.labelled
