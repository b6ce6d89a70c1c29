"""What stands in for the folder in which a training keeps its state."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class MemoryStore:
    """Keeps the state as a file would: only what a safe load gives back is there again."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.saves = 0
        self.kept: dict[str, dict[str, Tensor]] = {}

    def load(self) -> dict[str, Any] | None:
        if self.content is None:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(self.content), weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self.content = buffer.getvalue()
        self.saves += 1

    def keep(self, name: str, weights: Mapping[str, Tensor]) -> None:
        self.kept[name] = dict(weights)
