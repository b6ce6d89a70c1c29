"""Units by name."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """A training subset, its ``repeat``-th draw of ``n_real`` images; None means all of them."""

    n_real: int | None
    repeat: int


def parse_unit(name: str) -> Unit:
    """Return the unit that a name of `pipeline.units.unit_names` stands for, such as ``600-1``."""
    size, repeat = name.split("-")
    return Unit(None if size == "all" else int(size), int(repeat))
