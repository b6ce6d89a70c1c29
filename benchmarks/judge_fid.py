"""FID on a judge's features: ours against torchmetrics' with a LeNet of the same weights.

Theirs has the same weights, in LeNet as usually written: the one of `benchmarks.lenet_step`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from benchmarks.lenet_step import UsualLeNet
from benchmarks.pairs import Pair, close
from classifiers.models.contract import Architecture, Classifier
from classifiers.models.lenet import LeNet
from classifiers.prediction import predict
from reports.scores.frechet import fid

N_IMAGES = 10_000
BATCH = 128


class Extractor(nn.Module):
    """A classifier's features as torchmetrics asks for them."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network
        self.num_features = network.n_features

    def forward(self, pixels: Tensor) -> Tensor:
        """Return N x ``num_features`` of uint8 N x C x H x W."""
        return self.network.features(self.network.to_input(pixels))


def pairs() -> Iterator[Pair]:
    """LeNet's features of made-up digits, both sides."""
    torch.manual_seed(0)
    network, usual = (kind(Architecture(n_classes=10)).eval() for kind in (LeNet, UsualLeNet))
    usual.load_state_dict(network.state_dict())
    rng = np.random.default_rng(0)
    real, generated = (
        rng.integers(0, most, (N_IMAGES, 28, 28, 1), dtype=np.uint8) for most in (256, 200)
    )

    def theirs() -> float:
        metric = FrechetInceptionDistance(Extractor(usual), input_img_size=(1, 28, 28))
        for images, is_real in ((real, True), (generated, False)):
            for start in range(0, N_IMAGES, BATCH):
                batch = torch.from_numpy(images[start : start + BATCH]).permute(0, 3, 1, 2)
                metric.update(batch, real=is_real)
        return float(metric.compute())

    yield Pair(
        f"FID of {N_IMAGES:,} images a side by LeNet",
        "images",
        2 * N_IMAGES,
        lambda: fid(predict(network, generated).features, predict(network, real).features),
        theirs,
        close(1e-6),
    )
