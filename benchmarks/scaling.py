"""Processor time of stages over units, cells and images, in a tiny project of made-up pictures.

    python -m benchmarks.scaling --out docs/speed-scaling.json

Beside the seconds of each size: what one more unit, cell or thousand images took since the size
before. Where that does not grow, the stage is no worse than linear.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from augment.files import write_json
from benchmarks.memory import peak_of, write_parameters, write_pictures
from benchmarks.pairs import machine

UNITS, CELLS, IMAGES = (1, 2, 4, 8), (4, 8, 16, 32), (2_500, 12_500, 50_000, 200_000)


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
            row["of_one_more"] = round((seconds - before["seconds"]) / (size - int(last)), 5)
        rows[str(size)] = row
        print(f"{what}, {size:,}: {row}", flush=True)
        write_json(arguments.out, {"machine": machine(), "found": found})

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
