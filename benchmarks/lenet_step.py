"""LeNet's training step: this project's against the same network as usually written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.pairs import Pair, close
from classifiers.models.contract import Architecture, to_input
from classifiers.models.lenet import LeNet

BATCH = 128
STEPS = 15


class UsualLeNet(LeNet):
    """ReLU before pooling, default memory format."""

    def features(self, images: Tensor) -> Tensor:
        """Return the penultimate activations."""
        hidden = F.max_pool2d(F.relu(self.conv1(images)), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2)
        hidden = F.relu(self.fc1(hidden.flatten(1)))
        return F.relu(self.fc2(hidden))


def make_steps(network: LeNet, memory_format: torch.memory_format) -> Callable[[], float]:
    """Return `STEPS` steps of training on random pixels, which give the last loss."""
    torch.manual_seed(0)
    for layer in network.children():
        layer.reset_parameters()  # type: ignore[operator]
    network.to(memory_format=memory_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    pixels = torch.randint(0, 256, (BATCH, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(10, (BATCH,))

    def steps() -> float:
        for _ in range(STEPS):
            inputs = to_input(pixels, 32).contiguous(memory_format=memory_format)
            loss = F.cross_entropy(network(inputs), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return loss.item()

    return steps


def pairs() -> Iterator[Pair]:
    """Channels last and ReLU after pooling; the loss after the first steps is the same."""
    architecture = Architecture(n_classes=10)
    yield Pair(
        "LeNet training step",
        "images",
        STEPS * BATCH,
        make_steps(LeNet(architecture), torch.channels_last),
        make_steps(UsualLeNet(architecture), torch.contiguous_format),
        close(1e-3),
        repeats=8,
    )
