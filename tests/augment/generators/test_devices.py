"""A generator trains and draws on a GPU as on the CPU, but for rounding."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from augment import placing
from augment.checkpoints import save_checkpoint
from augment.generators.budget import Budget
from augment.generators.family import FAMILIES, Setup, build_trainer, system_of, systems
from augment.generators.sampling import CHUNK, load_sampler
from augment.generators.training import TrainedGenerator, TrainingStopped, Watch, train
from augment.images.image_rows import all_rows
from augment.images.image_sets import ImageSet
from augment.placing import same_kernels
from tests.augment.generators.memory_store import MemoryStore

FIRST = {system.family: system for system in reversed(systems().values())}
LABELS = np.arange(60) % 3
SHADES = (
    np.random.default_rng(0).integers(0, 90, (60, 28, 28, 1)) + 60 * LABELS[:, None, None, None]
)
IMAGES = ImageSet(SHADES.astype(np.uint8), LABELS, ("a", "b", "c"))


def run(family: str, kind: str, stop_after: int | None = None) -> TrainedGenerator:
    same_kernels()
    fabric = Fabric(accelerator=kind, devices=1)
    system = system_of(FIRST[family].name, {"batch_size": 12})
    architecture = system.architecture(3, 1, 28, 0.1)
    budget, store = Budget(120, None, 100, "last", 1), MemoryStore()

    def go_on(watch: Watch) -> TrainedGenerator:
        trainer = build_trainer(system, architecture, Setup(3, 10, fabric))
        return train(
            all_rows(IMAGES), trainer, budget, seed=3, fabric=fabric, store=store, watch=watch,
            evaluate=lambda images, labels: {"fid": float(images.mean())},
        )  # fmt: skip

    if stop_after is not None:
        steps = iter(range(100))
        with pytest.raises(TrainingStopped):
            go_on(Watch(should_stop=lambda: next(steps) + 1 == stop_after))
    return go_on(Watch())


@pytest.mark.parametrize("family", FAMILIES)
def test_images_that_stay_and_noise_drawn_ahead_change_nothing(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU has of its own, on a CPU."""
    before = run(family, "cpu")
    monkeypatch.setattr(placing, "apart", lambda device: True)
    monkeypatch.setattr(placing, "free_bytes", lambda device: 10**9)
    after = run(family, "cpu")
    assert all(torch.equal(values, after.weights[name]) for name, values in before.weights.items())
    assert before.history[0].metrics == after.history[0].metrics


@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_are_near_those_of_the_cpu(family: str) -> None:
    there, here = (run(family, kind).history[0].metrics for kind in ("cuda", "cpu"))
    # The noise of a flow's training is drawn by the device.
    near = 0.5 if family == "flow" else 0.01
    for name in here:
        if name.endswith("_loss"):
            assert there[name] == pytest.approx(here[name], rel=near)


@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(family: str) -> None:
    whole, resumed = run(family, "cuda"), run(family, "cuda", stop_after=4)
    for name, values in whole.weights.items():
        assert torch.equal(values, resumed.weights[name]), name


@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_is_the_same_however_it_is_asked_for(family: str, tmp_path: Path) -> None:
    system = FIRST[family]
    architecture = system.architecture(3, 1, 28, 0.1)
    meta = {"family": family, "architecture": architecture.to_dict()}
    save_checkpoint(tmp_path / "model", "generator", run(family, "cuda").weights, meta)
    sampler, _ = load_sampler(tmp_path / "model", torch.device("cuda"))
    whole = sampler.draw(1, 0, 2 * CHUNK + 7, 5)
    for start, stop in ((0, 3), (CHUNK - 1, CHUNK + 1), (CHUNK, 2 * CHUNK + 7)):
        np.testing.assert_array_equal(whole[start:stop], sampler.draw(1, start, stop, 5))
    on_cpu = load_sampler(tmp_path / "model")[0].draw(1, 0, 20, 5)
    assert np.abs(whole[:20].astype(int) - on_cpu).max() <= 2
