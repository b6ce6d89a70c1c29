"""Each stage's share of a study's time, by the last run of each in logs/stages.jsonl.

    python benchmarks/stages.py

A stage that took its work from the cache is as quick as that. What a share leaves out is DVC's own
time, and the start of Python.
"""

from __future__ import annotations

import json

import pandas as pd

from pipeline.project import Project


def shares(log: pd.DataFrame) -> pd.DataFrame:
    """Return seconds and percentage of each stage, in the order in which they last ran.

    Args:
        log: a row a run with the columns stage, began (seconds since 1970) and seconds.
    """
    last = log.sort_values("began").drop_duplicates("stage", keep="last").set_index("stage")
    return last[["seconds"]].assign(share=100 * last["seconds"] / last["seconds"].sum())


def main() -> None:
    """Print a line a stage."""
    rows = Project.find().log.read_text(encoding="utf-8").splitlines()
    table = shares(pd.DataFrame([json.loads(row) for row in rows]))
    for stage, seconds, share in table.itertuples():
        print(f"{stage:18} {seconds:8.1f} s {share:5.1f} %")
    print(f"{'all stages':18} {table['seconds'].sum():8.1f} s")


if __name__ == "__main__":
    main()
