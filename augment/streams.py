"""Named random streams, all derived from one seed.

No consumer touches global random state: each derives a stream of its own from the seed and a
name, so adding a consumer never shifts another's numbers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed that depends on ``seed`` and on every name, in order."""
    # repr keeps 1 and "1" apart, and the separator keeps ("ab",) and ("a", "b") apart.
    text = "\x1f".join(repr(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return NumPy's PCG64 generator for the stream ``names`` of ``seed``."""
    return np.random.default_rng(derive_seed(seed, *names))


def torch_stream(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU torch generator for the stream ``names`` of ``seed``."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, *names))
