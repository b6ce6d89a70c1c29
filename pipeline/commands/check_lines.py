"""One finding of `augment check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class CheckLine:
    """One finding: how it stands, what it is about, and one line of text."""

    status: Status
    topic: str
    text: str
