"""Classical augmentation: a batch at a time against torchvision, an image at a time.

    python benchmarks/classical.py

Prints batches/s of both, one thread, alternating in one run, and their ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms import v2

from classifiers.classical import Classical, classical_transform

BATCH = 128
ROUNDS = 8
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


def of_torchvision(settings: Classical, side: int) -> Callable[[Tensor], Tensor]:
    """Return torchvision's transforms, called once an image."""
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
    chain = v2.Compose([by_name[name]() for name in settings.transforms])
    return lambda images: torch.stack([chain(image) for image in images])


def main() -> None:
    """Time both in each case and print their ratio."""
    torch.set_num_threads(1)
    for names, side, channels in CASES:
        settings = Classical(names)
        # As the rows of an image set come: the channels last in memory.
        pixels = torch.randint(0, 256, (BATCH, side, side, channels), dtype=torch.uint8)
        images = pixels.permute(0, 3, 1, 2)
        ways = {
            "an image at a time": of_torchvision(settings, side),
            "a batch at a time": classical_transform(settings, side),
        }
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for name, transform in ways.items():
                transform(images)
                begun = time.perf_counter()
                for _ in range(BATCHES):
                    transform(images)
                best[name] = min(best[name], (time.perf_counter() - begun) / BATCHES)
        print(f"{' and '.join(names)}, {BATCH} x {channels} x {side} x {side}")
        for name, seconds in best.items():
            print(f"  {name:18} {1 / seconds:7,.0f} batches/s")
        print(f"  ratio {best['an image at a time'] / best['a batch at a time']:.1f}")


if __name__ == "__main__":
    main()
