"""Which figures the report of a study shows, and what each is drawn of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports import figures
from reports.verdict.statistics import Findings
from reports.verdict.verdict import Verdict

LabelledImages = tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]
"""Images N x H x W x C, which may be memory-mapped, and their labels."""

_EXAMPLES = 4


@dataclass(frozen=True)
class TrainingEvidence:
    """What the training of a generator left."""

    kept_epoch: int
    history: pd.DataFrame
    checkpoints: pd.DataFrame
    """As in `training_curves` and `checkpoint_scores`."""
    grids: Mapping[int, NDArray[np.uint8]]
    """Images of the same noise by epoch, the kept one among them."""
    reconstructions: NDArray[np.uint8] | None
    """2 x N x H x W x C: real images and their reconstructions; None without an autoencoder."""


@dataclass(frozen=True)
class Evidence:
    """What was trained, generated, predicted and measured; images are of one unit's generator."""

    class_names: Sequence[str]
    train: LabelledImages
    test: LabelledImages
    generated: LabelledImages
    near_duplicates: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None
    """Both images of each pair of real images that look nearly the same."""

    predictions: NDArray[np.integer[Any]]
    """Of the rows of the cells table; see `reports.verdict.statistics`."""
    choices: pd.DataFrame
    """What was chosen for each unit and arm; see `reports.verdict.choice`."""
    margin: float | None
    """Smallest relevant difference, a fraction; see `reports.verdict.verdict`."""
    confirmed: pd.DataFrame
    """The verdict's classifiers; see `reports.verdict.verdict`."""
    confirmed_predictions: NDArray[np.integer[Any]]

    training: TrainingEvidence | None
    """None where no generator was trained: the images come from a folder."""

    confidences: Mapping[str, NDArray[np.floating[Any]]]
    acceptance: pd.DataFrame
    threshold: float | None
    """As in `confidence_histogram` and `acceptance_chart`."""

    neighbours: pd.DataFrame
    """Columns query (row of the generated images), label, rank (from 1), row (of the training
    images) and distance; ranks of one query below one another, as many for each."""
    copies: Mapping[str, Any]
    """The fields of `reports.inspection.copies.Copies`, found, n_pool and shift."""
    coverage: pd.DataFrame
    discriminator: pd.DataFrame
    projection: pd.DataFrame
    explained: tuple[float, float]
    """As in `neighbour_coverage`, `discriminator_scores` and `activation_projection`."""


def study_figures(
    evidence: Evidence, findings: Findings, verdict: Verdict | None
) -> Iterator[tuple[str, Figure]]:
    """Yield each figure, in the report's order, with the name of the function that draws it.

    What there is nothing to draw of is left out.

    Raises:
        ReportError: tables or images that cannot be drawn.
    """
    e = evidence
    summary = findings.grid
    found = None if verdict is None else verdict.primary.precision
    if found is not None and found.sources is not None:
        yield "uncertainty", figures.uncertainty(found)
    if findings.curve["n_real"].nunique() > 1:
        yield "learning_curve", figures.learning_curve(findings.curve)
    yield "accuracy_contour", figures.accuracy_contour(summary)
    if (findings.gains["against"] == "none").any():
        yield "gain_chart", figures.gain_chart(findings.gains)
    yield "accuracy_over_real", figures.accuracy_over_real(summary)
    yield "accuracy_over_synthetic", figures.accuracy_over_synthetic(summary)
    yield "accuracy_surface", figures.accuracy_surface(summary)
    samples = {"Generated": e.generated, "Real": e.train}
    yield "sample_grid", figures.sample_grid(samples, e.class_names)
    if e.training is not None:
        yield from _training_figures(e.training)
    yield (
        "confidence_histogram",
        figures.confidence_histogram(e.confidences, threshold=e.threshold),
    )
    yield "acceptance_chart", figures.acceptance_chart(e.acceptance, threshold=e.threshold)
    yield "nearest_neighbours", _nearest_neighbours(e)
    yield "neighbour_coverage", figures.neighbour_coverage(e.coverage)
    if len(e.discriminator):
        yield "discriminator_scores", figures.discriminator_scores(e.discriminator)
    yield (
        "activation_projection",
        figures.activation_projection(e.projection, e.explained, e.class_names),
    )
    mixes = e.confirmed["arms"].map(lambda arms: "mix" in arms)
    if mixes.any():
        yield "examples", _examples(e, e.confirmed_predictions[int(mixes.to_numpy().argmax())])
    if e.near_duplicates is not None:
        yield "near_duplicates", figures.near_duplicates(*e.near_duplicates)


def _training_figures(t: TrainingEvidence) -> Iterator[tuple[str, Figure]]:
    fids: dict[int, float] = {}
    if "fid" in t.history:
        fids = dict(zip(t.history["epoch"], t.history["fid"], strict=True))
    yield "epoch_collage", figures.epoch_collage(t.grids, fids, t.kept_epoch)
    if t.reconstructions is not None:
        drawn = t.grids[t.kept_epoch]
        yield "reconstructions", figures.reconstructions(t.reconstructions, drawn)
    yield "training_curves", figures.training_curves(t.history, t.kept_epoch)
    if len(t.checkpoints):
        yield "checkpoint_scores", figures.checkpoint_scores(t.checkpoints, t.kept_epoch)


def _nearest_neighbours(evidence: Evidence) -> Figure:
    table = evidence.neighbours
    first = table[table["rank"] == 1]
    shape = len(first), table["rank"].max()
    # Each training image is read once: the array may be memory-mapped.
    wanted, place = np.unique(table["row"].to_numpy(), return_inverse=True)
    return figures.nearest_neighbours(
        np.asarray(evidence.generated[0][first["query"].to_numpy()]),
        np.asarray(evidence.train[0][wanted])[place.reshape(shape)],
        table["distance"].to_numpy().reshape(shape),
        evidence.class_names,
        first["label"].to_numpy(),
    )


def _examples(evidence: Evidence, predictions: NDArray[np.integer[Any]]) -> Figure:
    """What one of the best mix's classifiers predicts right and wrong."""
    predicted = predictions.astype(np.int64)
    images, labels = evidence.test
    right: dict[int, NDArray[np.uint8]] = {}
    wrong: dict[int, LabelledImages] = {}
    for label in range(len(evidence.class_names)):
        hits = np.flatnonzero((labels == label) & (predicted == label))[:_EXAMPLES]
        misses = np.flatnonzero((labels == label) & (predicted != label))[:_EXAMPLES]
        right[label] = np.asarray(images[hits])
        wrong[label] = np.asarray(images[misses]), predicted[misses]
    return figures.examples(right, wrong, evidence.class_names)
