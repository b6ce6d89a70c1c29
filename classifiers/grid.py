"""Many classifiers at once: one a cell, in parallel processes, with a cache.

A finished cell is kept in a cache under a key made of everything it depends on (images, recipe,
settings, seed, code, library version), so that an interrupted or extended grid trains only the
cells that are new.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import torch

from augment.files import atomic_file, sha256_file
from augment.images.image_rows import ImageRows
from augment.images.image_sets import open_image_set
from classifiers.classical import Classical, classical_transform
from classifiers.errors import ClassifierError
from classifiers.fitting import FitSettings, ModelSettings, fit_classifier
from classifiers.models.registry import code_files
from classifiers.prediction import predict

_CODE = (
    "classifiers/fitting.py",
    "classifiers/prediction.py",
    "classifiers/grid.py",
    "classifiers/classical.py",
    "augment/images/image_rows.py",
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

    def key(self, code: str) -> str:
        """Return the digest of everything the result depends on."""

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
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class CellResult:
    """What a trained cell answered."""

    predictions: tuple[np.ndarray, ...]  # per evaluation set: uint8 (or uint16) n, class indices
    steps: int  # optimiser steps
    images_seen: int  # training images shown, repeats counted
    cached: bool  # whether it came from the cache
    seconds: float = 0.0  # that its training took on one thread, in this run or an earlier one


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
    on_done: Callable[[int, int, CellResult], None] = lambda done, total, result: None,
) -> list[CellResult]:
    """Train every cell that the cache does not hold.

    Args:
        tasks: the cells; the results come in the same order.
        processes: cells trained side by side, one thread each. More than one runs through
            joblib, so ``joblib.parallel_config`` chooses where.
        cache: folder of finished cells, shared by every study of the user.
        on_done: called as each cell is there, with (cells done, cells in all, its result).

    Returns:
        One result a task.

    Raises:
        ClassifierError: when a cell cannot be trained.
    """
    codes = {name: code_digest(name) for name in {task.model.name for task in tasks}}
    paths = []
    for task in tasks:
        key = task.key(codes[task.model.name])
        paths.append(cache / key[:2] / f"{key}.npz")
    results: dict[int, CellResult] = {}
    for i, path in enumerate(paths):
        found = _read(path, tasks[i])
        if found is not None:
            results[i] = found
            on_done(len(results), len(tasks), found)
    missing = [i for i in range(len(tasks)) if i not in results]
    # Long cells first, so that no process waits for the last one alone.
    missing.sort(key=lambda i: -tasks[i].settings.n_steps(_n_images(tasks[i])))
    for i, result in _train_all(tasks, missing, processes):
        _write(paths[i], result)
        results[i] = result
        on_done(len(results), len(tasks), result)
    return [results[i] for i in range(len(tasks))]


def _train_all(
    tasks: Sequence[CellTask], missing: Sequence[int], processes: int
) -> Iterable[tuple[int, CellResult]]:
    if not missing:
        return
    n_jobs = min(processes, len(missing))
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
    yield from parallel(joblib.delayed(_train)(i, tasks[i]) for i in missing)


def _n_images(task: CellTask) -> int:
    return sum(len(source.indices) for source in task.sources)


def _train(i: int, task: CellTask) -> tuple[int, CellResult]:
    """Train one cell, in a process of its own or in this one."""
    threads = torch.get_num_threads()
    # One thread a cell: two cells side by side train twice as many images as one on two threads,
    # and the result does not depend on the number of cores.
    torch.set_num_threads(1)
    begun = time.monotonic()
    try:
        rows = ImageRows(
            [open_image_set(source.folder) for source in task.sources],
            [source.indices for source in task.sources],
        )
        counts = [len(source.indices) for source in task.sources]
        of_source = np.split(np.arange(len(rows)), np.cumsum(counts)[:-1])
        # Images larger than the network's input are reduced before they are transformed.
        side = min(rows.shape[1], task.model.input_size)
        network = fit_classifier(
            rows,
            task.n_classes,
            model=task.model,
            settings=task.settings,
            seed=task.seed,
            phases=[np.concatenate([of_source[k] for k in phase]) for phase in task.phases],
            source=np.repeat(np.array(task.source_values, dtype=np.float32), counts)
            if task.source_values
            else None,
            transform=None if task.classical is None else classical_transform(task.classical, side),
        )
        seconds = time.monotonic() - begun
        dtype = np.uint8 if task.n_classes <= 256 else np.uint16
        predictions = []
        for source in task.evaluations:
            pixels = open_image_set(source.folder).images
            whole = len(source.indices) == len(pixels)
            chosen = pixels if whole else pixels[source.indices]
            predictions.append(predict(network, chosen).classes.astype(dtype))
    finally:
        torch.set_num_threads(threads)
    steps = task.settings.n_steps(_n_images(task))
    seen = steps * task.settings.batch_size
    return i, CellResult(tuple(predictions), steps, seen, cached=False, seconds=seconds)


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

    Raises:
        ClassifierError: when a class has no image.
    """
    right = predictions == labels
    total = np.bincount(labels, minlength=n_classes)
    if total.min(initial=1) == 0:
        raise ClassifierError(f"class index {int(total.argmin())} has no image to be tested on")
    per_class = np.bincount(labels, weights=right, minlength=n_classes) / total
    return float(right.mean()), float(per_class.mean()), per_class.tolist()
