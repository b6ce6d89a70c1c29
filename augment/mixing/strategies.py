"""What can be done with generated images in a classifier's training, and the controls beside it.

A strategy says what joins the real images and how a classifier sees both. Nothing here needs NumPy,
so that parameters can be checked before it is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Strategy:
    """How a cell's classifier is trained."""

    adds: Literal["nothing", "generated", "filtered", "real"]  # What its synthetic count counts.
    needs_real: bool = False  # Whether it means nothing without real images.
    two_phases: bool = False  # Half the steps on what it adds, then half on the real images.
    source_channel: bool = False  # One more input plane: +1 for a real image, -1 for an added one.
    # Classical augmentation of every image, drawn anew at every step: 0 for none, 1 for what the
    # section classical of params.yaml says, a share of its strengths between them.
    classical: float = 0.0

    @property
    def pool(self) -> str | None:
        """The pool that its added images come from; None where they come from none."""
        return self.adds if self.adds in ("generated", "filtered") else None

    @property
    def is_control(self) -> bool:
        """Whether it uses no generated image: something to compare the others with."""
        return self.pool is None

    def takes(self, n_real: int, n_synthetic: int) -> bool:
        """Return whether a cell with these counts means something in this strategy."""
        if self.needs_real and n_real == 0:
            return False
        if self.adds == "nothing":
            return n_synthetic == 0 and n_real > 0
        return n_synthetic > 0

    @property
    def needs(self) -> str:
        """What `takes` asks for, in words."""
        if self.adds == "nothing":
            return "a real count above 0 and the synthetic count 0"
        if self.needs_real:
            return "a real and a synthetic count above 0"
        return "a synthetic count above 0"


STRATEGIES = {
    "none": Strategy("nothing", needs_real=True),
    "mix": Strategy("generated"),
    "filtered": Strategy("filtered"),
    "fine-tune": Strategy("generated", needs_real=True, two_phases=True),
    "source-channel": Strategy("generated", source_channel=True),
    "mix-classical": Strategy("generated", needs_real=True, classical=1.0),
    "mix-classical-half": Strategy("generated", needs_real=True, classical=0.5),
    "duplicated": Strategy("real", needs_real=True),
    "classical": Strategy("nothing", needs_real=True, classical=1.0),
    "classical-half": Strategy("nothing", needs_real=True, classical=0.5),
}
"""By name, as docs/guide.md describes them. ``none`` is part of every grid. Those that add no
generated image are controls."""
