"""The training loop of a generator and what it is trained against."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augment.adversaries import Feedback, build_adversaries
from augment.architectures import Architecture
from augment.errors import AugmentError
from augment.image_rows import ImageRows
from augment.networks import Generator, draw_latent
from augment.sampling import to_uint8
from augment.splits import apportion, spread_rows
from augment.streams import numpy_stream, torch_stream
from augment.systems import System

GRID_PER_CLASS = 8
"""Images a class in the grid drawn from fixed noise after every epoch."""

AVERAGE = "average_"
"""Before the scores of the averaged copy, where the plain generator is kept."""

_MOST_GRID_CLASSES = 20
_MOST_SCORED_EPOCHS = 200
_COLLAPSED_EPOCHS = 3
_COLLAPSED_SHARE = 0.1
_SLOW_START = 0.25
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
        """Keep a generator's weights under a name, atomically; a name kept before is replaced."""


@dataclass(frozen=True)
class Budget:
    """How long to train, how to choose, and how often to save."""

    images: int | None  # Real images shown to the discriminator; None where ``epochs`` is given.
    epochs: int | None  # Passes over the training images; None where ``images`` is given.
    evaluate: int = 1000  # Images drawn from fixed noise for the scores after every epoch.
    # "best": lowest FID on validation features; collapse ends the training. "last": the last epoch,
    # whatever it is, as the published studies do.
    keep: Literal["best", "last"] = "best"
    checkpoints: int = 0  # Epochs, evenly spaced and the last among them, whose weights are kept.
    save_seconds: float = 20.0  # Least time between two saves of the state; never changes results.


@dataclass
class Epoch:
    """What one epoch gave."""

    epoch: int  # From 1.
    images: int  # Real images seen so far.
    metrics: dict[str, float]  # Losses, and what ``evaluate`` returned.
    grid: np.ndarray  # uint8 M x H x W x C: GRID_PER_CLASS of each of the first 20 classes.
    # An autoencoder's: uint8 2 x N x H x W x C, real training images and what it makes of them.
    reconstructions: np.ndarray | None = None
    seconds: float = 0.0  # Wall-clock time of its training steps; not the same in another run.
    kept: bool = False  # Whether its weights are kept.
    slope: float = 0.0  # Of the discriminator's LeakyReLU, which phases lower.


@dataclass
class TrainedGan:
    """A trained generator."""

    weights: dict[str, Tensor]  # The kept epoch's generator's state dict.
    epoch: int  # The kept epoch.
    history: list[Epoch]
    stopped: str | None = None  # Why training ended early (not finite, collapse), or None.
    collapsed: int = 0  # Last epochs in a row whose images are all alike.
    precision: str = "32-true"


@dataclass
class _Best:
    """The epoch that would be kept if training ended now."""

    epoch: int = 0
    fid: float = math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)


class WeightAverage:
    """Exponential moving average of a generator's parameters and buffers.

    The decay warms up as (1 + t) / (10 + t), so that short runs are not dominated by the random
    start. With decay 0 the average is the generator itself.
    """

    def __init__(self, generator: Generator, decay: float) -> None:
        self.decay = decay
        self.generator = Generator(generator.architecture)
        self.generator.load_state_dict(generator.state_dict())
        self.generator.requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, generator: nn.Module, step: int) -> None:
        """Move the average toward ``generator`` after optimiser step ``step`` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        average, current = self.generator.state_dict(), generator.state_dict()
        # Integer buffers (batch norm's counter) are copied, the rest is averaged.
        floats = [name for name in average if average[name].is_floating_point()]
        torch._foreach_lerp_(
            [average[name] for name in floats], [current[name] for name in floats], 1 - decay
        )
        for name in average.keys() - set(floats):
            average[name].copy_(current[name])


def train_gan(
    images: ImageRows,
    architecture: Architecture,
    system: System,
    budget: Budget,
    *,
    seed: int,
    fabric: Fabric,
    store: StateStore,
    evaluate: Callable[[np.ndarray, np.ndarray], dict[str, float]],
    feedback: Feedback | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedGan:
    """Train a generator; a stopped run goes on where it was and ends with the same bytes.

    Every random number comes from a stream named by its step or epoch, so that the state is the
    weights, the optimisers and the step alone.

    Args:
        images: uint8 N x H x W x C, the real training images; read batch by batch.
        architecture: of the networks.
        system: losses, rates, batch size, averaging.
        budget: length, choice of the epoch to keep.
        seed: root of all streams.
        fabric: launched Lightning Fabric; device, precision and processes are its own.
        store: where the state is kept between runs, and the weights of ``budget.checkpoints``
            epochs: ``epoch-0005``, and ``epoch-0005-average`` for the averaged copy of a system
            that keeps the plain weights; of the last two of them ``epoch-0005-discriminator`` too,
            where a discriminator scores images.
        evaluate: called after every epoch by the first process with uint8 images N x H x W x C
            and the labels asked for; its result joins the epoch's metrics, for the averaged copy
            under names that start with `AVERAGE`. ``budget.keep="best"`` needs a key ``fid``.
        feedback: the judge's score of images and labels; ``system.feedback`` is its weight.
        on_epoch: called by the first process for every epoch, those of an earlier run included.
        on_step: called by the first process with (steps done, steps in all).
        should_stop: asked after every step; True saves the state and raises.

    Returns:
        The kept generator and the history.

    Raises:
        TrainingStopped: when ``should_stop`` said so.
        AugmentError: when training fails before one good epoch, or a batch is larger than the set.
    """
    # Initialize.
    torch.set_flush_denormal(True)
    n_images, batch_size = len(images), system.batch_size
    if n_images < batch_size:
        raise AugmentError(
            f"train_gan.batch_size is {batch_size}; allowed: at most the {n_images} training images"
        )
    if batch_size % fabric.world_size:
        raise AugmentError(
            f"train_gan.batch_size is {batch_size}; allowed: a multiple of "
            f"train_gan.processes, which is {fabric.world_size}"
        )
    epoch_steps = n_images // batch_size
    if budget.images is not None:
        total = max(1, round(budget.images / batch_size))
    else:
        assert budget.epochs is not None
        total = budget.epochs * epoch_steps
    first = fabric.is_global_zero
    labels = images.labels
    # Without labels all images are of one kind.
    kinds = labels if architecture.conditional else np.zeros_like(labels)
    shares = np.bincount(labels, minlength=architecture.n_classes)
    sample = np.arange(0, n_images, max(1, n_images // budget.evaluate))
    real_spread = spread_within_classes(images[sample], kinds[sample])
    # Tiny sets have epochs of a few steps: scoring each would take longer than training it.
    n_epochs = -(-total // epoch_steps)
    every = -(-n_epochs // _MOST_SCORED_EPOCHS)
    kept_epochs = checkpoint_epochs(n_epochs, every, budget.checkpoints)
    judged_epochs = sorted(kept_epochs)[-2:]

    # Construct networks and optimisers.
    adversaries = build_adversaries(
        architecture,
        system,
        batch_size=batch_size,
        seed=seed,
        fabric=fabric,
        feedback=feedback,
    )
    average = WeightAverage(adversaries.generator, system.ema_decay)
    average.generator.to(fabric.device)
    copies = {"plain": adversaries.generator, "average": average.generator}
    kept_copy = copies.pop(system.weights)
    other_copy = copies.popitem()[1] if system.weights == "plain" and system.ema_decay else None
    parts = {**adversaries.parts, "average": average.generator}

    # Fixed noise for the scores and the grid, fixed images for an autoencoder.
    eval_labels = torch.from_numpy(
        np.repeat(np.arange(architecture.n_classes), apportion(budget.evaluate, shares))
    )
    eval_latent = draw_latent(architecture, budget.evaluate, torch_stream(seed, "evaluate"))
    eval_kinds = eval_labels.numpy() if architecture.conditional else np.zeros(len(eval_labels))
    grid_classes = min(architecture.n_classes, _MOST_GRID_CLASSES)
    grid_labels = torch.arange(grid_classes).repeat_interleave(GRID_PER_CLASS)
    grid_latent = draw_latent(architecture, len(grid_labels), torch_stream(seed, "grid"))
    shown = images[spread_rows(n_images, _RECONSTRUCTIONS)]

    # Go on where an earlier run was.
    history: list[Epoch] = []
    best = _Best()
    loss_sums = torch.zeros(len(adversaries.loss_names), dtype=torch.float64)
    step, stopped, collapsed, seconds = 0, None, 0, 0.0
    state = store.load()
    if state is not None:
        for name, part in parts.items():
            part.load_state_dict(state[name])
        step, collapsed, stopped = state["step"], state["collapsed"], state["stopped"]
        loss_sums, seconds = state["loss_sums"], state["seconds"]
        best = _Best(**state["best"])
        history = [Epoch(**_as_arrays(row)) for row in state["history"]]
        if first:
            for epoch in history:
                on_epoch(epoch)

    def save_state() -> None:
        if first:
            store.save(
                {name: part.state_dict() for name, part in parts.items()}
                | {"step": step, "collapsed": collapsed, "stopped": stopped}
                | {"loss_sums": loss_sums, "seconds": seconds, "best": vars(best)}
                | {"history": [_as_tensors(vars(epoch)) for epoch in history]}
            )

    # Train.
    local = slice(fabric.global_rank, None, fabric.world_size)
    order, order_epoch = np.empty(0, dtype=np.int64), -1
    phase = -1
    saved_at = step_began = time.monotonic()
    while step < total and stopped is None:
        # Set this step's learning rates, and its phase's slope.
        done = step / total
        adversaries.set_rates(
            rate_share(done, system.decay_start)
            * system.decay_factor ** (step / system.decay_steps)
            * (system.phases[phase_at(done, system)][1] if system.phases else 1.0)
        )
        if system.phases and phase_at(done, system) != phase:
            phase = phase_at(done, system)
            adversaries.set_slope(system.phases[phase][2])

        # Take this step's images and labels; noise has streams of its own.
        epoch_index, position = divmod(step, epoch_steps)
        if epoch_index != order_epoch:
            order = numpy_stream(seed, "order", epoch_index).permutation(n_images)
            order_epoch = epoch_index
        index = order[position * batch_size : (position + 1) * batch_size]
        real = _to_float(images[index[local]], fabric)
        asked = torch.from_numpy(labels[index[local]]).to(fabric.device)

        # Update the networks, average the weights, sum the losses.
        losses = adversaries.update(real, asked, step)
        step += 1
        average.update(adversaries.generator, step)
        loss_sums += losses.double().cpu()
        seconds += time.monotonic() - step_began
        if first:
            on_step(step, total)

        # After an epoch: scores, grid, choice.
        epoch_ends = position + 1 == epoch_steps and (epoch_index + 1) % every == 0
        if epoch_ends or step == total:
            since = step - (history[-1].images // batch_size if history else 0)
            means = (loss_sums / max(1, since)).tolist()
            loss_sums = torch.zeros_like(loss_sums)
            finite = _agree(fabric, all(math.isfinite(loss) for loss in means))
            if not finite:
                stopped = f"the losses of epoch {epoch_index + 1} are not finite"
                break
            if first:
                metrics = dict(zip(adversaries.loss_names, means, strict=True))
                drawn = _draw(kept_copy, eval_latent, eval_labels)
                metrics |= _plain_floats(evaluate(drawn, eval_labels.numpy()))
                if other_copy is not None:
                    other = _draw(other_copy, eval_latent, eval_labels)
                    said = _plain_floats(evaluate(other, eval_labels.numpy()))
                    metrics |= {AVERAGE + name: value for name, value in said.items()}
                spread = spread_within_classes(drawn, eval_kinds)
                collapsed = collapsed + 1 if spread < _COLLAPSED_SHARE * real_spread else 0
                epoch = Epoch(
                    epoch_index + 1,
                    step * batch_size,
                    metrics,
                    _draw(kept_copy, grid_latent, grid_labels),
                    _reconstructions(adversaries.reconstruct(_to_float(shown, fabric)), shown),
                    seconds,
                    kept=epoch_index + 1 in kept_epochs,
                    slope=system.phases[phase][2]
                    if system.phases
                    else architecture.discriminator_slope,
                )
                if epoch.kept:
                    store.keep(f"epoch-{epoch.epoch:04d}", _weights(kept_copy))
                    if other_copy is not None:
                        store.keep(f"epoch-{epoch.epoch:04d}-average", _weights(other_copy))
                    if adversaries.discriminator is not None and epoch.epoch in judged_epochs:
                        weights = _weights(adversaries.discriminator)
                        store.keep(f"epoch-{epoch.epoch:04d}-discriminator", weights)
                history.append(epoch)
                on_epoch(epoch)
                fid = metrics.get("fid", math.inf)
                if budget.keep == "last" or (collapsed == 0 and fid < best.fid):
                    best = _Best(epoch.epoch, fid, _weights(kept_copy))
            seconds = 0.0
            # Small sets have short epochs: one that has not begun to draw is not collapsed yet.
            begun = collapsed < len(history) or step >= _SLOW_START * total
            collapse = collapsed >= _COLLAPSED_EPOCHS and begun
            going_on = budget.keep == "last" or not collapse
            if not _agree(fabric, going_on):
                stopped = (
                    f"the images of epochs {epoch_index + 2 - _COLLAPSED_EPOCHS} to "
                    f"{epoch_index + 1} are all alike (collapse)"
                )
                break
        # Save the state now and then.
        if first and step < total and time.monotonic() - saved_at > budget.save_seconds:
            save_state()
            saved_at = time.monotonic()

        # Stop when asked to: the whole state goes to the store first.
        if not _agree(fabric, not should_stop()) and step < total:
            save_state()
            fabric.barrier()
            raise TrainingStopped(
                f"training stopped at step {step} of {total}; run it again to go on from there"
            )
        step_began = time.monotonic()

    # Keep the chosen epoch.
    fabric.barrier()
    if first and not best.weights:
        reason = stopped or "no epoch gave usable images"
        raise AugmentError(
            f"training failed before one good epoch: {reason}; lower train_gan.generator_rate "
            "and train_gan.discriminator_rate"
        )
    precision = str(fabric._precision.precision)
    return TrainedGan(best.weights, best.epoch, history, stopped, collapsed, precision)


def checkpoint_epochs(n_epochs: int, every: int, n: int) -> set[int]:
    """Return which epochs' weights are kept: ``n`` evenly spaced ones, the last among them.

    Args:
        n_epochs: of the whole training.
        every: epochs from one that is scored to the next; the last is scored too.
        n: epochs to keep; there are fewer where fewer are scored.
    """
    scored = sorted({*range(every, n_epochs + 1, every), n_epochs})
    places = (-(-len(scored) * i // n) - 1 for i in range(1, n + 1))
    return {scored[place] for place in places if place >= 0}


def phase_at(done: float, system: System) -> int:
    """Return the index of the phase that holds at ``done``, a share of the training in [0, 1)."""
    return max(i for i, (start, _, _) in enumerate(system.phases) if start <= done or i == 0)


def rate_share(done: float, decay_start: float) -> float:
    """Return the share of the full learning rate at a point of the training.

    Constant up to ``decay_start``, then linear to 0 (as in Miyato et al., 2018, appendix).

    Args:
        done: share of the training that is done, in [0, 1).
        decay_start: share after which the rate falls; 1 keeps it constant.
    """
    return 1.0 if done < decay_start else (1 - done) / (1 - decay_start)


def spread_within_classes(images: np.ndarray, labels: np.ndarray) -> float:
    """Return how different images of one class are: pixel deviation, averaged over classes.

    A conditional generator that gives one image for each class has spread 0.

    Args:
        images: uint8 N x H x W x C.
        labels: int64 N; classes with one image do not count.
    """
    classes, counts = np.unique(labels, return_counts=True)
    spreads = [images[labels == c].std(axis=0).mean() for c in classes[counts > 1]]
    return float(np.mean(spreads)) if spreads else math.inf


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _plain_floats(values: Mapping[str, float]) -> dict[str, float]:
    # NumPy scalars are not among what a state may hold.
    return {name: float(value) for name, value in values.items()}


def _as_tensors(row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an epoch's arrays into tensors, which a state may hold."""
    return {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in row.items()}


def _as_arrays(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.numpy() if isinstance(v, Tensor) else v for k, v in row.items()}


def _reconstructions(made: Tensor | None, real: np.ndarray) -> np.ndarray | None:
    """Join real images and an autoencoder's reconstructions, uint8 2 x N x H x W x C."""
    return None if made is None else np.stack([real, to_uint8(made)])


def _to_float(images: np.ndarray, fabric: Fabric) -> Tensor:
    """Turn uint8 N x H x W x C into float32 N x C x H x W in [-1, 1] on the device."""
    pixels = torch.from_numpy(images).to(fabric.device).permute(0, 3, 1, 2)
    return pixels.float().div_(127.5).sub_(1)


@torch.inference_mode()
def _draw(generator: Generator, latent: Tensor, labels: Tensor) -> np.ndarray:
    device = next(generator.parameters()).device
    training = generator.training
    generator.eval()
    blocks = [
        to_uint8(generator(z.to(device), y.to(device)))
        for z, y in zip(torch.split(latent, 250), torch.split(labels, 250), strict=True)
    ]
    generator.train(training)
    return np.concatenate(blocks)


def _agree(fabric: Fabric, value: bool) -> bool:
    """Return whether ``value`` holds in every process."""
    if fabric.world_size == 1:
        return value
    failed = fabric.all_reduce(torch.tensor(float(not value)), reduce_op="sum")
    assert isinstance(failed, Tensor)
    return failed.item() == 0
