"""Order and names of strategies in figures."""

from __future__ import annotations

from collections.abc import Iterable

from reports.figures.style import plain
from reports.verdict.choice import CONTROLS

_GENERATED = ("mix", "filtered", "fine-tune", "source-channel")


def in_order(names: Iterable[str]) -> list[str]:
    """Strategies with generated images first, known ones in the order in which they are told."""
    known = (*_GENERATED, *reversed(CONTROLS))
    return sorted(
        set(names),
        key=lambda name: (
            name in CONTROLS,
            known.index(name) if name in known else len(known),
            name,
        ),
    )


def short_name(strategy: str) -> str:
    """A strategy's name in a legend: a control is named as one."""
    return f"control: {strategy}" if strategy in CONTROLS else plain(strategy)
