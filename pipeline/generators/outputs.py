"""What a generator's training leaves: curves, grids of images, checkpoints, and their summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from torch import Tensor

from augment.checkpoints import save_checkpoint
from augment.files import atomic_file, atomic_folder, write_csv, write_json
from augment.generators.budget import LEAST_STEPS
from augment.generators.training import Epoch, TrainedGenerator
from augment.images.grids import tile
from pipeline.parameters.models import GanParameters
from pipeline.project import Project, UnitPaths

SCORED = ("fid", "inception_score", "label_match")
"""Scores that dvc.yaml plots; empty where a training has none of them."""

PLACES = ("loss_1", "loss_2")
"""Losses that dvc.yaml plots, by their place in the history, for every family has its own names."""


class Curves:
    """The curves and grids of a training under way; a resumed one writes its past epochs again."""

    def __init__(self, paths: UnitPaths, say: Callable[[str], None]) -> None:
        self.paths = paths
        self.say = say
        self.epochs: list[Epoch] = []

    def add(self, epoch: Epoch) -> None:
        """Write an epoch's numbers and pictures, and say how it went."""
        self.epochs.append(epoch)
        self.paths.training.mkdir(parents=True, exist_ok=True)
        write_csv(self.paths.training / "history.csv", history(self.epochs), float_format=None)
        for name, picture in grids(epoch):
            with atomic_file(self.paths.grids / f"{name}.png") as file:
                picture.save(file, "PNG")
        m = epoch.metrics
        losses = ", ".join(
            f"{name.removesuffix('_loss')} loss {m[name]:.3f}" for name in m if "_loss" in name
        )
        match = f"label match {m['label_match']:.1%}, " if "label_match" in m else ""
        self.say(
            f"epoch {epoch.epoch}: {epoch.images:,} images, {losses}, {match}"
            f"IS {m['inception_score']:.2f}, FID {m['fid']:.2f} (judge), {epoch.seconds:.0f} s"
        )


def history(epochs: Iterable[Epoch]) -> pd.DataFrame:
    """Return a row an epoch: its number, the images seen, its losses and scores."""
    rows = [{"epoch": e.epoch, "images": e.images, **e.metrics} for e in epochs]
    table = pd.DataFrame(rows)
    # Without labels there is none to match.
    return table if "label_match" in table else table.assign(label_match=np.nan)


def grids(epoch: Epoch) -> Iterable[tuple[str, Image.Image]]:
    """Yield the epoch's pictures, each with its name."""
    yield f"grid-{epoch.epoch:04d}", Image.fromarray(tile(epoch.grid))
    if epoch.reconstructions is not None:
        pairs = np.concatenate(list(epoch.reconstructions))
        picture = tile(pairs, columns=epoch.reconstructions.shape[1])
        yield f"reconstructions-{epoch.epoch:04d}", Image.fromarray(picture)


def write_outputs(
    trained: TrainedGenerator,
    meta: dict[str, Any],
    paths: UnitPaths,
    kept: Iterable[tuple[str, dict[str, Tensor]]],
    times: Path,
) -> None:
    """Write curves, grids, the checkpoints of kept epochs, and the chosen generator.

    Args:
        trained: what training gave.
        meta: what rebuilds the networks, and what they were trained on.
        paths: the unit's.
        kept: names as the training loop gives them, and weights.
        times: a log of the seconds of every epoch, which differ from run to run.
    """
    # Written anew and whole: another run may have cleared the folders in the meantime.
    with atomic_folder(paths.training) as folder:
        write_csv(folder / "history.csv", history(trained.history), float_format=None)
    with atomic_folder(paths.grids) as folder:
        for epoch in trained.history:
            for name, picture in grids(epoch):
                picture.save(folder / f"{name}.png")
    # A training that ended early has no more checkpoints than it came to.
    reached = {epoch.epoch: epoch for epoch in trained.history}
    with atomic_folder(paths.checkpoints) as folder:
        for name, weights in kept:
            number, what = checkpoint_name(name)
            if number not in reached:
                continue
            about = {"epoch": number, "weights": what or meta["system"]["weights"]}
            kind = "generator" if what in (None, "average") else what
            if kind != "generator":
                # The schedule may have changed what is no weight.
                about["architecture"] = meta["architecture"] | reached[number].changed
            save_checkpoint(folder / name, kind, weights, meta | about)
    about = {"epoch": trained.epoch, "stopped": trained.stopped, "collapsed": trained.collapsed}
    save_checkpoint(paths.generator, "generator", trained.weights, meta | about)
    rows = [{"epoch": e.epoch, "images": e.images, "seconds": e.seconds} for e in trained.history]
    write_csv(times, pd.DataFrame(rows), float_format="%.3f")


def generator_checkpoints(paths: UnitPaths) -> list[Path]:
    """Return the folders of the generators that a training kept, in order of their epochs."""
    folders = (path for path in paths.checkpoints.iterdir() if path.is_dir())
    return sorted(each for each in folders if checkpoint_name(each.name)[1] in (None, "average"))


def checkpoint_name(name: str) -> tuple[int, str | None]:
    """Return the epoch of a kept checkpoint, and what it is besides the generator that is kept.

    Args:
        name: such as ``epoch-0005``, ``epoch-0005-average`` or ``epoch-0005-discriminator``.
    """
    _, number, *what = name.split("-")
    return int(number), what[0] if what else None


def kept_line(trained: TrainedGenerator) -> str:
    """Return which epoch is kept, and why there are no more epochs where it ended early."""
    early = f"; training ended early: {trained.stopped}" if trained.stopped else ""
    return f"epoch {trained.epoch} of {trained.history[-1].epoch} is kept{early}"


def collapse_line(trained: TrainedGenerator, settings: GanParameters) -> str | None:
    """Return what is wrong where the last images are all alike, and what helps where all are."""
    if not trained.collapsed or (trained.stopped and not trained.all_alike):
        return None  # An early end says why.
    if not trained.all_alike:
        return f"the images of the last {trained.collapsed} epochs are all alike (collapse)"
    longer = "train_gan.epochs" if settings.images is None else "train_gan.images"
    what = "the images of every epoch are all alike"
    if trained.steps < LEAST_STEPS:
        return f"{what}; only {trained.steps:,} steps: raise {longer}"
    rates = "the learning rates in train_gan.options"
    return f"{what} after {trained.steps:,} steps: lower {rates}, or raise {longer}"


def write_no_generator(project: Project) -> None:
    """Leave empty folders where generators, checkpoints, curves and grids would stand."""
    for unit in project.units:
        for folder in project.unit(unit).trained.values():
            folder.mkdir(parents=True, exist_ok=True)
    write_summary(project)


def write_summary(project: Project) -> None:
    """Write the mean, least and largest of every curve over the units, for ``dvc plots``.

    Units of one size are scored after equally many images; where others are not, fewer units stand
    in a row, as its column ``units`` says.
    """
    paths = [project.unit(unit).training / "history.csv" for unit in project.units]
    tables = [pd.read_csv(path) for path in paths if path.exists()]
    curves = [*PLACES, *SCORED]
    plotted = [
        table.rename(columns=dict(zip(_losses(table), PLACES, strict=False)))
        for table in tables or [pd.DataFrame(dtype=float)]
    ]
    every = pd.concat(table.reindex(columns=["images", *curves]) for table in plotted)
    summary = over_units(every.groupby("images"), curves).reset_index()
    folder = project.results / "training"
    write_csv(folder / "summary.csv", summary, float_format=None)
    last = pd.concat(table.tail(1) for table in tables) if tables else pd.DataFrame()
    named = [*_losses(last), *last.columns.intersection(list(SCORED))]
    write_json(folder / "metrics.json", last[named].mean().dropna().to_dict())


def _losses(history: pd.DataFrame) -> list[str]:
    return [name for name in map(str, history.columns) if name.endswith("_loss")]


def over_units(groups: Any, columns: Iterable[str]) -> pd.DataFrame:
    """Return each column's mean, least and largest value in every group, and the units in it."""
    table = pd.DataFrame({"units": groups.size()})
    for column in columns:
        for what in ("mean", "min", "max"):
            table[f"{column}_{what}"] = groups[column].agg(what)
    return table
