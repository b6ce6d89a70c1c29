"""Time every pair of this folder, or those of the files that are named: make bench ONLY=frechet."""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from augment.files import write_json
from benchmarks.pairs import machine, time_pair


def files_of_pairs() -> list[str]:
    """Return the names of this folder's files that have pairs."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [file.stem for file in files if "\ndef pairs()" in file.read_text(encoding="utf-8")]


def main() -> int:
    """Print a line a pair; return 1 if any two ways did not do the same."""
    known = files_of_pairs()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; all where none is given")
    parser.add_argument("--repeats", type=int, help="timed calls of each way")
    parser.add_argument("--processor-time", action="store_true", help="for a busy machine")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"no pairs in {', '.join(sorted(unknown))}; allowed: {', '.join(known)}")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    timed = []
    failed = 0
    for name in arguments.names or known:
        for pair in importlib.import_module(f"benchmarks.{name}").pairs():
            try:
                found = time_pair(pair, arguments.repeats, of_processor=arguments.processor_time)
            except AssertionError as error:
                failed = 1
                print(f"{pair.name}: not the same: {error}", flush=True)
                continue
            print(found.line, flush=True)
            timed.append(asdict(found) | {"file": name, "ratio": found.ratio})
    if arguments.json is not None:
        write_json(arguments.json, {"machine": about, "pairs": timed})
    return failed


if __name__ == "__main__":
    sys.exit(main())
