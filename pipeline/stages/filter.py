"""Stage filter: keep the generated images whose label the unit's judge predicts and is sure of.

The labels are the requested ones; of a generator without labels they are the judge's predictions.
Without a section filter the pool stays empty, and the tables say what the judge predicts of the
unselected pool.
"""

from __future__ import annotations

import pandas as pd

from augment.files import atomic_folder, write_csv
from augment.images.image_sets import open_image_set
from classifiers.checkpoints import load_classifier
from classifiers.prediction import predict
from pipeline.compute.device import chosen_device
from pipeline.compute.executor import Watcher, map_units
from pipeline.pools.confidence import confidence_tables
from pipeline.pools.filtered import write_filtered
from pipeline.pools.pool import open_pool, short_classes
from pipeline.project import Project
from pipeline.unit_images import unit_validation


def run(project: Project, unit: str | None = None) -> list[str]:
    """Write the filtered pools of all units, or of one, and tables of acceptance and confidence."""
    return map_units(filter_unit, project, unit, noun="images")


def filter_unit(project: Project, unit: str, watcher: Watcher) -> list[str]:
    """Write the unit's filtered pool, and tables of what the judge predicts of the other."""
    p, paths = project.parameters, project.unit(unit)
    project.require(paths.judge)
    pool = open_pool(project, unit)
    judge = load_classifier(paths.judge, p.classifier.model, chosen_device(p))
    probabilities = predict(judge, pool.images.images).probabilities
    drawn, lines = write_filtered(project, unit, pool, judge, probabilities, watcher)
    filtered = open_image_set(paths.filtered)
    validation = unit_validation(project, unit)
    tables = confidence_tables(p.filter, judge, pool.images, probabilities, validation)
    tables["drawn"] = pd.DataFrame(
        {"class_name": filtered.class_names, "kept": filtered.counts(), "drawn": drawn}
    )
    with atomic_folder(paths.filtering) as folder:
        for name, table in tables.items():
            write_csv(folder / f"{name}.csv", table)
    if p.filter is None:
        return [f"unit {unit}: no filtered pool, as params.yaml has no section filter"]
    share = len(filtered) / sum(drawn) if any(drawn) else 0.0
    what = "that the judge assigned to classes not yet full" if lines else "drawn"
    lines.append(
        f"unit {unit}: {len(filtered):,} images kept of {sum(drawn):,} {what} ({share:.1%} at "
        f"confidence {p.filter.threshold:g})"
    )
    if len(filtered):
        limit = "in the pool" if pool.sampler is None else "within filter.max_draws"
        return lines + short_classes(filtered, filtered.meta["made_by"]["per_class"], limit)
    return [
        *lines,
        "no image passed the judge: the filtered pool is empty, and mix leaves out the recipes "
        "that need it; lower filter.threshold or raise filter.max_draws for one",
    ]
