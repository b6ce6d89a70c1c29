"""Images a second of one training step of each system: as trained here, against plain float32."""

from __future__ import annotations

import statistics
import time

import torch

from augment.losses import discriminator_loss, generator_loss
from augment.networks import Discriminator, Generator
from augment.systems import SYSTEMS, System


def images_per_second(system: System, *, tuned: bool, steps: int) -> float:
    """Time ``steps`` updates of both networks on random 28x28 images."""
    torch.manual_seed(0)
    layout = torch.channels_last if tuned else torch.contiguous_format
    architecture = system.architecture(n_classes=10, channels=1, image_size=28)
    generator = Generator(architecture).to(memory_format=layout)
    discriminator = Discriminator(architecture).to(memory_format=layout)
    generator_optimizer = torch.optim.Adam(generator.parameters(), 1e-4, fused=tuned)
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), 1e-4, fused=tuned)
    real = torch.rand(system.batch_size, 1, 28, 28) * 2 - 1
    labels = torch.randint(0, 10, (system.batch_size,))
    began = 0.0
    for step in range(steps + 2):
        if step == 2:  # the first steps choose kernels
            began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=tuned):
            fake = generator(torch.randn(system.batch_size, 100), labels)
            loss = discriminator_loss(
                discriminator(real, labels), discriminator(fake.detach(), labels), system.loss
            )
        discriminator_optimizer.zero_grad()
        loss.backward()
        discriminator_optimizer.step()
        with torch.autocast("cpu", torch.bfloat16, enabled=tuned):
            loss = generator_loss(discriminator(fake, labels), system.loss)
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()
    return steps * system.batch_size / (time.perf_counter() - began)


def main() -> None:
    """Print one line a system."""
    torch.set_flush_denormal(True)
    for system in SYSTEMS.values():
        steps = 10 if system.base_channels > 64 else 30
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
            f"images/s, ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
