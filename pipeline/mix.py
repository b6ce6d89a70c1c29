"""Stage mix: the recipe of every cell, without a pixel."""

from __future__ import annotations

import numpy as np

from augment.files import atomic_file
from augment.image_sets import open_image_set
from augment.mixing import build_cells, cells_table, check_cells
from augment.strategies import STRATEGIES
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
    pools = {"generated": paths.generated, "filtered": paths.filtered}
    used = {STRATEGIES[strategy].pool for strategy in p.mix.strategies}
    counts = {name: open_image_set(pools[name]).counts() for name in pools if name in used}
    check_cells(cells, real, counts, train.class_names)
    with atomic_file(project.recipes) as file:
        cells_table(cells).to_parquet(file, index=False)
    return [f"{len(cells)} cells: {len(cells) // len(p.mix.seeds)} recipes x {len(p.mix.seeds)}"]
