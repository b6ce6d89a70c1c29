"""Stage score-checkpoints: the examiner's view of the generators that training kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augment.files import atomic_file
from augment.image_sets import open_image_set
from augment.sampling import draw, load_generator
from augment.splits import apportion, spread_rows
from augment.streams import derive_seed
from classifiers.checkpoints import load_lenet
from classifiers.prediction import predict
from pipeline.progress import Progress
from pipeline.project import Project
from reports.inception import inception_features, inception_probabilities, load_inception
from reports.scores import fid, inception_score, label_match

N_IMAGES = 2000
"""Images drawn from each generator; on InceptionV3 these take minutes on a CPU."""


def run(project: Project, unit: str) -> list[str]:
    """Write ``checkpoints.csv``: a row a kept generator; return lines for the user."""
    p, paths = project.parameters, project.unit(unit)
    project.require(project.test, project.examiner, paths.checkpoints)
    test = open_image_set(project.test)
    examiner = load_lenet(project.examiner)
    said_test = predict(examiner, test.images)
    inception = None
    if p.score.inception:
        given = p.score.inception_weights
        weights = None if given is None else project.given_path(given)
        inception = load_inception(weights, allow_download=True)
        features_test = inception_features(inception, test.images[spread_rows(len(test), N_IMAGES)])
    counts = apportion(N_IMAGES, test.counts())
    seed = derive_seed(p.seed, "checkpoints", unit)
    rows: list[dict[str, float | str]] = []
    folders = sorted(
        path
        for path in paths.checkpoints.iterdir()
        if path.is_dir() and not path.name.endswith("-discriminator")
    )
    with Progress(f"score-checkpoints {unit}", "generators") as progress:
        for done, folder in enumerate(folders, 1):
            generator, meta = load_generator(folder)
            conditional = generator.architecture.conditional
            # Without labels one stream of images does.
            shares = counts if conditional else [N_IMAGES]
            images = np.concatenate(
                [draw(generator, label, 0, int(n), seed) for label, n in enumerate(shares)]
            )
            said = predict(examiner, images)
            row: dict[str, float | str] = {
                "epoch": meta["epoch"],
                "weights": meta["weights"],
                "fid_examiner": fid(said.features, said_test.features),
                "inception_score": inception_score(said.probabilities),
            }
            if conditional:
                asked = np.repeat(np.arange(len(counts)), counts)
                row["label_match"] = label_match(said.probabilities, asked)
            if inception is not None:
                features = inception_features(inception, images)
                row["fid_inception"] = fid(features, features_test)
                probabilities = inception_probabilities(inception, features)
                row["inception_score_inception"] = inception_score(probabilities)
            rows.append(row)
            progress.update(done, len(folders), folder.name)
    table = pd.DataFrame(rows, columns=None if rows else ["epoch", "weights"])
    with atomic_file(paths.checkpoint_scores) as file:
        file.write(table.to_csv(index=False, float_format="%.6g").encode())
    return [
        f"epoch {row['epoch']} ({row['weights']}): FID {row['fid_examiner']:.2f} (examiner), "
        f"IS {row['inception_score']:.2f}"
        + (f", label match {row['label_match']:.1%}" if "label_match" in row else "")
        for row in rows
    ]
