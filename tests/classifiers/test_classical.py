import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from classifiers.classical import Classical, classical_transform, usual_transforms

SIDE = 28


def square(n: int = 4, channels: int = 1) -> torch.Tensor:
    """Images with a bright square right of the middle."""
    images = torch.zeros(n, channels, SIDE, SIDE, dtype=torch.uint8)
    images[:, :, 10:18, 14:22] = 200
    return images


def transformed(settings: Classical, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return classical_transform(settings, SIDE)(images)


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


@given(st.integers(0, 1000))
def test_affine_stays_within_its_limits(seed: int) -> None:
    """Without rotation, shear and scale the square moves by at most the shift."""
    settings = Classical(("affine",), rotation=0, shift=0.1, scale=0, shear=0)
    image = transformed(settings, square(1), seed)[0, 0]
    rows, columns = np.nonzero(image.numpy() > 100)
    assert abs(rows.mean() - 13.5) <= 0.1 * SIDE + 0.5
    assert abs(columns.mean() - 17.5) <= 0.1 * SIDE + 0.5
    assert len(rows) >= 49


def test_strength_zero_changes_nothing() -> None:
    still = Classical(("affine",), rotation=0, shift=0, scale=0, shear=0)
    assert torch.equal(transformed(still, square()), square())
    assert torch.equal(transformed(Classical(("flip",), flip=0), square()), square())


def test_a_flip_is_a_mirror_image() -> None:
    assert torch.equal(transformed(Classical(("flip",), flip=1), square()), square().flip(-1))


def test_digits_are_not_mirrored_unless_asked_for() -> None:
    """Affine keeps the square right of the middle, whatever the seed."""
    settings = Classical(("affine",), shift=0.0)
    columns = [
        np.nonzero(transformed(settings, square(1), seed)[0, 0].numpy() > 100)[1].mean()
        for seed in range(30)
    ]
    assert min(columns) > 14


def test_what_comes_in_from_outside_is_black() -> None:
    bright = torch.full((20, 1, SIDE, SIDE), 255, dtype=torch.uint8)
    cropped = transformed(Classical(("crop",), crop_padding=0.25), bright)
    assert set(cropped.unique().tolist()) == {0, 255}
    moved = transformed(Classical(("affine",), rotation=0, scale=0, shear=0, shift=0.5), bright)
    assert moved.min() == 0


def test_usual_transforms_do_not_mirror_digits() -> None:
    assert usual_transforms("mnist5k") == usual_transforms("mnist") == ("affine",)
    assert usual_transforms("fashion-mnist") == usual_transforms("folder") == ("crop", "flip")
