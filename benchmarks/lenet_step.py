"""LeNet's training step: this project's against the same network as usually written.

    python benchmarks/lenet_step.py

Prints images/s of both, one thread, alternating in one run, and their ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from classifiers.models.contract import Architecture, to_input
from classifiers.models.lenet import LeNet

BATCH = 128
STEPS = 15
ROUNDS = 8


class UsualLeNet(LeNet):
    """ReLU before pooling, default memory format."""

    def features(self, images: Tensor) -> Tensor:
        """Return the penultimate activations."""
        hidden = F.max_pool2d(F.relu(self.conv1(images)), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2)
        hidden = F.relu(self.fc1(hidden.flatten(1)))
        return F.relu(self.fc2(hidden))


def make_step(network: LeNet, memory_format: torch.memory_format) -> Callable[[], None]:
    """Return one step of training on random pixels."""
    network.to(memory_format=memory_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    pixels = torch.randint(0, 256, (BATCH, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(10, (BATCH,))

    def step() -> None:
        inputs = to_input(pixels, 32).contiguous(memory_format=memory_format)
        loss = F.cross_entropy(network(inputs), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Time both and print their ratio."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    architecture = Architecture(n_classes=10)
    steps = {
        "usual": make_step(UsualLeNet(architecture), torch.contiguous_format),
        "this project": make_step(LeNet(architecture), torch.channels_last),
    }
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(ROUNDS):
        for name, step in steps.items():
            step()
            begun = time.perf_counter()
            for _ in range(STEPS):
                step()
            best[name] = min(best[name], (time.perf_counter() - begun) / STEPS)
    for name, seconds in best.items():
        print(f"{name:13} {BATCH / seconds:8,.0f} images/s")
    print(f"ratio {best['usual'] / best['this project']:.2f}")


if __name__ == "__main__":
    main()
