from __future__ import annotations

import io
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor, nn

from augment import gan_training
from augment.errors import AugmentError
from augment.gan_training import (
    GRID_PER_CLASS,
    Budget,
    Epoch,
    StateStore,
    TrainedGan,
    TrainingStopped,
    WeightAverage,
    rate_share,
    train_gan,
)
from augment.image_rows import ImageRows, all_rows
from augment.image_sets import ImageSet
from augment.networks import Generator
from augment.systems import System, get_system

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


def tiny(name: str = "cdcgan-projection", **overrides: Any) -> System:
    return get_system(name, **({"base_channels": 8, "batch_size": 8} | overrides))


CONSTANT = tiny(decay_start=1.0)
"""Learning rates that do not depend on how long the whole run is."""


class MemoryStore:
    """Keeps the state as a file would: only what a safe load gives back is there again."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.saves = 0

    def load(self) -> dict[str, Any] | None:
        if self.content is None:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(self.content), weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self.content = buffer.getvalue()
        self.saves += 1


def brightness(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores that depend on every pixel and on the labels asked for; NumPy's own floats."""
    weighted = images.astype(np.int64).sum(axis=(1, 2, 3)) * (1 + labels)
    return {"fid": weighted.mean(), "brightness": images.mean()}


def fabric(**options: Any) -> Fabric:
    return Fabric(**({"accelerator": "cpu", "devices": 1} | options))


def train(
    system: System | None = None,
    budget: Budget = BUDGET,
    *,
    images: ImageRows = IMAGES,
    store: StateStore | None = None,
    evaluate: Callable[[np.ndarray, np.ndarray], dict[str, float]] = brightness,
    precision: str = "32-true",
    seed: int = 3,
    **hooks: Any,
) -> TrainedGan:
    system = system or tiny()
    return train_gan(
        images,
        system.architecture(N_CLASSES, 1, 28, base_channels=8),
        system,
        budget,
        seed=seed,
        fabric=fabric(precision=precision),
        store=store or MemoryStore(),
        evaluate=evaluate,
        **hooks,
    )


class StopAt:
    """Asks to stop when the given numbers of steps were done, once each."""

    def __init__(self, *steps: int) -> None:
        self.steps = set(steps)
        self.done = 0

    def on_step(self, done: int, total: int) -> None:
        assert done == self.done + 1 or self.done == 0
        assert total == STEPS
        self.done = done

    def __call__(self) -> bool:
        stop = self.done in self.steps
        self.steps.discard(self.done)
        return stop


def train_with_stops(system: System, *steps: int, **options: Any) -> tuple[TrainedGan, int]:
    """Train, going on after every stop; return the result and how often it stopped."""
    store = MemoryStore()
    ask = StopAt(*steps)
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
        f"training stopped at step {step} of {STEPS}; run it again to go on from there"
        for step in steps[: len(stopped_at)]
    ]
    return trained, len(stopped_at)


def same_weights(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a
    )


def assert_same(a: TrainedGan, b: TrainedGan) -> None:
    """Bit for bit: weights, history, grids, choice."""
    assert same_weights(a.weights, b.weights)
    assert (a.epoch, a.stopped, a.precision) == (b.epoch, b.stopped, b.precision)
    assert len(a.history) == len(b.history)
    for x, y in zip(a.history, b.history, strict=True):
        assert (x.epoch, x.images, x.metrics) == (y.epoch, y.images, y.metrics)
        np.testing.assert_array_equal(x.grid, y.grid)


_WHOLE: dict[str, TrainedGan] = {}


def whole(name: str) -> TrainedGan:
    """The uninterrupted run of a system, trained once."""
    if name not in _WHOLE:
        _WHOLE[name] = train(tiny(name))
    return _WHOLE[name]


PROJECTION, SMOOTH = "cdcgan-projection", "cdcgan-smooth"


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
    rebuilt = Generator(tiny().architecture(N_CLASSES, 1, 28))
    rebuilt.load_state_dict(trained.weights)


@pytest.mark.parametrize("name", [PROJECTION, SMOOTH])
def test_one_seed_gives_the_same_bytes_and_another_does_not(name: str) -> None:
    torch.manual_seed(123)
    np.random.seed(123)
    assert_same(train(tiny(name)), whole(name))
    other = train(tiny(name), replace(BUDGET, images=8), seed=4)
    first = train(tiny(name), replace(BUDGET, images=8))
    assert not same_weights(other.weights, first.weights)


@pytest.mark.parametrize("step", range(1, STEPS))
def test_stopped_after_any_step_it_ends_with_the_same_bytes(step: int) -> None:
    trained, stops = train_with_stops(tiny(PROJECTION), step)
    assert stops == 1
    assert_same(trained, whole(PROJECTION))


@pytest.mark.parametrize("steps", [(1, 2, 3), (4, 5, 6), (5, 10), (11,)])
def test_with_batch_norm_and_several_stops_too(steps: tuple[int, ...]) -> None:
    trained, stops = train_with_stops(tiny(SMOOTH), *steps)
    assert stops == len(steps)
    assert_same(trained, whole(SMOOTH))


def test_a_stop_asked_for_at_the_last_step_changes_nothing() -> None:
    trained, stops = train_with_stops(tiny(PROJECTION), STEPS)
    assert stops == 0
    assert_same(trained, whole(PROJECTION))


def test_the_best_epoch_survives_a_stop() -> None:
    # The first epoch is the best: a resumed run never sees its weights again.
    fids = {1: 0.5, 2: 2.0, 3: 1.0}

    def evaluate_from(first: int) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
        epochs = iter(range(first, 4))
        return lambda images, labels: {"fid": fids[next(epochs)]}

    budget = replace(BUDGET, keep="best")
    expected = train(budget=budget, evaluate=evaluate_from(1))
    assert expected.epoch == 1
    store, ask = MemoryStore(), StopAt(7)
    with pytest.raises(TrainingStopped):
        train(
            budget=budget,
            store=store,
            evaluate=evaluate_from(1),
            on_step=ask.on_step,
            should_stop=ask,
        )
    resumed = train(budget=budget, store=store, evaluate=evaluate_from(2))
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
    def scripted(*fids: float) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
        rest = iter(fids)
        return lambda images, labels: {"fid": next(rest)}

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


def test_falling_rates_change_nothing_before_their_start() -> None:
    # Steps 1 to 6 of 12 run at the full rate, so the first epoch of 5 steps is the same.
    falling, constant = train(tiny(decay_start=0.5)), train(CONSTANT)
    assert falling.history[0].metrics == constant.history[0].metrics
    assert falling.history[1].metrics != constant.history[1].metrics


def test_epochs_and_images_count_the_same_steps() -> None:
    by_epochs = train(budget=Budget(images=None, epochs=2, evaluate=12, keep="last"))
    by_images = train(budget=replace(BUDGET, images=80))
    assert_same(by_epochs, by_images)
    assert by_epochs.history[-1].images == 80


def test_a_batch_larger_than_the_set_is_refused() -> None:
    with pytest.raises(AugmentError) as caught:
        train(tiny(batch_size=41))
    assert str(caught.value) == (
        "train_gan.batch_size is 41; allowed: at most the 40 training images"
    )
    train(tiny(batch_size=40), replace(BUDGET, images=40))


def test_a_batch_that_the_processes_cannot_share_is_refused() -> None:
    system = tiny()
    with pytest.raises(AugmentError, match="batch_size is 8; allowed: a multiple of"):
        train_gan(
            IMAGES,
            system.architecture(N_CLASSES, 1, 28),
            system,
            BUDGET,
            seed=3,
            fabric=SimpleNamespace(world_size=3),  # type: ignore[arg-type]
            store=MemoryStore(),
            evaluate=brightness,
        )


class PoisonedRows(ImageRows):
    """Images that are not numbers from some read on."""

    reads = 0
    good = 0

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        images = super().__getitem__(rows)
        type(self).reads += 1
        return images if self.reads <= self.good else np.full(images.shape, np.nan, np.float32)


def poisoned_after(steps: int) -> PoisonedRows:
    PoisonedRows.reads = 0
    PoisonedRows.good = steps + 1  # One read measures the spread of the real images.
    return PoisonedRows(IMAGES.sets, IMAGES.indices)


@pytest.mark.parametrize("steps", [5, 7, 9])
@pytest.mark.parametrize("keep", ["best", "last"])
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
    assert "lower train_gan.generator_rate" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", [PROJECTION, SMOOTH])
def test_an_absurd_learning_rate_never_gives_a_generator(name: str) -> None:
    system = tiny(name, generator_rate=1e30, discriminator_rate=1e30, ema_decay=0.0)
    with pytest.raises(AugmentError, match="training failed before one good epoch"):
        train(system)


def collapsing_after(good_epochs: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Hooks that turn the generator to one constant image after some epochs."""
    held: dict[str, nn.Module] = {}

    class Seen(WeightAverage):
        def update(self, generator: nn.Module, step: int) -> None:
            super().update(generator, step)
            held["generator"] = generator

    def blacken(epoch: Epoch) -> None:
        if epoch.epoch == good_epochs:
            layer = held["generator"].get_submodule("upsample.3")
            assert isinstance(layer, nn.ConvTranspose2d)
            nn.init.zeros_(layer.weight)

    monkeypatch.setattr(gan_training, "WeightAverage", Seen)
    # With a generator that learns nothing it stays as it is left; no average delays what it shows.
    return {"system": tiny(generator_rate=0.0, ema_decay=0.0), "on_epoch": blacken}


def test_collapse_is_noticed_and_the_epoch_before_it_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    options = collapsing_after(2, monkeypatch)
    budget = Budget(images=None, epochs=9, evaluate=12, keep="last")
    trained = train(budget=budget, **options)
    assert trained.stopped == "the images of epochs 3 to 5 are all alike (collapse)"
    assert trained.epoch == 2
    assert len(trained.history) == 5
    assert np.ptp(trained.history[4].grid, axis=0).max() == 0
    assert np.ptp(trained.history[1].grid, axis=0).max() > 0


def test_a_run_that_ends_in_black_keeps_a_good_epoch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    options = collapsing_after(1, monkeypatch)
    budget = Budget(images=None, epochs=3, evaluate=12, keep="last")
    trained = train(budget=budget, **options)
    assert trained.stopped is None
    assert trained.epoch == 1


def test_collapse_from_the_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    contrast = np.random.default_rng(1).integers(0, 2, (40, 28, 28, 1), dtype=np.uint8) * 255
    images = all_rows(ImageSet(contrast, IMAGES.labels, ("a", "b", "c")))
    system = tiny(generator_rate=0.0)
    budget = Budget(images=None, epochs=9, evaluate=12, keep="last")
    with pytest.raises(AugmentError, match="epochs 1 to 3 are all alike \\(collapse\\)"):
        train(system, budget, images=images)


def test_no_decay_is_the_generator_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[nn.Module] = []

    class Seen(WeightAverage):
        def update(self, generator: nn.Module, step: int) -> None:
            super().update(generator, step)
            held.append(generator)

    monkeypatch.setattr(gan_training, "WeightAverage", Seen)
    trained = train(tiny(ema_decay=0.0))
    assert len(held) == STEPS
    assert same_weights(trained.weights, dict(held[-1].state_dict()))
    averaged = train(tiny(ema_decay=0.999))
    assert not same_weights(averaged.weights, dict(held[-1].state_dict()))


def test_the_average_follows_its_closed_form() -> None:
    architecture = tiny().architecture(N_CLASSES, 1, 28)
    generator = Generator(architecture)
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
    state = average.generator.state_dict()
    for n, value in expected.items():
        torch.testing.assert_close(state[n].double(), value, rtol=1e-5, atol=1e-5)
    assert torch.equal(state[counter], generator.state_dict()[counter])
    assert not average.generator.training
    assert not any(p.requires_grad for p in average.generator.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", [PROJECTION, SMOOTH])
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
    assert {key.split(".")[0] for key in first} == {"generator", "discriminator", "average"}
    assert same_weights(first, second)
    start = load_file(tmp_path / "start.safetensors")
    assert not torch.equal(first["generator.first.weight"], start["generator.first.weight"])
    # What the first process hands back is its average.
    kept = load_file(tmp_path / "kept.safetensors")
    for key, value in kept.items():
        if f"average.{key}" in first:
            assert torch.equal(first[f"average.{key}"], value)
