"""Fitting one classifier to a set of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from augment.images.image_rows import ImageRows
from augment.streams import derive_seed, numpy_stream
from classifiers.errors import ClassifierError
from classifiers.models.contract import Architecture, Classifier, to_input, with_source
from classifiers.models.registry import build


@dataclass(frozen=True)
class ModelSettings:
    """Which classifier is fitted, and from what it starts."""

    name: str = "lenet"  # as in `classifiers.models.registry`
    input_size: int = 32  # side that it sees, in pixels
    pretrained: bool = False  # from torchvision's ImageNet weights


@dataclass(frozen=True)
class FitSettings:
    """How one classifier is fitted."""

    steps: int | None  # Optimiser steps; None where ``epochs`` is given.
    epochs: int | None  # Passes over the images; None where ``steps`` is given.
    batch_size: int  # Images a step.
    learning_rate: float  # Peak of the one-cycle schedule (Adam).

    def n_steps(self, n_images: int) -> int:
        """Return the number of optimiser steps for a set of ``n_images``."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * max(1, -(-n_images // self.batch_size))


def batches(n_images: int, batch_size: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Return the image indices of every step: int64 ``steps`` x ``batch_size``.

    Images come in random order without replacement, one permutation after the other; a batch
    may straddle two, so that every batch is full however few images there are.
    """
    needed = steps * batch_size
    rounds = -(-needed // n_images)
    # Of two phases one may have no step, and so no permutation.
    order = np.concatenate(
        [np.empty(0, dtype=np.int64), *(rng.permutation(n_images) for _ in range(rounds))]
    )
    return order[:needed].reshape(steps, batch_size)


def fit_classifier(
    images: ImageRows,
    n_classes: int,
    *,
    model: ModelSettings,
    settings: FitSettings,
    seed: int,
    phases: Sequence[np.ndarray] = (),
    source: np.ndarray | None = None,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Classifier:
    """Fit a classifier: Adam, cross-entropy, one-cycle learning rate (Smith & Topin, 2018).

    The result depends on the arguments alone, never on global random state; two threads of one
    process must not fit at once, as they share that state.

    Args:
        images: uint8 N x H x W x C with labels in [0, ``n_classes``); read batch by batch.
        n_classes: number of classes.
        model: which network, and the side that it sees.
        settings: steps, batch size and rate.
        seed: root of the streams for the weights, the order of the images, the transform and
            whatever the network draws (dropout).
        phases: int64 rows that each phase trains on, one after the other, with equal shares of the
            steps and one schedule over all; none is one phase on all images.
        source: float32 N, the value of a further input plane for each image, +1 for a real one and
            -1 for a generated one; None is a network without that plane.
        transform: what is done to a batch of uint8 N x C x H x W before it is shown, such as
            `classifiers.classical.classical_transform`. It draws from PyTorch's global state, which
            is seeded for every step.
        on_step: called with (steps done, steps in all) after every step.

    Returns:
        The fitted network on the CPU, in evaluation mode.

    Raises:
        ClassifierError: when there is no image, the model cannot be built, or the loss is no
            longer finite.
    """
    if len(images) == 0:
        raise ClassifierError("a classifier needs at least one training image; it was given none")
    # Gradients that fade into denormal numbers slow CPU training several times.
    torch.set_flush_denormal(True)
    architecture = Architecture(
        n_classes=n_classes,
        channels=images.shape[3],
        image_size=images.shape[1],
        input_size=model.input_size,
        source_channel=source is not None,
        model=model.name,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        # Pooling and convolutions of few channels are faster with the channels last.
        network = build(architecture, pretrained=model.pretrained)
        network.to(memory_format=torch.channels_last)
    steps = settings.n_steps(len(images))
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=settings.learning_rate, total_steps=max(2, steps + 1)
    )
    # Larger images are reduced once instead of again at every step.
    reduced = _reduce(images, model.input_size) if images.shape[1] > model.input_size else None
    targets = torch.from_numpy(images.labels)
    planes = None if source is None else torch.from_numpy(source)
    order = _order(len(images), phases, settings.batch_size, steps, seed)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "network"))
        for step in range(steps):
            index = order[step]
            pixels = _channels_first(images[index]) if reduced is None else reduced[index]
            if transform is not None:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(derive_seed(seed, "transform", step))
                    pixels = transform(pixels)
            inputs = network.to_input(pixels)
            if planes is not None:
                inputs = with_source(inputs, planes[index])
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(network(inputs), targets[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if on_step is not None:
                on_step(step + 1, steps)
    if not all(torch.isfinite(values).all() for values in network.state_dict().values()):
        raise ClassifierError(
            f"the classifier's weights are no longer finite after {steps} steps; "
            "lower classifier.learning_rate"
        )
    return network.eval()


def _order(
    n_images: int, phases: Sequence[np.ndarray], batch_size: int, steps: int, seed: int
) -> np.ndarray:
    """Return the rows of every step, int64 ``steps`` x ``batch_size``."""
    if not phases:
        return batches(n_images, batch_size, steps, numpy_stream(seed, "order"))
    ends = [round(steps * (k + 1) / len(phases)) for k in range(len(phases))]
    parts = [
        rows[batches(len(rows), batch_size, end - start, numpy_stream(seed, "order", k))]
        for k, (rows, start, end) in enumerate(zip(phases, [0, *ends], ends, strict=False))
    ]
    return np.concatenate(parts)


def _channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _reduce(images: ImageRows, input_size: int, block: int = 1024) -> torch.Tensor:
    """Reduce all images to ``input_size`` with antialiasing: uint8 N x C x side x side."""
    blocks = []
    for start in range(0, len(images), block):
        rows = np.arange(start, min(start + block, len(images)))
        reduced = (to_input(_channels_first(images[rows]), input_size) + 1) * 127.5
        blocks.append(reduced.round_().clamp_(0, 255).to(torch.uint8))
    return torch.cat(blocks)
