"""Two generators side by side, one thread each, against one after the other on one and two threads.

First what limits the gain: a training step on two threads against one. Then, in a project whose
stage train-judge is done, the stage itself; each call trains in a copy of the project's inputs. For
a machine with nothing else on it: two threads that share cores with others wait for each other.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from ruamel.yaml import YAML
from torch import Tensor

from augment.generators.gan.systems import SYSTEMS
from benchmarks import gan_step
from benchmarks.pairs import Pair

IMAGES = 20_000
UNITS = ["all-0", "all-1"]
STEPS = 100


def train(project: Path, units: list[str], threads: int) -> list[bytes]:
    """Train the units side by side; return their weights."""
    yaml = YAML()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        shutil.copytree(project / "data" / "real", root / "data" / "real")
        for unit in units:
            shutil.copytree(project / "models/judges/all-0", root / "models/judges" / unit)
            shutil.copytree(project / "data/subsets/all-0", root / "data/subsets" / unit)
        (root / "data/subsets/units.json").write_text(json.dumps(units))
        values = yaml.load(project / "params.yaml")
        values["study"] |= {"protocol": "published", "repeats": len(units)}
        values["compute"] |= {"threads": threads, "processes": len(units)}
        values["train_gan"] |= {"images": IMAGES, "evaluate": 100, "checkpoints": 1, "keep": "last"}
        yaml.dump(values, root / "params.yaml")
        environment = os.environ | {"AUGMENT_CACHE_DIR": str(root / "cache")}
        command = [sys.executable, "-m", "pipeline.cli", "train-gan"]
        subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
        found = (root / "models" / "generators" / unit for unit in units)
        return [next(each.rglob("*.safetensors")).read_bytes() for each in found]


def take_steps(
    threads: int, way: gan_step.Step, batch: tuple[Tensor, Tensor], numbers: Iterator[int]
) -> Tensor:
    """Take the next steps on so many threads; return the last losses."""
    torch.set_num_threads(threads)
    try:
        return gan_step.train(way, batch, numbers, STEPS)
    finally:
        torch.set_num_threads(1)


def same_weights(threads: int, ours: list[bytes], theirs: list[bytes]) -> str:
    """Compare the first unit's weights, which both trained; on as many threads they are equal.

    Args:
        threads: on which the others were trained; ours on one.
        ours: weights of each unit.
        theirs: those of the first unit, as many times.
    """
    assert [*map(len, ours)] == [*map(len, theirs)]
    assert len(set(theirs)) == 1, "a unit that was trained twice has other weights"
    equal = ours[0] == theirs[0]
    assert equal or threads > 1, "other weights"
    return "equal weights" if equal else "weights that differ by the threads"


def pairs() -> Iterator[Pair]:
    """One of a step, and one for each number of threads where there is such a project."""
    system = SYSTEMS["cdcgan-projection"]
    n = system.batch_size
    batch = torch.rand(n, 1, 28, 28) * 2 - 1, torch.randint(0, 10, (n,))
    one, two = (gan_step.both(system, "bf16-mixed", STEPS)[0][0] for _ in range(2))
    yield Pair(
        "training step of cdcgan-projection on 2 threads, against 1",
        "images",
        STEPS * n,
        partial(take_steps, 2, two, batch, itertools.count()),
        partial(take_steps, 1, one, batch, itertools.count()),
        partial(gan_step.losses_of_both, "the same start"),
        elsewhere=True,  # by the clock: two threads take the processor's time twice
    )
    project = Path.cwd()
    if not (project / "models/judges/all-0").is_dir():
        print("units: left out, for models/judges/all-0 is not here; see benchmarks/units.py")
        return
    for threads in (2, 1):
        yield Pair(
            f"two generators side by side, against in turn on {threads} threads",
            "images",
            2 * IMAGES,
            lambda: train(project, UNITS, 1),
            lambda threads=threads: [
                weights for _ in UNITS for weights in train(project, UNITS[:1], threads)
            ],
            partial(same_weights, threads),
            repeats=3,
            elsewhere=True,
        )
