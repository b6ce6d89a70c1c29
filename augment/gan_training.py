"""The training loop of a generator and its discriminator."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augment.errors import AugmentError
from augment.image_rows import ImageRows
from augment.losses import discriminator_loss, generator_loss
from augment.networks import Architecture, Discriminator, Generator
from augment.sampling import to_uint8
from augment.splits import apportion
from augment.streams import derive_seed, numpy_stream, torch_stream
from augment.systems import System

GRID_PER_CLASS = 8
"""Images a class in the grid drawn from fixed noise after every epoch."""

_MOST_GRID_CLASSES = 20
_MOST_SCORED_EPOCHS = 200
_COLLAPSED_EPOCHS = 3
_COLLAPSED_SHARE = 0.1


class TrainingStopped(AugmentError):  # noqa: N818 - not a failure: the run goes on where it was
    """Training was asked to stop; its state is saved and the next run goes on from there."""


class StateStore(Protocol):
    """Where the loop keeps what it needs to go on after a stop."""

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state, or None."""

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state, atomically."""


@dataclass(frozen=True)
class Budget:
    """How long to train, how to choose, and how often to save."""

    images: int | None  # Real images shown to the discriminator; None where ``epochs`` is given.
    epochs: int | None  # Passes over the training images; None where ``images`` is given.
    evaluate: int = 1000  # Images drawn from fixed noise for the scores after every epoch.
    keep: Literal["best", "last"] = "best"  # Lowest FID on validation features, or the last epoch.
    save_seconds: float = 20.0  # Least time between two saves of the state; never changes results.


@dataclass
class Epoch:
    """What one epoch gave."""

    epoch: int  # From 1.
    images: int  # Real images seen so far.
    metrics: dict[str, float]  # Losses, and what ``evaluate`` returned.
    grid: np.ndarray  # uint8 M x H x W x C: GRID_PER_CLASS of each of the first 20 classes.


@dataclass
class TrainedGan:
    """A trained generator."""

    weights: dict[str, Tensor]  # The kept generator's state dict (the average where EMA is on).
    epoch: int  # The kept epoch.
    history: list[Epoch]
    stopped: str | None = None  # Why training ended early (not finite, collapse), or None.
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
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedGan:
    """Train a generator; a stopped run goes on where it was and ends with the same bytes.

    Every random number comes from a stream named by its step or epoch, so that the state is the
    weights, the optimisers and the step alone.

    Args:
        images: uint8 N x H x W x C, the real training images; read batch by batch.
        architecture: of both networks.
        system: losses, rates, batch size, averaging.
        budget: length, choice of the epoch to keep.
        seed: root of all streams.
        fabric: launched Lightning Fabric; device, precision and processes are its own.
        store: where the state is kept between runs.
        evaluate: called after every epoch by the first process with uint8 images N x H x W x C
            and the labels asked for; its result joins the epoch's metrics. ``budget.keep="best"``
            needs a key ``fid``.
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
    shares = np.bincount(labels, minlength=architecture.n_classes)
    sample = np.arange(0, n_images, max(1, n_images // budget.evaluate))
    real_spread = spread_within_classes(images[sample], labels[sample])
    # Tiny sets have epochs of a few steps: scoring each would take longer than training it.
    n_epochs = -(-total // epoch_steps)
    every = -(-n_epochs // _MOST_SCORED_EPOCHS)

    # Construct networks and optimisers.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        plain_generator = Generator(architecture).to(memory_format=torch.channels_last)
        plain_discriminator = Discriminator(architecture).to(memory_format=torch.channels_last)
    average = WeightAverage(plain_generator, system.ema_decay)
    average.generator.to(fabric.device)
    generator, generator_optimizer = fabric.setup(
        plain_generator, _adam(plain_generator, system.generator_rate, system.betas)
    )
    discriminator, discriminator_optimizer = fabric.setup(
        plain_discriminator, _adam(plain_discriminator, system.discriminator_rate, system.betas)
    )
    parts: dict[str, Any] = {
        "generator": plain_generator,
        "discriminator": plain_discriminator,
        "average": average.generator,
        "generator_optimizer": generator_optimizer,
        "discriminator_optimizer": discriminator_optimizer,
    }

    # Fixed noise for the scores and the grid.
    eval_labels = torch.from_numpy(
        np.repeat(np.arange(architecture.n_classes), apportion(budget.evaluate, shares))
    )
    eval_latent = torch.randn(
        budget.evaluate, architecture.latent_dim, generator=torch_stream(seed, "evaluate")
    )
    grid_classes = min(architecture.n_classes, _MOST_GRID_CLASSES)
    grid_labels = torch.arange(grid_classes).repeat_interleave(GRID_PER_CLASS)
    grid_latent = torch.randn(
        len(grid_labels), architecture.latent_dim, generator=torch_stream(seed, "grid")
    )

    # Go on where an earlier run was.
    history: list[Epoch] = []
    best = _Best()
    loss_sums = torch.zeros(2, dtype=torch.float64)
    step, stopped, collapsed = 0, None, 0
    state = store.load()
    if state is not None:
        for name, part in parts.items():
            part.load_state_dict(state[name])
        step, collapsed, stopped = state["step"], state["collapsed"], state["stopped"]
        loss_sums = state["loss_sums"]
        best = _Best(**state["best"])
        history = [
            Epoch(row["epoch"], row["images"], row["metrics"], row["grid"].numpy())
            for row in state["history"]
        ]
        if first:
            for epoch in history:
                on_epoch(epoch)

    def save_state() -> None:
        if first:
            rows = [
                {
                    "epoch": e.epoch,
                    "images": e.images,
                    "metrics": e.metrics,
                    "grid": torch.from_numpy(e.grid),
                }
                for e in history
            ]
            store.save(
                {name: part.state_dict() for name, part in parts.items()}
                | {"step": step, "collapsed": collapsed, "stopped": stopped}
                | {"loss_sums": loss_sums, "best": vars(best), "history": rows}
            )

    # Train.
    local = slice(fabric.global_rank, None, fabric.world_size)
    order, order_epoch = np.empty(0, dtype=np.int64), -1
    saved_at = time.monotonic()
    while step < total and stopped is None:
        # Set this step's learning rates.
        share = rate_share(step / total, system.decay_start)
        _set_rate(generator_optimizer, share * system.generator_rate)
        _set_rate(discriminator_optimizer, share * system.discriminator_rate)

        # Draw this step's images, labels and noise from its own streams.
        epoch_index, position = divmod(step, epoch_steps)
        if epoch_index != order_epoch:
            order = numpy_stream(seed, "order", epoch_index).permutation(n_images)
            order_epoch = epoch_index
        index = order[position * batch_size : (position + 1) * batch_size]
        latent = torch.randn(
            batch_size, architecture.latent_dim, generator=torch_stream(seed, "latent", step)
        )
        real = _to_float(images[index[local]], fabric)
        asked = torch.from_numpy(labels[index[local]]).to(fabric.device)

        # Update the discriminator.
        fake = generator(latent[local].to(fabric.device), asked)
        d_loss = discriminator_loss(
            *_scores(discriminator, real, fake.detach(), asked, architecture),
            system.loss,
            system.real_target,
        )
        discriminator_optimizer.zero_grad(set_to_none=True)
        fabric.backward(d_loss)
        discriminator_optimizer.step()

        # Update the generator. The discriminator's own module is used, so that processes do not
        # wait for gradients that it does not get here.
        plain_discriminator.requires_grad_(False)
        with fabric.autocast():
            g_loss = generator_loss(plain_discriminator(fake, asked), system.loss)
        generator_optimizer.zero_grad(set_to_none=True)
        fabric.backward(g_loss)
        generator_optimizer.step()
        plain_discriminator.requires_grad_(True)

        # Average the weights, sum the losses.
        step += 1
        average.update(plain_generator, step)
        loss_sums += torch.stack([g_loss.detach(), d_loss.detach()]).double().cpu()
        if first:
            on_step(step, total)

        # After an epoch: scores, grid, choice.
        epoch_ends = position + 1 == epoch_steps and (epoch_index + 1) % every == 0
        if epoch_ends or step == total:
            since = step - (history[-1].images // batch_size if history else 0)
            losses = (loss_sums / max(1, since)).tolist()
            loss_sums = torch.zeros(2, dtype=torch.float64)
            finite = _agree(fabric, all(math.isfinite(loss) for loss in losses))
            if not finite:
                stopped = f"the losses of epoch {epoch_index + 1} are not finite"
                break
            if first:
                drawn = _draw(average.generator, eval_latent, eval_labels)
                metrics = {"generator_loss": losses[0], "discriminator_loss": losses[1]}
                # NumPy scalars are not among what a state may hold.
                said = evaluate(drawn, eval_labels.numpy())
                metrics |= {name: float(value) for name, value in said.items()}
                grid = _draw(average.generator, grid_latent, grid_labels)
                spread = spread_within_classes(drawn, eval_labels.numpy())
                collapsed = collapsed + 1 if spread < _COLLAPSED_SHARE * real_spread else 0
                epoch = Epoch(epoch_index + 1, step * batch_size, metrics, grid)
                history.append(epoch)
                on_epoch(epoch)
                good = collapsed == 0
                fid = metrics.get("fid", math.inf)
                if good and (budget.keep == "last" or fid < best.fid):
                    kept = {k: v.detach().cpu().clone() for k, v in _state(average).items()}
                    best = _Best(epoch.epoch, fid, kept)
            if not _agree(fabric, collapsed < _COLLAPSED_EPOCHS):
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

    # Keep the chosen epoch.
    fabric.barrier()
    if first and not best.weights:
        reason = stopped or "no epoch gave usable images"
        raise AugmentError(
            f"training failed before one good epoch: {reason}; lower train_gan.generator_rate "
            "and train_gan.discriminator_rate"
        )
    precision = str(fabric._precision.precision)
    return TrainedGan(best.weights, best.epoch, history, stopped, precision)


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


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _adam(network: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=rate, betas=betas, fused=True)


def _state(average: WeightAverage) -> dict[str, Tensor]:
    return dict(average.generator.state_dict())


def _to_float(images: np.ndarray, fabric: Fabric) -> Tensor:
    """Turn uint8 N x H x W x C into float32 N x C x H x W in [-1, 1] on the device."""
    pixels = torch.from_numpy(images).to(fabric.device).permute(0, 3, 1, 2)
    return pixels.float().div_(127.5).sub_(1)


def _scores(
    discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor, architecture: Architecture
) -> tuple[Tensor, Tensor]:
    """Return the scores of real and of generated images.

    Batch norm must see real and generated images apart (Chintala et al., "How to train a GAN",
    2016); without it one pass over both does the same for less.
    """
    if architecture.discriminator_norm == "batch":
        return discriminator(real, labels), discriminator(fake, labels)
    both = discriminator(torch.cat([real, fake.to(real.dtype)]), torch.cat([labels, labels]))
    return both[: len(real)], both[len(real) :]


@torch.inference_mode()
def _draw(generator: Generator, latent: Tensor, labels: Tensor) -> np.ndarray:
    device = next(generator.parameters()).device
    blocks = [
        to_uint8(generator(z.to(device), y.to(device)))
        for z, y in zip(torch.split(latent, 250), torch.split(labels, 250), strict=True)
    ]
    return np.concatenate(blocks)


def _agree(fabric: Fabric, value: bool) -> bool:
    """Return whether ``value`` holds in every process."""
    if fabric.world_size == 1:
        return value
    failed = fabric.all_reduce(torch.tensor(float(not value)), reduce_op="sum")
    assert isinstance(failed, Tensor)
    return failed.item() == 0
