"""Stage choose: which cells a unit's verdict rests on, by other units' validation accuracies."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from augment.files import write_json
from augment.mixing.strategies import STRATEGIES
from pipeline.project import Project
from reports.verdict.choice import choose, default_margin

_COLUMNS = (
    *("unit", "unit_real", "strategy", "n_real", "n_synthetic", "seed"),
    *("validation_accuracy", "n_validation"),
)
"""All that is read of the cells: no answer on a test image."""


def arms() -> dict[str, list[str]]:
    """Return the strategies that compete in each arm of the verdict.

    Where nothing can be chosen the first that was trained stands for the arm, so what most users
    would do comes first.
    """
    classical = [n for n, s in STRATEGIES.items() if s.is_control and s.classical]
    others = [n for n, s in STRATEGIES.items() if s.is_control and not s.classical]
    generated = [n for n, s in STRATEGIES.items() if not s.is_control]
    return {
        "real": ["none"],
        "control": [*classical, *others],
        "mix": generated,
        "classical": classical,
        "mix-classical": [n for n in generated if STRATEGIES[n].classical],
    }


def run(project: Project) -> list[str]:
    """Write ``results/choices.json``: a cell for every arm of every unit, and the margin.

    The verdict is about the units of the largest real count; the choices of the others are what the
    learning curve shows.
    """
    path = project.results / "cells.parquet"
    cells = project.read(path, lambda path: pd.read_parquet(path, columns=list(_COLUMNS)))
    n_validation = dict(zip(cells["unit"], cells["n_validation"], strict=True))
    sizes = sorted(cells["unit_real"].unique().tolist())
    choices = {
        size: choose(cells[cells["unit_real"] == size], arms(), n_validation) for size in sizes
    }
    largest = sizes[-1]
    given = project.parameters.study.margin
    margin = default_margin(cells, choices[largest]) if given is None else given / 100
    rows = [asdict(choice) | {"unit_real": n} for n, found in choices.items() for choice in found]
    write_json(project.results / "choices.json", {"margin": margin, "choices": rows})
    lines = [
        f"unit {c.unit}, {c.arm}: {c.strategy} with {c.n_synthetic:,} added ({c.by})"
        for c in choices[largest]
    ]
    text = "none" if margin is None else f"{100 * margin:.2g} percentage points"
    return [*lines, f"a gain below the margin does not matter: {text}"]
