"""Fitting one classifier to a set of images."""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import filelock
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augment.files import sha256_file
from augment.images.image_rows import ImageRows
from augment.images.image_set_writer import ImageSetWriter
from augment.images.image_sets import ImageSet, open_image_set
from augment.placing import CPU, Ahead, PlacedRows, apart, same_kernels
from augment.streams import derive_seed, numpy_stream, torch_stream
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


class Transform(Protocol):
    """What is done to the training images before they are shown, a batch at a time."""

    def draw(self, n: int, stream: torch.Generator) -> tuple[Tensor, ...]:
        """Draw the numbers of n images from a stream: tensors of n rows, on the CPU."""

    def apply(self, images: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        """Return images (uint8 n x C x H x W) transformed by their numbers, on their device."""


@dataclass(frozen=True)
class Fit:
    """Everything that a classifier's weights depend on, but the device."""

    images: ImageRows  # uint8 N x H x W x C with labels in [0, n_classes); read batch by batch
    n_classes: int
    model: ModelSettings
    settings: FitSettings
    # Root of the streams for the weights, the order of the images, the transform and whatever the
    # network draws (dropout).
    seed: int
    # int64 rows that each phase trains on, one after the other, with equal shares of the steps and
    # one schedule over all; () is one phase on all images.
    phases: Sequence[np.ndarray] = ()
    # float32 N, the value of a further input plane for each image, +1 for a real one and -1 for a
    # generated one; None is a network without that plane.
    source: np.ndarray | None = None
    transform: Transform | None = None  # such as `classifiers.classical.ClassicalTransform`

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return self.settings.n_steps(len(self.images))

    @property
    def architecture(self) -> Architecture:
        """What the network is built from."""
        return Architecture(
            n_classes=self.n_classes,
            channels=self.images.shape[3],
            image_size=self.images.shape[1],
            input_size=self.model.input_size,
            source_channel=self.source is not None,
            model=self.model.name,
        )


def fit_classifier(
    fit: Fit,
    device: torch.device = CPU,
    on_step: Callable[[int, int], None] | None = None,
    reduced: Path | None = None,
) -> Classifier:
    """Fit a classifier: Adam, cross-entropy, one-cycle learning rate (Smith & Topin, 2018).

    The result depends on the arguments alone, never on global random state; two threads of one
    process must not fit at once, as they share that state.

    Args:
        fit: what is fitted.
        device: where; the first weights and all that is drawn are the same everywhere but for
            dropout, which the device draws.
        on_step: called with (steps done, steps in all) after every step.
        reduced: folder of sets that are reduced to what a classifier sees, which all processes
            share and which stay there; None reduces larger images for this fit alone.

    Returns:
        The fitted network on the device, in evaluation mode.

    Raises:
        ClassifierError: when there is no image, the model cannot be built, or the loss is no
            longer finite.
    """
    network, steps = first_network(fit).to(device), fit.steps
    optimizer, schedule = optimiser(network.parameters(), fit)
    batch_of = Batches([fit], fit.images, [np.arange(len(fit.images))], network, device, reduced)
    network.train()
    with torch.random.fork_rng(devices=[device] if apart(device) else []):
        torch.manual_seed(derive_seed(fit.seed, "network"))
        for step in range(steps):
            inputs, targets = batch_of(step)
            loss = F.cross_entropy(network(inputs), targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if on_step is not None:
                on_step(step + 1, steps)
    return finished(network, steps)


def first_network(fit: Fit) -> Classifier:
    """Return the network before its first step, on the CPU, with the weights of its seed.

    Raises:
        ClassifierError: when there is no image, or the model cannot be built.
    """
    if len(fit.images) == 0:
        raise ClassifierError("a classifier needs at least one training image; it was given none")
    # Gradients that fade into denormal numbers slow CPU training several times.
    torch.set_flush_denormal(True)
    same_kernels()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(fit.seed, "weights"))
        # Pooling and convolutions of few channels are faster with the channels last.
        network = build(fit.architecture, pretrained=fit.model.pretrained)
        return network.to(memory_format=torch.channels_last)


def optimiser(
    weights: Iterable[nn.Parameter], fit: Fit
) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.OneCycleLR]:
    """Return the optimiser of a fit and its schedule; they look at the fit's settings alone."""
    adam = torch.optim.Adam(weights, lr=fit.settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adam, max_lr=fit.settings.learning_rate, total_steps=max(2, fit.steps + 1)
    )
    return adam, schedule


def finished(network: Classifier, steps: int) -> Classifier:
    """Return a fitted network in evaluation mode; refuse weights that are not finite."""
    if not all(torch.isfinite(values).all() for values in network.state_dict().values()):
        raise ClassifierError(
            f"the classifier's weights are no longer finite after {steps} steps; "
            "lower classifier.learning_rate"
        )
    return network.eval()


class Batches:
    """The inputs and targets of every step of fits that take their images from the same rows."""

    def __init__(
        self,
        fits: Sequence[Fit],
        images: ImageRows,
        rows: Sequence[np.ndarray],
        network: Classifier,
        device: torch.device,
        reduced: Path | None,
    ) -> None:
        """Work out the order of every fit, and bring images to the device.

        Args:
            fits: of the same number of steps, batch size, transform and architecture.
            images: of all of them.
            rows: int64, for each fit the rows of ``images`` that its own images are.
            network: any of theirs.
            device: where the batches are needed.
            reduced: as of `fit_classifier`.
        """
        first = fits[0]
        self._fits, self._rows, self._network = fits, rows, network
        self._order = [
            _order(len(f.images), f.phases, f.settings.batch_size, f.steps, f.seed) for f in fits
        ]
        # Larger images are reduced once instead of again at every step.
        if images.shape[1] > first.model.input_size:
            # Files of a folder that is gone are there as long as they are mapped.
            with tempfile.TemporaryDirectory() as own:
                folder, size = reduced or Path(own), first.model.input_size
                sets = [_reduced(each, size, folder) for each in images.sets]
            images = ImageRows(sets, images.indices)
        self._images = PlacedRows(images, device)
        self._labels = torch.from_numpy(images.labels).to(device)
        self._ahead = Ahead(self._draw, first.steps, device)

    def _draw(self, step: int) -> tuple[Tensor, ...]:
        """Return a step's rows, planes where there are any, and the transform's numbers."""
        drawn = []
        for fit, rows, order in zip(self._fits, self._rows, self._order, strict=True):
            index = order[step]
            mine = [torch.from_numpy(rows[index])]
            if fit.source is not None:
                mine.append(torch.from_numpy(fit.source[index]))
            if fit.transform is not None:
                stream = torch_stream(fit.seed, "transform", step)
                mine += fit.transform.draw(len(index), stream)
            drawn.append(mine)
        return tuple(drawn[0] if len(drawn) == 1 else map(torch.cat, zip(*drawn, strict=True)))

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs (one fit's after the other's) and int64 targets, on the device."""
        first = self._fits[0]
        rows, *numbers = self._ahead.at(step)
        plane = None if first.source is None else numbers.pop(0)
        pixels = self._images[rows]
        if first.transform is not None:
            pixels = first.transform.apply(pixels, numbers)
        inputs = self._network.to_input(pixels)
        if plane is not None:
            inputs = with_source(inputs, plane)
        return inputs.contiguous(memory_format=torch.channels_last), self._labels[rows]


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


def _reduced(image_set: ImageSet, input_size: int, folder: Path, block: int = 1024) -> ImageSet:
    """Return the set with its images reduced to ``input_size``, with antialiasing.

    Every process that trains on the set maps the same files: the first one writes them, under the
    digest of all that they depend on, and those that come meanwhile wait.
    """
    _, _, _, channels = image_set.images.shape
    code = sha256_file(Path(__file__).parent / "models" / "contract.py")
    about = f"{image_set.digest} {input_size} {torch.__version__} {platform.machine()} {code}"
    entry = folder / hashlib.sha256(about.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{entry}.lock"):
        if not entry.exists():
            shape = (len(image_set), input_size, input_size, channels)
            with ImageSetWriter(entry, shape, image_set.class_names, "reduced") as writer:
                for start in range(0, len(image_set), block):
                    pixels = torch.from_numpy(np.array(image_set.images[start : start + block]))
                    small = (to_input(pixels.permute(0, 3, 1, 2), input_size) + 1) * 127.5
                    small = small.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
                    writer.append(small.numpy(), image_set.labels[start : start + block])
    entry.touch()  # it is in use
    return open_image_set(entry)
