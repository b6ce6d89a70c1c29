"""Every figure of a study: tables and arrays in, matplotlib figures out, nothing written.

Each function takes plain tables or arrays and returns a `matplotlib.figure.Figure` on the Agg
canvas, in one style and without pyplot's global state; `figure_bytes` turns it into files.
"""

from reports.accuracy_figures import (
    accuracy_contour,
    accuracy_over_real,
    accuracy_over_synthetic,
    accuracy_surface,
    gain_chart,
)
from reports.generator_figures import (
    acceptance_chart,
    checkpoint_scores,
    confidence_histogram,
    training_curves,
)
from reports.image_figures import epoch_collage, reconstructions, sample_grid
from reports.inspection_figures import (
    activation_projection,
    discriminator_scores,
    examples,
    nearest_neighbours,
    neighbour_coverage,
)
from reports.style import figure_bytes

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
    "nearest_neighbours",
    "neighbour_coverage",
    "reconstructions",
    "sample_grid",
    "training_curves",
]
