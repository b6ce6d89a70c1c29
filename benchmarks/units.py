"""Two generators side by side, one thread each, against one on two threads: real images a second.

Run it in a project whose stage train-judge is done, with nothing else on the machine:
python benchmarks/units.py. The rounds take turns, in a copy of the project's inputs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

FORMS = {
    "one unit, two threads": (["all-0"], 2, 1),
    "one unit, one thread": (["all-0"], 1, 1),
    "two units side by side, one thread each": (["all-0", "all-1"], 1, 2),
}


def train(project: Path, images: int, units: list[str], threads: int, processes: int) -> float:
    """Return the real images a second of all units of one training."""
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
        values["compute"] |= {"threads": threads, "processes": processes}
        values["train_gan"] |= {"images": images, "evaluate": 100, "checkpoints": 1, "keep": "last"}
        yaml.dump(values, root / "params.yaml")
        environment = os.environ | {"AUGMENT_CACHE_DIR": str(root / "cache")}
        command = [sys.executable, "-m", "pipeline.cli", "train-gan"]
        begun = time.monotonic()
        subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
        return len(units) * images / (time.monotonic() - begun)


def main() -> None:
    """Print the median of every form over the rounds, and its ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000, help="real images a unit")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    speeds: dict[str, list[float]] = {name: [] for name in FORMS}
    for _ in range(arguments.rounds):
        for name, form in FORMS.items():
            speeds[name].append(train(Path.cwd(), arguments.images, *form))
    first = statistics.median(next(iter(speeds.values())))
    for name, found in speeds.items():
        median = statistics.median(found)
        print(f"{name:42}{median:8,.0f} images/s  {median / first:.2f}  {min(found):,.0f} to "
              f"{max(found):,.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
