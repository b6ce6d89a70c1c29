"""Made-up studies for the report tests."""

import numpy as np
import pandas as pd
import pytest

REAL = (0, 300, 1200, 3600)
SYNTHETIC = (0, 1200, 3600, 7200)
WORTH = {"filtered": 1.3, "duplicated": 0}
ALL_STRATEGIES = ("mix", "filtered", "fine-tune", "source-channel", "duplicated", "classical")


def make_study(
    seeds=(0, 1, 2), n_test=600, n_classes=10, strategies=("mix", "filtered"), validation=True
):
    """Cells, predictions and labels in which generated images help a little."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(n_test) % n_classes)
    difficulty = rng.uniform(size=n_test)
    rows, predictions = [], []
    for strategy in ("none", *strategies):
        for n_real in REAL:
            for n_synthetic in SYNTHETIC:
                if (strategy in ("none", "classical")) != (n_synthetic == 0):
                    continue
                if n_real == 0 and (n_synthetic == 0 or strategy in ("fine-tune", "duplicated")):
                    continue
                worth = n_real + 0.08 * n_synthetic * WORTH.get(strategy, 1)
                if strategy == "classical":
                    worth *= 1.5
                rate = 1 - 0.6 / (1 + worth / 60)
                for seed in seeds:
                    noise = rng.normal(0, 0.006, size=n_test)
                    right = difficulty + noise < rate + rng.normal(0, 0.003)
                    wrong = (labels + 1) % n_classes
                    predicted = np.where(right, labels, wrong).astype(np.uint8)
                    by_class = [float(right[labels == k].mean()) for k in range(n_classes)]
                    rows.append(
                        {
                            "protocol": "paper",
                            "unit": "all-0",
                            "generator": "cdcgan-projection",
                            "strategy": strategy,
                            "n_real": n_real,
                            "n_synthetic": n_synthetic,
                            "seed": seed,
                            "steps": 400,
                            "images_seen": 51200,
                            "validation_accuracy": rate + rng.normal(0, 0.002)
                            if validation
                            else np.nan,
                            "test_accuracy": float(right.mean()),
                            "balanced_accuracy": float(np.mean(by_class)),
                            "class_accuracy": by_class,
                        }
                    )
                    predictions.append(predicted)
    return pd.DataFrame(rows), np.array(predictions), labels


@pytest.fixture(scope="session")
def study():
    return make_study()


@pytest.fixture(scope="session")
def make():
    return make_study


@pytest.fixture(scope="session")
def full_study():
    """Every strategy and control."""
    return make_study(strategies=ALL_STRATEGIES)
