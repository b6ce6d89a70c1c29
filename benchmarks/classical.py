"""Classical augmentation: a batch at a time against torchvision, an image at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.pairs import Pair
from classifiers.classical import Classical, ClassicalTransform

BATCH = 128
BATCHES = 5
CASES = (
    (("affine",), 28, 1),
    (("affine",), 64, 3),
    (("affine",), 128, 3),
    (("elastic",), 28, 1),
    (("crop", "flip"), 28, 1),
    (("crop", "flip"), 64, 3),
)
"""Transforms, side and channels."""


def of_torchvision(settings: Classical, side: int) -> v2.Compose:
    """Return torchvision's transforms, for one image."""
    by_name = {
        "affine": lambda: v2.RandomAffine(
            degrees=settings.rotation,
            translate=(settings.shift, settings.shift),
            scale=(1 - settings.scale, 1 + settings.scale),
            shear=settings.shear,
            interpolation=v2.InterpolationMode.BILINEAR,
        ),
        "elastic": lambda: v2.ElasticTransform(
            alpha=settings.elastic_strength, sigma=settings.elastic_smoothness
        ),
        "crop": lambda: v2.RandomCrop(side, padding=round(settings.crop_padding * side)),
        "flip": lambda: v2.RandomHorizontalFlip(settings.flip),
    }
    return v2.Compose([by_name[name]() for name in settings.transforms])


def one_by_one(settings: Classical, side: int) -> Callable[[Tensor], Tensor]:
    """Return torchvision's transforms, called once an image of a batch."""
    chain = of_torchvision(settings, side)
    return lambda images: torch.stack([chain(image) for image in images])


def alike(ours: Tensor, theirs: Tensor) -> str:
    """Compare what may be compared of random transforms: kind, and mean within a twentieth."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    a, b = ours.float().mean().item(), theirs.float().mean().item()
    assert abs(a - b) <= 0.05 * b, f"mean pixels {a:.1f} and {b:.1f}"
    return f"mean pixels {a:.1f} and {b:.1f}"


def pairs() -> Iterator[Pair]:
    """One for each of `CASES`."""
    torch.manual_seed(0)
    for names, side, channels in CASES:
        settings = Classical(names)
        # As the rows of an image set come: the channels last in memory.
        pixels = torch.randint(0, 256, (BATCH, side, side, channels), dtype=torch.uint8)
        images = pixels.permute(0, 3, 1, 2)
        mine = ClassicalTransform(settings, side)
        ways = (
            lambda x, mine=mine: mine.apply(x, mine.draw(len(x), torch.default_generator)),
            one_by_one(settings, side),
        )
        ours, theirs = (
            lambda transform=transform, images=images: [transform(images) for _ in range(BATCHES)][
                -1
            ]
            for transform in ways
        )
        name = f"{' and '.join(names)}, {channels} x {side} x {side}"
        yield Pair(name, "images", BATCHES * BATCH, ours, theirs, alike, repeats=8)
