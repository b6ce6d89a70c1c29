"""Cells side by side, one thread each, against one after the other on every thread."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from augment.images.image_rows import all_rows
from augment.images.image_set_writer import write_image_set
from classifiers.fitting import FitSettings, ModelSettings, fit_classifier
from classifiers.grid import CellTask, Source, train_cells

STEPS = 150


def main() -> None:
    """Print images a second of both ways and their ratio."""
    cores = os.cpu_count() or 1
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = rng.integers(0, 256, (2000, 28, 28, 1), dtype=np.uint8)
        labels = np.arange(2000, dtype=np.int64) % 10
        names = [str(label) for label in range(10)]
        image_set = write_image_set(folder / "set", images, labels, names, source="noise")
        settings = FitSettings(steps=STEPS, epochs=None, batch_size=128, learning_rate=1e-3)
        source = Source(folder / "set", image_set.digest, np.arange(2000))

        def side_by_side(round_: int) -> float:
            tasks = [
                CellTask((source,), (source,), 10, 32, settings, seed=1000 * round_ + seed)
                for seed in range(4 * cores)
            ]
            began = time.perf_counter()
            train_cells(tasks, processes=cores, cache=folder / "cache")
            return len(tasks) * STEPS * 128 / (time.perf_counter() - began)

        def in_turn() -> float:
            torch.set_num_threads(cores)
            began = time.perf_counter()
            for seed in range(2):
                fit_classifier(
                    all_rows(image_set), 10, model=ModelSettings(), settings=settings, seed=seed
                )
            return 2 * STEPS * 128 / (time.perf_counter() - began)

        side_by_side(99)  # starts the processes
        pairs = [(in_turn(), side_by_side(i)) for i in range(3)]
    slow, fast = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(
        f"{cores} cores: in turn {slow:.0f} images/s, side by side {fast:.0f} images/s, "
        f"ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
