"""`augment record`: keep what a trained generator reached in a small file that git can hold."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from augment.checkpoints import read_meta
from augment.files import write_json
from augment.image_sets import open_image_set
from pipeline.errors import PipelineError
from pipeline.parameters import Parameters
from pipeline.project import Project
from pipeline.score_checkpoints import N_IMAGES

FORMAT = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}(/[a-z0-9][a-z0-9-]{0,60})?")
_LOWER_IS_BETTER = {"fid_examiner", "fid_inception"}


def run(project: Project, name: str, unit: str) -> list[str]:
    """Write ``studies/<name>.json``; return lines for the user.

    Raises:
        PipelineError: for a name that is no plain file name, or results that are missing or are
            not of the same generator.
    """
    if _NAME.fullmatch(name) is None:
        raise PipelineError(
            f"the name {name!r} is not allowed; allowed: small letters, digits and hyphens, with "
            "at most one / between study and system"
        )
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
        "command": _command(p),
        "machine": _machine(meta),
        "seconds_per_epoch": _seconds(project.training_times(unit), len(train)),
        "scored_images": N_IMAGES,
        "best": _best(scores),
        "checkpoints": [
            {key: value for key, value in row.items() if pd.notna(value)}
            for row in scores.to_dict(orient="records")
        ],
    }
    path = project.root / "studies" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, record)
    return [f"{path.relative_to(project.root)} holds {len(scores)} scored generators"]


def _command(parameters: Parameters) -> str:
    """Return the command that trains and scores this generator again, without the user's paths."""
    settings = {
        "data": parameters.data.model_dump(exclude={"path", "test"}),
        "lenet": parameters.lenet.model_dump(),
        "train_examiner": parameters.train_examiner.model_dump(),
        "train_judge": parameters.train_judge.model_dump(),
        "train_gan": parameters.train_gan.model_dump(exclude={"device", "processes"}),
        # No classifier is trained, and a grid for other data must not stand in the way.
        "mix": {"synthetic": [0]},
    }
    either = ("steps", "images", "epochs")  # of these one is null, and must be said to be
    given = [
        f"-S {section}.{key}={'null' if value is None else value}"
        for section, values in settings.items()
        for key, value in values.items()
        if value is not None or key in either
    ]
    return f"dvc exp run {' '.join(given)} score-checkpoints"


def _machine(meta: dict[str, Any]) -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": meta["threads"],
        "device": meta["device"],
        "precision": meta["precision"],
        "python": platform.python_version(),
        "torch": meta["torch"],
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
                row = known.iloc[0 if name in _LOWER_IS_BETTER else -1]
                found = {"value": float(row[name]), "epoch": int(row["epoch"])}
                best[str(copy_of)][name] = found
    return best
