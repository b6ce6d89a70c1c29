from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as one

from benchmarks.classical import one_by_one
from classifiers.classical import (
    Classical,
    ClassicalTransform,
    affine,
    blurred,
    crop,
    elastic,
    flip,
    usual_transforms,
)

SIDE = 28


def square(n: int = 4, channels: int = 1) -> torch.Tensor:
    """Images with a bright square right of the middle."""
    images = torch.zeros(n, channels, SIDE, SIDE, dtype=torch.uint8)
    images[:, :, 10:18, 14:22] = 200
    return images


def drawn_and_applied(settings: Classical) -> Callable[[torch.Tensor], torch.Tensor]:
    """What torchvision's transforms are to a batch: the numbers come from the global state."""
    ours = ClassicalTransform(settings, SIDE)
    return lambda images: ours.apply(images, ours.draw(len(images), torch.default_generator))


def transformed(settings: Classical, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return drawn_and_applied(settings)(images)


@pytest.mark.parametrize("name", ["affine", "elastic", "crop", "flip"])
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_type_stay_and_the_seed_decides(name: str, channels: int) -> None:
    settings = Classical((name,))
    images = square(8, channels)
    first = transformed(settings, images)
    assert first.shape == images.shape
    assert first.dtype == torch.uint8
    assert torch.equal(first, transformed(settings, images))
    assert not torch.equal(first, transformed(settings, images, seed=1))
    # The images that came in are not changed.
    assert torch.equal(images, square(8, channels))


@pytest.mark.parametrize("name", ["affine", "elastic", "crop"])
def test_each_image_is_transformed_on_its_own(name: str) -> None:
    images = transformed(Classical((name,)), square(6))
    assert len(np.unique(images.numpy().reshape(6, -1), axis=0)) == 6


def test_strength_zero_changes_nothing() -> None:
    still = Classical(("affine",), rotation=0, shift=0, scale=0, shear=0)
    assert torch.equal(transformed(still, square()), square())
    assert torch.equal(transformed(Classical(("flip",), flip=0), square()), square())


def test_a_flip_is_a_mirror_image() -> None:
    assert torch.equal(transformed(Classical(("flip",), flip=1), square()), square().flip(-1))


def test_usual_transforms_do_not_mirror_digits() -> None:
    assert usual_transforms("mnist5k") == usual_transforms("mnist") == ("affine",)
    assert usual_transforms("fashion-mnist") == usual_transforms("folder") == ("crop", "flip")


# Against torchvision, an image at a time


def noise(n: int, channels: int, side: int, *, smooth: bool = True) -> Tensor:
    """Images of random pixels, blurred a little and bright on the edges too."""
    pixels = torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(3)) * 255
    return (one.gaussian_blur(pixels, [3, 3]) if smooth else pixels).round().to(torch.uint8)


def drawn(n: int, side: int) -> dict[str, Tensor]:
    """Numbers for n images, wider than the defaults draw them."""
    rng = torch.Generator().manual_seed(7)

    def either(limit: float, *shape: int) -> Tensor:
        return (2 * torch.rand(n, *shape, generator=rng) - 1) * limit

    return {
        "angle": either(60),
        "translation": either(0.4 * side, 2).round(),
        "scale": 1 + either(0.5),
        "shear": either(40),
        "displacement": either(0.3, side, side, 2),
        "top": torch.randint(0, 9, (n,), generator=rng),
        "left": torch.randint(0, 9, (n,), generator=rng),
        "mirrored": torch.rand(n, generator=rng) < 0.5,
    }


def batched(name: str, images: Tensor, by: dict[str, Tensor]) -> Tensor:
    match name:
        case "affine":
            names = ("angle", "translation", "scale", "shear")
            return affine(images, **{name: by[name] for name in names})
        case "elastic":
            return elastic(images, by["displacement"])
        case "crop":
            return crop(images, padding=4, top=by["top"], left=by["left"])
    return flip(images, by["mirrored"])


def singly(name: str, image: Tensor, by: dict[str, Tensor], k: int) -> Tensor:
    match name:
        case "affine":
            return one.affine(
                image,
                angle=float(by["angle"][k]),
                translate=by["translation"][k].tolist(),
                scale=float(by["scale"][k]),
                shear=[float(by["shear"][k]), 0.0],
                interpolation=InterpolationMode.BILINEAR,
                fill=[0.0],
            )
        case "elastic":
            return one.elastic(image, by["displacement"][k : k + 1], fill=[0.0])
        case "crop":
            padded = one.pad(image, [4], fill=0)
            return one.crop(padded, int(by["top"][k]), int(by["left"][k]), *image.shape[1:])
    return one.horizontal_flip(image) if by["mirrored"][k] else image


@pytest.mark.parametrize("name", ["affine", "elastic", "crop", "flip"])
@pytest.mark.parametrize("side", [28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("last", [False, True])
def test_each_image_becomes_what_torchvision_makes_of_it(
    name: str, side: int, channels: int, last: bool
) -> None:
    images, by = noise(40, channels, side), drawn(40, side)
    layout = torch.channels_last if last else torch.contiguous_format
    found = batched(name, images.contiguous(memory_format=layout), by)
    assert found.dtype == torch.uint8
    wanted = torch.stack([singly(name, image, by, k) for k, image in enumerate(images)])
    # Interpolated values round the other way where they are half way.
    assert (found.int() - wanted.int()).abs().max() <= (1 if name in ("affine", "elastic") else 0)
    assert (found != wanted).float().mean() < 0.001
    assert (wanted != images).float().mean() > 0.2


@pytest.mark.parametrize("name", ["affine", "elastic", "crop", "flip"])
def test_an_images_place_in_the_batch_does_not_matter(name: str) -> None:
    """Not even across the blocks in which a batch is computed: of 128 pixels, 8 images."""
    images, by = noise(20, 3, 128), drawn(20, 128)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    whole = batched(name, images, by)
    shuffled = batched(name, images[order], {key: value[order] for key, value in by.items()})
    assert (shuffled.int() - whole[order].int()).abs().max() <= 1
    alone = batched(name, images[5:6], {key: value[5:6] for key, value in by.items()})
    assert (alone.int() - whole[5:6].int()).abs().max() <= 1


@pytest.mark.parametrize(("side", "sigma"), [(28, 4.0), (28, 0.7), (32, 3.9), (64, 7.0)])
def test_fields_are_blurred_as_torchvision_blurs_them(side: int, sigma: float) -> None:
    fields = torch.rand(3, 2, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    size = int(8 * sigma + 1)
    size += size % 2 == 0
    wanted = one.gaussian_blur(fields, [size, size], [sigma, sigma])
    torch.testing.assert_close(blurred(fields, sigma), wanted, rtol=0, atol=2e-6)


def test_a_blur_wider_than_the_image_levels_it() -> None:
    """torchvision cannot: its kernel of 801 pixels is reflected once."""
    fields = torch.rand(1, 2, 28, 28, generator=torch.Generator().manual_seed(0))
    level = blurred(fields, 100.0)
    assert level.std(dim=(2, 3)).max() < 1e-3
    assert transformed(Classical(("elastic",), elastic_smoothness=100.0), square()).any()


N_DRAWS = 3000


def moments(transform: Callable[[Tensor], Tensor], seed: int) -> np.ndarray:
    """What many draws make of one picture: float64 draws x moments.

    The moments are its place, width, height and tilt, its light and the light's square (which
    interpolation lowers), the squares of all these about the middle, whose means tell their
    spread, and the pixels, 4 x 4 of them together, whose means are the mean image.
    """
    picture = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.uint8)
    # Neither axis is like the other, and neither side: no turn or mirror image is hidden.
    picture[:, :, 6:22, 8:12] = 150
    picture[:, :, 18:22, 8:21] = 250
    torch.manual_seed(seed)
    out = transform(picture.repeat(N_DRAWS, 1, 1, 1))[:, 0].double().numpy()
    light = out.sum((1, 2))
    places = np.arange(SIDE) - (SIDE - 1) / 2
    x, y = (out.sum(axis) @ places / light for axis in (1, 2))
    xx, yy = (out.sum(axis) @ places**2 / light for axis in (1, 2))
    xy = np.einsum("nij,i,j->n", out, places, places) / light
    firsts = [x, y, xx - x**2, yy - y**2, xy - x * y, light / 1e4, (out**2).sum((1, 2)) / 1e6]
    first = np.stack(firsts, 1)
    pixels = out.reshape(N_DRAWS, 7, 4, 7, 4).mean((2, 4)).reshape(N_DRAWS, -1)
    return np.concatenate([first, (first - MIDDLE) ** 2, pixels], 1)


MIDDLE = np.array([-1.1, 3.15, 14.1, 19.7, 8.26, 2.02, 4.33])
"""The picture's own moments: squares about them tell spreads."""


def worst(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two means, in its standard errors."""
    error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
    # What never changes must be the same.
    return float((np.abs(a.mean(0) - b.mean(0)) / (error + 1e-9)).max())


MOST = 4.5
"""Standard errors: where the laws are equal, 63 moments stay below it 99.9 times in 100."""

STILL = {"rotation": 0.0, "shift": 0.0, "scale": 0.0, "shear": 0.0}
ONE_BY_ONE = {
    "rotation": (Classical(("affine",), **STILL | {"rotation": 14.0}), 15.5),
    "shift": (Classical(("affine",), **STILL | {"shift": 0.15}), 0.18),
    "scale": (Classical(("affine",), **STILL | {"scale": 0.15}), 0.165),
    "shear": (Classical(("affine",), **STILL | {"shear": 11.0}), 12.1),
    "elastic_strength": (Classical(("elastic",)), 39.0),
    "elastic_smoothness": (Classical(("elastic",)), 4.4),
    "crop_padding": (Classical(("crop",)), 0.1),
    "flip": (Classical(("flip",)), 0.57),
}
"""For each number: settings in which it tells, and another value of it that is near."""


@pytest.mark.parametrize(
    "settings",
    [Classical(("affine",)), Classical(("flip", "affine", "crop"))]
    + [ONE_BY_ONE[name][0] for name in ONE_BY_ONE if name != "elastic_smoothness"],
)
def test_the_draws_have_torchvisions_law(settings: Classical) -> None:
    wanted = moments(one_by_one(settings, SIDE), seed=0)
    found = moments(drawn_and_applied(settings), seed=1)
    assert worst(wanted, found) < MOST


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_another_law_is_told_from_it(name: str) -> None:
    """The test above can fail: it sees a strength that is some tenth off."""
    settings, another = ONE_BY_ONE[name]
    wanted = moments(drawn_and_applied(settings), seed=0)
    found = moments(drawn_and_applied(replace(settings, **{name: another})), seed=1)
    assert worst(wanted, found) > MOST


def test_the_shear_is_along_x_and_shifts_are_of_whole_pixels() -> None:
    sheared = transformed(Classical(("affine",), **STILL | {"shear": 30.0}), square(50))
    rows, columns = ((sheared[:, 0] > 0).any(axis) for axis in (2, 1))
    assert torch.equal(rows, (square(50)[:, 0] > 0).any(2))
    assert len(columns.unique(dim=0)) > 1
    shifted = transformed(Classical(("affine",), **STILL | {"shift": 0.2}), square(50))
    assert shifted.unique().tolist() == [0, 200]


# Strength


def test_half_the_strength() -> None:
    whole = Classical(("affine", "flip"), flip=0.25)
    half = whole.scaled(0.5)
    assert asdict(half) == {
        "transforms": ("affine", "flip"),
        "rotation": 7.0,
        "shift": 0.075,
        "scale": 0.075,
        "shear": 5.5,
        "elastic_strength": 17.0,
        "elastic_smoothness": 4.0,
        "crop_padding": 0.0625,
        "flip": 0.25,
    }
    assert whole.scaled(1.0) == whole
