"""Stage score-checkpoints: the examiner's view of the generators that training kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augment.files import write_csv
from augment.generators.sampling import load_sampler
from augment.images.image_sets import open_image_set
from augment.images.splits import apportion, spread_rows
from augment.streams import derive_seed
from pipeline.compute.executor import Watcher, map_units
from pipeline.generators.outputs import generator_checkpoints, over_units
from pipeline.project import Project
from pipeline.scoring.networks import Networks
from reports.scores.table import score_images

N_IMAGES = 2000
"""Images drawn from each generator; on InceptionV3 these take minutes on a CPU."""


def run(project: Project, unit: str | None = None) -> list[str]:
    """Write a table a unit, a row a kept generator, and their summary; return lines."""
    lines = map_units(score_unit, project, unit, noun="generators")
    paths = [project.unit(each).checkpoint_scores for each in project.units]
    tables = pd.concat(pd.read_csv(path) for path in paths if path.exists())
    scores = [str(name) for name in tables if name not in ("epoch", "weights")]
    summary = over_units(tables.groupby(["epoch", "weights"]), scores).reset_index()
    write_csv(project.results / "checkpoints" / "summary.csv", summary, float_format=None)
    return lines


def score_unit(project: Project, unit: str, watcher: Watcher) -> list[str]:
    """Score every generator that a unit's training kept."""
    p, paths = project.parameters, project.unit(unit)
    project.require(project.test, project.examiner, paths.checkpoints)
    test = open_image_set(project.test)
    networks = Networks.load(project)
    rows_seen = spread_rows(len(test), N_IMAGES)
    real = networks.view(test.images, inception_rows=rows_seen, real=True)
    counts = apportion(N_IMAGES, test.counts())
    seed = derive_seed(p.seed, "checkpoints", unit)
    rows: list[dict[str, float | str]] = []
    folders = generator_checkpoints(paths)
    for done, folder in enumerate(folders, 1):
        sampler, meta = load_sampler(folder, networks.device)
        conditional = sampler.architecture.conditional
        # Without labels one stream of images does.
        shares = counts if conditional else [N_IMAGES]
        images = np.concatenate(
            [sampler.draw(label, 0, int(n), seed) for label, n in enumerate(shares)]
        )
        labels = np.repeat(np.arange(len(counts)), counts) if conditional else None
        generated = networks.view(images, labels)
        about = {"epoch": meta["epoch"], "weights": meta["weights"]}
        rows.append(about | score_images(generated, real))
        watcher.update(done, len(folders), folder.name)
    table = pd.DataFrame(rows, columns=None if rows else ["epoch", "weights"])
    write_csv(paths.checkpoint_scores, table)
    return [_line(unit, row) for row in rows]


def _line(unit: str, row: dict[str, float | str]) -> str:
    match = f", label match {row['label_match']:.1%}" if "label_match" in row else ""
    return (
        f"unit {unit}, epoch {row['epoch']} ({row['weights']}): FID {row['fid_examiner']:.2f} "
        f"(examiner), IS {row['inception_score']:.2f}{match}"
    )
