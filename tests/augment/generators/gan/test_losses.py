from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from augment.generators.gan.losses import discriminator_loss, generator_loss

SCORES = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=6)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def tensor(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


@given(real=SCORES, fake=SCORES, target=st.floats(0.5, 1))
def test_bce_is_the_cross_entropy(real: list[float], fake: list[float], target: float) -> None:
    # -t log D - (1 - t) log(1 - D) with log D = -softplus(-x) and log(1 - D) = -softplus(x).
    x, y = np.array(real), np.array(fake)
    expected = np.mean(target * softplus(-x) + (1 - target) * softplus(x)) + np.mean(softplus(y))
    loss = discriminator_loss(tensor(real), tensor(fake), "bce", target)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(real=SCORES, fake=SCORES, target=st.floats(0.5, 1))
def test_hinge_is_the_margin_and_knows_no_target(
    real: list[float], fake: list[float], target: float
) -> None:
    x, y = np.array(real), np.array(fake)
    expected = np.maximum(0, 1 - x).mean() + np.maximum(0, 1 + y).mean()
    loss = float(discriminator_loss(tensor(real), tensor(fake), "hinge", target))
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(fake=SCORES)
def test_generator_losses(fake: list[float]) -> None:
    y = np.array(fake)
    bce = float(generator_loss(tensor(fake), "bce"))
    assert bce == pytest.approx(softplus(-y).mean(), rel=1e-5, abs=1e-6)
    hinge = float(generator_loss(tensor(fake), "hinge"))
    assert hinge == pytest.approx(-y.mean(), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("loss", ["bce", "hinge"])
def test_half_precision_scores_are_summed_in_float32(loss: str) -> None:
    scores = torch.linspace(-3, 3, 101).to(torch.bfloat16)
    half = discriminator_loss(scores, scores, loss, 0.9)  # type: ignore[arg-type]
    assert half.dtype == torch.float32
    assert half == discriminator_loss(scores.float(), scores.float(), loss, 0.9)  # type: ignore[arg-type]
    assert generator_loss(scores, loss).dtype == torch.float32  # type: ignore[arg-type]
