"""What the networks see of images: real ones are seen once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.models.contract import Architecture
from classifiers.models.lenet import LeNet
from pipeline.scoring import networks as examined
from pipeline.scoring.networks import Networks


class Inception(torch.nn.Module):
    """Stands for it: what it is asked is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = torch.nn.Linear(4, 3)


@pytest.fixture
def asked(monkeypatch) -> list[int]:
    counts: list[int] = []

    def features(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
        counts.append(len(images))
        return images.reshape(len(images), -1)[:, :4].astype(np.float32)

    monkeypatch.setattr(examined, "inception_features", features)
    return counts


def test_what_inception_sees_of_real_images_is_kept_by_content(
    asked: list[int], tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
    inception = Inception()
    here, there = torch.device("cpu"), torch.device("cuda")
    networks = Networks(LeNet(Architecture(3)).eval(), inception, tmp_path, here)
    first = networks.view(images, real=True)
    again = networks.view(images, real=True)
    assert asked == [6]
    np.testing.assert_array_equal(first.inception_features, again.inception_features)
    np.testing.assert_array_equal(first.inception_probabilities, again.inception_probabilities)
    networks.view(images, inception_rows=np.array([0, 2]), real=True)
    assert asked == [6, 2]
    networks.view(images[::-1], real=True)
    networks.view(images)  # generated ones: not kept
    networks.view(images)
    assert asked == [6, 2, 6, 6, 6]
    with torch.no_grad():
        inception.classes.bias.add_(1)
    networks.view(images, real=True)  # other weights
    assert asked == [6, 2, 6, 6, 6, 6]
    assert len({examined._features_key(inception, images, each) for each in (here, there)}) == 2
