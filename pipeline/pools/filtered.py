"""Writing the pool of the images that a judge agrees with."""

from __future__ import annotations

import numpy as np

from augment.files import sha256_file
from augment.images.image_set_writer import ImageSetWriter
from augment.mixing.counts import pool_size
from classifiers.models.contract import Classifier
from pipeline.compute.executor import Watcher
from pipeline.pools.pool import Pool, draw_by_prediction, draw_confident, pool_seed
from pipeline.project import Project
from pipeline.unit_images import unit_counts


def write_filtered(
    project: Project,
    unit: str,
    pool: Pool,
    judge: Classifier,
    probabilities: np.ndarray,
    watcher: Watcher,
) -> tuple[list[int], list[str]]:
    """Write the filtered pool, of the pool's images and then of more; empty without a section.

    Args:
        project: whose parameters say how sure the judge must be.
        unit: by name.
        pool: the unit's unselected one.
        judge: the unit's.
        probabilities: the judge's, of the pool's images.
        watcher: who follows.

    Returns:
        Images drawn of each class, and lines on a stream without labels.
    """
    settings, paths = project.parameters.filter, project.unit(unit)
    images, sampler, seed = pool.images, pool.sampler, pool_seed(project, unit)
    names = images.class_names
    per_class = 0 if settings is None else pool_size(settings.per_class, unit_counts(project, unit))
    total = per_class * len(names)
    generator = paths.generator / "weights.safetensors"
    made_by = {
        "generator": images.digest if sampler is None else sha256_file(generator),
        "judge": sha256_file(paths.judge / "weights.safetensors"),
        "seed": seed,
        "threshold": None if settings is None else settings.threshold,
        "per_class": per_class,
    }
    drawn, lines = [0] * len(names), []
    shape, source = (total, *images.images.shape[1:]), f"{pool.made_by}, filtered"
    with ImageSetWriter(paths.filtered, shape, names, source, made_by, exact=False) as writer:
        if settings is None:
            pass
        elif sampler is None or pool.labelled:
            for label, kept in draw_confident(
                pool, judge, probabilities, seed, settings, per_class
            ):
                writer.append(kept.images, np.full(len(kept.images), label, dtype=np.int64))
                drawn[label] = kept.drawn
                watcher.update(writer.written, total, names[label])
        else:
            # Drawn again: the pool lacks what was predicted as a class that was full already.
            for piece in draw_by_prediction(
                sampler,
                judge,
                [per_class] * len(names),
                seed,
                threshold=settings.threshold,
                max_draws=settings.max_draws,
            ):
                writer.append(piece.images, piece.labels)
                watcher.update(writer.written, total)
                # A class's share is of the images predicted as it, however rare they are.
                drawn = piece.predicted.tolist()
                lines = [f"unit {unit}: {piece.drawn:,} images drawn without labels"]
    return drawn, lines
