"""Cells of a grid at once on one device: a stack of LeNets against one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from augment.images.image_rows import all_rows
from augment.images.image_sets import ImageSet
from benchmarks.cells import BATCH, N_CLASSES, like_answers, shades
from benchmarks.pairs import Pair
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from classifiers.stack import MOST, fit_stack

STEPS = 100


def pairs() -> Iterator[Pair]:
    """As many cells as a stack may have; on a CPU a stack is no use, and not timed."""
    if not torch.cuda.is_available():
        print("cells of a grid at once on one device: no GPU here: not timed")
        return
    device = torch.device("cuda")
    images, labels = shades()
    rows = all_rows(ImageSet(images, labels, tuple(map(str, range(N_CLASSES)))))
    settings = FitSettings(STEPS, None, BATCH, 1e-3)
    fits = [Fit(rows, N_CLASSES, ModelSettings(), settings, seed) for seed in range(MOST)]

    def equal_answers(ours: list[Classifier], theirs: list[Classifier]) -> str:
        answers = ([predict(n, images).classes for n in each] for each in (ours, theirs))
        return like_answers(*answers)

    yield Pair(
        f"{MOST} cells of a grid at once on {torch.cuda.get_device_name()}",
        "images",
        MOST * STEPS * settings.batch_size,
        lambda: fit_stack(fits, device),
        lambda: [fit_classifier(fit, device) for fit in fits],
        equal_answers,
        repeats=3,
    )
