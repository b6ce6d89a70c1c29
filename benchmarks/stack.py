"""Cells of a grid at once on one device: a stack of LeNets against one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from augment.images.image_rows import all_rows
from augment.images.image_sets import ImageSet
from benchmarks.pairs import Pair
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from classifiers.stack import MOST, fit_stack

STEPS = 100
N_IMAGES = 2000


def pairs() -> Iterator[Pair]:
    """As many cells as a stack may have; on a CPU a stack is no use, and not timed."""
    if not torch.cuda.is_available():
        print("cells of a grid at once on one device: no GPU here: not timed")
        return
    device, rng = torch.device("cuda"), np.random.default_rng(0)
    # Squares of a shade for each class, so that there is something to learn.
    labels = np.arange(N_IMAGES, dtype=np.int64) % 10
    noise = rng.integers(0, 20, (N_IMAGES, 28, 28, 1))
    images = (noise + 22 * labels[:, None, None, None]).astype(np.uint8)
    rows = all_rows(ImageSet(images, labels, tuple(map(str, range(10)))))
    settings = FitSettings(STEPS, None, 128, 1e-3)
    fits = [Fit(rows, 10, ModelSettings(), settings, seed) for seed in range(MOST)]

    def equal_answers(ours: list[Classifier], theirs: list[Classifier]) -> str:
        answers = [[predict(n, images).classes for n in each] for each in (ours, theirs)]
        share = float(np.mean([a == b for a, b in zip(*answers, strict=True)]))
        assert share > 0.9, f"{share:.1%} of the predictions are equal"
        return f"{share:.1%} of the predictions are equal"

    yield Pair(
        f"{MOST} cells of a grid at once on {torch.cuda.get_device_name()}",
        "images",
        MOST * STEPS * settings.batch_size,
        lambda: fit_stack(fits, device),
        lambda: [fit_classifier(fit, device) for fit in fits],
        equal_answers,
        repeats=3,
    )
