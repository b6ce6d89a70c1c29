from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor, nn

from augment.errors import AugmentError
from augment.generators import budget as budgets
from augment.generators import selection
from augment.generators import training as loop
from augment.generators.budget import Budget, checkpoint_epochs, rate_share
from augment.generators.family import Setup, Trainer, build_trainer
from augment.generators.gan.adversaries import phase_at
from augment.generators.gan.architectures import Architecture
from augment.generators.gan.networks import Generator
from augment.generators.gan.settings import System
from augment.generators.gan.systems import SYSTEMS
from augment.generators.selection import spread_within_classes
from augment.generators.training import (
    AVERAGE,
    GRID_PER_CLASS,
    Epoch,
    StateStore,
    TrainedGenerator,
    TrainingStopped,
    Watch,
    WeightAverage,
    check_batch,
)
from augment.images.image_rows import ImageRows, all_rows
from augment.images.image_sets import ImageSet
from augment.images.splits import spread_rows
from tests.augment.generators.memory_store import MemoryStore

N_CLASSES = 3
STEPS = 12  # Epochs of 5, 5 and 2 steps of 8 of 40 images.
BUDGET = Budget(images=8 * STEPS, epochs=None, evaluate=12, keep="last")


def make_images() -> ImageRows:
    """Gray noise with a bright band whose place is the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % N_CLASSES
    images = 120 + rng.integers(-20, 21, (40, 28, 28, 1))
    for image, label in zip(images, labels, strict=True):
        image[8 * label : 8 * label + 8] += 40
    return all_rows(ImageSet(images.astype(np.uint8), labels, ("top", "middle", "bottom")))


IMAGES = make_images()
PROJECTION, SMOOTH = "cdcgan-projection", "cdcgan-smooth"  # Keeps the average; the plain weights.


def tiny(name: str = PROJECTION, **overrides: Any) -> System:
    return SYSTEMS[name].replaced({"batch_size": 8} | overrides)


def narrow(system: System, n_classes: int = N_CLASSES) -> Architecture:
    """The system's networks with 8 channels at the widest."""
    widest = max(c for stage in system.networks.generator for c in stage)
    return system.architecture(n_classes, 1, 28, width=8 / widest)


CONSTANT = tiny(decay_start=1.0)
"""Learning rates that do not depend on how long the whole run is."""


def brightness(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores that depend on every pixel and on the labels asked for; NumPy's own floats."""
    weighted = images.astype(np.int64).sum(axis=(1, 2, 3)) * (1 + labels)
    return {"fid": weighted.mean(), "brightness": images.mean()}


def fabric(**options: Any) -> Fabric:
    settings: dict[str, Any] = {"accelerator": "cpu", "devices": 1} | options
    return Fabric(**settings)


def train(
    system: System | None = None,
    budget: Budget = BUDGET,
    *,
    images: ImageRows = IMAGES,
    store: StateStore | None = None,
    evaluate: Callable[[np.ndarray, np.ndarray], dict[str, float]] = brightness,
    precision: str = "32-true",
    seed: int = 3,
    feedback: Any = None,
    watched: Callable[[Trainer], Any] = lambda trainer: trainer,
    n_classes: int = N_CLASSES,
    **hooks: Any,
) -> TrainedGenerator:
    system = system or tiny()
    machine = fabric(precision=precision)
    steps = budget.steps(batch_size=system.batch_size, n_images=len(images))
    setup = Setup(seed, steps, machine, feedback)
    return loop.train(
        images,
        watched(build_trainer(system, narrow(system, n_classes), setup)),
        budget,
        seed=seed,
        fabric=machine,
        store=store or MemoryStore(),
        evaluate=evaluate,
        watch=Watch(**hooks),
    )


class StopAt:
    """Asks to stop when the given numbers of steps were done, once each."""

    def __init__(self, *steps: int, total: int = STEPS) -> None:
        self.steps = set(steps)
        self.done = 0
        self.total = total

    def on_step(self, done: int, total: int) -> None:
        assert done == self.done + 1 or self.done == 0
        assert total == self.total
        self.done = done

    def __call__(self) -> bool:
        stop = self.done in self.steps
        self.steps.discard(self.done)
        return stop


def train_with_stops(
    system: System,
    *steps: int,
    total: int = STEPS,
    store: MemoryStore | None = None,
    **options: Any,
) -> tuple[TrainedGenerator, int]:
    """Train, going on after every stop; return the result and how often it stopped."""
    store = store or MemoryStore()
    ask = StopAt(*steps, total=total)
    stopped_at: list[str] = []
    while True:
        ask.done = 0
        try:
            trained = train(system, store=store, on_step=ask.on_step, should_stop=ask, **options)
        except TrainingStopped as stopped:
            stopped_at.append(str(stopped))
        else:
            break
    assert stopped_at == [
        f"training stopped at step {step} of {total}; run it again to go on from there"
        for step in steps[: len(stopped_at)]
    ]
    return trained, len(stopped_at)


def same_weights(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a
    )


def assert_same(a: TrainedGenerator, b: TrainedGenerator) -> None:
    """Bit for bit: weights, history, grids, choice."""
    assert same_weights(a.weights, b.weights)
    assert (a.epoch, a.stopped, a.precision) == (b.epoch, b.stopped, b.precision)
    assert a.collapsed == b.collapsed
    assert len(a.history) == len(b.history)
    for x, y in zip(a.history, b.history, strict=True):
        assert (x.epoch, x.images, x.metrics) == (y.epoch, y.images, y.metrics)
        assert x.kept == y.kept
        np.testing.assert_array_equal(x.grid, y.grid)
        assert (x.reconstructions is None) == (y.reconstructions is None)
        if x.reconstructions is not None and y.reconstructions is not None:
            np.testing.assert_array_equal(x.reconstructions, y.reconstructions)


_WHOLE: dict[str, TrainedGenerator] = {}


def whole(name: str) -> TrainedGenerator:
    """The uninterrupted run of a system, trained once."""
    if name not in _WHOLE:
        _WHOLE[name] = train(tiny(name))
    return _WHOLE[name]


def test_what_a_run_gives() -> None:
    trained = whole(PROJECTION)
    assert [e.epoch for e in trained.history] == [1, 2, 3]
    assert [e.images for e in trained.history] == [40, 80, 96]
    for epoch in trained.history:
        assert epoch.grid.shape == (N_CLASSES * GRID_PER_CLASS, 28, 28, 1)
        assert epoch.grid.dtype == np.uint8
        assert epoch.metrics.keys() == {
            "generator_loss",
            "discriminator_loss",
            "fid",
            "brightness",
        }
        assert all(type(value) is float for value in epoch.metrics.values())
    assert trained.epoch == 3
    assert trained.stopped is None
    assert trained.precision == "32-true"
    assert not np.array_equal(trained.history[0].grid, trained.history[2].grid)
    rebuilt = Generator(narrow(tiny()))
    rebuilt.load_state_dict(trained.weights)


@pytest.mark.parametrize("name", [PROJECTION, SMOOTH])
def test_one_seed_gives_the_same_bytes_and_another_does_not(name: str) -> None:
    torch.manual_seed(123)
    np.random.seed(123)
    assert_same(train(tiny(name)), whole(name))
    other = train(tiny(name), replace(BUDGET, images=8), seed=4)
    first = train(tiny(name), replace(BUDGET, images=8))
    assert not same_weights(other.weights, first.weights)


@pytest.mark.parametrize("steps", [(1,), (4, 5, 6), (5, 10), (7,), (11,)])
def test_stopped_after_any_step_it_ends_with_the_same_bytes(steps: tuple[int, ...]) -> None:
    trained, stops = train_with_stops(tiny(PROJECTION), *steps)
    assert stops == len(steps)
    assert_same(trained, whole(PROJECTION))


def test_a_stop_asked_for_at_the_last_step_changes_nothing() -> None:
    trained, stops = train_with_stops(tiny(PROJECTION), STEPS)
    assert stops == 0
    assert_same(trained, whole(PROJECTION))


def scripted(*fids: float) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """The scores of one epoch after the other, whatever the images."""
    rest = iter(fids)
    return lambda images, labels: {"fid": next(rest)}


def test_the_best_epoch_survives_a_stop() -> None:
    # The first epoch is the best: a resumed run never sees its weights again.
    budget = replace(BUDGET, keep="best")
    expected = train(budget=budget, evaluate=scripted(0.5, 2.0, 1.0))
    assert expected.epoch == 1
    resumed, stops = train_with_stops(
        tiny(PROJECTION), 7, budget=budget, evaluate=scripted(0.5, 2.0, 1.0)
    )
    assert stops == 1
    assert_same(resumed, expected)


def test_killed_it_goes_on_from_the_last_saved_step() -> None:
    store = MemoryStore()

    def die(done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    budget = replace(BUDGET, save_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(budget=budget, store=store, on_step=die)
    assert store.saves == 7  # The step that died was not saved.
    steps: list[int] = []
    seen: list[Epoch] = []
    trained = train(
        budget=budget,
        store=store,
        on_step=lambda done, total: steps.append(done),
        on_epoch=seen.append,
    )
    assert steps == list(range(8, STEPS + 1))
    # Those of the earlier run are told again.
    assert [epoch.epoch for epoch in seen] == [1, 2, 3]
    assert_same(trained, whole(PROJECTION))


def test_saving_never_changes_results() -> None:
    store = MemoryStore()
    assert_same(train(budget=replace(BUDGET, save_seconds=0), store=store), whole(PROJECTION))
    assert store.saves == STEPS - 1  # After every step but the last, which ends the run.


def test_bf16_goes_on_where_it_was() -> None:
    expected = train(precision="bf16-mixed")
    assert expected.precision == "bf16-mixed"
    trained, stops = train_with_stops(tiny(PROJECTION), 3, precision="bf16-mixed")
    assert stops == 1
    assert_same(trained, expected)


def test_best_keeps_the_lowest_fid_and_last_the_last() -> None:
    best = replace(BUDGET, keep="best")
    kept = train(CONSTANT, best, evaluate=scripted(3.0, 1.0, 2.0))
    assert kept.epoch == 2
    # The first of equals, and never one without a number.
    assert train(budget=best, evaluate=scripted(1.0, 1.0, 1.0)).epoch == 1
    assert train(budget=best, evaluate=scripted(math.nan, 5.0, math.inf)).epoch == 2
    last = train(CONSTANT, BUDGET, evaluate=scripted(3.0, 1.0, 2.0))
    assert last.epoch == 3
    # A run that ends after two epochs has the weights that the longer run kept.
    shorter = train(CONSTANT, replace(BUDGET, images=80), evaluate=scripted(0.0, 0.0))
    assert same_weights(kept.weights, shorter.weights)
    assert not same_weights(kept.weights, last.weights)


def test_learning_rates_fall_linearly_after_their_start() -> None:
    assert [rate_share(done / 8, 0.5) for done in range(8)] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert [rate_share(done / 8, 1.0) for done in range(8)] == [1.0] * 8
    assert rate_share(0.25, 0.0) == 0.75


def test_epochs_and_images_count_the_same_steps() -> None:
    by_epochs = train(budget=Budget(images=None, epochs=2, evaluate=12, keep="last"))
    by_images = train(budget=replace(BUDGET, images=80))
    assert_same(by_epochs, by_images)
    assert by_epochs.history[-1].images == 80


def test_a_batch_that_cannot_be_filled_or_shared_is_refused() -> None:
    with pytest.raises(AugmentError) as caught:
        train(tiny(batch_size=41))
    assert str(caught.value) == (
        "train_gan.options.batch_size is 41; allowed: at most the 40 training images"
    )
    train(tiny(batch_size=40), replace(BUDGET, images=40))
    with pytest.raises(AugmentError, match="batch_size is 8; allowed: a multiple of"):
        check_batch(8, 40, processes=3)


class PoisonedRows(ImageRows):
    """Images that are not numbers from some read on."""

    reads = 0
    good = 0

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        images = super().__getitem__(rows)
        type(self).reads += 1
        return images if self.reads <= self.good else np.full(images.shape, np.nan, np.float32)


def poisoned_after(steps: int, images: ImageRows = IMAGES) -> PoisonedRows:
    PoisonedRows.reads = 0
    # One read measures the spread of the real images, one is for reconstructions.
    PoisonedRows.good = steps + 2
    return PoisonedRows(images.sets, images.indices)


@pytest.mark.parametrize(("steps", "keep"), [(5, "best"), (7, "last"), (9, "best")])
def test_nan_stops_training_and_keeps_the_last_good_epoch(steps: int, keep: Any) -> None:
    trained = train(CONSTANT, replace(BUDGET, keep=keep), images=poisoned_after(steps))
    assert trained.stopped == "the losses of epoch 2 are not finite"
    assert trained.epoch == 1
    assert len(trained.history) == 1
    expected = train(CONSTANT, replace(BUDGET, images=40))
    assert same_weights(trained.weights, expected.weights)
    assert all(tensor.isfinite().all() for tensor in trained.weights.values())


def test_nan_in_the_first_epoch_is_an_error_in_one_line() -> None:
    with pytest.raises(AugmentError) as caught:
        train(images=poisoned_after(2))
    message = str(caught.value)
    assert "the losses of epoch 1 are not finite" in message
    assert "after 5 of 12 steps" in message
    assert "lower the learning rates in train_gan.options" in message
    assert "\n" not in message


def test_nan_after_epochs_that_are_all_alike_is_an_error_too() -> None:
    images = poisoned_after(6, CONTRAST)
    with pytest.raises(AugmentError, match="the losses of epoch 2 are not finite; lower"):
        train(tiny(generator_rate=0.0), replace(BUDGET, keep="best"), images=images)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, nn.Module]:
    """The networks of the training that runs: the plain one, and its average."""
    networks: dict[str, nn.Module] = {}

    class Seen(WeightAverage):
        def update(self, network: nn.Module, step: int) -> None:
            super().update(network, step)
            networks.update(plain=network, average=self.network)

    monkeypatch.setattr(loop, "WeightAverage", Seen)
    return networks


def test_weights_that_are_not_finite_never_are_a_generator(held: dict[str, nn.Module]) -> None:
    def spoil(step: int, total: int) -> None:
        if step == 3:
            nn.init.constant_(held["average"].get_parameter("first.weight"), math.inf)

    with pytest.raises(AugmentError, match="the weights of epoch 1 are not finite; lower"):
        train(on_step=spoil)


@pytest.mark.parametrize("name", [PROJECTION, SMOOTH])
def test_an_absurd_learning_rate_never_gives_a_generator(name: str) -> None:
    system = tiny(
        name, generator_rate=1e30, discriminator_rate=1e30, ema_decay=0.0, weights="plain"
    )
    with pytest.raises(AugmentError, match="training failed before one good epoch"):
        train(system, replace(BUDGET, keep="best"))


def collapsing_after(good_epochs: int, held: dict[str, nn.Module]) -> dict[str, Any]:
    """Hooks that turn the generator to one constant image after some epochs."""

    def blacken(epoch: Epoch) -> None:
        if epoch.epoch == good_epochs:
            layer = held["plain"].get_submodule("upsample.3")
            assert isinstance(layer, nn.ConvTranspose2d)
            nn.init.zeros_(layer.weight)

    # With a generator that learns nothing it stays as it is left; no average delays what it shows.
    system = tiny(generator_rate=0.0, ema_decay=0.0, weights="plain")
    return {"system": system, "on_epoch": blacken}


def test_collapse_is_noticed_and_the_epoch_before_it_kept(
    monkeypatch: pytest.MonkeyPatch, held: dict[str, nn.Module]
) -> None:
    monkeypatch.setattr(selection, "LEAST_STEPS", 15)
    options = collapsing_after(2, held)
    budget = Budget(images=None, epochs=9, evaluate=12, keep="best")
    trained = train(budget=budget, evaluate=scripted(*range(9, 0, -1)), **options)
    assert trained.stopped == "the images of epochs 3 to 5 are all alike (collapse)"
    assert trained.epoch == 2
    assert trained.collapsed == 3
    assert len(trained.history) == 5
    assert np.ptp(trained.history[4].grid, axis=0).max() == 0
    assert np.ptp(trained.history[1].grid, axis=0).max() > 0


def test_a_run_that_ends_in_black_keeps_a_good_epoch_too(held: dict[str, nn.Module]) -> None:
    options = collapsing_after(1, held)
    budget = Budget(images=None, epochs=3, evaluate=12, keep="best")
    trained = train(budget=budget, evaluate=scripted(*range(9, 0, -1)), **options)
    assert trained.stopped is None
    assert trained.epoch == 1
    assert trained.collapsed == 2


def test_who_asks_for_the_last_epoch_gets_it_collapsed_or_not(held: dict[str, nn.Module]) -> None:
    budget = Budget(images=None, epochs=7, evaluate=12, keep="last")
    trained = train(budget=budget, **collapsing_after(2, held))
    assert trained.stopped is None
    assert trained.epoch == len(trained.history) == 7
    assert trained.collapsed == 5
    assert np.ptp(trained.history[-1].grid, axis=0).max() == 0
    assert not trained.weights["upsample.3.weight"].any()


CONTRAST = all_rows(
    ImageSet(
        np.random.default_rng(1).integers(0, 2, (40, 28, 28, 1), dtype=np.uint8) * 255,
        IMAGES.labels,
        ("a", "b", "c"),
    )
)
"""Images beside which those of a fresh generator are all alike."""


@pytest.mark.parametrize(("least", "epochs"), [(1, 3), (15, 3), (16, 4), (20, 4)])
def test_collapse_from_the_start_ends_the_training_after_steps_and_is_kept(
    monkeypatch: pytest.MonkeyPatch, least: int, epochs: int
) -> None:
    monkeypatch.setattr(selection, "LEAST_STEPS", least)
    budget = Budget(images=None, epochs=9, evaluate=12, keep="best")
    system = tiny(generator_rate=0.0)
    trained = train(system, budget, images=CONTRAST)
    assert trained.stopped == f"the images of epochs 1 to {epochs} are all alike (collapse)"
    assert (trained.epoch, trained.collapsed, trained.steps) == (epochs, epochs, 5 * epochs)
    assert trained.all_alike
    last = train(system, replace(budget, epochs=epochs, keep="last"), images=CONTRAST)
    assert same_weights(trained.weights, last.weights)


def test_a_short_training_that_has_not_begun_goes_on_to_its_end() -> None:
    trained = train(tiny(generator_rate=0.0), replace(BUDGET, keep="best"), images=CONTRAST)
    assert (trained.stopped, trained.epoch, trained.collapsed) == (None, 3, 3)
    assert (trained.steps, trained.all_alike) == (STEPS, True)
    assert not whole(PROJECTION).all_alike


def test_collapse_is_counted_in_steps_over_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "LEAST_STEPS", 16)
    options = {"images": CONTRAST, "budget": Budget(None, 9, evaluate=12, keep="best")}
    resumed, stops = train_with_stops(tiny(generator_rate=0.0), 5, 12, total=45, **options)
    assert stops == 2
    assert_same(resumed, train(tiny(generator_rate=0.0), **options))
    assert resumed.steps == 20


def test_one_image_of_each_class_says_nothing_of_collapse() -> None:
    labels = np.arange(40)
    alone = all_rows(ImageSet(CONTRAST.sets[0].images, labels, tuple(map(str, labels))))
    system = tiny(generator_rate=0.0)
    trained = train(system, replace(BUDGET, keep="best"), images=alone, n_classes=40)
    assert trained.collapsed == 0


def test_no_decay_is_the_generator_itself(held: dict[str, nn.Module]) -> None:
    trained = train(tiny(ema_decay=0.0, weights="plain"))
    last = {name: value.clone() for name, value in held["plain"].state_dict().items()}
    assert same_weights(trained.weights, last)
    # So are the plain weights of a system that has an average beside them.
    plain = train(tiny(ema_decay=0.999, weights="plain"))
    assert same_weights(plain.weights, trained.weights)
    averaged = train(tiny(ema_decay=0.999))
    assert not same_weights(averaged.weights, last)


def test_the_average_follows_its_closed_form() -> None:
    generator = Generator(narrow(tiny()))
    average = WeightAverage(generator, decay=0.3)
    name, buffer, counter = (
        "upsample.0.weight",
        "first_norm.running_mean",
        "first_norm.num_batches_tracked",
    )
    expected = {n: generator.state_dict()[n].double().clone() for n in (name, buffer)}
    for step in range(1, 7):
        with torch.no_grad():
            for tensor in generator.state_dict().values():
                tensor.add_(step)
        average.update(generator, step)
        decay = min(0.3, (1 + step) / (10 + step))  # 2/11, 3/12, then 0.3.
        for n in expected:
            expected[n] = decay * expected[n] + (1 - decay) * generator.state_dict()[n].double()
    state = average.network.state_dict()
    for n, value in expected.items():
        torch.testing.assert_close(state[n].double(), value, rtol=1e-5, atol=1e-5)
    assert torch.equal(state[counter], generator.state_dict()[counter])
    assert not average.network.training
    assert not any(p.requires_grad for p in average.network.parameters())


# ------------------------------------------------------------------ every system


def bright(images: Tensor, labels: Tensor) -> Tensor:
    """A judge's score."""
    return images.mean()


# Images that are all alike, so that no start of a generator counts as collapsed.
ALIKE = all_rows(ImageSet(np.full((40, 28, 28, 1), 90, np.uint8), IMAGES.labels, ("a", "b", "c")))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_takes_steps_and_goes_on_after_a_stop(name: str) -> None:
    system = tiny(name)
    options: dict[str, Any] = {
        "images": ALIKE,
        "budget": Budget(images=8 * 7, epochs=None, evaluate=12, keep="last", checkpoints=1),
        "feedback": bright if system.feedback else None,
    }
    store, resumed_store = MemoryStore(), MemoryStore()
    trained = train(system, store=store, **options)
    assert [epoch.images for epoch in trained.history] == [40, 56]
    assert trained.stopped is None
    assert all(value.isfinite().all() for value in trained.weights.values())
    for epoch in trained.history:
        assert all(math.isfinite(value) for value in epoch.metrics.values())
    # Seven steps, stopped within each of both epochs.
    resumed, stops = train_with_stops(system, 3, 6, total=7, store=resumed_store, **options)
    assert stops == 2
    assert_same(resumed, trained)
    assert resumed_store.kept.keys() == store.kept.keys()
    for key, weights in store.kept.items():
        assert same_weights(resumed_store.kept[key], weights)


def test_an_autoencoder_shows_its_reconstructions() -> None:
    history = train(tiny("padova-aae", generator_rate=2e-3)).history
    pairs = [epoch.reconstructions for epoch in history]
    for pair in pairs:
        assert pair is not None
        assert (pair.shape, pair.dtype) == ((2, 16, 28, 28, 1), np.uint8)
        np.testing.assert_array_equal(pair[0], IMAGES[spread_rows(len(IMAGES), 16)])
    assert not np.array_equal(pairs[0], pairs[-1])  # type: ignore[arg-type]
    errors = [epoch.metrics["reconstruction_loss"] for epoch in history]
    assert errors[-1] < errors[0]
    assert all(epoch.reconstructions is None for epoch in whole(SMOOTH).history)


def test_a_generator_without_labels() -> None:
    asked: list[np.ndarray] = []

    def evaluate(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        asked.append(labels)
        return {"fid": float(images.mean())}

    trained = train(tiny("dcgan-compact"), evaluate=evaluate, images=ALIKE)
    losses = {"generator_loss", "discriminator_loss"}
    assert trained.history[0].metrics.keys() == losses | {"fid", "average_fid"}
    # Labels as in the training set are handed over all the same.
    assert np.bincount(asked[0]).tolist() == [4, 4, 4]
    # They do nothing: other labels of the training images give the same generator.
    others = all_rows(ImageSet(ALIKE.sets[0].images, ALIKE.labels[::-1].copy(), ("a", "b", "c")))
    again = train(tiny("dcgan-compact"), evaluate=evaluate, images=others)
    assert same_weights(trained.weights, again.weights)
    conditional = [train(tiny("cdcgan"), images=images) for images in (ALIKE, others)]
    assert not same_weights(conditional[0].weights, conditional[1].weights)


def test_without_labels_all_images_are_of_one_kind() -> None:
    # One picture a class: with labels nothing varies, without them three pictures do.
    labels = np.arange(40) // 14
    pictures = (100 * labels).astype(np.uint8)[:, None, None, None]
    images = np.broadcast_to(pictures, (40, 28, 28, 1)).copy()
    assert spread_within_classes(images, labels) == 0
    spread = spread_within_classes(images, np.zeros(40, dtype=np.int64))
    assert spread == pytest.approx(images.astype(float).std(axis=0).mean())
    rows = all_rows(ImageSet(images, labels, ("a", "b", "c")))
    # A generator that learns nothing and hardly varies, beside images that vary by class alone.
    frozen: dict[str, Any] = {"generator_rate": 0.0, "init_std": 1e-3}
    budget = Budget(images=None, epochs=3, evaluate=12, keep="best")
    trained = train(tiny("cdcgan", **frozen), budget, images=rows)
    assert (trained.stopped, trained.collapsed) == (None, 0)
    assert train(tiny("dcgan-no-bn", **frozen), budget, images=rows).all_alike


# ------------------------------------------------------------------ rates and phases


class Watched:
    """A trainer whose steps are noted."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)


class Notes(list[tuple[float, float, float]]):
    """Of every step: both rates and the discriminator's slope that it was made with."""

    def __call__(self, trainer: Trainer) -> Watched:
        watched = Watched(trainer)
        optimizers = [trainer.parts[f"{name}_optimizer"] for name in ("generator", "discriminator")]

        def update(real: Tensor, labels: Tensor, step: int) -> Tensor:
            losses = trainer.update(real, labels, step)
            g, d = (optimizer.param_groups[0]["lr"] for optimizer in optimizers)
            layers = trainer.parts["discriminator"].modules()
            (slope,) = {m.negative_slope for m in layers if isinstance(m, nn.LeakyReLU)}
            self.append((g, d, slope))
            return losses

        watched.update = update
        return watched


@pytest.fixture
def notes() -> Notes:
    return Notes()


PHASES = ((0.0, 1.0, 0.2), (0.25, 0.5, 0.1), (0.7, 0.2, 0.03))
"""Of 12 steps: from 0, from 3, and from 9, the first behind 8.4."""


def phased(**overrides: Any) -> System:
    # The networks' own slope is 0: every phase sets its own.
    rates = {"generator_rate": 4e-3, "discriminator_rate": 2e-3}
    return tiny(SMOOTH, **(rates | {"phases": PHASES} | overrides))


def test_phases_change_rates_and_slope(notes: Notes) -> None:
    train(phased(), watched=notes)
    expected = [
        *[(4e-3, 2e-3, 0.2)] * 3,
        *[(2e-3, 1e-3, 0.1)] * 6,
        *[(8e-4, 4e-4, 0.03)] * 3,
    ]
    np.testing.assert_allclose(notes, expected, rtol=1e-12)


@pytest.mark.parametrize("stop", [3, 5, 10])
def test_phases_go_on_where_they_were(notes: Notes, stop: int) -> None:
    expected = train(phased(), watched=notes)
    unstopped = list(notes)
    notes.clear()
    trained, stops = train_with_stops(phased(), stop, watched=notes)
    assert stops == 1
    assert notes == unstopped
    assert_same(trained, expected)
    # And they matter.
    assert not same_weights(trained.weights, train(phased(phases=())).weights)


def test_the_phase_at_a_point() -> None:
    system = phased()
    points = {0.0: 0, 0.2499: 0, 0.25: 1, 0.69: 1, 0.7: 2, 0.9999: 2}
    assert {done: phase_at(done, system) for done in points} == points


def test_decays_and_phases_multiply(notes: Notes) -> None:
    train(phased(decay_factor=0.9, decay_steps=2, decay_start=0.5), watched=notes)
    for step, (g, d, _) in enumerate(notes):
        done = step / STEPS
        share = PHASES[0 if step < 3 else 1 if step < 9 else 2][1]
        share *= 0.9 ** (step / 2) * (1.0 if done < 0.5 else (1 - done) / 0.5)
        assert (g, d) == pytest.approx((4e-3 * share, 2e-3 * share), rel=1e-9)


# ------------------------------------------------------------------ the average, beside


def test_the_average_is_scored_beside_the_plain_weights() -> None:
    assert tiny(SMOOTH).weights == "plain"
    plain = whole(SMOOTH)
    averaged = train(tiny(SMOOTH, weights="average"))
    without = train(tiny(SMOOTH, ema_decay=0.0))
    losses = ("generator_loss", "discriminator_loss")
    scores = ("fid", "brightness")
    for x, y, z in zip(plain.history, averaged.history, without.history, strict=True):
        assert x.metrics.keys() == {*losses, *scores, *(AVERAGE + name for name in scores)}
        assert y.metrics.keys() == z.metrics.keys() == {*losses, *scores}
        # The same training: what is kept of it changes what its scores are called.
        assert {k: x.metrics[k] for k in losses} == {k: y.metrics[k] for k in losses}
        assert [x.metrics[AVERAGE + k] for k in scores] == [y.metrics[k] for k in scores]
        assert {k: x.metrics[k] for k in (*losses, *scores)} == z.metrics
        assert all(type(value) is float for value in x.metrics.values())
    assert plain.history[-1].metrics["fid"] != averaged.history[-1].metrics["fid"]
    assert same_weights(plain.weights, without.weights)


def test_the_best_epoch_is_the_kept_copys() -> None:
    # Plain, average, plain, average, ...
    evaluate = scripted(3.0, 0.1, 1.0, 9.0, 2.0, 0.0)
    trained = train(tiny(SMOOTH), replace(BUDGET, keep="best"), evaluate=evaluate)
    assert trained.epoch == 2
    assert [e.metrics["average_fid"] for e in trained.history] == [0.1, 9.0, 0.0]


# ------------------------------------------------------------------ kept epochs


@pytest.mark.parametrize(
    ("n_epochs", "every", "n", "expected"),
    [
        (10, 1, 0, set()),
        (10, 1, 1, {10}),
        (10, 1, 2, {5, 10}),
        (10, 1, 3, {4, 7, 10}),
        (10, 1, 5, {2, 4, 6, 8, 10}),
        (3, 1, 3, {1, 2, 3}),
        (3, 1, 200, {1, 2, 3}),
        (1, 1, 4, {1}),
        # Not every epoch is scored: the second, the fourth, and the last.
        (5, 2, 2, {4, 5}),
        (5, 2, 3, {2, 4, 5}),
        (400, 2, 6, {68, 134, 200, 268, 334, 400}),
        (400, 2, 4, {100, 200, 300, 400}),
    ],
)
def test_which_epochs_are_kept(n_epochs: int, every: int, n: int, expected: set[int]) -> None:
    assert checkpoint_epochs(n_epochs, every, n) == expected


@given(n_epochs=st.integers(1, 500), every=st.integers(1, 9), n=st.integers(1, 200))
def test_kept_epochs_are_evenly_spaced(n_epochs: int, every: int, n: int) -> None:
    kept = sorted(checkpoint_epochs(n_epochs, every, n))
    scored = sorted({e for e in range(1, n_epochs + 1) if e % every == 0} | {n_epochs})
    assert len(kept) == min(n, len(scored))
    assert kept[-1] == n_epochs
    places = [-1, *(scored.index(epoch) for epoch in kept)]
    gaps = {b - a for a, b in pairwise(places)}
    assert max(gaps) - min(gaps) <= 1


def epoch_names(store: MemoryStore) -> list[str]:
    """Names of the generators that were kept."""
    return sorted(name for name in store.kept if not name.endswith("-discriminator"))


def test_the_discriminators_of_the_last_two_kept_epochs_are_kept() -> None:
    store = MemoryStore()
    budget = Budget(images=None, epochs=4, evaluate=12, keep="last", checkpoints=3)
    train(tiny(SMOOTH), budget, store=store)
    kept = [name for name in store.kept if name.endswith("-discriminator")]
    assert kept == ["epoch-0003-discriminator", "epoch-0004-discriminator"]
    assert "epoch-0002" in store.kept
    # They are those of a training that ends there, and fit the networks' table.
    shorter = MemoryStore()
    train(tiny(SMOOTH), replace(budget, epochs=3), store=shorter)
    assert same_weights(store.kept[kept[0]], shorter.kept["epoch-0003-discriminator"])
    assert not same_weights(store.kept[kept[0]], store.kept[kept[1]])


def test_an_autoencoder_keeps_no_discriminator_of_codes() -> None:
    store = MemoryStore()
    train(tiny("padova-aae"), replace(BUDGET, checkpoints=2), store=store)
    assert store.kept
    assert not [name for name in store.kept if name.endswith("-discriminator")]


def test_weights_of_some_epochs_are_kept() -> None:
    store = MemoryStore()
    budget = Budget(images=None, epochs=4, evaluate=12, keep="last", checkpoints=2)
    # Without decay a shorter training is the beginning of a longer one.
    trained = train(tiny(SMOOTH), budget, store=store)
    assert epoch_names(store) == [
        "epoch-0002", "epoch-0002-average", "epoch-0004", "epoch-0004-average",
    ]  # fmt: skip
    assert [epoch.kept for epoch in trained.history] == [False, True, False, True]
    assert same_weights(store.kept["epoch-0004"], trained.weights)
    shorter = replace(budget, epochs=2)
    plain, average = (train(tiny(SMOOTH, weights=w), shorter) for w in ("plain", "average"))
    assert same_weights(store.kept["epoch-0002"], plain.weights)
    assert same_weights(store.kept["epoch-0002-average"], average.weights)
    assert not same_weights(plain.weights, average.weights)
    # Keeping changes nothing else.
    without = train(tiny(SMOOTH), replace(budget, checkpoints=0))
    assert not any(epoch.kept for epoch in without.history)
    assert same_weights(without.weights, trained.weights)


@pytest.mark.parametrize(
    "system",
    [tiny(PROJECTION), tiny(SMOOTH, ema_decay=0.0), tiny(SMOOTH, weights="average")],
)
def test_one_copy_is_kept_where_there_is_one(system: System) -> None:
    store = MemoryStore()
    trained = train(system, replace(BUDGET, checkpoints=3), store=store)
    assert epoch_names(store) == ["epoch-0001", "epoch-0002", "epoch-0003"]
    assert same_weights(store.kept["epoch-0003"], trained.weights)


def test_a_killed_training_ends_with_the_same_kept_epochs() -> None:
    budget = replace(BUDGET, checkpoints=3, save_seconds=0)
    expected, store = MemoryStore(), MemoryStore()
    train(tiny(SMOOTH), budget, store=expected)

    def die(done: int, total: int) -> None:
        if done == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny(SMOOTH), budget, store=store, on_step=die)
    assert "epoch-0002" in store.kept
    # As if it had died behind its last save: the second epoch ends once more.
    assert store.content is not None
    early, ask = MemoryStore(), StopAt(9)
    with pytest.raises(TrainingStopped):
        train(tiny(SMOOTH), budget, store=early, on_step=ask.on_step, should_stop=ask)
    store.content = early.content
    train(tiny(SMOOTH), budget, store=store)
    assert store.kept.keys() == expected.kept.keys()
    for name, weights in expected.kept.items():
        assert same_weights(store.kept[name], weights)


# ------------------------------------------------------------------ scored epochs, seconds


@pytest.mark.parametrize(
    ("epochs", "scored"), [(4, [1, 2, 3, 4]), (5, [2, 4, 5]), (9, [3, 6, 9]), (10, [3, 6, 9, 10])]
)
def test_many_short_epochs_are_not_all_scored(
    monkeypatch: pytest.MonkeyPatch, epochs: int, scored: list[int]
) -> None:
    monkeypatch.setattr(budgets, "_MOST_SCORED_SHORT_EPOCHS", 4)
    budget = Budget(images=None, epochs=epochs, evaluate=12, keep="last", checkpoints=1)
    store = MemoryStore()
    trained = train(tiny(SMOOTH, batch_size=40), budget, store=store)
    assert [epoch.epoch for epoch in trained.history] == scored
    assert [epoch.images for epoch in trained.history] == [40 * epoch for epoch in scored]
    assert epoch_names(store) == [f"epoch-{epochs:04d}", f"epoch-{epochs:04d}-average"]


def test_losses_are_means_over_the_steps_since_the_last_scores() -> None:
    losses: list[Tensor] = []

    class Noted(Watched):
        def update(self, real: Tensor, labels: Tensor, step: int) -> Tensor:
            losses.append(self.trainer.update(real, labels, step))
            return losses[-1]

    trained, stops = train_with_stops(tiny(SMOOTH), 7, watched=Noted)
    assert stops == 1
    for epoch, steps in zip(trained.history, ((0, 5), (5, 10), (10, 12)), strict=True):
        means = torch.stack(losses[slice(*steps)]).double().mean(dim=0)
        found = [epoch.metrics["generator_loss"], epoch.metrics["discriminator_loss"]]
        assert found == pytest.approx(means.tolist(), rel=1e-9)


def test_seconds_are_those_of_the_steps_and_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]

    class Slow(Watched):
        def update(self, real: Tensor, labels: Tensor, step: int) -> Tensor:
            now[0] += 2
            return self.trainer.update(real, labels, step)

    def evaluate(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        now[0] += 100  # Scores are not training.
        return brightness(images, labels)

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    trained = train(tiny(SMOOTH), evaluate=evaluate, watched=Slow)
    assert [epoch.seconds for epoch in trained.history] == [10, 10, 4]
    assert all("seconds" not in epoch.metrics for epoch in trained.history)
    # What an epoch took before a stop counts.
    now[0] = 50_000
    resumed, _ = train_with_stops(tiny(SMOOTH), 3, 7, evaluate=evaluate, watched=Slow)
    assert [epoch.seconds for epoch in resumed.history] == [10, 10, 4]
    # Its clock changes nothing else.
    assert_same(trained, whole(SMOOTH))


# ------------------------------------------------------------------ several processes


@pytest.mark.slow
@pytest.mark.parametrize("name", [PROJECTION, SMOOTH, "fau-cdcgan", "padova-aae"])
def test_two_processes_end_with_the_same_weights(tmp_path: Path, name: str) -> None:
    script = Path(__file__).with_name("two_processes.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), name],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"rank{rank}.safetensors") for rank in (0, 1))
    networks = {"generator", "discriminator", "average"}
    networks |= {"encoder"} if name == "padova-aae" else set()
    assert {key.split(".")[0] for key in first} == networks
    assert same_weights(first, second)
    start = load_file(tmp_path / "start.safetensors")
    moved = {key.split(".")[0] for key in start if not torch.equal(first[key], start[key])}
    assert moved == networks - {"average"}
    # What the first process hands back is its average, or its generator.
    copy = "average" if SYSTEMS[name].weights == "average" else "generator"
    kept = load_file(tmp_path / "kept.safetensors")
    stored = load_file(tmp_path / "stored.safetensors")
    n_compared = 0
    for key, value in kept.items():
        assert torch.equal(stored[f"epoch-0002.{key}"], value)
        if f"{copy}.{key}" in first:
            assert torch.equal(first[f"{copy}.{key}"], value)
            n_compared += 1
    assert n_compared == sum(key.startswith(f"{copy}.") for key in first)
    # An average beside the kept copy is stored too, and the discriminator where it sees images.
    beside = {"epoch-0002"} | ({"epoch-0002-average"} if copy == "generator" else set())
    if name != "padova-aae":
        beside |= {"epoch-0002-discriminator"}
        for key, value in first.items():
            if key.startswith("discriminator."):
                assert torch.equal(stored[f"epoch-0002-{key}"], value)
    assert {key.partition(".")[0] for key in stored} == beside


def test_every_epoch_knows_the_slope_of_its_phase() -> None:
    budget = Budget(images=None, epochs=6, evaluate=12, keep="last", checkpoints=2)
    trained = train(tiny("padova-dcgan"), budget)
    slopes = [epoch.changed["discriminator_slope"] for epoch in trained.history]
    assert slopes == [0.2, 0.18, 0.16, 0.14, 0.12, 0.1]
    constant = train(tiny(SMOOTH), replace(budget, epochs=2))
    assert [epoch.changed["discriminator_slope"] for epoch in constant.history] == [0.0, 0.0]
