"""The scores of generated images by name: what each is computed of, and how it is written.

The networks are told apart in the name: ``examiner`` is the study's own classifier, ``inception``
InceptionV3. What a generator's training reads of the scores does not go through this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from reports.scores.coverage import Closeness, closeness, squared_reach
from reports.scores.frechet import fid
from reports.scores.inception_score import inception_score
from reports.scores.kid import kernel_mean, kid
from reports.scores.label_match import label_match


# Two views are equal only if they are one: what is computed of them is looked up by that.
@dataclass(frozen=True, eq=False)
class Viewed:
    """A set of images as the networks that score see it; None is what there is not."""

    features: np.ndarray  # the examiner's, float N x D
    probabilities: np.ndarray  # the examiner's, float N x K
    labels: np.ndarray | None = None  # classes they were generated for, integers in [0, K)
    inception_features: np.ndarray | None = None  # pool3, float N x 2048
    inception_probabilities: np.ndarray | None = None  # float N x 1008
    # By name, what was computed of these images alone: whoever shows them again passes it on.
    known: dict[str, Any] = field(default_factory=dict)

    def rows(self, index: np.ndarray, known: dict[str, Any] | None = None) -> Viewed:
        """Return what is seen of some of the images.

        Args:
            index: which, in that order, integers.
            known: what was computed of just these before.
        """
        parts: dict[str, Any] = {}
        for part in fields(self):
            seen = getattr(self, part.name)
            if part.name != "known":
                parts[part.name] = None if seen is None else seen[index]
        return Viewed(**parts, known={} if known is None else known)

    def once(self, name: str, compute: Callable[[np.ndarray], Any]) -> Any:
        """Return what is computed of the features, now or before."""
        if name not in self.known:
            self.known[name] = compute(self.features)
        return self.known[name]


@dataclass(frozen=True)
class Score:
    """One number for a set of images."""

    title: str  # as the report writes it
    better: Literal["lower", "higher"]
    compute: Callable[[Viewed, Viewed], float]  # of generated images and of real ones
    needs: tuple[str, ...] = ()  # what of the generated images may be absent, and must not be
    is_share: bool = False  # written in percent
    decimals: int = 2
    is_headline: bool = False  # stands on top of the report and in metrics.json

    def text(self, value: float) -> str:
        """Return a value as the report writes it; a dash for NaN."""
        if value != value:
            return "\N{EN DASH}"
        return f"{100 * value:.1f}%" if self.is_share else f"{value:.{self.decimals}f}"

    def difference_text(self, value: float, deviation: float) -> str:
        """Return a difference of two values with its standard deviation.

        Those of shares are in percentage points.
        """
        scale, decimals, unit = (100, 1, " points") if self.is_share else (1, self.decimals, "")
        text = f"{scale * value:+.{decimals}f}"
        if float(text) == 0:
            text = text[1:]
        text = text.replace("-", "\N{MINUS SIGN}")
        return f"{text} \N{PLUS-MINUS SIGN} {scale * deviation:.{decimals}f}{unit}"


@lru_cache(maxsize=1)
def _closeness(generated: Viewed, real: Viewed) -> Closeness:
    """Return the four numbers that four scores take one of each: computed once."""
    reach = [viewed.once("reach", squared_reach) for viewed in (generated, real)]
    return closeness(generated.features, real.features, reach=reach)


def _kid(generated: Viewed, real: Viewed) -> float:
    within = [viewed.once("kernel", kernel_mean) for viewed in (generated, real)]
    return kid(generated.features, real.features, within=within)


SCORES: Mapping[str, Score] = {
    "fid_examiner": Score(
        "FID (examiner's features)",
        "lower",
        lambda generated, real: fid(generated.features, real.features),
        is_headline=True,
    ),
    "inception_score": Score(
        "Inception score",
        "higher",
        lambda generated, real: inception_score(generated.probabilities),
        is_headline=True,
    ),
    "label_match": Score(
        "Label match",
        "higher",
        lambda generated, real: label_match(generated.probabilities, generated.labels),  # type: ignore[arg-type]
        needs=("labels",),
        is_share=True,
        is_headline=True,
    ),
    "kid_examiner": Score(
        "KID (examiner's features, unscaled)",
        "lower",
        _kid,
    ),
    "precision_examiner": Score(
        "Precision (examiner's features)",
        "higher",
        lambda generated, real: _closeness(generated, real).precision,
        is_share=True,
    ),
    "recall_examiner": Score(
        "Recall (examiner's features)",
        "higher",
        lambda generated, real: _closeness(generated, real).recall,
        is_share=True,
    ),
    "density_examiner": Score(
        "Density (examiner's features)",
        "higher",
        lambda generated, real: _closeness(generated, real).density,
    ),
    "coverage_examiner": Score(
        "Coverage (examiner's features)",
        "higher",
        lambda generated, real: _closeness(generated, real).coverage,
        is_share=True,
    ),
    "fid_inception": Score(
        "FID (InceptionV3 pool3)",
        "lower",
        lambda generated, real: fid(generated.inception_features, real.inception_features),  # type: ignore[arg-type]
        needs=("inception_features",),
        is_headline=True,
    ),
    "inception_score_inception": Score(
        "Inception score (InceptionV3)",
        "higher",
        lambda generated, real: inception_score(generated.inception_probabilities),  # type: ignore[arg-type]
        needs=("inception_probabilities",),
    ),
}

HEADLINES = tuple(name for name, score in SCORES.items() if score.is_headline)


def score_images(generated: Viewed, real: Viewed) -> dict[str, float]:
    """Return every score that these images can have, in the table's order."""
    return {
        name: score.compute(generated, real)
        for name, score in SCORES.items()
        if all(getattr(generated, need) is not None for need in score.needs)
    }
