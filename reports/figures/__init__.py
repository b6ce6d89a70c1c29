"""Every figure of a study: tables and arrays in, matplotlib figures out, nothing written.

Each function takes plain tables or arrays and returns a `matplotlib.figure.Figure` on the Agg
canvas, in one style and without pyplot's global state; `figure_bytes` turns it into files.
"""

from reports.figures.accuracy import (
    accuracy_contour,
    accuracy_over_real,
    accuracy_over_synthetic,
    accuracy_surface,
)
from reports.figures.gains import gain_chart
from reports.figures.generator import (
    acceptance_chart,
    checkpoint_scores,
    confidence_histogram,
    training_curves,
)
from reports.figures.images import epoch_collage, near_duplicates, reconstructions, sample_grid
from reports.figures.inspection import (
    activation_projection,
    discriminator_scores,
    examples,
    nearest_neighbours,
    neighbour_coverage,
)
from reports.figures.style import figure_bytes
from reports.figures.verdict import learning_curve, uncertainty

__all__ = [
    "acceptance_chart",
    "accuracy_contour",
    "accuracy_over_real",
    "accuracy_over_synthetic",
    "accuracy_surface",
    "activation_projection",
    "checkpoint_scores",
    "confidence_histogram",
    "discriminator_scores",
    "epoch_collage",
    "examples",
    "figure_bytes",
    "gain_chart",
    "learning_curve",
    "near_duplicates",
    "nearest_neighbours",
    "neighbour_coverage",
    "reconstructions",
    "sample_grid",
    "training_curves",
    "uncertainty",
]
