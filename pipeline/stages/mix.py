"""Stage mix: the recipe of every cell, without a pixel."""

from __future__ import annotations

from augment.files import atomic_file
from augment.images.image_sets import open_image_set
from augment.mixing.recipes import Cell, cells_table
from pipeline.cells.grid import cells_of_unit
from pipeline.parameters.feasibility import check_feasible
from pipeline.project import Project


def run(project: Project) -> list[str]:
    """Write ``data/recipes.parquet``; refuse a grid that the images cannot fill.

    Recipes that need more than a short pool holds are left out; where nothing else is asked for,
    the real images alone stay: those of mix.real, or all of them where it holds only 0.
    """
    p = project.parameters
    project.require(project.train)
    train = open_image_set(project.train)
    check_feasible(p, train.counts(), None, train.class_names)
    cells: list[Cell] = []
    lines: list[str] = []
    for unit in project.units:
        found, notes = cells_of_unit(project, unit, train.class_names)
        cells += found
        lines += notes if len(project.units) == 1 else [f"unit {unit}: {note}" for note in notes]
    with atomic_file(project.recipes) as file:
        cells_table(cells).to_parquet(file, index=False)
    n_seeds = len(p.mix.seeds)
    return [f"{len(cells)} cells: {len(cells) // n_seeds} recipes x {n_seeds}", *lines]
