"""Stage score: how close the pools are to the real test images, each with its floor."""

from __future__ import annotations

from collections.abc import Iterator

from augment.files import write_json
from augment.images.image_sets import ImageSet, open_image_set
from pipeline.compute.executor import threads
from pipeline.compute.progress import Progress
from pipeline.examined import Networks, first_of_each_class, reference_and_floor
from pipeline.pools import open_pool
from pipeline.project import Project
from reports.scores.table import score_images

_FEWEST = 10
"""Images that a score is computed for at the least: a pool may be short."""

Row = dict[str, str | float | int]


def run(project: Project) -> list[str]:
    """Write ``results/scores.json``: one row a score, unit and pool."""
    p = project.parameters
    project.require(project.test, project.examiner)
    networks = Networks.load(project)
    test = open_image_set(project.test)
    reference, floor_images = reference_and_floor(test, p.score.n, p.seed)
    rows: list[Row] = []
    left_out: list[str] = []
    with threads(p.compute.threads), Progress("score", "pools") as progress:
        real = networks.view(reference.images, reference.labels)
        floors: dict[str, float] = {}
        if len(floor_images) >= _FEWEST:  # else no pool is scored
            floors = score_images(networks.view(floor_images.images, floor_images.labels), real)
        pools = [(unit, *each) for unit in project.units for each in _pools(project, unit)]
        for done, (unit, name, pool, labelled) in enumerate(pools, 1):
            chosen = first_of_each_class(pool, floor_images.counts())
            if len(chosen) < _FEWEST:
                if name == "generated" or p.filter is not None:
                    left_out.append(
                        f"the {name} images of unit {unit} are not scored: {len(chosen)} of "
                        f"them beside {len(floor_images)} test images; {_FEWEST} are needed"
                    )
                continue
            # Without labels, they are the judge's answers, and how often two classifiers agree
            # says nothing of the images.
            generated = networks.view(chosen.images, chosen.labels if labelled else None)
            about: Row = {"unit": unit, "pool": name, "n": len(chosen)}
            about |= {"split": "test", "n_reference": len(reference)}
            rows += [
                about | {"score": score, "value": value, "floor": floors[score]}
                for score, value in score_images(generated, real).items()
            ]
            progress.update(done, len(pools), name)
    write_json(project.results / "scores.json", rows)
    lines = [
        f"unit {row['unit']}, {row['pool']} {row['score']}: {row['value']:.4g}" for row in rows
    ]
    return lines + left_out


def _pools(project: Project, unit: str) -> Iterator[tuple[str, ImageSet, bool]]:
    """Yield the name and images of a unit's pools, and whether they were asked for by label."""
    unselected = open_pool(project, unit)
    labelled = unselected.sampler is None or unselected.sampler.architecture.conditional
    yield "generated", unselected.images, labelled
    project.require(project.unit(unit).filtered)
    yield "filtered", open_image_set(project.unit(unit).filtered), labelled
