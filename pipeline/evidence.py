"""What the report of a study rests on, read from the project's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from augment.checkpoints import read_meta
from augment.files import read_json
from augment.images.grids import untile
from augment.images.image_sets import ImageSet, open_image_set
from augment.images.subsets import shared_part
from augment.sources.grouping import names_table
from pipeline.data.fingerprint import changes_since_fetch
from pipeline.errors import PipelineError
from pipeline.parameters.models import PLACE
from pipeline.project import Project, read_array
from pipeline.units import parse_unit
from reports.figures.images import chosen_epochs
from reports.figures.study import Evidence, TrainingEvidence
from reports.page.facts import generator_notes, pool_notes
from reports.verdict.choice import CELL_KEYS
from reports.verdict.statistics import unit_sizes
from reports.verdict.verdict import PRIMARY, Verdict, reach_verdict

_CHOICES = ["unit", "unit_real", "arm", "strategy", "n_real", "n_synthetic", "by"]
_COLLAGE_IMAGES = 12
_MOST_PAIRS = 16
_MEASURED = ("unit", "unit_real", *CELL_KEYS, "seed", "validation_accuracy")
_CELLS = (*_MEASURED, "test_accuracy", "steps")
_CONFIRMED = (*_MEASURED, "arms", "half_validation_accuracy")
NO_CHECKPOINTS = pd.DataFrame({"epoch": [], "weights": []})
"""Scores of checkpoints where no generator was trained."""

_SCORES = (
    *("score", "unit", "pool", "value", "floor", "floor_deviation"),
    *("difference", "difference_deviation", "n_splits", "n", "split", "n_reference"),
)


def read_cells(project: Project) -> tuple[pd.DataFrame, str]:
    """Return the cells table, and the first unit of those that see the most training images.

    Raises:
        PipelineError: a table that is missing, damaged or without a column, as an older version
            wrote it, or of no unit of params.yaml.
        ReportError: a table without rows.
    """
    cells = project.read(
        project.results / "cells.parquet", lambda path: _with(_CELLS, pd.read_parquet(path))
    )
    largest = cells.loc[cells["unit_real"] == unit_sizes(cells)[0], "unit"].unique().tolist()
    for unit in project.units:
        if unit in largest:
            return cells, unit
    raise PipelineError(
        f"results/cells.parquet is of {', '.join(largest)}, which this study does not have; "
        "`dvc repro train-classifiers` makes it again"
    )


def read_generator(project: Project, unit: str) -> dict[str, Any] | None:
    """Return what a unit's generator was trained with; None where the images are a folder's."""
    if project.parameters.generate.source == "folder":
        return None
    generator = project.unit(unit).generator
    project.require(generator)
    return read_meta(generator, "generator")


def read_confirmed(project: Project) -> pd.DataFrame:
    """Return the classifiers of the verdict.

    Raises:
        PipelineError: a table that is missing, damaged or without a column.
    """
    return project.read(
        project.results / "confirmed.parquet",
        lambda path: _with(_CONFIRMED, pd.read_parquet(path)),
    )


def read_scores(project: Project) -> pd.DataFrame:
    """Return the scores of the generated images; no row where the pools are too short for any.

    Raises:
        PipelineError: a table that is missing, damaged or without a column.
    """

    def read(path: Path) -> pd.DataFrame:
        rows = read_json(path)
        return _with(_SCORES, pd.DataFrame(rows, columns=None if rows else _SCORES))

    return project.read(project.results / "scores.json", read)


def read_evidence(
    project: Project, unit: str, meta: Mapping[str, Any] | None, about: Mapping[str, Any]
) -> Evidence:
    """Return the tables and images of a study, with one unit's generator.

    Args:
        project: where they are.
        unit: whose generator.
        meta: of that generator's checkpoint; None where the images come from a folder.
        about: what stage fetch wrote of the images.

    Raises:
        PipelineError: what is missing or damaged, and the stage that makes it.
    """
    paths = project.unit(unit)
    project.require(project.train, project.test, paths.generated, paths.filtering)
    train, test, pool = (
        open_image_set(path) for path in (project.train, project.test, paths.generated)
    )
    confidence = project.read(paths.filtering / "confidence.csv", pd.read_csv)
    filtering = project.parameters.filter
    first, second = project.read(paths.inspection / "explained.json", read_json)
    choices = project.read(project.results / "choices.json", read_json)

    def inspected(name: str) -> pd.DataFrame:
        return project.read(paths.inspection / f"{name}.csv", _read_named)

    return Evidence(
        class_names=train.class_names,
        train=(train.images, train.labels),
        test=(test.images, test.labels),
        generated=(pool.images, pool.labels),
        near_duplicates=_near_duplicates(project, about),
        predictions=project.read(project.results / "predictions.npy", read_array),
        choices=pd.DataFrame(choices["choices"], columns=_CHOICES),
        margin=choices["margin"],
        confirmed=read_confirmed(project),
        confirmed_predictions=project.read(project.results / "confirmed.npy", read_array),
        training=None
        if meta is None
        else _read_training(project, unit, meta["epoch"], train.images.shape[1:3]),
        confidences={
            str(name): rows.to_numpy()
            for name, rows in confidence.groupby("group", sort=False)["confidence"]
        },
        acceptance=project.read(paths.filtering / "acceptance.csv", _read_named),
        threshold=None if filtering is None else filtering.threshold,
        neighbours=inspected("neighbours"),
        copies=project.read(paths.inspection / "copies.json", read_json),
        coverage=inspected("coverage"),
        discriminator=inspected("discriminator"),
        projection=inspected("projection"),
        explained=(first, second),
    )


def _read_training(
    project: Project, unit: str, kept_epoch: int, size: tuple[int, ...]
) -> TrainingEvidence:
    paths = project.unit(unit)
    project.require(paths.training, paths.grids)
    history = project.read(paths.training / "history.csv", _read_by_epoch)
    grids = {
        epoch: _read_pictures(project, paths.grids / f"grid-{epoch:04d}.png", size)
        for epoch in chosen_epochs(history["epoch"].tolist(), kept_epoch)
    }
    pairs = paths.grids / f"reconstructions-{kept_epoch:04d}.png"
    return TrainingEvidence(
        kept_epoch=kept_epoch,
        history=history,
        checkpoints=project.read(paths.checkpoint_scores, _read_by_epoch),
        grids={epoch: _different_classes(grid) for epoch, grid in grids.items()},
        reconstructions=_read_pictures(project, pairs, size) if pairs.exists() else None,
    )


def read_notes(
    project: Project, unit: str, meta: Mapping[str, Any] | None, about: Mapping[str, Any]
) -> list[str]:
    """Return what a reader must know first: of the images, the pools and the generator."""
    p, paths = project.parameters, project.unit(unit)
    project.require(paths.filtered)
    changes = changes_since_fetch(project, p.data)
    of_images = [*about["notes"], *([] if changes is None else [changes])]
    filtered = open_image_set(paths.filtered)
    pools = {"generated": open_image_set(paths.generated), "filtered": filtered}
    threshold = None if p.filter is None else p.filter.threshold
    notes = [f"{note[0].upper()}{note[1:]}." for note in of_images]
    if len(project.units) > 1:
        notes.append(
            f"The study has {len(project.units)} units: {', '.join(project.units)}. The figures of "
            f"the generator are of {unit}; the tables hold all."
        )
        notes += _overlaps(project)
    short = {name: lack for name, pool in pools.items() if (lack := _lacking(pool))[1]}
    made_by = ["The generated images come from a folder; no generator was trained."]
    if meta is not None:
        made_by = generator_notes(meta)
    return [*notes, *pool_notes(short, threshold, len(filtered)), *made_by]


def shown_parameters(project: Project, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that results depend on, without the user's paths."""
    shown: dict[str, Any] = project.parameters.model_dump(mode="json", exclude=PLACE)
    if shown["data"]["path"] is not None:
        shown["data"]["path"] = about["name"]
    if shown["data"]["groups"] is not None and names_table(shown["data"]["groups"]):
        shown["data"]["groups"] = "(given)"
    if shown["generate"]["path"] is not None:
        shown["generate"]["path"] = "(given)"
    if shown["score"]["inception_weights"] is not None:
        shown["score"]["inception_weights"] = "(given)"
    return shown


def read_verdict(project: Project, evidence: Evidence) -> Verdict | None:
    """Return the verdict of the classifiers that stage confirm trained; None without both arms."""
    confirmed = evidence.confirmed
    trained = set(confirmed["arms"].explode())
    if not trained >= set(PRIMARY):
        return None
    units = confirmed["unit"].unique()
    subsets = [project.read(project.unit(unit).subset, read_array) for unit in units]
    mine = evidence.choices[evidence.choices["unit"].isin(units)]
    by = mine.loc[mine["arm"] == PRIMARY[0], "by"]
    return reach_verdict(
        confirmed,
        evidence.confirmed_predictions,
        evidence.test[1],
        evidence.margin,
        shared=shared_part(subsets),
        chosen_by=next(iter(by), None),
    )


def why_no_verdict(cells: pd.DataFrame) -> str:
    """Return why nothing can be compared."""
    largest, seen = int(cells["n_real"].max()), int(cells["unit_real"].max())
    if 0 < largest < seen:
        return (
            f"The generator saw all {seen:,} training images, the classifiers at most {largest:,} "
            "of them: what generated images add is then optimistic, and there is no verdict. Add "
            "1.0 to mix.real, or set study.protocol to strict."
        )
    return (
        "This study cannot say whether generated images help: no classifier saw generated images "
        "beside all real ones."
    )


def budget_text(project: Project, cells: pd.DataFrame) -> str:
    """Return what every generator and classifier was given, in words."""
    g, steps = project.parameters.train_gan, sorted({int(n) for n in cells["steps"]})
    taken = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
    classifiers = f"{taken} steps a classifier"
    if project.parameters.generate.source == "folder":
        return classifiers
    shown = f"{g.epochs:,} epochs" if g.images is None else f"{g.images:,} images"
    return f"{shown} a generator, {classifiers}"


def _overlaps(project: Project) -> list[str]:
    """Return a line for every size whose units have images in common, and the share of these."""
    by_size: dict[int | None, list[str]] = {}
    for unit in project.units:
        by_size.setdefault(parse_unit(unit).n_real, []).append(unit)
    lines = []
    for names in by_size.values():
        subsets = [project.read(project.unit(name).subset, read_array) for name in names]
        share = shared_part(subsets)
        if share:
            lines.append(
                f"The units {', '.join(names)} share {share:.0%} of their training images, two by "
                "two on average: what is said of them holds for this training set."
            )
    return lines


def _lacking(pool: ImageSet) -> tuple[int, str]:
    """Return how many images of each class a pool should have, and the classes that have fewer."""
    per_class = pool.meta["made_by"].get("per_class", 0)
    return per_class, pool.short_of(per_class)


def _with(columns: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that has some columns; raises ``ValueError`` where it lacks one."""
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"it has no column {missing[0]}")
    return table


def _read_named(path: Path) -> pd.DataFrame:
    # A class may be called NA or null.
    return pd.read_csv(
        path,
        dtype={"class_name": str},
        keep_default_na=False,
        na_values={"share": [""], "most": [""]},
    )


def _read_by_epoch(path: Path) -> pd.DataFrame:
    """Read a table of scores by epoch; raises ``ValueError`` for another one."""
    table = pd.read_csv(path)
    if "epoch" not in table:
        raise ValueError("it has no column epoch")
    return table


def _near_duplicates(
    project: Project, about: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the pairs of real images that look nearly the same, or None where there is none."""
    pairs = about["nearly_alike"]["nearest"][:_MOST_PAIRS]
    if not pairs:
        return None
    parts = {part for pair in pairs for part, _ in pair["images"]}
    sets = {part: open_image_set(project.real / part) for part in parts}
    first, second = (
        np.stack([sets[part].images[row] for part, row in (pair["images"][i] for pair in pairs)])
        for i in (0, 1)
    )
    return first, second


def _read_pictures(project: Project, path: Path, size: tuple[int, ...]) -> np.ndarray:
    """Cut a picture of the training back into its images, rows x columns."""

    def cut(path: Path) -> np.ndarray:
        try:
            with Image.open(path) as picture:
                return untile(np.asarray(picture), *size)
        except SyntaxError as error:  # Pillow's word for some damaged files.
            raise ValueError(error) from None

    return project.read(path, cut)


def _different_classes(grid: np.ndarray) -> np.ndarray:
    """Return images of a grid that has a row a class: one of each, then the next of each."""
    n = min(len(grid), _COLLAGE_IMAGES)
    return np.concatenate(list(grid.swapaxes(0, 1)))[: n * (_COLLAGE_IMAGES // n)]
