"""A training step of each system: bf16 and channels last, as trained here, against float32."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augment.generators.family import Setup, build_trainer
from augment.generators.gan.architectures import multiply_adds
from augment.generators.gan.settings import System
from augment.generators.gan.systems import SYSTEMS
from benchmarks.pairs import Pair

CALLS = 100  # at the most: schedules go by the steps of the whole training


def brightness(images: Tensor, labels: Tensor) -> Tensor:
    """Stand for a judge: its own time is not the step's."""
    return images.mean()


def make_steps(system: System, *, tuned: bool, steps: int) -> Callable[[], list[float]]:
    """Return ``steps`` steps on random 28 x 28 images, which give the last losses."""
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed" if tuned else "32-true")
    trainer = build_trainer(
        system,
        system.architecture(n_classes=10, channels=1, image_size=28),
        Setup(0, CALLS * steps, fabric, brightness),
    )
    if not tuned:
        for part in trainer.parts.values():
            if isinstance(part, nn.Module):
                part.to(memory_format=torch.contiguous_format)
    real = torch.rand(system.batch_size, 1, 28, 28) * 2 - 1
    labels = torch.randint(0, 10, (system.batch_size,))
    numbers = itertools.count()

    def run() -> list[float]:
        for step in itertools.islice(numbers, steps):
            losses = trainer.update(real, labels, step)
        return [float(loss) for loss in losses]

    return run


def losses_of_both(ours: list[float], theirs: list[float]) -> str:
    """Return the last losses, which bf16 may move; none may be missing or not finite."""
    assert len(ours) == len(theirs)
    assert all(map(math.isfinite, [*ours, *theirs]))
    first, second = (", ".join(f"{loss:.2f}" for loss in losses) for losses in (ours, theirs))
    return f"losses {first} and {second}"


def pairs() -> Iterator[Pair]:
    """One for each system."""
    for system in SYSTEMS.values():
        operations = sum(multiply_adds(system.architecture(10, 1, 28)))
        steps = max(3, min(30, round(5e10 / (operations * system.batch_size))))
        yield Pair(
            f"training step of {system.name}",
            "images",
            steps * system.batch_size,
            make_steps(system, tuned=True, steps=steps),
            make_steps(system, tuned=False, steps=steps),
            losses_of_both,
            repeats=3,
        )
