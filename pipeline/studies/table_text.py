"""Tables of a study's figures and claims as text: for a terminal, a file, or a document."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.studies.comparison import NONE
from pipeline.studies.comparison import NOTE as COMPARISON_NOTE
from pipeline.studies.findings import NOTE as CLAIMS_NOTE

_WRAPPED = {"system": 5, "why": 6, "claim": 1, "based_on": 1}
"""Columns that share what width the others leave, and in which proportion."""


def tables_text(shown: Sequence[pd.DataFrame], *, as_markdown: bool, width: int | None) -> str:
    """Return the comparison, and the claims where they are asked for, as text.

    Args:
        shown: the comparison alone, or with the claims; empty tables are left out.
        as_markdown: for documents.
        width: columns of a terminal; None is not one, and gets a line a row whatever its length.
    """
    parts = []
    for table, note in zip(shown, (COMPARISON_NOTE, CLAIMS_NOTE), strict=False):
        if len(table):
            drawn = _markdown(table) if as_markdown else _aligned(table)
            lines = [note]
            if width is not None and not as_markdown:
                drawn, lines = _wrapped(table, width), textwrap.wrap(note, width)
            parts += [drawn.rstrip("\n"), "\n".join(lines)]
    return "\n\n".join(parts) or "no figure and no claim"


def _markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, one for each study under its name."""
    parts = []
    for study, rows in table.groupby("study", sort=False):
        lines = [_heads(rows)[1:], ["---"] * (len(rows.columns) - 1), *_texts(rows, "study")]
        body = "\n".join(
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
        )
        parts.append(f"**{study}**\n\n{body}")
    return "\n\n".join(parts)


def _wrapped(table: pd.DataFrame, width: int) -> str:
    """Return a table for a terminal of this width, one for each study, wrapped within its cells."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=True, highlight=False)
    narrow = _narrowed(table)
    for study, rows in narrow.groupby("study", sort=False):
        title = Text(str(study), "bold")
        drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for name, head in zip(rows.columns[1:], _heads(rows)[1:], strict=True):
            drawn.add_column(
                head,
                justify="right" if name in ("published", "n") else "left",
                ratio=_WRAPPED.get(str(name)),
                overflow="fold",
            )
        for line in _texts(rows, "study"):
            drawn.add_row(*map(Text, line))
        console.print(drawn)
    return buffer.getvalue()


def _narrowed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with an interval below its number, and a measure below its system."""
    narrow = table.drop(columns=["interval", "measure"], errors="ignore")
    value = "ours" if "ours" in table else "difference"
    known = table["interval"] != NONE
    narrow[value] = table[value].where(~known, table[value] + "\n" + table["interval"])
    if "measure" in table:
        narrow["system"] = table["system"] + "\n" + table["measure"]
    return narrow


def _aligned(table: pd.DataFrame) -> str:
    lines = [_heads(table), *_texts(table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _texts(table: pd.DataFrame, *left_out: str) -> list[list[str]]:
    rows: list[list[str]] = table.drop(columns=list(left_out)).astype(str).to_numpy().tolist()
    return rows


def _heads(table: pd.DataFrame) -> list[str]:
    return [str(name).replace("_", " ") for name in table.columns]
