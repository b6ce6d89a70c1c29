"""Accuracy over steps of every arm of a study: whether its classifiers have learnt what they can.

Not of time. Run it in a project whose stage choose is done: python benchmarks/steps.py --out FILE.
For each arm, the cells that were chosen for the first units of the largest size are trained from
the start for 1/8, 1/4, 1/2, 1, 2 and 4 times the study's steps, and asked of the unit's validation
images. With --test they are asked of the test images instead, where there are few for validation.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from augment.files import read_json, write_json
from augment.mixing.recipes import cells_from_table
from classifiers.grid import CellTask
from pipeline.cells.tasks import CellTasks, train_tasks
from pipeline.errors import PipelineError
from pipeline.process import run_and_exit
from pipeline.project import Project

SHARES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the study's own steps."""


def main() -> None:
    """Print a Markdown table, a row an arm and a column a number of steps, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=2, help="units whose cells are trained")
    parser.add_argument("--test", action="store_true", help="ask of test images")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="of the steps")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    project = Project.find()
    tasks = CellTasks(project)
    steps = project.parameters.train_classifiers.steps
    if steps is None:
        raise PipelineError("train_classifiers.epochs is set; allowed: steps")
    recipes = cells_from_table(pd.read_parquet(project.recipes))
    cells = {(c.unit, c.strategy, c.n_real, c.n_synthetic): c for c in recipes}
    choices = read_json(project.results / "choices.json")["choices"]
    largest = max(choice["unit_real"] for choice in choices)
    units = [unit for unit in project.units if unit in {c["unit"] for c in choices}]
    units = units[: arguments.units]
    part = "test" if arguments.test else "validation"
    rows: list[tuple[str, str, int, np.ndarray]] = []
    jobs: list[CellTask] = []
    for choice in choices:
        if choice["unit_real"] < largest or choice["unit"] not in units:
            continue
        cell = cells[tuple(choice[k] for k in ("unit", "strategy", "n_real", "n_synthetic"))]
        evaluations = tasks.evaluations(cell.unit)
        if part not in evaluations:
            raise PipelineError(
                f"unit {cell.unit} has no {part} images; ask of test images with --test"
            )
        task = tasks.task(cell, "steps")
        place = [*evaluations].index(part)
        _, images, index = evaluations[part]
        for share in arguments.shares:
            n = max(1, round(share * steps))
            jobs.append(
                replace(
                    task,
                    settings=replace(task.settings, steps=n),
                    evaluations=(task.evaluations[place],),
                )
            )
            rows.append((choice["arm"], choice["unit"], n, images.labels[index]))
    results = train_tasks(project, "steps", jobs)
    table = pd.DataFrame(
        [
            {
                "arm": arm,
                "unit": unit,
                "steps": n,
                "accuracy": round(float((r.predictions[0] == labels).mean()), 6),
            }
            for (arm, unit, n, labels), r in zip(rows, results, strict=True)
        ]
    )
    mean = table.pivot_table(index="arm", columns="steps", values="accuracy", sort=False)
    print("| arm | " + " | ".join(f"{n:,} steps" for n in mean.columns) + " |")
    print("| --- |" + " --- |" * len(mean.columns))
    for arm, values in mean.iterrows():
        print(f"| {arm} | " + " | ".join(f"{100 * value:.2f}" for value in values) + " |")
    if arguments.out is not None:
        about = {"data": project.parameters.data.source, "unit_real": largest, "units": units}
        accuracies = json.loads(mean.round(6).to_json(orient="index"))
        found = {"accuracy": accuracies, "cells": table.to_dict("records")}
        write_json(arguments.out, about | {"part": part} | found)


if __name__ == "__main__":
    run_and_exit(main)
