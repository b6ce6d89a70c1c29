"""The training loop of any family: order of the data, averages, scores, choice, going on."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from augment.errors import AugmentError
from augment.generators.budget import Budget, checkpoint_epochs, epochs_between_scores
from augment.generators.family import Trainer
from augment.generators.sampling import to_uint8
from augment.generators.selection import Best, Selection, spread_within_classes
from augment.images.image_rows import ImageRows
from augment.images.splits import apportion, spread_rows
from augment.placing import PlacedRows
from augment.streams import numpy_stream

# Fabric takes seconds to import, and stages that train nothing read this file.
if TYPE_CHECKING:
    from lightning_fabric import Fabric

GRID_PER_CLASS = 8
"""Images a class in the grid drawn from fixed noise after every epoch."""

AVERAGE = "average_"
"""Before the scores of the averaged copy, where the plain weights are kept."""

_MOST_GRID_CLASSES = 20
_RECONSTRUCTIONS = 16


class TrainingStopped(AugmentError):  # noqa: N818 - not a failure: the run goes on where it was
    """Training was asked to stop; its state is saved and the next run goes on from there."""


class StateStore(Protocol):
    """Where the loop keeps what it needs to go on after a stop."""

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state, or None."""

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state, atomically."""

    def keep(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Keep a network's weights under a name, atomically; a name kept before is replaced."""


@dataclass
class Epoch:
    """What one epoch gave."""

    epoch: int  # From 1.
    images: int  # Real images seen so far.
    metrics: dict[str, float]  # Losses, and what ``evaluate`` returned.
    grid: np.ndarray  # uint8 M x H x W x C: GRID_PER_CLASS of each of the first 20 classes.
    # An autoencoder's: uint8 2 x N x H x W x C, real training images and their reconstructions.
    reconstructions: np.ndarray | None = None
    seconds: float = 0.0  # Wall-clock time of its training steps; not the same in another run.
    kept: bool = False  # Whether its weights are kept.
    # What of the architecture the schedule has changed in the further networks.
    changed: dict[str, Any] = field(default_factory=dict)


@dataclass
class TrainedGenerator:
    """A trained generator."""

    weights: dict[str, Tensor]  # The kept epoch's network's state dict.
    epoch: int  # The kept epoch.
    history: list[Epoch]
    stopped: str | None = None  # Why training ended early (not finite, collapse), or None.
    collapsed: int = 0  # Last epochs in a row whose images are all alike.
    precision: str = "32-true"
    steps: int = 0  # Done when training ended.

    @property
    def all_alike(self) -> bool:
        """Whether no epoch gave images that differ."""
        return self.collapsed == len(self.history)


def _nothing(*_: Any) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Watch:
    """Who follows a training: called by the first process."""

    on_epoch: Callable[[Epoch], None] = _nothing  # Those of an earlier run included.
    on_step: Callable[[int, int], None] = _nothing  # With (steps done, steps in all).
    # Asked after every step, in every process; True saves the state and raises.
    should_stop: Callable[[], bool] = lambda: False


class WeightAverage:
    """Exponential moving average of a network's parameters and buffers.

    The decay warms up as (1 + t) / (10 + t), so that short runs are not dominated by the random
    start. With decay 0 the average is the network itself.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
        self.network.requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average toward ``network`` after optimiser step ``step`` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        average, current = self.network.state_dict(), network.state_dict()
        # Integer buffers (batch norm's counter) are copied, the rest is averaged.
        floats = [name for name in average if average[name].is_floating_point()]
        torch._foreach_lerp_(
            [average[name] for name in floats], [current[name] for name in floats], 1 - decay
        )
        for name in average.keys() - set(floats):
            average[name].copy_(current[name])


def train(
    images: ImageRows,
    trainer: Trainer,
    budget: Budget,
    *,
    seed: int,
    fabric: Fabric,
    store: StateStore,
    evaluate: Callable[[np.ndarray, np.ndarray], dict[str, float]],
    watch: Watch | None = None,
) -> TrainedGenerator:
    """Train a generator; a stopped run goes on where it was and ends with the same bytes.

    Every random number comes from a stream named by its step or epoch, so that the state is the
    weights, the optimisers and the step alone.

    Args:
        images: uint8 N x H x W x C, the real training images; on a GPU where they fit, else read
            batch by batch.
        trainer: networks with fresh weights, built for ``budget.steps``.
        budget: length, choice of the epoch to keep.
        seed: root of the streams of the order.
        fabric: launched Lightning Fabric, the trainer's.
        store: where the state is kept between runs, and the weights of ``budget.checkpoints``
            epochs: ``epoch-0005``, and ``epoch-0005-average`` for the averaged copy of a system
            that keeps the plain weights; of the last two of them the trainer's further networks
            too, ``epoch-0005-`` and each one's name.
        evaluate: called after every epoch by the first process with uint8 images N x H x W x C
            and their labels; its result joins the epoch's metrics, for the averaged copy
            under names that start with `AVERAGE`. ``budget.keep="best"`` needs a key ``fid``.
        watch: who follows.

    Returns:
        The kept generator and the history. Where no epoch could be chosen as the best, for their
        images are all alike, the last one is kept: a collapsed generator is a result too.

    Raises:
        TrainingStopped: when ``watch.should_stop`` said so.
        AugmentError: when losses or weights are not finite before one good epoch, or a batch is
            larger than the set.
    """
    torch.set_flush_denormal(True)
    check_batch(trainer.system.batch_size, len(images), fabric.world_size)
    run = _Run(images, trainer, budget, seed, fabric, store, evaluate, watch or Watch())
    run.resume()
    run.go_on()
    return run.result()


def check_batch(batch_size: int, n_images: int, processes: int) -> None:
    """Refuse a batch that the images cannot fill, or the processes cannot share."""
    key = f"train_gan.options.batch_size is {batch_size}"
    if n_images < batch_size:
        raise AugmentError(f"{key}; allowed: at most the {n_images} training images")
    if batch_size % processes:
        raise AugmentError(
            f"{key}; allowed: a multiple of train_gan.processes, which is {processes}"
        )


@dataclass
class _Run:
    """One training: what stays the same in it, and its state."""

    images: ImageRows
    trainer: Trainer
    budget: Budget
    seed: int
    fabric: Fabric
    store: StateStore
    evaluate: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    watch: Watch

    def __post_init__(self) -> None:
        trainer, budget, fabric = self.trainer, self.budget, self.fabric
        system, n_images = trainer.system, len(self.images)
        self.batch_size = system.batch_size
        self.epoch_steps = n_images // self.batch_size
        self.total = budget.steps(batch_size=self.batch_size, n_images=n_images)
        n_epochs = -(-self.total // self.epoch_steps)
        self.every = epochs_between_scores(n_epochs, self.epoch_steps)
        self.kept_epochs = checkpoint_epochs(n_epochs, self.every, budget.checkpoints)

        self.average = WeightAverage(trainer.network, system.ema_decay)
        self.average.network.to(fabric.device)
        copies = {"plain": trainer.network, "average": self.average.network}
        self.kept_copy = copies.pop(system.weights)
        beside = system.weights == "plain" and bool(system.ema_decay)
        self.other_copy = copies.popitem()[1] if beside else None
        self.parts = {**trainer.parts, "average": self.average.network}

        self._fix_what_is_shown()
        self.selection = Selection(budget.keep, self.total, self._real_spread())
        self.history: list[Epoch] = []
        self.placed = PlacedRows(self.images, fabric.device)
        self.labels = torch.from_numpy(self.images.labels).to(fabric.device)
        # On the device: what a step adds must not be waited for.
        self.loss_sums = torch.zeros(
            len(trainer.loss_names), dtype=torch.float64, device=fabric.device
        )
        self.step, self.seconds = 0, 0.0
        self.stopped: str | None = None
        self.diverged = False
        self.order, self.order_epoch = torch.empty(0, dtype=torch.int64), -1

    def _fix_what_is_shown(self) -> None:
        """Choose the labels of the scored images and of the grid, and the images rebuilt."""
        n_classes = self.trainer.architecture.n_classes
        shares = np.bincount(self.images.labels, minlength=n_classes)
        counts = apportion(self.budget.evaluate, shares)
        self.eval_labels = torch.from_numpy(np.repeat(np.arange(n_classes), counts))
        grid_classes = min(n_classes, _MOST_GRID_CLASSES)
        self.grid_labels = torch.arange(grid_classes).repeat_interleave(GRID_PER_CLASS)
        self.shown = self.images[spread_rows(len(self.images), _RECONSTRUCTIONS)]

    def _kinds(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels; without labels all images are of one kind."""
        return labels if self.trainer.architecture.conditional else np.zeros_like(labels)

    def _real_spread(self) -> float:
        n = len(self.images)
        sample = np.arange(0, n, max(1, n // self.budget.evaluate))
        return spread_within_classes(self.images[sample], self._kinds(self.images.labels[sample]))

    def resume(self) -> None:
        """Go on where an earlier run was, if there is a state."""
        state = self.store.load()
        if state is None:
            return
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.step, self.stopped = state["step"], state["stopped"]
        self.loss_sums, self.seconds = state["loss_sums"].to(self.fabric.device), state["seconds"]
        self.selection.collapsed = state["collapsed"]
        self.selection.best = Best(**state["best"])
        self.history = [Epoch(**_as_arrays(row)) for row in state["history"]]
        if self.fabric.is_global_zero:
            for epoch in self.history:
                self.watch.on_epoch(epoch)

    def _save_state(self) -> None:
        if self.fabric.is_global_zero:
            self.store.save(
                {name: part.state_dict() for name, part in self.parts.items()}
                | {"step": self.step, "stopped": self.stopped}
                | {"loss_sums": self.loss_sums.cpu(), "seconds": self.seconds}
                | {"collapsed": self.selection.collapsed, "best": vars(self.selection.best)}
                | {"history": [_as_tensors(vars(epoch)) for epoch in self.history]}
            )

    def go_on(self) -> None:
        """Train to the end of the budget, or until training has to stop."""
        first = self.fabric.is_global_zero
        saved_at = time.monotonic()
        while self.step < self.total and self.stopped is None:
            began = time.monotonic()
            self._take_step()
            self.seconds += time.monotonic() - began
            if first:
                self.watch.on_step(self.step, self.total)
            epoch_index, position = divmod(self.step - 1, self.epoch_steps)
            ends = position + 1 == self.epoch_steps and (epoch_index + 1) % self.every == 0
            if ends or self.step == self.total:
                self._end_epoch(epoch_index + 1)
                if self.stopped is not None:
                    break
            if (
                first
                and self.step < self.total
                and time.monotonic() - saved_at > self.budget.save_seconds
            ):
                self._save_state()
                saved_at = time.monotonic()
            if not self._agree(not self.watch.should_stop()) and self.step < self.total:
                self._save_state()
                self.fabric.barrier()
                raise TrainingStopped(
                    f"training stopped at step {self.step} of {self.total}; run it again to go on "
                    "from there"
                )

    def _take_step(self) -> None:
        """Take this step's images and labels, update the networks, average the weights."""
        epoch_index, position = divmod(self.step, self.epoch_steps)
        if epoch_index != self.order_epoch:
            stream = numpy_stream(self.seed, "order", epoch_index)
            order = torch.from_numpy(stream.permutation(len(self.images)))
            self.order, self.order_epoch = order.to(self.fabric.device), epoch_index
        batch = self.order[position * self.batch_size : (position + 1) * self.batch_size]
        rows = batch[self.fabric.global_rank :: self.fabric.world_size]
        losses = self.trainer.update(_to_float(self.placed[rows]), self.labels[rows], self.step)
        self.step += 1
        self.average.update(self.trainer.network, self.step)
        self.loss_sums += losses.double()

    def _end_epoch(self, number: int) -> None:
        """Score, show and maybe keep the epoch; find out whether training has to stop."""
        since = self.step - (self.history[-1].images // self.batch_size if self.history else 0)
        began = time.monotonic()
        means = (self.loss_sums / max(1, since)).tolist()  # a GPU's steps are done now
        self.seconds += time.monotonic() - began
        self.loss_sums = torch.zeros_like(self.loss_sums)
        what = "losses" if not all(map(math.isfinite, means)) else "weights"
        if not self._agree(what == "weights" and _is_finite(self.kept_copy)):
            self.stopped, self.diverged = f"the {what} of epoch {number} are not finite", True
            return
        collapse = None
        if self.fabric.is_global_zero:
            losses = dict(zip(self.trainer.loss_names, means, strict=True))
            epoch, spread = self._score(number, losses)
            self._keep(epoch)
            self.history.append(epoch)
            self.watch.on_epoch(epoch)
            fid = epoch.metrics.get("fid", math.inf)
            if self.selection.takes(spread, fid):
                self.selection.take(number, fid, _weights(self.kept_copy))
            collapse = self.selection.collapse(
                [each.epoch for each in self.history],
                [each.images // self.batch_size for each in self.history],
            )
        self.seconds = 0.0
        if not self._agree(collapse is None):
            self.stopped = collapse

    def _score(self, number: int, losses: Mapping[str, float]) -> tuple[Epoch, float]:
        """Return what the epoch gave, and how different its images of one class are."""
        trainer, labels = self.trainer, self.eval_labels.numpy()
        generated = trainer.draw(self.kept_copy, self.eval_labels, "evaluate")
        metrics = {**losses, **_plain_floats(self.evaluate(generated, labels))}
        if self.other_copy is not None:
            of_average = trainer.draw(self.other_copy, self.eval_labels, "evaluate")
            scores = _plain_floats(self.evaluate(of_average, labels))
            metrics |= {AVERAGE + name: value for name, value in scores.items()}
        epoch = Epoch(
            number,
            self.step * self.batch_size,
            metrics,
            trainer.draw(self.kept_copy, self.grid_labels, "grid"),
            self._reconstructions(),
            self.seconds,
            kept=number in self.kept_epochs,
            changed=trainer.changed(),
        )
        return epoch, spread_within_classes(generated, self._kinds(labels))

    def _reconstructions(self) -> np.ndarray | None:
        """Return real images and an autoencoder's reconstructions, uint8 2 x N x H x W x C."""
        shown = torch.from_numpy(self.shown).to(self.fabric.device).permute(0, 3, 1, 2)
        rebuilt = self.trainer.reconstruct(_to_float(shown))
        return None if rebuilt is None else np.stack([self.shown, to_uint8(rebuilt)])

    def _keep(self, epoch: Epoch) -> None:
        if not epoch.kept:
            return
        name = f"epoch-{epoch.epoch:04d}"
        self.store.keep(name, _weights(self.kept_copy))
        if self.other_copy is not None:
            self.store.keep(f"{name}-average", _weights(self.other_copy))
        if epoch.epoch in sorted(self.kept_epochs)[-2:]:
            for further, network in self.trainer.further.items():
                self.store.keep(f"{name}-{further}", _weights(network))

    def result(self) -> TrainedGenerator:
        """Return the chosen epoch; raise where there is none that could be."""
        self.fabric.barrier()
        best = self.selection.best
        if self.fabric.is_global_zero and not best.weights:
            if self.diverged:
                raise AugmentError(
                    f"training failed before one good epoch, after {self.step} of {self.total} "
                    f"steps: {self.stopped}; lower the learning rates in train_gan.options"
                )
            best = Best(self.history[-1].epoch, weights=_weights(self.kept_copy))
        return TrainedGenerator(
            best.weights,
            best.epoch,
            self.history,
            self.stopped,
            self.selection.collapsed,
            str(self.fabric._precision.precision),
            self.step,
        )

    def _agree(self, value: bool) -> bool:
        """Return whether ``value`` holds in every process."""
        if self.fabric.world_size == 1:
            return value
        failed = self.fabric.all_reduce(torch.tensor(float(not value)), reduce_op="sum")
        assert isinstance(failed, Tensor)
        return failed.item() == 0


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _is_finite(network: nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in network.state_dict().values())


def _plain_floats(values: Mapping[str, float]) -> dict[str, float]:
    # NumPy scalars are not among what a state may hold.
    return {name: float(value) for name, value in values.items()}


def _as_tensors(row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an epoch's arrays into tensors, which a state may hold."""
    return {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in row.items()}


def _as_arrays(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.numpy() if isinstance(v, Tensor) else v for k, v in row.items()}


def _to_float(pixels: Tensor) -> Tensor:
    """Turn uint8 N x C x H x W into float32 in [-1, 1], on their device."""
    return pixels.float().div_(127.5).sub_(1)
