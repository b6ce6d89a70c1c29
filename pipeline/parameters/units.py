"""Units by name."""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline.parameters.errors import ParameterError
from pipeline.parameters.text import shown

_UNIT = re.compile(r"(all|[1-9][0-9]{0,9})-(0|[1-9][0-9]{0,9})")


class Unit(NamedTuple):
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
        raise ParameterError(
            f"unit {shown(name)} is not known; allowed: all-<repeat> or <images>-<repeat>, such as "
            "all-0 or 600-2"
        )
    return Unit(None if match[1] == "all" else int(match[1]), int(match[2]))
