"""Many classifiers at once: one a cell, in parallel processes or stacked on a GPU, with a cache.

A finished cell is kept in a cache under a key made of everything it depends on (images, recipe,
settings, seed, code, library version), so that an interrupted or extended grid trains only the
cells that are new.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from augment.files import atomic_file, sha256_file
from augment.images.image_rows import ImageRows
from augment.images.image_sets import ImageSet, open_image_set
from augment.placing import CPU
from classifiers.classical import Classical, ClassicalTransform
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.models.contract import Classifier
from classifiers.models.registry import code_files
from classifiers.prediction import predict
from classifiers.stack import fit_stack, stack_limit

_CODE = (
    "classifiers/fitting.py",
    "classifiers/prediction.py",
    "classifiers/grid.py",
    "classifiers/classical.py",
    "classifiers/stack.py",
    "augment/images/image_rows.py",
    "augment/placing.py",
    "augment/streams.py",
)
_CACHE_FORMAT = 3


@dataclass(frozen=True)
class ImageRef:
    """Some images of one image set, without their pixels."""

    folder: Path  # of the image set
    digest: str  # of its content
    indices: np.ndarray  # int64: which images


@dataclass(frozen=True)
class CellTask:
    """Everything that one cell's result depends on."""

    sources: tuple[ImageRef, ...]  # training images: real ones, added ones or both
    evaluations: tuple[ImageRef, ...]  # image sets to predict, in order
    n_classes: int
    model: ModelSettings
    settings: FitSettings
    seed: int
    # Which of the sources each phase trains on, by number; () is one phase on all of them.
    phases: tuple[tuple[int, ...], ...] = ()
    # For each source the value of a further input plane; () is a network without it.
    source_values: tuple[float, ...] = ()
    classical: Classical | None = None  # transforms of the training images

    @property
    def n_images(self) -> int:
        """Training images."""
        return sum(len(source.indices) for source in self.sources)

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return self.settings.n_steps(self.n_images)

    def key(self, code: str, device: torch.device = CPU) -> str:
        """Return the digest of everything the result depends on.

        Args:
            code: digest of the source files behind it.
            device: where it is trained; what counts is the kind, for kinds round differently.
        """

        def describe(source: ImageRef) -> list[str]:
            indices = np.ascontiguousarray(source.indices, dtype=np.int64)
            return [source.digest, hashlib.sha256(indices.tobytes()).hexdigest()]

        parts = {
            "format": _CACHE_FORMAT,
            "sources": [describe(source) for source in self.sources],
            "evaluations": [describe(source) for source in self.evaluations],
            "n_classes": self.n_classes,
            "model": asdict(self.model),
            "settings": asdict(self.settings),
            "seed": self.seed,
            "phases": self.phases,
            "source_values": self.source_values,
            "classical": None if self.classical is None else asdict(self.classical),
            "code": code,
            "torch": torch.__version__,
            "torchvision": version("torchvision"),
            "machine": platform.machine(),
            "device": device.type,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class CellResult:
    """What a trained cell predicted."""

    predictions: tuple[np.ndarray, ...]  # per evaluation set: uint8 (or uint16) n, class indices
    steps: int  # optimiser steps
    images_seen: int  # training images shown, repeats counted
    cached: bool  # whether it came from the cache
    # That its training took, in this run or an earlier one; of a stack, its share.
    seconds: float = 0.0


def code_digest(model: str) -> str:
    """Return the digest of the source files that the result of a cell with this model depends on.

    Raises:
        ClassifierError: when the model is a factory whose module is not found.
    """
    files = [*(Path(__file__).parents[1] / name for name in _CODE), *code_files(model)]
    return hashlib.sha256("".join(sha256_file(file) for file in files).encode()).hexdigest()


def train_cells(
    tasks: Sequence[CellTask],
    *,
    processes: int,
    cache: Path,
    device: torch.device = CPU,
    reduced: Path | None = None,
    on_done: Callable[[int, int, CellResult], None] = lambda done, total, result: None,
) -> list[CellResult]:
    """Train every cell that the cache does not hold.

    Args:
        tasks: the cells; the results come in the same order.
        processes: cells trained side by side, one thread each; on a GPU, stacks of cells. More than
            one runs through joblib, so ``joblib.parallel_config`` chooses where.
        cache: folder of finished cells, shared by every study of the user.
        device: where they are trained and predict. On a GPU those that are alike are trained at
            once, at most `classifiers.stack.MOST` of them.
        reduced: as of `classifiers.fitting.fit_classifier`; every worker must see the folder.
        on_done: called as each cell is there, with (cells done, cells in all, its result).

    Returns:
        One result a task.

    Raises:
        ClassifierError: when a cell cannot be trained.
    """
    codes = {name: code_digest(name) for name in {task.model.name for task in tasks}}
    paths = []
    for task in tasks:
        key = task.key(codes[task.model.name], device)
        paths.append(cache / key[:2] / f"{key}.npz")
    results: dict[int, CellResult] = {}
    for i, path in enumerate(paths):
        found = _read(path, tasks[i])
        if found is not None:
            results[i] = found
            on_done(len(results), len(tasks), found)
    missing = [i for i in range(len(tasks)) if i not in results]
    # Long cells first, so that no process waits for the last one alone.
    missing.sort(key=lambda i: -tasks[i].steps)
    for i, result in _train_all(tasks, missing, processes, device, reduced):
        _write(paths[i], result)
        results[i] = result
        on_done(len(results), len(tasks), result)
    return [results[i] for i in range(len(tasks))]


def _train_all(
    tasks: Sequence[CellTask],
    missing: Sequence[int],
    processes: int,
    device: torch.device,
    reduced: Path | None,
) -> Iterable[tuple[int, CellResult]]:
    # On a CPU a stack is slower than its cells one a core.
    groups = [[i] for i in missing] if device.type == "cpu" else stacks(tasks, missing)
    if not groups:
        return
    parallel = joblib.Parallel(
        n_jobs=min(processes, len(groups)), return_as="generator_unordered", batch_size=1
    )
    for found in parallel(
        joblib.delayed(_train)({i: tasks[i] for i in group}, device, reduced) for group in groups
    ):
        yield from found


def stacks(tasks: Sequence[CellTask], which: Sequence[int]) -> list[list[int]]:
    """Return the numbers of tasks in groups that can be trained at once, in about their order."""
    alike: dict[Any, list[int]] = {}
    for i in which:
        t, s = tasks[i], tasks[i].settings
        shown = bool(t.source_values), t.classical
        key = t.model, t.n_classes, t.steps, s.batch_size, s.learning_rate, shown
        alike.setdefault(key, []).append(i)
    groups = []
    for members in alike.values():
        most = stack_limit(_fit(tasks[members[0]], {}))
        groups += np.array_split(members, -(-len(members) // most))
    return [group.tolist() for group in groups]


def _train(
    tasks: Mapping[int, CellTask], device: torch.device, reduced: Path | None
) -> list[tuple[int, CellResult]]:
    """Train one cell, or a stack of them, in a process of its own or in this one."""
    threads = torch.get_num_threads()
    # One thread a cell: two cells side by side train twice as many images as one on two threads,
    # and the result does not depend on the number of cores.
    torch.set_num_threads(1)
    begun = time.monotonic()
    try:
        sets: dict[Path, ImageSet] = {}
        fits = [_fit(task, sets) for task in tasks.values()]
        alone = len(fits) == 1
        if alone:
            networks = [fit_classifier(fits[0], device, None, reduced)]
        else:
            networks = fit_stack(fits, device, reduced)
        seconds = (time.monotonic() - begun) / len(fits)
        found = []
        for (i, task), network in zip(tasks.items(), networks, strict=True):
            predictions = _predictions(network, task)
            seen = task.steps * task.settings.batch_size
            found.append((i, CellResult(predictions, task.steps, seen, False, seconds)))
    finally:
        torch.set_num_threads(threads)
    return found


def _fit(task: CellTask, sets: dict[Path, ImageSet]) -> Fit:
    """Return how a cell is fitted; ``sets`` are those that are open already."""
    for source in task.sources:
        if source.folder not in sets:
            sets[source.folder] = open_image_set(source.folder)
    rows = ImageRows(
        [sets[source.folder] for source in task.sources],
        [source.indices for source in task.sources],
    )
    counts = [len(source.indices) for source in task.sources]
    of_source = np.split(np.arange(len(rows)), np.cumsum(counts)[:-1])
    # Images larger than the network's input are reduced before they are transformed.
    side = min(rows.shape[1], task.model.input_size)
    return Fit(
        rows,
        task.n_classes,
        model=task.model,
        settings=task.settings,
        seed=task.seed,
        phases=[np.concatenate([of_source[k] for k in phase]) for phase in task.phases],
        source=np.repeat(np.array(task.source_values, dtype=np.float32), counts)
        if task.source_values
        else None,
        transform=None if task.classical is None else ClassicalTransform(task.classical, side),
    )


def _predictions(network: Classifier, task: CellTask) -> tuple[np.ndarray, ...]:
    """Return the predicted classes of every evaluation set."""
    dtype = np.uint8 if task.n_classes <= 256 else np.uint16
    predictions = []
    for source in task.evaluations:
        pixels = open_image_set(source.folder).images
        whole = np.array_equal(source.indices, np.arange(len(pixels)))
        chosen = pixels if whole else pixels[source.indices]
        predictions.append(predict(network, chosen).classes.astype(dtype))
    return tuple(predictions)


def _write(path: Path, result: CellResult) -> None:
    arrays = {f"predictions{i}": array for i, array in enumerate(result.predictions)}
    counts = np.array([result.steps, result.images_seen], dtype=np.int64)
    with atomic_file(path) as file:
        np.savez_compressed(file, counts=counts, seconds=np.float64(result.seconds), **arrays)  # type: ignore[arg-type]


def _read(path: Path, task: CellTask) -> CellResult | None:
    """Return a cached result, or None when there is none or it is damaged."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            predictions = tuple(stored[f"predictions{i}"] for i in range(len(task.evaluations)))
            steps, seen = (int(n) for n in stored["counts"])
            seconds = float(stored["seconds"])
    except Exception:  # A damaged archive makes NumPy, zipfile and zlib raise almost anything.
        return None
    fits = all(
        array.dtype.kind == "u"
        and array.shape == source.indices.shape
        and array.max(initial=0) < task.n_classes
        for array, source in zip(predictions, task.evaluations, strict=True)
    )
    if not fits:
        return None
    path.touch()  # It is in use.
    return CellResult(predictions, steps, seen, cached=True, seconds=seconds)


def accuracies(
    predictions: np.ndarray, labels: np.ndarray, n_classes: int
) -> tuple[float, float, list[float]]:
    """Return accuracy, balanced accuracy and the accuracy of each class, as fractions.

    Args:
        predictions: class indices, N.
        labels: true class indices, N.
        n_classes: number of classes; every one must occur in ``labels``.
    """
    right = predictions == labels
    total = np.bincount(labels, minlength=n_classes)
    per_class = np.bincount(labels, weights=right, minlength=n_classes) / total
    return float(right.mean()), float(per_class.mean()), per_class.tolist()
