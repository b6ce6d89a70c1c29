"""A training step of each system, as trained here, against a plain loop in float32.

The loop is that of tutorials: contiguous memory, PyTorch's Adam as it comes, real and generated
images one after the other, the discriminator's gradients computed in the generator's turn, too.
Systems with several updates a step, phases, dropout or an encoder are left out.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augment.generators.family import Setup, build_trainer
from augment.generators.gan.architectures import Architecture, multiply_adds
from augment.generators.gan.losses import discriminator_loss, generator_loss
from augment.generators.gan.networks import draw_latent
from augment.generators.gan.settings import System
from augment.generators.gan.systems import SYSTEMS
from augment.streams import torch_stream
from benchmarks.pairs import Pair

CALLS = 100  # at the most: schedules go by the steps of the whole training
PARTS = ("generator", "discriminator")
Step = Callable[[Tensor, Tensor, int], Tensor]


def brightness(images: Tensor, labels: Tensor) -> Tensor:
    """Stand for a judge: its own time is not the step's."""
    return images.mean()


def networks_of(system: System) -> Architecture:
    """Return the architecture for gray 28 x 28 images of ten classes."""
    return system.architecture(n_classes=10, channels=1, image_size=28)


def plain_loop(system: System, networks: list[nn.Module]) -> Step:
    """Return a step of the same game on the same noise, with losses as of `Trainer.update`."""
    generator, discriminator = networks
    architecture = networks_of(system)
    rates = system.generator_rate, system.discriminator_rate
    g_optimizer, d_optimizer = (
        torch.optim.Adam(network.parameters(), lr=rate, betas=system.betas)
        for network, rate in zip(networks, rates, strict=True)
    )

    def step(real: Tensor, labels: Tensor, number: int) -> Tensor:
        stream = torch_stream(0, "latent", number)
        fake = generator(draw_latent(architecture, len(real), stream), labels)
        d_optimizer.zero_grad()
        scores = discriminator(real, labels), discriminator(fake.detach(), labels)
        d_loss = discriminator_loss(*scores, system.loss, system.real_target)
        d_loss.backward()  # type: ignore[no-untyped-call]
        d_optimizer.step()
        g_optimizer.zero_grad()
        g_loss = generator_loss(discriminator(fake, labels), system.loss)
        if system.feedback:
            g_loss = g_loss - system.feedback * brightness(fake, labels)
        g_loss.backward()  # type: ignore[no-untyped-call]
        g_optimizer.step()
        return torch.stack([g_loss.detach(), d_loss.detach()])

    return step


def both(system: System, precision: str, steps: int) -> tuple[list[Step], list[list[nn.Module]]]:
    """Return our step and the plain one, and the networks of each, which start alike."""
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    setup = Setup(0, CALLS * steps, fabric, brightness)
    trainer = build_trainer(system, networks_of(system), setup)
    ours = [trainer.parts[name] for name in PARTS]
    theirs = [copy.deepcopy(each).to(memory_format=torch.contiguous_format) for each in ours]
    return [trainer.update, plain_loop(system, theirs)], [ours, theirs]


def same_game(system: System, real: Tensor, labels: Tensor) -> str:
    """Take one float32 step both ways; say how far the weights are apart after it.

    Adam's first step is as long for any gradient, so a gradient of nearly 0 may go either way:
    two rates apart. Spectral norm's iteration goes on with every pass, and ours has one less.
    """
    ways, networks = both(system, "32-true", 1)
    losses = [way(real, labels, 0) for way in ways]
    apart = torch.cat(
        [
            (a - b).detach().abs().flatten()
            for mine, other in zip(*networks, strict=True)
            for a, b in zip(mine.parameters(), other.parameters(), strict=True)
        ]
    )
    rate = max(system.generator_rate, system.discriminator_rate)
    exact = networks_of(system).discriminator_norm != "spectral"
    tolerance = 1e-4 if exact else 0.1
    assert torch.allclose(*losses, rtol=tolerance, atol=tolerance), f"losses {losses}"
    alike = float((apart < 0.01 * rate).float().mean())
    assert apart.max() < 2.01 * rate, f"weights {apart.max():.1e} apart after a step"
    assert alike > 0.99 or not exact, f"{alike:.1%} of the weights are alike after a step"
    return f"{alike:.2%} of the weights alike after a float32 step"


def train(step: Step, batch: tuple[Tensor, Tensor], numbers: Iterator[int], steps: int) -> Tensor:
    """Take the next steps, all on one batch; return the last losses."""
    for number in itertools.islice(numbers, steps):
        losses = step(*batch, number)
    return losses


def losses_of_both(first: str, ours: Tensor, theirs: Tensor) -> str:
    """Return the last losses after so many steps; none may be missing or not finite."""
    assert len(ours) == len(theirs)
    assert all(map(math.isfinite, [*ours, *theirs]))
    a, b = (", ".join(f"{float(loss):.2f}" for loss in losses) for losses in (ours, theirs))
    return f"{first}; losses {a} and {b}"


def pairs() -> Iterator[Pair]:
    """Two for each system: in bf16, and in float32."""
    for system in SYSTEMS.values():
        architecture, n = networks_of(system), system.batch_size
        several = {system.generator_updates, system.discriminator_updates} != {1}
        other = several or system.phases or architecture.code_discriminator
        if other or any(architecture.dropout):
            continue
        steps = max(3, min(30, round(5e10 / (sum(multiply_adds(architecture)) * n))))
        batch = torch.rand(n, 1, 28, 28) * 2 - 1, torch.randint(0, 10, (n,))
        alike = same_game(system, *batch)
        for name, precision in (("bf16", "bf16-mixed"), ("float32", "32-true")):
            ways, _ = both(system, precision, steps)
            yield Pair(
                f"training step of {system.name} in {name}, against a plain float32 loop",
                "images",
                steps * n,
                *(partial(train, way, batch, itertools.count(), steps) for way in ways),
                partial(losses_of_both, alike),
                repeats=3,
            )
