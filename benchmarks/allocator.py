"""Freed memory kept for the next step against glibc's defaults: LeNet's and a generator's step.

What glibc does is settled when a process starts, so each way computes in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import torch

from augment.generators.gan.systems import SYSTEMS
from benchmarks.gan_step import make_steps as make_gan_steps
from benchmarks.lenet_step import BATCH, STEPS, make_steps
from benchmarks.pairs import Pair, close
from classifiers.models.contract import Architecture
from classifiers.models.lenet import LeNet
from pipeline.process import ALLOCATOR

GENERATOR = "cdcgan-projection"
GENERATOR_STEPS = 10


def serve(what: str) -> None:
    """Do the steps whenever a line comes, and answer with the loss."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    steps: Callable[[], object]
    if what == "lenet":
        steps = make_steps(LeNet(Architecture(n_classes=10)), torch.channels_last)
    else:
        steps = make_gan_steps(SYSTEMS[what], tuned=True, steps=GENERATOR_STEPS)
    for _ in sys.stdin:
        print(json.dumps(steps()), flush=True)


def start(what: str, environment: dict[str, str]) -> tuple[subprocess.Popen[str], Callable]:
    """Return a process that serves, and what asks it for its steps."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.allocator", what],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask() -> object:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    return process, ask


def pairs() -> Iterator[Pair]:
    """Both steps; memory changes no loss."""
    names = {name for _, name, _ in ALLOCATOR}
    usual = {key: value for key, value in os.environ.items() if key not in names}
    kept = usual | {name: str(value) for _, name, value in ALLOCATOR}
    for what, images in (
        ("lenet", STEPS * BATCH),
        (GENERATOR, GENERATOR_STEPS * SYSTEMS[GENERATOR].batch_size),
    ):
        ours, theirs = (start(what, environment) for environment in (kept, usual))
        with ours[0], theirs[0]:
            yield Pair(
                f"memory kept between steps of {what}",
                "images",
                images,
                ours[1],
                theirs[1],
                close(0.0),
                elsewhere=True,
            )


if __name__ == "__main__":
    serve(sys.argv[1])
