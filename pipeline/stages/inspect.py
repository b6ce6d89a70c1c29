"""Stage inspect: a unit's generated images beside the real ones that they should be like."""

from __future__ import annotations

import pandas as pd

from augment.files import atomic_folder, write_csv, write_json
from augment.generators.gan.discrimination import checkpoint_scores
from augment.images.image_sets import open_image_set
from augment.streams import derive_seed
from classifiers.checkpoints import load_classifier
from pipeline.compute.device import chosen_device
from pipeline.compute.executor import Watcher, map_units
from pipeline.project import Project, read_array
from pipeline.scoring.neighbours import copy_counts, neighbour_tables
from pipeline.scoring.projection import projection, random_images

N_SCORED = 1000


def run(project: Project, unit: str | None = None) -> list[str]:
    """Write the tables of every unit's ``inspection``; return lines for the user."""
    return map_units(inspect_unit, project, unit, noun="steps")


def inspect_unit(project: Project, unit: str, watcher: Watcher) -> list[str]:
    """Look up neighbours, project features, ask the discriminators that training kept."""
    p, paths = project.parameters, project.unit(unit)
    project.require(project.test, project.examiner, paths.subset, paths.generated)
    project.require(paths.checkpoints)
    index = project.read(paths.subset, read_array)
    train, test = open_image_set(project.train), open_image_set(project.test)
    if len(index) < len(train):
        train = train.subset(index)
    pool = open_image_set(paths.generated)
    seed = derive_seed(p.seed, "inspect", unit)
    with atomic_folder(paths.inspection) as out:
        neighbours, coverage = neighbour_tables(pool, train, index, test)
        write_csv(out / "neighbours.csv", neighbours)
        write_csv(out / "coverage.csv", coverage)
        watcher.update(1, 4, "neighbours")
        copied = copy_counts(pool, train, test, seed)
        write_json(out / "copies.json", copied)
        watcher.update(2, 4, "copies")
        device = chosen_device(p)
        examiner = load_classifier(project.examiner, p.classifier.model, device)
        table, explained = projection(examiner, test, pool, seed)
        write_csv(out / "projection.csv", table)
        write_json(out / "explained.json", explained)
        watcher.update(3, 4, "projection")
        groups = {"training": train, "test": test}
        rows = checkpoint_scores(
            paths.checkpoints, train.counts(), N_SCORED, seed,
            lambda n: {name: random_images(images, n, seed) for name, images in groups.items()},
            device,
        )  # fmt: skip
        scores = pd.DataFrame(rows, columns=["epoch", "group", "score"])
        write_csv(out / "discriminator.csv", scores)
    lines = [
        f"unit {unit}: neighbours of generated and test images are looked up",
        f"unit {unit}: {copied['n_near']:,} of {copied['n_generated']:,} generated images are "
        f"nearer to a training image than test images are{': copies' * copied['found']}",
    ]
    above = (scores["score"] > 0.5).groupby(scores["group"]).mean()
    shares = ", ".join(f"{group}: {share:.0%}" for group, share in above.items())
    if shares:
        lines.append(f"unit {unit}: the discriminator scores above 0.5: {shares}")
    return lines
