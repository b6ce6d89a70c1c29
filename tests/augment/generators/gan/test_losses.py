from __future__ import annotations

import math

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


def test_an_undecided_discriminator() -> None:
    zeros = torch.zeros(4)
    assert float(discriminator_loss(zeros, zeros, "bce", 0.9)) == pytest.approx(2 * math.log(2))
    assert float(discriminator_loss(zeros, zeros, "hinge")) == 2
    assert float(generator_loss(zeros, "bce")) == pytest.approx(math.log(2))


def test_smoothing_is_one_sided() -> None:
    """The best score of a real image is logit(0.9); of a generated one it stays minus infinity."""
    real = torch.full((3,), math.log(0.9 / 0.1), requires_grad=True)
    fake = torch.full((3,), -30.0, requires_grad=True)
    discriminator_loss(real, fake, "bce", 0.9).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert real.grad.abs().max() < 1e-7
    assert (fake.grad >= 0).all()
    assert float(torch.sigmoid(torch.tensor(-30.0))) / 3 == pytest.approx(float(fake.grad[0]))


def test_the_generator_pushes_scores_up_even_where_the_discriminator_is_sure() -> None:
    for loss in ("bce", "hinge"):
        fake = torch.full((2,), -20.0, requires_grad=True)
        generator_loss(fake, loss).backward()
        assert fake.grad is not None
        # -log D does not saturate: its slope stays 1 per image (the mean of two: a half).
        assert fake.grad.tolist() == pytest.approx([-0.5, -0.5], rel=1e-4)


@pytest.mark.parametrize("loss", ["bce", "hinge"])
def test_half_precision_scores_are_summed_in_float32(loss: str) -> None:
    scores = torch.linspace(-3, 3, 101).to(torch.bfloat16)
    half = discriminator_loss(scores, scores, loss, 0.9)  # type: ignore[arg-type]
    assert half.dtype == torch.float32
    assert half == discriminator_loss(scores.float(), scores.float(), loss, 0.9)  # type: ignore[arg-type]
    assert generator_loss(scores, loss).dtype == torch.float32  # type: ignore[arg-type]
