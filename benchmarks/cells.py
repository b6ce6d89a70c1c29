"""Cells side by side, one thread each, against one after the other on every thread.

The others are our own fit, and a loop as tutorials write it: PIL images through torchvision's
transforms one by one, a DataLoader, and a network and optimiser with PyTorch's defaults.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from augment.images.image_rows import all_rows
from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import ImageSet
from benchmarks.classical import of_torchvision
from benchmarks.lenet_step import UsualLeNet
from benchmarks.pairs import Pair
from classifiers.classical import Classical
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.grid import CellTask, ImageRef, train_cells
from classifiers.models.contract import Architecture
from classifiers.prediction import predict

STEPS, BATCH = 150, 128
N_IMAGES, N_CLASSES, SIDE = 2000, 10, 28
CORES = os.cpu_count() or 1
CELLS = 2 * CORES
Answers = list[np.ndarray]


class Pictures(Dataset[tuple[Tensor, int]]):
    """PIL images, each transformed when it is asked for, as torchvision's data sets do."""

    def __init__(self, images: ImageSet, classical: Classical | None) -> None:
        self._images = images
        moved = [] if classical is None else [of_torchvision(classical, SIDE)]
        to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]
        self._transform = v2.Compose([*moved, v2.Pad(2), *to_float])

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self._images.images[i, :, :, 0])
        return self._transform(picture), int(self._images.labels[i])


def tutorial(images: ImageSet, classical: Classical | None, seed: int) -> np.ndarray:
    """Train one LeNet as tutorials do; return its answers to the images."""
    torch.manual_seed(seed)
    network = UsualLeNet(Architecture(n_classes=N_CLASSES))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loader = DataLoader(Pictures(images, classical), BATCH, shuffle=True, drop_last=True)
    epochs = itertools.chain.from_iterable(itertools.repeat(loader))
    for inputs, labels in itertools.islice(epochs, STEPS):
        loss = F.cross_entropy(network(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return predict(network.eval(), images.images).classes


def shades() -> tuple[np.ndarray, np.ndarray]:
    """Make squares of a shade for each class, so that there is something to learn.

    Returns:
        uint8 images, N_IMAGES x SIDE x SIDE x 1, and their labels, int64.
    """
    labels = np.arange(N_IMAGES, dtype=np.int64) % N_CLASSES
    noise = np.random.default_rng(0).integers(0, 20, (N_IMAGES, SIDE, SIDE, 1))
    return (noise + 22 * labels[:, None, None, None]).astype(np.uint8), labels


def like_answers(ours: Answers, theirs: Answers, least: float = 0.9) -> str:
    """Compare the predicted classes of the cells: both ways must have learnt the same shades.

    Several threads round differently than one; a tutorial's loop has another start and order.

    Args:
        ours: classes that each cell predicts.
        theirs: likewise.
        least: share of the predictions that must be equal; a tenth is by chance.
    """
    assert len(ours) == len(theirs)
    share = float(np.mean([a == b for a, b in zip(ours, theirs, strict=True)]))
    assert share > least, f"{share:.1%} of the predictions are equal"
    return f"{share:.1%} of the predictions are equal"


def in_turn(cell: Callable[[int], np.ndarray]) -> Answers:
    """Train the cells one after the other on every core; return their answers."""
    torch.set_num_threads(CORES)
    try:
        return [cell(seed) for seed in range(CELLS)]
    finally:
        torch.set_num_threads(1)


def pairs() -> Iterator[Pair]:
    """Two cells a core."""
    model, settings = ModelSettings(), FitSettings(STEPS, None, BATCH, 1e-3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images, labels = shades()
        names = [str(label) for label in range(N_CLASSES)]
        image_set = write_image_set(folder / "set", images, labels, names, source="shades")
        rows = ImageRef(folder / "set", image_set.digest, np.arange(N_IMAGES))
        caches = (folder / f"cache-{number}" for number in itertools.count())

        def side_by_side(classical: Classical | None = None) -> Answers:
            task = partial(CellTask, (rows,), (rows,), N_CLASSES, model, settings)
            tasks = [task(seed, classical=classical) for seed in range(CELLS)]
            found = train_cells(tasks, processes=CORES, cache=next(caches))
            return [result.predictions[0] for result in found]

        def own(seed: int) -> np.ndarray:
            fit = Fit(all_rows(image_set), N_CLASSES, model, settings, seed)
            return predict(fit_classifier(fit), images).classes

        def pair(
            against: str, cell: Callable[[int], np.ndarray], ours: Callable[[], Answers]
        ) -> Pair:
            return Pair(
                f"cells on {CORES} cores against {against}",
                "images",
                CELLS * STEPS * BATCH,
                ours,
                partial(in_turn, cell),
                like_answers,
                repeats=3,
                elsewhere=True,
            )

        yield pair("our fit in turn", own, side_by_side)
        yield pair("a tutorial's loop", partial(tutorial, image_set, None), side_by_side)
        affine = Classical(("affine",))
        moved = pair(
            "a tutorial's loop, both with affine transforms",
            partial(tutorial, image_set, affine),
            partial(side_by_side, affine),
        )
        # In so few steps moved images are half learnt, by each cell in its own way.
        yield replace(moved, same=partial(like_answers, least=0.75))
