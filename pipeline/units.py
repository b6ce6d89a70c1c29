"""Which units a study has: training subsets, each with a judge, generator and classifiers."""

from __future__ import annotations

from typing import NamedTuple

from augment.mixing.counts import resolve_counts
from pipeline.parameters.models import Parameters


class Unit(NamedTuple):
    """A training subset, its ``repeat``-th draw of ``n_real`` images; None means all of them."""

    n_real: int | None
    repeat: int


def parse_unit(name: str) -> Unit:
    """Return the unit that a name of `unit_names` stands for, such as ``600-1``."""
    size, repeat = name.split("-")
    return Unit(None if size == "all" else int(size), int(repeat))


def unit_names(parameters: Parameters, n_train: int) -> tuple[str, ...]:
    """Return the names of a study's units: those of the largest real count first.

    In the strict protocol every real count has units of its own. In the published one all units
    see all training images, and their cells take fewer of them.

    Args:
        parameters: the whole of params.yaml.
        n_train: training images.
    """
    study = parameters.study
    if study.protocol == "published":
        return tuple(f"all-{repeat}" for repeat in range(study.repeats))
    counts = {*resolve_counts(parameters.mix.real, n_train)} - {0}
    sizes = sorted(counts, reverse=True) or [n_train]
    return tuple(
        f"{'all' if size >= n_train else size}-{repeat}"
        for size in sizes
        for repeat in range(study.repeats if size == sizes[0] else study.repeats_below)
    )
