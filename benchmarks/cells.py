"""Cells side by side, one thread each, against one after the other on every thread."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from augment.images.image_rows import all_rows
from augment.images.image_set_writer import write_image_set
from benchmarks.pairs import Pair
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.grid import CellTask, ImageRef, train_cells
from classifiers.prediction import predict

STEPS = 150
N_IMAGES = 2000


def equal_answers(ours: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    """Compare the predicted classes of the cells; several threads round differently than one."""
    assert len(ours) == len(theirs)
    share = float(np.mean([a == b for a, b in zip(ours, theirs, strict=True)]))
    assert share > 0.9, f"{share:.1%} of the predictions are equal"
    return f"{share:.1%} of the predictions are equal"


def pairs() -> Iterator[Pair]:
    """Two cells a core."""
    cores = os.cpu_count() or 1
    rng = np.random.default_rng(0)
    model, settings = ModelSettings(), FitSettings(STEPS, None, 128, 1e-3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Squares of a shade for each class, so that there is something to learn.
        labels = np.arange(N_IMAGES, dtype=np.int64) % 10
        noise = rng.integers(0, 20, (N_IMAGES, 28, 28, 1))
        images = (noise + 22 * labels[:, None, None, None]).astype(np.uint8)
        names = [str(label) for label in range(10)]
        image_set = write_image_set(folder / "set", images, labels, names, source="shades")
        rows = ImageRef(folder / "set", image_set.digest, np.arange(N_IMAGES))
        caches = (folder / f"cache-{number}" for number in itertools.count())

        def side_by_side() -> list[np.ndarray]:
            tasks = [
                CellTask((rows,), (rows,), 10, model, settings, seed) for seed in range(2 * cores)
            ]
            found = train_cells(tasks, processes=cores, cache=next(caches))
            return [result.predictions[0] for result in found]

        def in_turn() -> list[np.ndarray]:
            torch.set_num_threads(cores)
            fitted = [
                fit_classifier(Fit(all_rows(image_set), 10, model, settings, seed))
                for seed in range(2 * cores)
            ]
            answers = [predict(network, images).classes for network in fitted]
            torch.set_num_threads(1)
            return answers

        yield Pair(
            f"cells on {cores} cores",
            "cells",
            2 * cores,
            side_by_side,
            in_turn,
            equal_answers,
            repeats=3,
            elsewhere=True,
        )
