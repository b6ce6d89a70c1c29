"""Stage inspect: a unit's generated images beside the real ones that they should be like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from augment.discrimination import discriminator_scores, load_discriminator
from augment.files import atomic_folder, write_json
from augment.image_sets import ImageSet, open_image_set
from augment.sampling import draw, load_generator
from augment.splits import apportion, spread_rows
from augment.streams import derive_seed, numpy_stream
from classifiers.checkpoints import load_lenet
from classifiers.prediction import predict
from pipeline.progress import Progress
from pipeline.project import Project, UnitPaths, read_array
from reports.neighbours import nearest_images, neighbour_coverage
from reports.projection import joint_projection

N_QUERIES = 2000
"""Generated images, and test images beside them, whose nearest training image is looked for."""

N_NEIGHBOURS = 4
N_SHOWN = 10
N_PROJECTED = 100
N_SCORED = 1000


def run(project: Project, unit: str) -> list[str]:
    """Write the tables of ``inspection``; return lines for the user."""
    paths = project.unit(unit)
    project.require(project.test, project.examiner, paths.subset, paths.generated)
    project.require(paths.checkpoints)
    index = project.read(paths.subset, read_array)
    train, test = open_image_set(project.train), open_image_set(project.test)
    if len(index) < len(train):
        train = train.subset(index)
    pool = open_image_set(paths.generated)
    seed = derive_seed(project.parameters.seed, "inspect", unit)
    with Progress(f"inspect {unit}", "steps") as progress, atomic_folder(paths.inspection) as out:
        _neighbours(pool, train, index, test, out)
        progress.update(1, 3, "neighbours")
        examiner = load_lenet(project.examiner)
        real, made = (_sample(images, N_PROJECTED, seed) for images in (test, pool))
        placed = joint_projection(
            *(predict(examiner, images.images).features for images in (real, made))
        )
        table = pd.concat(
            pd.DataFrame({"group": name, "label": images.labels, "x": xy[:, 0], "y": xy[:, 1]})
            for name, images, xy in (("real", real, placed[0]), ("generated", made, placed[1]))
        )
        _write(table, out / "projection.csv")
        write_json(out / "explained.json", list(placed[2]))
        progress.update(2, 3, "projection")
        scores = pd.DataFrame(
            _scores(paths, train, test, seed), columns=["epoch", "group", "score"]
        )
        _write(scores, out / "discriminator.csv")
        progress.update(3, 3, "discriminator")
    shares = [
        f"{group}: {(part['score'] > 0.5).mean():.0%}" for group, part in scores.groupby("group")
    ]
    lines = [f"inspection of unit {unit}: {min(N_QUERIES, len(pool))} images looked up"]
    return lines + ([f"scored above 0.5 by the discriminator: {', '.join(shares)}"] * bool(shares))


def _neighbours(
    pool: ImageSet, train: ImageSet, index: np.ndarray, test: ImageSet, out: Path
) -> None:
    """Write which training images are nearest, and how many of them are somebody's nearest."""
    # As many queries of each class in both groups, or their shares could not be compared.
    n = min(N_QUERIES, len(test), len(pool))
    per_class = np.minimum(apportion(n, test.counts()), pool.counts())
    tables = []
    for name, images in (("generated", pool), ("test", test)):
        rows = np.concatenate(
            [np.flatnonzero(images.labels == c)[:k] for c, k in enumerate(per_class)]
        )
        labels = images.labels[rows]
        distances, nearest = nearest_images(images.images[rows], train.images, N_NEIGHBOURS)
        table = neighbour_coverage(nearest[:, 0], labels, train.labels, train.n_classes)
        table.insert(0, "class_name", [train.class_names[label] for label in table["label"]])
        tables.append(table.assign(group=name))
        if name == "generated":
            shown = _first_of_each(labels, N_SHOWN)
            found = [
                (rows[i], labels[i], rank + 1, index[nearest[i, rank]], distances[i, rank])
                for i in shown
                for rank in range(N_NEIGHBOURS)
            ]
            columns = ["query", "label", "rank", "row", "distance"]
            _write(pd.DataFrame(found, columns=columns), out / "neighbours.csv")
    _write(pd.concat(tables), out / "coverage.csv")


def _scores(
    paths: UnitPaths, train: ImageSet, test: ImageSet, seed: int
) -> Iterator[tuple[int, str, float]]:
    """Yield the discriminator's scores of three kinds of images at the epochs that kept it."""
    for folder in sorted(paths.checkpoints.glob("*-discriminator")):
        discriminator, meta = load_discriminator(folder)
        batch = int(meta["system"]["batch_size"])
        generator, _ = load_generator(folder.with_name(folder.name.removesuffix("-discriminator")))
        n = max(N_SCORED, batch)
        counts = apportion(n, train.counts())
        asked = np.repeat(np.arange(len(counts)), counts)
        shares = counts if generator.architecture.conditional else [n]
        drawn = np.concatenate(
            [draw(generator, label, 0, int(k), seed) for label, k in enumerate(shares)]
        )
        groups = {
            "generated": (drawn, asked),
            "training": _arrays(_sample(train, n, seed)),
            "test": _arrays(_sample(test, n, seed)),
        }
        for name, (images, labels) in groups.items():
            # Classes in turn: batch norm must see the mixture that it saw in training.
            order = numpy_stream(seed, "score", name).permutation(len(images))
            scores = discriminator_scores(discriminator, images[order], labels[order], batch)
            yield from ((meta["epoch"], name, float(score)) for score in scores)


def _arrays(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    return images.images, images.labels


def _sample(images: ImageSet, n: int, seed: int) -> ImageSet:
    """Return ``n`` random images, or all where there are fewer."""
    rows = numpy_stream(seed, "sample", len(images)).permutation(len(images))[:n]
    return images.subset(np.sort(rows))


def _first_of_each(labels: np.ndarray, n: int) -> list[int]:
    """Return the places of ``n`` entries: the first of each label, then the second, in turn."""
    places = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    if len(places) > n:
        places = [places[i] for i in spread_rows(len(places), n)]
    turns = max(map(len, places))
    chosen = [mine[turn] for turn in range(turns) for mine in places if turn < len(mine)]
    return sorted(chosen[:n])


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.6g")
