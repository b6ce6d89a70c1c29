"""Adversarial losses, as functions of the discriminator's scores."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Literal["bce", "hinge"]


def discriminator_loss(real: Tensor, fake: Tensor, loss: Loss, real_target: float = 1.0) -> Tensor:
    """Return the discriminator's loss, a scalar.

    Args:
        real: scores of real images, float N.
        fake: scores of generated images, float M.
        loss: ``bce``, binary cross-entropy on logits (Goodfellow et al., 2014, eq. 1), or
            ``hinge`` (Lim & Ye, 2017; Miyato et al., 2018, eq. 16).
        real_target: target probability of real images; below 1 this is one-sided label smoothing
            (Salimans et al., 2016, section 3.4). ``bce`` only.
    """
    real, fake = real.float(), fake.float()
    if loss == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return F.binary_cross_entropy_with_logits(
        real, torch.full_like(real, real_target)
    ) + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def generator_loss(fake: Tensor, loss: Loss) -> Tensor:
    """Return the generator's loss, a scalar: -log D (non-saturating) or minus the score (hinge)."""
    fake = fake.float()
    if loss == "hinge":
        return -fake.mean()
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
