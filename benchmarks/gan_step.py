"""Images a second of one training step of each system: as trained here, against plain float32.

Systems named on the command line, or all of them.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augment.generators.family import Setup, build_trainer
from augment.generators.gan.architectures import multiply_adds
from augment.generators.gan.settings import System
from augment.generators.gan.systems import SYSTEMS


def brightness(images: Tensor, labels: Tensor) -> Tensor:
    """Stand for a judge: its own time is not the step's."""
    return images.mean()


def images_per_second(system: System, *, tuned: bool, steps: int) -> float:
    """Time ``steps`` steps on random 28x28 images."""
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed" if tuned else "32-true")
    trainer = build_trainer(
        system,
        system.architecture(n_classes=10, channels=1, image_size=28),
        Setup(0, steps + 2, fabric, brightness),
    )
    if not tuned:
        for part in trainer.parts.values():
            if isinstance(part, nn.Module):
                part.to(memory_format=torch.contiguous_format)
    real = torch.rand(system.batch_size, 1, 28, 28) * 2 - 1
    labels = torch.randint(0, 10, (system.batch_size,))
    began = 0.0
    for step in range(steps + 2):
        if step == 2:  # the first steps choose kernels
            began = time.perf_counter()
        trainer.update(real, labels, step)
    return steps * system.batch_size / (time.perf_counter() - began)


def main(names: list[str]) -> None:
    """Print one line a system."""
    torch.set_flush_denormal(True)
    for system in [SYSTEMS[name] for name in names]:
        operations = sum(multiply_adds(system.architecture(10, 1, 28)))
        steps = max(3, min(30, round(5e10 / (operations * system.batch_size))))
        pairs = [
            (
                images_per_second(system, tuned=False, steps=steps),
                images_per_second(system, tuned=True, steps=steps),
            )
            for _ in range(3)
        ]
        plain, tuned = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(
            f"{system.name}: float32 {plain:.0f} images/s, bf16 and channels_last {tuned:.0f} "
            f"images/s, ratio {ratio:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:] or list(SYSTEMS))
