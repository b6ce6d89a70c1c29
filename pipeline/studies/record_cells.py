"""`augment record --cells`: keep what the grid of classifiers reached, with the study's claims.

Only the cost differs from run to run; everything else is the same bytes again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from augment.checkpoints import read_meta
from augment.files import read_json, write_json
from augment.images.image_sets import ImageSet, open_image_set
from augment.mixing.strategies import STRATEGIES
from pipeline.compute.device import chosen_device
from pipeline.compute.resume import digest_of
from pipeline.errors import PipelineError
from pipeline.evidence import read_confirmed
from pipeline.parameters.models import Parameters
from pipeline.project import Project, read_array
from pipeline.studies.contrasts import (
    Grid,
    best_contrast,
    cells_contrast,
    pair_cells,
    roughness_contrast,
)
from pipeline.studies.record import check_described, machine, record_path, recorded_parameters
from pipeline.studies.records import FORMAT, Contrast
from pipeline.study_files import (
    FILE,
    CellsTest,
    ClaimTest,
    Side,
    StrategiesTest,
    Study,
    load_study,
)
from reports.verdict.choice import CELL_KEYS
from reports.verdict.statistics import gain_table, summarise_cells

_DIGITS = 6


def run(project: Project, name: str, unit: str) -> list[str]:
    """Write what the grid of classifiers reached to ``studies/<name>.json``.

    The claims of the study that the name begins with are measured here, where the predictions are.

    Returns:
        Lines for the user.

    Raises:
        PipelineError: for a name that is no plain file name or that a record of another kind has,
            results that are missing or of another generator, or published facts that are not valid.
        ReportError: tables that do not fit each other.
    """
    path = record_path(project, name, "cells")
    p, paths = project.parameters, project.unit(unit)
    results = project.results
    tables = results / "cells.parquet", results / "predictions.npy"
    project.require(project.train, project.test, *tables)
    n_train = len(project.read(paths.subset, read_array))
    cells = project.read(tables[0], pd.read_parquet)
    predictions = project.read(tables[1], read_array)
    train, test = open_image_set(project.train), open_image_set(project.test)
    generator, precision = None, None
    if p.generate.source == "model":
        generator, precision = _generator(project, unit, cells, train)
    gains = gain_table(cells, predictions, test.labels)  # first: it checks the tables
    study = _study(project, name)
    grid = Grid(cells, predictions, test.labels, n_train)
    contrasts = [] if study is None else _contrasts(study, grid)
    rows = _rows(cells, n_train, len(test))
    n_validation = len(open_image_set(project.validation)) if project.validation.exists() else 0
    record = {
        "format": FORMAT,
        "kind": "cells",
        "name": name,
        "generator": generator,
        "data": {
            "source": p.data.source,
            "digest": train.digest,
            "train": len(train),
            "validation": n_validation,
            "test": len(test),
        },
        "protocol": sorted(cells["protocol"].unique()),
        "classifier": _classifier(p, cells),
        "strategies": list(dict.fromkeys(cells["strategy"])),
        "cells": rows,
        "gains": gains.to_dict(orient="records"),
        "confirmed": _confirmed(project, cells),
        "verdict": _verdict(project),
        "contrasts": contrasts,
        "parameters": recorded_parameters(p, precision, _sections(p)),
        "machine": machine() | {"device": chosen_device(p).type},
        "cost": _cost(project, cells),
    }
    write_json(path, _rounded(record))
    counted = f"{len(cells)} classifiers, {len(rows)} recipes"
    measured = sum(contrast["difference"] is not None for contrast in contrasts)
    claims = f"; {measured} of {len(contrasts)} claims measured" if contrasts else ""
    return [f"{path.relative_to(project.root)} holds {counted}{claims}"]


def _confirmed(project: Project, cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the classifiers of the verdict, a row each; none where stage confirm has not run.

    The validation accuracy after half the steps is that of another classifier, trained from the
    start for so many, one a cell.
    """
    path = project.results / "confirmed.parquet"
    if not path.exists():
        return []
    table = read_confirmed(project)
    keys = ["unit", *CELL_KEYS]
    confirmed, grid = (set(map(tuple, each[keys].to_numpy())) for each in (table, cells))
    if not confirmed <= grid:
        raise PipelineError(
            "results/confirmed.parquet has cells that results/cells.parquet has not; "
            "`dvc repro confirm` makes it again"
        )
    table["arms"] = table["arms"].map(list)
    return [
        {str(key): value for key, value in row.items()} for row in table.to_dict(orient="records")
    ]


def _verdict(project: Project) -> dict[str, Any] | None:
    """Return what stage report wrote; None where it has not run."""
    path = project.results / "verdict.json"
    return project.read(path, read_json) if path.exists() else None


def _generator(
    project: Project, unit: str, cells: pd.DataFrame, train: ImageSet
) -> tuple[dict[str, Any], str]:
    """Return what is recorded of the generator, from its meta.json, and its precision.

    Raises:
        PipelineError: the cells are of another one, or params.yaml no longer describes it.
    """
    p, paths = project.parameters, project.unit(unit)
    project.require(paths.generator, paths.training)
    meta = read_meta(paths.generator, "generator")
    history = project.read(paths.training / "history.csv", pd.read_csv)
    seen = history.loc[history["epoch"] == meta["epoch"], "images"]
    if set(cells["generator"]) != {meta["system"]["name"]} or len(seen) != 1:
        raise PipelineError(
            "results/cells.parquet is of another generator than "
            f"{paths.generator.relative_to(project.root)}; `dvc repro train-classifiers` makes it "
            "again"
        )
    check_described(p, meta, train)
    found = {
        "system": meta["system"]["name"],
        "width": 1.0 if p.train_gan.width is None else p.train_gan.width,
        "images_seen": int(seen.iloc[0]),
        "epoch": meta["epoch"],
        "batch_size": meta["system"]["batch_size"],
        "image_size": meta["architecture"]["image_size"],
        "weights": meta["system"]["weights"],
        "architecture": digest_of(meta["architecture"]),
        "key": meta["key"],
        "seed": meta["seed"],
    }
    return found, meta["precision"]


def _classifier(p: Parameters, cells: pd.DataFrame) -> dict[str, Any]:
    """Return what is recorded of how every classifier was trained."""
    return {
        "epochs": p.train_classifiers.epochs,
        "steps": p.train_classifiers.steps,
        "model": p.classifier.model,
        "pretrained": p.classifier.pretrained,
        "batch_size": p.classifier.batch_size,
        "input_size": p.classifier.input_size,
        "steps_taken": _range(cells["steps"]),
        "images_seen": _range(cells["images_seen"]),
    }


def _range(values: pd.Series) -> dict[str, int]:
    return {"least": int(values.min()), "most": int(values.max())}


def _rows(cells: pd.DataFrame, n_train: int, n_test: int) -> list[dict[str, Any]]:
    """Return one row a recipe, with the test accuracy of every seed."""
    ordered = cells.sort_values("seed", kind="stable")
    by_recipe = dict(iter(ordered.groupby(CELL_KEYS)))
    rows = []
    for row in summarise_cells(cells, n_train, n_test).to_dict(orient="records"):
        group = by_recipe[tuple(row[key] for key in CELL_KEYS)]
        rows.append(
            {key: row[key] for key in CELL_KEYS}
            | {
                "seeds": group["seed"].tolist(),
                "test_accuracy": group["test_accuracy"].tolist(),
                "mean": row["test_mean"],
                "low": row["test_low"],
                "high": row["test_high"],
                "validation": row["validation_mean"],
                "optimistic": row["optimistic"],
            }
        )
    return rows


def _study(project: Project, name: str) -> Study | None:
    """Return the study that a record's name begins with."""
    study, _, own = name.partition("/")
    if not own or not (project.root / "studies" / study / FILE).exists():
        return None
    return load_study(project.root, study)


def _contrasts(study: Study, grid: Grid) -> list[dict[str, Any]]:
    """Measure every claim of a study that classifiers decide."""

    def ours(side: Side) -> Side:
        # All of the study's training images stand for all of ours.
        n_real = [grid.n_train if n == study.images.train else n for n in side.n_real]
        return side.model_copy(update={"n_real": n_real})

    def contrast(test: ClaimTest) -> Contrast | None:
        match test:
            case CellsTest():
                return cells_contrast(grid, pair_cells(ours(test.a), ours(test.b)))
            case StrategiesTest(kind="best"):
                return best_contrast(grid, test.a, test.b)
            case StrategiesTest():
                return roughness_contrast(grid, test.a, test.b)
        return None  # one that generators decide

    return [
        {"claim": claim.id, "test": claim.measured, **measured.model_dump()}
        for claim in study.claims
        if (measured := contrast(claim.test)) is not None
    ]


def _sections(p: Parameters) -> set[str]:
    """Return the sections that the grid depends on."""
    without = {"seed", "score"}
    if p.generate.source == "folder":
        without.add("train_gan")
    if not any(STRATEGIES[name].classical for name in p.mix.strategies):
        without.add("classical")
    return set(type(p).model_fields) - without


def _cost(project: Project, cells: pd.DataFrame) -> dict[str, Any]:
    """Return what the grid cost; None where the logs, which git does not hold, do not say."""
    images = int(cells["images_seen"].sum())
    core = _core_seconds(project.cell_times, cells)
    wall = _stage_seconds(project.log, "train-classifiers")
    return {
        "cells": len(cells),
        "images": images,
        "core_minutes": None if core is None else round(core / 60, 1),
        "images_per_second": None if not core else round(images / core),  # of one core
        "wall_minutes": None if wall is None else round(wall / 60, 1),  # all runs of the stage
    }


def _core_seconds(times: Path, cells: pd.DataFrame) -> float | None:
    """Return seconds of one core over all cells, or None where the log is of another grid."""
    if not times.is_file():
        return None
    log = pd.read_csv(times, keep_default_na=False)
    keys = [*CELL_KEYS, "seed"]
    if not {*keys, "seconds"} <= set(log) or len(log) != len(cells):
        return None
    logged, trained = (set(map(tuple, table[keys].to_numpy())) for table in (log, cells))
    return float(log["seconds"].sum()) if logged == trained else None


def _stage_seconds(log: Path, stage: str) -> float | None:
    """Return the seconds of all runs of a stage, or None where none is logged."""
    if not log.is_file():
        return None
    found = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            if row["stage"] == stage:
                found.append(float(row["seconds"]))
        except (ValueError, KeyError, TypeError):
            continue  # a line cut short by a power cut
    return sum(found) if found else None


def _rounded(record: dict[str, Any]) -> Any:
    """Return JSON values with floats of six digits; what is not a number is None."""
    return json.loads(
        json.dumps(record, default=lambda number: number.item()),  # NumPy's
        parse_float=lambda text: round(float(text), _DIGITS),
        parse_constant=lambda _: None,
    )
