"""Published figures beside ours: what each rests on, and where the protocols differ.

A `Figure` is one number of a study, a `Measurement` what we have of the same kind, one value a
seed. Both carry the facts that a number depends on as a `Protocol`; why they are not comparable is
written from the facts that differ, never by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from reports.verdict.intervals import accuracy_interval, mean_interval

COLUMNS = [
    "study",
    "system",
    "measure",
    "published",
    "ours",
    "interval",
    "n",
    "same_protocol",
    "why",
]
NOTE = (
    "Ours is the mean over seeds; n counts them. The 95 % interval is Student's t over them; that "
    "of an accuracy covers other test images, too. Scores of a generator are of its plain weights, "
    "each the best over the kept epochs where the study gives its best over the epochs."
)
"""What a reader of the table must know."""

MISSING = "missing"
NONE = "\N{EN DASH}"

# Shares of a per cent: a run may leave out the last, smaller batch of an epoch.
_SAME = 0.01
_LARGEST_DENOMINATOR = 64


@dataclass(frozen=True)
class Protocol:
    """What a number depends on; None is not known, or of no consequence for this number."""

    data: str | None = None
    n_train: int | None = None  # real images to train the generator and the largest cell on
    image_size: int | None = None  # pixels a side
    width: float | None = None  # share of the published number of channels
    epochs: float | None = None  # of the generator, passes over the training images
    batch_size: int | None = None  # of the generator
    options: str | None = None  # of the system, where they are not its own
    features: str | None = None  # the network of FID or Inception Score
    lenet_epochs: float | None = None  # of the LeNet that scores
    epoch: str | None = None  # which of the generator's epochs the number is of
    classifiers: str | None = None  # how long each is trained
    choice: str | None = None  # how the cell was chosen
    machine: str | None = None


@dataclass(frozen=True)
class Figure:
    """One number of a study."""

    study: str
    system: str  # a generator, or a strategy with the generator of its images
    measure: str
    value: float
    protocol: Protocol
    share: bool = False  # a fraction that is shown as a percentage
    decimals: int = 2
    note: str | None = None  # what else the study says of it


@dataclass(frozen=True)
class Measurement:
    """What we have beside a figure: one value a seed, all under one protocol."""

    values: tuple[float, ...]
    protocol: Protocol
    n_test: int | None = None  # of an accuracy: the test images that all seeds have


def comparison_table(pairs: Iterable[tuple[Figure, Measurement | None]]) -> pd.DataFrame:
    """Set figures beside measurements.

    Args:
        pairs: each figure with what we have, None where nothing was run.

    Returns:
        One row a figure, all text but n: study, system, measure, published, ours (mean over the
        seeds, or 'missing'), interval (95 %, over the seeds and, of an accuracy, test images; an en
        dash with one seed, or without test images where all agree), n (seeds), same_protocol
        ('yes', 'no', or an en dash without a run), why (not).
    """
    return pd.DataFrame([_row(*pair) for pair in pairs], columns=COLUMNS)


def differences(theirs: Protocol, ours: Protocol) -> list[str]:
    """Return what differs between two protocols, a few words each.

    What one of them does not know is no difference.
    """
    found = []
    for field in fields(Protocol):
        one, other = getattr(theirs, field.name), getattr(ours, field.name)
        if one is not None and other is not None and not _same(one, other):
            found.append(_WORDS[field.name](one, other))
    return found


def number_text(value: float) -> str:
    """Return a number as text: whole ones with commas, others with up to three digits."""
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-9 else f"{value:.3g}"


def width_text(width: float) -> str:
    """Return a share of channels as text: 1/8, or a decimal number where it is no such share."""
    fraction = Fraction(width).limit_denominator(_LARGEST_DENOMINATOR)
    return str(fraction) if abs(float(fraction) - width) < 1e-9 else f"{width:.3g}"


def _row(figure: Figure, ours: Measurement | None) -> list[Any]:
    published = f"{100 * figure.value if figure.share else figure.value:.6g}"
    row = [figure.study, figure.system, figure.measure, published]
    if ours is None:
        return [*row, MISSING, NONE, 0, NONE, figure.note or ""]
    if ours.n_test is None:
        found = mean_interval(ours.values)
    else:
        found = accuracy_interval(ours.values, ours.n_test)
    low, high = found.low, found.high
    if figure.share:  # Student's t knows no bounds; a share has them.
        low, high = np.clip((low, high), 0, 1)
    mean, low_text, high_text = (
        f"{100 * x if figure.share else x:.{figure.decimals}f}" for x in (found.mean, low, high)
    )
    why = differences(figure.protocol, ours.protocol)
    interval = NONE if math.isnan(found.low) else f"{low_text} to {high_text}"
    details = [*why, *([figure.note] if figure.note else [])]
    return [*row, mean, interval, found.n, "no" if why else "yes", "; ".join(details)]


def _same(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= _SAME * abs(one)
    return one == other


# Words for two values that differ, the study's first.
_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "data": lambda theirs, ours: f"{ours} for {theirs}",
    "n_train": lambda theirs, ours: f"{ours:,} training images, not {theirs:,}",
    "image_size": lambda theirs, ours: f"{ours} pixels a side, not {theirs}",
    "width": lambda theirs, ours: f"width {width_text(ours)}",
    "epochs": lambda theirs, ours: f"{number_text(ours)} epochs, not {number_text(theirs)}",
    "batch_size": lambda theirs, ours: f"batch {ours}, not {theirs}",
    "options": lambda theirs, ours: ours,
    "features": lambda theirs, ours: f"features of {ours}, not {theirs}",
    "lenet_epochs": lambda theirs, ours: (
        f"LeNet of {number_text(ours)} epochs, not {number_text(theirs)}"
    ),
    "epoch": lambda theirs, ours: f"{ours}, not {theirs}",
    "classifiers": lambda theirs, ours: f"{ours} a classifier, not {theirs}",
    "choice": lambda theirs, ours: f"{ours}, not {theirs}",
    "machine": lambda theirs, ours: f"{ours}, not {theirs}",
}
