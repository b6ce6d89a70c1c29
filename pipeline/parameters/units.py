"""Units: which training subsets a study has, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from augment.mixing.counts import resolve_counts
from pipeline.parameters.errors import ParameterError
from pipeline.parameters.models import Parameters
from pipeline.parameters.text import shown

UNIT_NAMES = "all-<repeat> or <images>-<repeat>, such as all-0 or 600-2"
"""What a unit may be called, for the user."""

_UNIT = re.compile(r"(all|[1-9][0-9]{0,9})-(0|[1-9][0-9]{0,9})")


@dataclass(frozen=True)
class Unit:
    """A training subset, its ``repeat``-th draw of ``n_real`` images; None means all of them."""

    n_real: int | None
    repeat: int


def parse_unit(name: str) -> Unit:
    """Return the unit that a name such as ``all-0`` or ``600-1`` stands for.

    Raises:
        ParameterError: the name is not ``all-<repeat>`` or ``<count>-<repeat>``.
    """
    match = _UNIT.fullmatch(name)
    if match is None:
        raise ParameterError(f"unit {shown(name)} is not known; allowed: {UNIT_NAMES}")
    return Unit(None if match[1] == "all" else int(match[1]), int(match[2]))


def unit_names(parameters: Parameters, n_train: Callable[[], int]) -> tuple[str, ...]:
    """Return the names of a study's units: those of the largest real count first.

    In the strict protocol every real count has units of its own. In the published one all units
    see all training images, and their cells take fewer of them.

    Args:
        parameters: the whole of params.yaml.
        n_train: returns the number of training images; asked only in the strict protocol.
    """
    study = parameters.study
    if study.protocol == "published":
        return tuple(f"all-{repeat}" for repeat in range(study.repeats))
    n = n_train()
    sizes = sorted({*resolve_counts(parameters.mix.real, n)} - {0}, reverse=True) or [n]
    return tuple(
        f"{'all' if size >= n else size}-{repeat}"
        for size in sizes
        for repeat in range(study.repeats if size == sizes[0] else study.repeats_below)
    )
