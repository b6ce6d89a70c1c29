"""`augment record`: keep what a trained generator reached in a small file that git can hold."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from augment.checkpoints import read_meta
from augment.files import read_json, write_json
from augment.generators.family import system_of
from augment.images.image_sets import ImageSet, open_image_set
from augment.sources.grouping import names_table
from pipeline.errors import PipelineError
from pipeline.parameters.models import PLACE, Parameters
from pipeline.project import Project
from pipeline.stages.score_checkpoints import N_IMAGES
from pipeline.studies.records import FORMAT
from reports.scores.table import SCORES

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}(/[a-z0-9][a-z0-9-]{0,60})?")
_DIGITS = 6
_SECTIONS = ("data", "classifier", "train_examiner", "train_judge", "train_gan", "compute")


def run(project: Project, name: str, unit: str) -> list[str]:
    """Write what the generator reached to ``studies/<name>.json``; return lines for the user.

    Raises:
        PipelineError: for a name that is no plain file name or that a record of another kind has,
            or results that are missing or are not of the generator that params.yaml describes.
    """
    path = record_path(project, name, "generator")
    p, paths = project.parameters, project.unit(unit)
    project.require(project.test, paths.generator, paths.training, paths.checkpoint_scores)
    meta = read_meta(paths.generator, "generator")
    scores = project.read(paths.checkpoint_scores, pd.read_csv)
    history = project.read(paths.training / "history.csv", pd.read_csv)
    if not set(scores["epoch"]) <= set(history["epoch"]):
        raise PipelineError(
            f"{paths.checkpoint_scores} is of another training than {paths.training}; "
            "`dvc repro score-checkpoints` makes it again"
        )
    train = open_image_set(project.train)
    check_described(p, meta, train)
    record = {
        "format": FORMAT,
        "name": name,
        "system": meta["system"],
        "width": 1.0 if p.train_gan.width is None else p.train_gan.width,
        "architecture": meta["architecture"],
        "data": {
            "source": p.data.source,
            "digest": meta["data"],
            "train": len(train),
            "test": len(open_image_set(project.test)),
        },
        "images_seen": int(history["images"].iloc[-1]),
        "epochs": int(history["epoch"].iloc[-1]),
        "stopped": meta["stopped"],
        "collapsed_epochs": meta.get("collapsed", 0),  # the last ones, whose images are all alike
        "seed": meta["seed"],
        "parameters": recorded_parameters(p, meta["precision"], _SECTIONS),
        "machine": machine()
        | {key: meta[key] for key in ("threads", "device", "precision", "torch")},
        "seconds_per_epoch": _seconds(project.training_times(unit), len(train)),
        "scored_images": N_IMAGES,
        "best": _best(scores),
        "checkpoints": [
            {key: value for key, value in row.items() if pd.notna(value)}
            for row in scores.to_dict(orient="records")
        ],
    }
    neighbours = _neighbours(project, paths.inspection, set(history["epoch"]))
    if neighbours is not None:
        record["neighbours"] = neighbours
    write_json(path, record)
    return [f"{path.relative_to(project.root)} holds {len(scores)} scored generators"]


def record_path(project: Project, name: str, kind: str) -> Path:
    """Return the file of a record; refuse a bad name and whatever is there but such a record."""
    if _NAME.fullmatch(name) is None:
        raise PipelineError(
            f"the name {name!r} is not allowed; allowed: small letters, digits and hyphens, with "
            "at most one / between study and system"
        )
    path = project.root / "studies" / f"{name}.json"
    if path.exists() or path.is_symlink():
        try:
            there = read_json(path)
        except (OSError, ValueError, RecursionError):
            there = None
        # Every record has had these since the first; whatever else is there is the user's.
        if not isinstance(there, dict) or not {"format", "name", "machine"} <= there.keys():
            raise PipelineError(
                f"studies/{name}.json is no record, or a damaged one; choose another name, or "
                "remove it"
            )
        found = there.get("kind", "generator")
        if found != kind:
            raise PipelineError(
                f"studies/{name}.json is a record of another kind ({found!s:.20}); choose another "
                "name, or remove it"
            )
    return path


def check_described(p: Parameters, meta: Mapping[str, Any], train: ImageSet) -> None:
    """Refuse a generator that params.yaml no longer describes: its record would be false.

    Args:
        p: the whole of params.yaml.
        meta: the generator's meta.json.
        train: the real training images.

    Raises:
        PipelineError: naming the first thing that differs.
    """
    system, g = system_of(p.train_gan.system, p.train_gan.options), p.train_gan
    _, side, _, channels = train.images.shape
    width = 1.0 if g.width is None else g.width
    architecture = system.architecture(train.n_classes, channels, side, width)
    described = {
        "seed": (p.seed, meta["seed"]),
        "data.source": (p.data.source, train.meta.get("source")),
        "data": (train.digest, meta["data"]),
        "train_gan.system": (system.name, meta["system"]["name"]),
        "train_gan.width": (architecture.to_dict(), meta["architecture"]),
        "an option of train_gan": (system.to_dict(), meta["system"]),
    } | {f"train_gan.{key}": (getattr(g, key), value) for key, value in meta["budget"].items()}
    for name, (now, trained) in described.items():
        if now != trained:
            raise PipelineError(
                f"params.yaml is not that of the trained generator: {name} differs; put it back, "
                "or `dvc repro` trains the one that it describes"
            )


def _neighbours(project: Project, inspection: Path, epochs: set[int]) -> dict[str, Any] | None:
    """Return the share of training images that are a nearest one; None if not inspected."""
    if not inspection.exists():
        return None
    coverage = project.read(inspection / "coverage.csv", pd.read_csv)
    scores = project.read(inspection / "discriminator.csv", pd.read_csv)
    if not set(scores["epoch"]) <= epochs:
        raise PipelineError(
            f"{inspection.relative_to(project.root)} is of another training; "
            "`dvc repro inspect` makes it again"
        )
    found: dict[str, Any] = {}
    for group, rows in coverage.groupby("group"):
        known = rows[rows["n_train"] > 0]
        share = (known["share"] * known["n_train"]).sum() / known["n_train"].sum()
        found[str(group)] = round(float(share), _DIGITS)
        found["queries"] = int(rows["n_queries"].sum())
    return found


def recorded_parameters(
    p: Parameters, precision: str | None, sections: Iterable[str]
) -> dict[str, Any]:
    """Return what of params.yaml a result depends on, without the user's paths.

    Args:
        p: the whole of it.
        precision: what the generator really used; ``auto`` goes by the machine. None without one,
            and without section train_gan.
        sections: names of those that the result depends on.
    """
    found = p.model_dump(mode="json", include={"seed", *sections}, exclude=PLACE)
    found.get("compute", {}).pop("device", None)  # stands with the machine
    if found["data"]["path"] is not None:
        found["data"]["path"] = "FOLDER"
    if p.data.groups is not None and names_table(p.data.groups):
        found["data"]["groups"] = "TABLE.csv"
    if "train_gan" in found:
        found["train_gan"]["precision"] = precision
    if found.get("generate", {}).get("path") is not None:
        found["generate"]["path"] = "FOLDER"
    return found


def machine() -> dict[str, Any]:
    """Return this machine, and what its results depend on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def _seconds(times: Path, n_train: int) -> float | None:
    """Return the median seconds of a pass over the training images, or None without a log."""
    if not times.is_file():
        return None
    log = pd.read_csv(times)
    seen = log["images"].diff().fillna(log["images"])
    return round(float(median(log["seconds"] * n_train / seen)), 1)


def _best(scores: pd.DataFrame) -> dict[str, dict[str, dict[str, float | int]]]:
    """Return each score's best value over the kept epochs, for each copy of the generator.

    As the published tables do: the columns need not be of one epoch.
    """
    best: dict[str, dict[str, dict[str, float | int]]] = {}
    names = [name for name in scores.columns if name not in ("epoch", "weights")]
    for copy_of, rows in scores.groupby("weights", sort=False):
        best[str(copy_of)] = {}
        for name in names:
            known = rows[["epoch", name]].dropna().sort_values(name, kind="stable")
            if len(known):
                row = known.iloc[0 if SCORES[name].better == "lower" else -1]
                found = {"value": float(row[name]), "epoch": int(row["epoch"])}
                best[str(copy_of)][name] = found
    return best
