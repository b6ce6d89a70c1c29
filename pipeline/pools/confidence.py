"""What a judge predicts of an unselected pool, and of real images beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from augment.images.image_sets import ImageSet
from augment.pools.filtering import acceptance_by_threshold
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.parameters.models import FilterParameters

THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
"""Thresholds of the acceptance table; 0 asks only for the right prediction."""


def confidence_tables(
    settings: FilterParameters | None,
    judge: Classifier,
    pool: ImageSet,
    probabilities: np.ndarray,
    validation: ImageSet | None,
) -> dict[str, pd.DataFrame]:
    """Return the tables ``acceptance`` and ``confidence``.

    Without labels the pool's are the judge's predictions: acceptance is then the share of them that
    reach a confidence (all reach 0), and confidence is the judge's in its own predictions.
    """
    thresholds = sorted({*THRESHOLDS, *([] if settings is None else [settings.threshold])})
    acceptance = acceptance_by_threshold(probabilities, pool.labels, pool.class_names, thresholds)
    groups = {"generated": probabilities[np.arange(len(pool)), pool.labels]}
    if validation is not None:
        of_real = predict(judge, validation.images).probabilities
        own = of_real[np.arange(len(validation)), validation.labels]
        groups = {"real (validation)": own, **groups}
    confidence = pd.concat(
        pd.DataFrame({"group": group, "confidence": values}) for group, values in groups.items()
    )
    return {"acceptance": pd.DataFrame(acceptance), "confidence": confidence}
