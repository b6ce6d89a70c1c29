"""Classical augmentation: every image transformed anew at every step.

The transforms are torchvision's. Source of the usual choices: Simard, Steinkraus, Platt, "Best
practices for convolutional neural networks applied to visual document analysis", 2003 (affine and
elastic distortions of digits); He et al., "Deep residual learning", 2016, section 4.2 (crop and
flip of photographs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import v2

BLACK = 0


@dataclass(frozen=True)
class Classical:
    """Which transforms, in order, and how strong."""

    transforms: tuple[str, ...]  # of affine, elastic, crop and flip
    rotation: float = 14.0  # affine: degrees either way
    shift: float = 0.15  # affine: share of the side, either way along each axis
    scale: float = 0.15  # affine: a factor from 1 - scale to 1 + scale
    shear: float = 11.0  # affine: degrees either way
    elastic_strength: float = 34.0  # elastic: torchvision's alpha, the larger the stronger
    elastic_smoothness: float = 4.0  # elastic: torchvision's sigma, in pixels
    crop_padding: float = 0.125  # crop: share of the side that is padded on every edge
    flip: float = 0.5  # flip: probability of a mirror image, left for right


def usual_transforms(source: str) -> tuple[str, ...]:
    """Return the transforms that suit a source of images: digits are never mirrored."""
    return ("affine",) if source in ("mnist5k", "mnist") else ("crop", "flip")


def classical_transform(settings: Classical, side: int) -> Callable[[Tensor], Tensor]:
    """Return a function that transforms each image of a batch on its own.

    It draws from PyTorch's global random state: the caller seeds that.

    Args:
        settings: the transforms.
        side: of the images, in pixels.

    Returns:
        A function of uint8 N x C x side x side, which returns the same shape and type. What comes
        in from outside the image is black.
    """
    transforms_by_name = {
        "affine": lambda: v2.RandomAffine(
            degrees=settings.rotation,
            translate=(settings.shift, settings.shift),
            scale=(1 - settings.scale, 1 + settings.scale),
            shear=settings.shear,
            interpolation=v2.InterpolationMode.BILINEAR,
            fill=BLACK,
        ),
        "elastic": lambda: v2.ElasticTransform(
            alpha=settings.elastic_strength, sigma=settings.elastic_smoothness, fill=BLACK
        ),
        "crop": lambda: v2.RandomCrop(
            side, padding=max(1, round(settings.crop_padding * side)), fill=BLACK
        ),
        "flip": lambda: v2.RandomHorizontalFlip(settings.flip),
    }
    chain = v2.Compose([transforms_by_name[name]() for name in settings.transforms])

    def transform(images: Tensor) -> Tensor:
        # One call a image: a call on the batch would transform all of them alike.
        return torch.stack([chain(image) for image in images])

    return transform
