"""`augment systems`: the generators by name, and what of one a user can replace."""

from __future__ import annotations

import textwrap
from typing import Any

from augment.generators.family import systems
from pipeline.errors import PipelineError
from pipeline.parameters.text import allowed_names, describe, shown


def list_systems(width: int) -> list[str]:
    """Return every system with what it is, wrapped to ``width`` columns."""
    known = systems()
    longest = max(map(len, known))
    lines = [f"{name:{longest}}  {system.description}" for name, system in known.items()]
    return [
        wrapped
        for line in lines
        for wrapped in textwrap.wrap(line, width, subsequent_indent=" " * (longest + 2))
    ]


def option_lines(name: str, width: int) -> list[str]:
    """Return a system's options, each with its value, its meaning and its range.

    Args:
        name: of the system.
        width: columns of a line at the most.

    Raises:
        PipelineError: there is no such system.
    """
    known = systems()
    if name not in known:
        raise PipelineError(f"system {shown(name)} is unknown; {allowed_names(name, known)}")
    system = known[name]
    lines = textwrap.wrap(f"{name}: {system.description}", width)
    for option in describe(system.Options):
        about = f"{option.description}: {option.allowed}"
        lines.append(f"  {option.key}: {_text(system.option(option.key))}")
        lines += textwrap.wrap(about, width, initial_indent="    ", subsequent_indent="    ")
    return [*lines, "params.yaml: train_gan.options, only what differs, such as {batch_size: 64}"]


def _text(value: Any) -> str:
    """Return a value as params.yaml writes it."""
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, tuple) else str(value)
