"""How long a generator is trained and at which rates, and which epochs are kept. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEAST_STEPS = 200
"""Steps before which images that are all alike say nothing: small sets have epochs of a few steps.
The default system, on 190 digits or drawn shapes, gave such images for its first 3 to 14 steps."""

_MOST_SCORED_EPOCHS = 200
# A small set's epochs are so short that scoring each takes longer than training it.
_SHORT_EPOCH_STEPS = 20
_MOST_SCORED_SHORT_EPOCHS = 20


@dataclass(frozen=True)
class Budget:
    """How long to train, how to choose, and how often to save."""

    images: int | None  # Real images shown; None where ``epochs`` is given.
    epochs: int | None  # Passes over the training images; None where ``images`` is given.
    evaluate: int = 1000  # Images drawn from fixed noise for the scores after every epoch.
    # "best": lowest FID on validation features; collapse ends the training. "last": the last epoch,
    # whatever it is, as the published studies do.
    keep: Literal["best", "last"] = "best"
    checkpoints: int = 0  # Epochs, evenly spaced and the last among them, whose weights are kept.
    save_seconds: float = 20.0  # Least time between two saves of the state; never changes results.

    def steps(self, *, batch_size: int, n_images: int) -> int:
        """Return the steps of the whole training."""
        if self.images is not None:
            return max(1, round(self.images / batch_size))
        assert self.epochs is not None
        return self.epochs * (n_images // batch_size)


def rate_share(done: float, decay_start: float) -> float:
    """Return the share of the full learning rate at a point of the training.

    Constant up to ``decay_start``, then linear to 0 (as in Miyato et al., 2018, appendix).

    Args:
        done: share of the training that is done, in [0, 1).
        decay_start: share after which the rate falls; 1 keeps it constant.
    """
    return 1.0 if done < decay_start else (1 - done) / (1 - decay_start)


def epochs_between_scores(n_epochs: int, epoch_steps: int) -> int:
    """Return the epochs from one that is scored to the next.

    Args:
        n_epochs: of the whole training.
        epoch_steps: steps of one.
    """
    short = epoch_steps < _SHORT_EPOCH_STEPS
    most = _MOST_SCORED_SHORT_EPOCHS if short else _MOST_SCORED_EPOCHS
    return -(-n_epochs // most)


def checkpoint_epochs(n_epochs: int, every: int, n: int) -> set[int]:
    """Return which epochs' weights are kept: ``n`` evenly spaced ones, the last among them.

    Args:
        n_epochs: of the whole training.
        every: epochs from one that is scored to the next; the last is scored too.
        n: epochs to keep; there are fewer where fewer are scored.
    """
    scored = sorted({*range(every, n_epochs + 1, every), n_epochs})
    places = (-(-len(scored) * i // n) - 1 for i in range(1, n + 1))
    return {scored[place] for place in places if place >= 0}
