"""Freed memory kept for the next step against glibc's defaults: LeNet's and a generator's step.

    python benchmarks/allocator.py

What glibc does is settled when a process starts, so each round starts one process of either kind,
in turn. Prints images a second of both, and their ratio: LeNet's on one thread by processor time,
the generator's by the clock.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import torch
from gan_step import images_per_second
from lenet_step import BATCH, make_step

from augment.generators.gan.systems import SYSTEMS
from classifiers.models.contract import Architecture
from classifiers.models.lenet import LeNet
from pipeline.process import ALLOCATOR

STEPS = 200
ROUNDS = 5


def measure(what: str) -> float:
    """Return images a second."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if what == "cdcgan-projection":
        return images_per_second(SYSTEMS[what], tuned=True, steps=STEPS // 10)
    step = make_step(LeNet(Architecture(n_classes=10)), torch.channels_last)
    for _ in range(10):
        step()
    begun = time.process_time()
    for _ in range(STEPS):
        step()
    return STEPS * BATCH / (time.process_time() - begun)


def main() -> None:
    """Time both and print their ratio."""
    names = {name for _, name, _ in ALLOCATOR}
    usual = {key: value for key, value in os.environ.items() if key not in names}
    kept = usual | {name: str(value) for _, name, value in ALLOCATOR}
    for what in ("lenet", "cdcgan-projection"):
        pairs = [
            [
                float(subprocess.check_output([sys.executable, __file__, what], env=environment))
                for environment in (usual, kept)
            ]
            for _ in range(ROUNDS)
        ]
        ratio = statistics.median(after / before for before, after in pairs)
        before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{what:18} {before:8,.0f} -> {after:8,.0f} images/s, ratio {ratio:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(sys.argv[1]))
    else:
        main()
