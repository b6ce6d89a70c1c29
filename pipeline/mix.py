"""Stage mix: the recipe of every cell, without a pixel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from augment.files import atomic_file
from augment.image_sets import open_image_set
from augment.mixing import Cell, build_cells, cells_table, check_cells
from augment.strategies import STRATEGIES
from pipeline.errors import PipelineError
from pipeline.parameters import check_feasible, counts_per_class
from pipeline.project import Project, read_array


def run(project: Project) -> list[str]:
    """Write ``data/recipes.parquet``; refuse a grid that the images cannot fill."""
    p = project.parameters
    unit = p.units[0]
    paths = project.unit(unit)
    project.require(project.train, paths.subset, paths.generated, paths.filtered)
    train = open_image_set(project.train)
    index = project.read(paths.subset, read_array)
    real = np.bincount(train.labels[index], minlength=train.n_classes)
    check_feasible(p, real, train.class_names)
    cells = build_cells(
        unit,
        [counts_per_class(entry, real, train.class_names) for entry in p.mix.real],
        [counts_per_class(entry, real, train.class_names) for entry in p.mix.synthetic],
        p.mix.strategies,
        p.mix.seeds,
    )
    folders = {"generated": paths.generated, "filtered": paths.filtered}
    used = {STRATEGIES[strategy].pool for strategy in p.mix.strategies}
    pools = {name: open_image_set(folder) for name, folder in folders.items() if name in used}
    counts = {name: pool.counts() for name, pool in pools.items()}
    sizes = {"generated": p.generate.per_class}
    if p.filter is not None:
        sizes["filtered"] = p.filter.per_class
    # A pool of the size asked for is short where the generator gave no more.
    short = {
        name: counts[name]
        for name, pool in pools.items()
        if pool.meta["made_by"].get("per_class") == sizes[name] and counts[name].min() < sizes[name]
    }
    feasible = [cell for cell in cells if _fits(cell, short)]
    left_out = [cell for cell in cells if not _fits(cell, short)]
    if not feasible:
        raise PipelineError(
            "no recipe can be made: the generator gave too few images of some classes; "
            "allowed: a real count above 0 in mix.real with 0 in mix.synthetic, or another "
            "generator"
        )
    check_cells(feasible, real, counts, train.class_names)
    with atomic_file(project.recipes) as file:
        cells_table(feasible).to_parquet(file, index=False)
    n_seeds = len(p.mix.seeds)
    lines = [f"{len(feasible)} cells: {len(feasible) // n_seeds} recipes x {n_seeds}"]
    if left_out:
        names = ", ".join(sorted({cell.strategy for cell in left_out}))
        lines.append(
            f"{len(left_out) // n_seeds} recipes are left out ({names}): the generator gave too "
            "few images of some classes"
        )
    return lines


def _fits(cell: Cell, short: Mapping[str, np.ndarray]) -> bool:
    """Return whether a cell's images are in the pool, where that is short."""
    pool = STRATEGIES[cell.strategy].pool
    if pool is None or pool not in short:
        return True
    return bool((np.array(cell.synthetic_per_class) <= short[pool]).all())
