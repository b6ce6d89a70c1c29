"""Peak memory of each stage as the set grows, on made-up colour images of 64 x 64 pixels.

    python -m benchmarks.memory --images 25000 50000 100000 200000 --out docs/speed-memory.json

Anonymous memory (RssAnon of /proc, so Linux alone): pages of mapped files, which the kernel may
drop at any time, are not counted. It is summed over a stage and the processes that it starts, 20
times a second. Not of time: the networks are small and shortly trained, for memory is not of steps.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import psutil
from PIL import Image
from ruamel.yaml import YAML

from augment.files import write_json
from benchmarks.pairs import machine

STAGES = (
    "fetch",
    "train-examiner",
    "subset",
    "train-judge",
    "train-gan",
    "generate",
    "filter",
    "score",
    "mix",
    "train-classifiers",
)
SIDE, CLASSES = 64, 10


def write_pictures(folder: Path, n: int) -> None:
    """Write ``n`` PNG files in class folders: smooth random colours, no two alike."""
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"{label}").mkdir(parents=True)
    for i in range(n):
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        picture = small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / f"{i % CLASSES}" / f"{i:06d}.png", compress_level=1)


def write_parameters(root: Path, n: int, processes: int) -> None:
    """Write a study of ``n`` pictures and as many generated ones, one unit, a few steps."""
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    values["study"] |= {"protocol": "published", "repeats": 1}
    values["data"] |= {"source": "folder", "path": "pictures", "image_size": SIDE, "channels": 3}
    values["data"] |= {"duplicates": "keep"}
    for section in ("train_examiner", "train_judge", "train_classifiers"):
        values[section] |= {"steps": 40, "epochs": None}
    # A judge of 40 steps agrees with few images: what it keeps of the pool is enough.
    values["filter"] |= {"threshold": 0.0, "per_class": n // CLASSES, "max_draws": 1}
    values["train_gan"] |= {"images": 3200, "width": 0.0625, "evaluate": 100, "checkpoints": 1}
    values["generate"]["per_class"] = n // CLASSES
    values["mix"] |= {"real": [1.0], "synthetic": [0, 0.5], "strategies": ["mix"]}
    values["compute"]["processes"] = processes
    yaml.dump(values, root / "params.yaml")


def anonymous(process: psutil.Process) -> int:
    """Return the bytes of anonymous memory of a process and those that it started."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            lines = Path(f"/proc/{each.pid}/status").read_text(encoding="utf-8").splitlines()
        except OSError:  # It has ended.
            continue
        sizes = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
        total += sum(sizes) * 1024
    return total


def peak_of(stage: str, root: Path) -> tuple[int, float]:
    """Run a stage in ``root``; return its peak in bytes, and its seconds."""
    environment = os.environ | {"AUGMENT_CACHE_DIR": str(root / "cache")}
    environment["PYTHONPATH"] = str(Path.cwd())
    begun = time.monotonic()
    command = [sys.executable, "-m", "pipeline.cli", stage]
    with (root / f"{stage}.log").open("w") as log:
        running = psutil.Popen(command, cwd=root, env=environment, stdout=log, stderr=log)
        peak = 0
        while running.poll() is None:
            try:
                peak = max(peak, anonymous(running))
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
    if running.wait() != 0:
        raise SystemExit(f"{stage}: {(root / f'{stage}.log').read_text()[-800:]}")
    return peak, time.monotonic() - begun


def measure(
    n: int, processes: int, folder: Path, stages: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Run stages over ``n`` images; return megabytes and seconds of each."""
    root = folder / f"{n}"
    root.mkdir()
    write_pictures(root / "pictures", n)
    write_parameters(root, n, processes)
    found = {}
    for stage in stages:
        peak, seconds = peak_of(stage, root)
        found[stage] = {"megabytes": round(peak / 1e6, 1), "seconds": round(seconds, 1)}
        print(f"{n:,} images, {stage}: {peak / 1e6:,.0f} MB, {seconds:.0f} s", flush=True)
    shutil.rmtree(root)
    return found


def plot(found: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """Draw a line a stage: megabytes over images."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    counts = [int(n) for n in found]
    for stage in next(iter(found.values())):
        peaks = [sizes[stage]["megabytes"] for sizes in found.values()]
        axes.plot(counts, peaks, marker="o", label=stage)
    axes.set(xlabel="real images, and as many generated ones", ylabel="anonymous memory, MB")
    axes.set_xlim(0)
    axes.set_ylim(0)
    axes.legend(fontsize=8, ncols=2)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print a line a stage and size, and write them as JSON, with a plot beside it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[25_000, 50_000, 100_000, 200_000])
    parser.add_argument("--processes", type=int, default=1, help="classifiers side by side")
    parser.add_argument("--folder", type=Path, help="for some 15 GB; the system's where not given")
    parser.add_argument("--last", choices=STAGES, default=STAGES[-1], help="stage to end with")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    stages = STAGES[: STAGES.index(arguments.last) + 1]
    found = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for n in arguments.images:
            found[str(n)] = measure(n, arguments.processes, Path(folder), stages)
            about = {"machine": machine(), "processes": arguments.processes}
            write_json(arguments.out, about | {"images": found})
    plot(found, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
