"""The cells of one unit: the grid over its own images, without what they cannot fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from augment.images.image_sets import ImageSet, open_image_set
from augment.mixing.counts import Count, counts_per_class, resolve_count
from augment.mixing.recipes import Cell, build_cells, cannot_repeat, check_cells
from augment.mixing.strategies import STRATEGIES
from pipeline.parameters.models import Parameters
from pipeline.project import Project
from pipeline.unit_images import unit_counts


def cells_of_unit(
    project: Project, unit: str, class_names: Sequence[str]
) -> tuple[list[Cell], list[str]]:
    """Return the cells of a unit, and lines on what was left out.

    In the strict protocol a unit's cells take all of its real images, or none. Shares in
    mix.synthetic are of the unit's images.

    Args:
        project: whose unit has its real images and pools.
        unit: by name.
        class_names: one a class.

    Raises:
        ParameterError: the parameters ask for more than the images give.
        MixError: a recipe needs more images of a class than a pool holds that cannot be short.
    """
    p, paths = project.parameters, project.unit(unit)
    project.require(paths.subset, paths.generated, paths.filtered)
    real = unit_counts(project, unit)
    n_unit = int(real.sum())
    strict = p.study.protocol == "strict"
    of_real = [n_unit, *([0] if 0 in p.mix.real else [])] if strict else p.mix.real
    counts = {
        side: [counts_per_class(entry, real, class_names) for entry in entries]
        for side, entries in (("real", of_real), ("synthetic", _different(p, n_unit)))
    }

    def build(
        real: Sequence[np.ndarray], synthetic: Sequence[np.ndarray], *names: str
    ) -> list[Cell]:
        return build_cells(p.study.protocol, unit, n_unit, real, synthetic, names, p.mix.seeds)

    cells = build(counts["real"], counts["synthetic"], *p.mix.strategies)
    lines: list[str] = []
    used = {STRATEGIES[strategy].pool for strategy in p.mix.strategies}
    folders = {"generated": paths.generated, "filtered": paths.filtered}
    pools = {name: open_image_set(path) for name, path in folders.items() if name in used}
    short = _short_pools(pools)
    feasible = [cell for cell in cells if _fits(cell, short)]
    left_out = [cell for cell in cells if not _fits(cell, short)]
    if not feasible:
        only_real = [count for count in counts["real"] if count.any()] or [real]
        none = [np.zeros_like(real)]
        feasible = build(only_real, none)
    in_pools = {name: pool.counts() for name, pool in pools.items()}
    check_cells(feasible, real, in_pools, class_names)
    if left_out:
        names = ", ".join(sorted({cell.strategy for cell in left_out}))
        lines.append(
            f"{_recipes(len(left_out) // len(p.mix.seeds))} left out ({names}): the pool has too "
            "few images of some classes"
        )
    return feasible, lines + _not_repeated(p, counts["real"], counts["synthetic"])


def _different(p: Parameters, n_unit: int) -> list[Count]:
    """Return the entries of mix.synthetic that come to different numbers of images in a unit."""
    first: dict[int, Count] = {}
    for entry in p.mix.synthetic:
        n = resolve_count(entry, n_unit)
        if n or entry == 0:
            first.setdefault(n, entry)
    return list(first.values())


def _short_pools(pools: Mapping[str, ImageSet]) -> dict[str, np.ndarray]:
    """Return the counts of pools that have fewer images of some class than was asked for."""
    return {
        name: pool.counts()
        for name, pool in pools.items()
        if pool.counts().min() < pool.meta["made_by"]["per_class"]
    }


def _fits(cell: Cell, short: Mapping[str, np.ndarray]) -> bool:
    """Return whether a cell's images are in the pool, where that is short."""
    pool = STRATEGIES[cell.strategy].pool
    if pool is None or pool not in short:
        return True
    return bool((np.array(cell.synthetic_per_class) <= short[pool]).all())


def _not_repeated(
    p: Parameters, real: Sequence[np.ndarray], synthetic: Sequence[np.ndarray]
) -> list[str]:
    found = {
        strategy: sum(
            bool(r.any()) and cannot_repeat(strategy, r, s) for r in real for s in synthetic
        )
        for strategy in p.mix.strategies
    }
    return [
        f"{_recipes(n)} left out ({strategy}): some classes have no real image to repeat"
        for strategy, n in found.items()
        if n
    ]


def _recipes(n: int) -> str:
    return "1 recipe is" if n == 1 else f"{n} recipes are"
