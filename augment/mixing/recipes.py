"""Recipes of training sets: how many real and generated images of each class, and no pixels.

A source has one fixed order within each class; a recipe takes the first images of each class.
So every smaller set is contained in every larger one, and a recipe is a few numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from augment.errors import AugmentError
from augment.images.splits import class_ordering
from augment.mixing.strategies import STRATEGIES
from augment.streams import numpy_stream


class MixError(AugmentError):
    """A recipe cannot be made from what there is."""


@dataclass(frozen=True)
class Cell:
    """One classifier to train: its recipe and its seed."""

    protocol: Literal["strict", "published"]
    unit: str  # whose generator and pools are used
    unit_real: int  # training images that the unit sees: its generator and its judge
    strategy: str  # a name in STRATEGIES
    n_real: int
    n_synthetic: int  # images that the strategy adds
    seed: int  # of the classifier: weights and order of the images
    real_per_class: tuple[int, ...]
    synthetic_per_class: tuple[int, ...]


def build_cells(
    protocol: Literal["strict", "published"],
    unit: str,
    unit_real: int,
    real: Sequence[np.ndarray],
    synthetic: Sequence[np.ndarray],
    strategies: Sequence[str],
    seeds: Sequence[int],
) -> list[Cell]:
    """Cross real counts, synthetic counts, strategies and seeds.

    Real images alone are in every grid, as ``none``. Counts that mean nothing in a strategy are
    left out of it, such as no real images in ``fine-tune``, or no image of a class that
    ``duplicated`` is to repeat.

    Args:
        protocol: what the unit's generator and judge saw of the images.
        unit: whose generator and pools the cells use.
        unit_real: how many training images that unit sees.
        real: for each grid line, the real images of each class, int64 n_classes.
        synthetic: likewise for generated images.
        strategies: names in ``STRATEGIES`` besides ``none``.
        seeds: of the classifiers.

    Returns:
        Cells ordered by strategy, real count, synthetic count and seed.

    Raises:
        MixError: a strategy with generated images has no cell in the grid.
    """
    cells: list[Cell] = []
    for strategy in ("none", *strategies):
        before = len(cells)
        for r in real:
            for s in synthetic:
                if not STRATEGIES[strategy].takes(int(r.sum()), int(s.sum())):
                    continue
                if cannot_repeat(strategy, r, s):
                    continue
                cells += [
                    Cell(
                        protocol=protocol,
                        unit=unit,
                        unit_real=unit_real,
                        strategy=strategy,
                        n_real=int(r.sum()),
                        n_synthetic=int(s.sum()),
                        seed=seed,
                        real_per_class=tuple(r.tolist()),
                        synthetic_per_class=tuple(s.tolist()),
                    )
                    for seed in seeds
                ]
        if len(cells) == before and not STRATEGIES[strategy].is_control:
            raise MixError(
                f"strategy {strategy} has no cell in this grid; allowed: "
                f"{STRATEGIES[strategy].needs}"
            )
    return cells


def cannot_repeat(strategy: str, real: np.ndarray, synthetic: np.ndarray) -> bool:
    """Return whether a strategy would repeat real images of a class that has none.

    Args:
        strategy: a name in ``STRATEGIES``.
        real: real images of each class, int64 n_classes.
        synthetic: added images of each class, int64 n_classes.
    """
    return STRATEGIES[strategy].adds == "real" and bool(((synthetic > 0) & (real == 0)).any())


def check_cells(
    cells: Sequence[Cell],
    real_counts: np.ndarray,
    pool_counts: Mapping[str, np.ndarray],
    class_names: Sequence[str],
) -> None:
    """Refuse recipes that ask for more images of a class than there are.

    Args:
        cells: the recipes.
        real_counts: training images of each class, int64 n_classes.
        pool_counts: for each pool, its images of each class.
        class_names: one a class, for the error.

    Raises:
        MixError: naming the first class, count and pool that do not fit.
    """
    for cell in cells:
        strategy = STRATEGIES[cell.strategy]
        recipe = (
            f"a {cell.strategy} recipe with {cell.n_real} real and {cell.n_synthetic} synthetic "
            "images"
        )
        demands = [("real", cell.real_per_class, real_counts)]
        if strategy.pool is not None:
            demands.append((strategy.pool, cell.synthetic_per_class, pool_counts[strategy.pool]))
        for source, wanted, there in demands:
            for name, want, have in zip(class_names, wanted, there, strict=True):
                if want > have:
                    raise MixError(
                        f"{recipe} needs {want} {source} images of class {name}; "
                        f"allowed: at most {have}"
                    )


def cells_table(cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the manifest: one row a cell, one column a field of ``Cell``."""
    columns = list(Cell.__dataclass_fields__)
    rows = [[getattr(cell, column) for column in columns] for cell in cells]
    table = pd.DataFrame(rows, columns=columns)
    for column in ("real_per_class", "synthetic_per_class"):
        table[column] = table[column].map(list)
    return table


def cells_from_table(table: pd.DataFrame) -> list[Cell]:
    """Read a manifest back into cells.

    Raises:
        ValueError: a manifest with other columns than `cells_table` writes.
    """
    columns = list(Cell.__dataclass_fields__)
    if set(table.columns) != set(columns):
        raise ValueError(
            f"its columns are {', '.join(map(str, table))}; allowed: {', '.join(columns)}"
        )
    cells = []
    for row in table.to_dict("records"):
        for column in ("real_per_class", "synthetic_per_class"):
            row[column] = tuple(int(n) for n in row[column])
        cells.append(Cell(**{str(key): value for key, value in row.items()}))
    return cells


def real_indices(
    labels: np.ndarray, n_classes: int, per_class: Sequence[int], seed: int, repeat: int
) -> np.ndarray:
    """Return which of a unit's images a recipe takes, int64: a prefix of each class's fixed order.

    Args:
        labels: of the unit's real training images, int64.
        n_classes: number of classes.
        per_class: how many of each class.
        seed: of the study.
        repeat: of the unit; one seed and repeat give nested subsets.
    """
    order = class_ordering(labels, n_classes, numpy_stream(seed, "recipe", repeat))
    return np.concatenate([order[c][:n] for c, n in enumerate(per_class)])


def repeated(chosen: np.ndarray, labels: np.ndarray, more: Sequence[int]) -> np.ndarray:
    """Return ``more`` further entries of each class from the images of a recipe, int64.

    Args:
        chosen: the recipe's real images, from `real_indices`.
        labels: theirs.
        more: how many entries to return of each class: its images again and again, in order.
    """
    # np.resize starts over when it comes to the end.
    return np.concatenate([np.resize(chosen[labels == c], n) for c, n in enumerate(more)])
