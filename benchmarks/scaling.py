"""Processor time of stages over units, cells and images, in a tiny project of made-up pictures.

    python -m benchmarks.scaling --out docs/speed-scaling.json

Beside the seconds of each size: what one more unit, cell or image took since the size before. Where
that does not grow, the stage is no worse than linear. The search for nearly alike pictures, a part
of fetch, is also timed on made-up hashes: unlike ones, and ones as alike as a film's frames.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from augment.files import write_json
from augment.sources.duplicates import near_pairs
from benchmarks.memory import peak_of, write_parameters, write_pictures
from benchmarks.pairs import machine

UNITS, CELLS, IMAGES = (1, 2, 4, 8), (4, 8, 16, 32), (2_500, 12_500, 50_000, 200_000)
FRAMES = (2_500, 5_000, 10_000, 20_000)
FLIPPED = 0.01
"""Share of the bits in which a frame's hash differs from that of all frames."""


def project(folder: Path, n: int) -> Path:
    """Make a project of ``n`` pictures."""
    write_pictures(folder / "pictures", n)
    write_parameters(folder, n, processes=1)
    return folder


def edit(root: Path, section: str, **values: object) -> None:
    """Change parameters of a project."""
    yaml = YAML()
    parameters = yaml.load(root / "params.yaml")
    parameters[section] |= values
    yaml.dump(parameters, root / "params.yaml")


def seconds_of(root: Path, *stages: str) -> float:
    """Run stages as if for the first time; return processor seconds of the last one."""
    for stage in stages:
        shutil.rmtree(root / "cache", ignore_errors=True)
        before = os.times()
        peak_of(stage, root)
    after = os.times()
    children = after.children_user + after.children_system
    return children - before.children_user - before.children_system


def seconds_to_compare(flipped: float, n: int) -> float:
    """Return processor seconds of the search among ``n`` hashes that differ in so many bits."""
    rng = np.random.default_rng(0)
    one = rng.integers(0, 2, 256, dtype=np.uint8)
    hashes = np.packbits(one ^ (rng.random((n, 256), np.float32) < flipped), axis=1).view(np.uint64)
    began = time.process_time()
    near_pairs(hashes, np.arange(n))
    return time.process_time() - began


def main() -> None:
    """Print a line a size, and write all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}

    def tell(what: str, size: int, seconds: float) -> None:
        rows = found.setdefault(what, {})
        row = {"seconds": round(seconds, 2)}
        if rows:
            last, before = list(rows.items())[-1]
            row["of_one_more"] = round((seconds - before["seconds"]) / (size - int(last)), 7)
        rows[str(size)] = row
        print(f"{what}, {size:,}: {row}", flush=True)
        write_json(arguments.out, {"machine": machine(), "found": found})

    for n in IMAGES:
        tell("unlike hashes", n, seconds_to_compare(0.5, n))
    for n in FRAMES:
        tell("hashes of frames", n, seconds_to_compare(FLIPPED, n))
    with tempfile.TemporaryDirectory() as name:
        for n in IMAGES:
            root = project(Path(name) / f"{n}", n)
            tell("fetch over images", n, seconds_of(root, "fetch"))
        root = Path(name) / f"{IMAGES[0]}"
        for n in UNITS:
            edit(root, "study", repeats=n)
            tell("train-gan over units", n, seconds_of(root, "subset", "train-judge", "train-gan"))
        edit(root, "study", repeats=1)
        for stage in ("subset", "generate", "filter"):
            seconds_of(root, stage)
        for n in CELLS:
            edit(root, "mix", seeds=list(range(n // 2)))  # two recipes: none and half added
            seconds = seconds_of(root, "mix", "train-classifiers")
            tell("train-classifiers over cells", n, seconds)


if __name__ == "__main__":
    main()
