"""Classical augmentation: every image transformed anew at every step, a batch at a time.

The transforms are those of torchvision.transforms.v2 (`RandomAffine`, `ElasticTransform`,
`RandomCrop`, `RandomHorizontalFlip`), which transform a whole batch alike: here each image of a
batch has numbers of its own, with torchvision's laws, and all are applied at once. Source of the
usual choices: Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied
to visual document analysis", 2003 (affine and elastic distortions of digits); He et al., "Deep
residual learning", 2016, section 4.2 (crop and flip of photographs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

# Interpolated at a time, whatever the batch: what is computed on the way stays in the processor's
# cache, or in a GPU's memory.
_CACHED_PIXELS, _GPU_PIXELS = 2**17, 2**24
_STRENGTHS = ("rotation", "shift", "scale", "shear", "elastic_strength", "crop_padding")


@dataclass(frozen=True)
class Classical:
    """Which transforms, in order, and how strong."""

    transforms: tuple[str, ...]  # of affine, elastic, crop and flip
    rotation: float = 14.0  # affine: degrees either way
    shift: float = 0.15  # affine: share of the side, either way along each axis
    scale: float = 0.15  # affine: a factor from 1 - scale to 1 + scale
    shear: float = 11.0  # affine: degrees either way, along x
    elastic_strength: float = 34.0  # elastic: torchvision's alpha, the larger the stronger
    elastic_smoothness: float = 4.0  # elastic: torchvision's sigma, in pixels
    crop_padding: float = 0.125  # crop: share of the side that is padded on every edge
    flip: float = 0.5  # flip: probability of a mirror image, left for right

    def scaled(self, strength: float) -> Classical:
        """Return the same transforms, so many times as strong.

        Rotation, shift, scale, shear, elastic strength and padding are multiplied. A flip has no
        strength, nor has the smoothness of an elastic one: both stay.

        Args:
            strength: from 0 to 1.
        """
        return replace(self, **{name: strength * getattr(self, name) for name in _STRENGTHS})


def usual_transforms(source: str) -> tuple[str, ...]:
    """Return the transforms that suit a source of images: digits are never mirrored."""
    return ("affine",) if source in ("mnist5k", "mnist") else ("crop", "flip")


class ClassicalTransform:
    """Transforms each image of a batch on its own, by numbers that are drawn for it alone."""

    def __init__(self, settings: Classical, side: int) -> None:
        """Take the transforms, and the side of the images in pixels."""
        self._settings, self._side = settings, side
        self._padding = max(1, round(settings.crop_padding * side))

    def draw(self, n: int, stream: torch.Generator) -> tuple[Tensor, ...]:
        """Draw the numbers of n images from a stream: of each transform in turn, n rows each."""
        s, drawn = self._settings, list[Tensor]()

        def either_way(limit: float, *shape: int) -> Tensor:
            return torch.empty(shape).uniform_(-limit, limit, generator=stream)

        for name in s.transforms:
            if name == "affine":
                drawn += [
                    either_way(s.rotation, n),
                    # Whole pixels.
                    either_way(s.shift * self._side, n, 2).round(),
                    1 + either_way(s.scale, n),
                    either_way(s.shear, n),
                ]
            elif name == "elastic":
                drawn.append(either_way(1.0, n, 2, self._side, self._side))
            elif name == "crop":
                drawn += torch.randint(2 * self._padding + 1, (2, n), generator=stream).unbind()
            else:
                drawn.append(torch.rand(n, generator=stream) < s.flip)
        return tuple(drawn)

    def apply(self, images: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        """Transform images.

        Args:
            images: uint8 N x C x side x side.
            numbers: as `draw` gives them for N images, on the images' device.

        Returns:
            uint8, of the same shape. What comes in from outside the image is black.
        """
        s, of = self._settings, iter(numbers)
        for name in s.transforms:
            if name == "affine":
                angle, translation, scale, shear = next(of), next(of), next(of), next(of)
                images = affine(
                    images, angle=angle, translation=translation, scale=scale, shear=shear
                )
            elif name == "elastic":
                fields = blurred(next(of), s.elastic_smoothness) * (s.elastic_strength / self._side)
                images = elastic(images, fields.permute(0, 2, 3, 1))
            elif name == "crop":
                images = crop(images, padding=self._padding, top=next(of), left=next(of))
            else:
                images = flip(images, next(of))
        return images


def affine(
    images: Tensor, *, angle: Tensor, translation: Tensor, scale: Tensor, shear: Tensor
) -> Tensor:
    """Turn, scale, shear and shift each image about its centre, with bilinear interpolation.

    As torchvision's ``v2.functional.affine`` for one image, with fill 0.

    Args:
        images: uint8 N x C x side x side.
        angle: float N, degrees clockwise.
        translation: float N x 2, pixels to the right and down.
        scale: float N, factors above 0.
        shear: float N, degrees, along x: what torchvision's ``RandomAffine(shear=number)`` draws.

    Returns:
        uint8, of the same shape.
    """
    # Where a pixel comes from: R(angle) S(scale) SHx(shear), inverted, after the shift is undone
    # (torchvision's `_get_inverse_affine_matrix`, no shear along y). In double precision, as there.
    turn, tan = angle.double().deg2rad(), shear.double().deg2rad().tan()
    cos, sin = turn.cos(), turn.sin()
    rows = ((cos - sin * tan, cos * tan + sin), (-sin, cos))
    inverse = torch.stack([torch.stack(row, -1) for row in rows], -2) / scale[:, None, None]
    # Places are in halves of a side, so that a shift of one pixel is 2 / side.
    shift = translation.double() * (2 / images.shape[-1])
    origin = -(inverse @ shift[:, :, None]).squeeze(-1)
    places = _places(images)
    # A part along the columns, and one along the rows.
    across = inverse[:, :, 0].float()[:, None, None] * places[:, None]
    down = inverse[:, :, 1].float()[:, None, None] * places[:, None, None]
    down += origin.float()[:, None, None]
    return _sampled(images, lambda part: across[part] + down[part])


def elastic(images: Tensor, displacement: Tensor) -> Tensor:
    """Bend each image, with bilinear interpolation.

    As torchvision's ``v2.functional.elastic`` for one image, with fill 0.

    Args:
        images: uint8 N x C x side x side.
        displacement: float32 N x side x side x 2, where each pixel comes from, seen from its own
            place: to the right and down, in halves of the side.

    Returns:
        uint8, of the same shape.
    """
    places = _places(images)
    still = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1)
    return _sampled(images, lambda part: still + displacement[part])


def crop(images: Tensor, *, padding: int, top: Tensor, left: Tensor) -> Tensor:
    """Pad each image with black on every edge and cut one of the old size out of it.

    As torchvision's ``v2.functional.pad`` and ``crop`` for one image.

    Args:
        images: uint8 N x C x side x side.
        padding: pixels on every edge.
        top: int64 N, rows of the padded image above the cut, from 0 to 2 x ``padding``.
        left: int64 N, columns to its left, likewise.

    Returns:
        uint8, of the same shape.
    """
    n, channels, side, _ = images.shape
    padded = F.pad(images, [padding] * 4).permute(0, 2, 3, 1)
    width = side + 2 * padding
    # A cut is `side` runs of `side` neighbouring pixels: to copy whole runs is many times as fast
    # as to look every pixel up. Run k starts at pixel k, counted through all rows and images.
    runs = padded.reshape(-1).unfold(0, side * channels, channels)
    first = torch.arange(n, device=top.device) * width + top
    rows = first[:, None] + torch.arange(side, device=top.device)
    starts = rows * width + left[:, None]
    cut = runs.index_select(0, starts.flatten())
    return cut.view(n, side, side, channels).permute(0, 3, 1, 2)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror some of the images, left for right.

    Args:
        images: uint8 N x C x side x side.
        mirrored: bool N, which ones.

    Returns:
        uint8, of the same shape.
    """
    n, channels, height, width = images.shape
    # Whole images are chosen, which is faster than torch.where's choice of every pixel.
    both = torch.cat((images, images.flip(-1))).permute(0, 2, 3, 1).reshape(2 * n, -1)
    chosen = both.index_select(0, torch.arange(n, device=images.device) + n * mirrored)
    return chosen.view(n, height, width, channels).permute(0, 3, 1, 2)


def blurred(fields: Tensor, sigma: float) -> Tensor:
    """Blur with a Gaussian, reflected at the edges, as torchvision's ``ElasticTransform`` does.

    A blur along an axis is a product with a side x side matrix, many times as fast as a
    convolution with torchvision's kernel of int(8 ``sigma`` + 1) pixels each way. That one fails
    where half the kernel is as wide as the field; here the reflection is reflected again.

    Args:
        fields: float32 ... x side x side.
        sigma: of the Gaussian, in pixels, above 0.

    Returns:
        float32, of the same shape.
    """
    matrix = _blur(fields.shape[-1], sigma, fields.device)
    return matrix @ fields @ matrix.T


@cache
def _blur(side: int, sigma: float, device: torch.device) -> Tensor:
    """Return the blur along an axis as a matrix, float32 side x side; made on the CPU."""
    radius = int(8 * sigma + 1) // 2
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.softmax(-((offsets / sigma) ** 2) / 2, 0)
    # 0 1 2 3 2 1 | 0 1 2 3 2 1: the edge itself is not repeated.
    period = 2 * (side - 1)
    places = (torch.arange(side)[:, None] + offsets).remainder(period)
    places = torch.minimum(places, period - places)
    matrix = torch.zeros(side, side).scatter_add_(1, places, weights.expand(side, -1))
    return matrix.to(device)


def _places(images: Tensor) -> Tensor:
    """Return the centres of a row of pixels, in halves of the side from the middle: float32."""
    side = images.shape[-1]
    return torch.linspace(1 - side, side - 1, side, device=images.device) / side


def _sampled(images: Tensor, grid: Callable[[slice], Tensor]) -> Tensor:
    """Read each image at places of its own.

    Args:
        images: uint8 N x C x side x side.
        grid: of some of the images, the places x and y, from -1 to 1 inside the image: float32
            n x side x side x 2.
    """
    n, side = len(images), images.shape[-1]
    result = torch.empty(images.shape, dtype=torch.uint8, device=images.device)
    most = _GPU_PIXELS if images.is_cuda else _CACHED_PIXELS
    step = max(1, most // side**2)
    for part in (slice(start, start + step) for start in range(0, n, step)):
        places = grid(part)
        pixels = F.grid_sample(images[part].float(), places, mode="bilinear", align_corners=False)
        # On the edge torchvision fades to the fill colour once more than the interpolation does.
        # The share of a read pixel that lies inside the image: along each axis, and of both.
        inside = torch.rsub(places.abs(), (side + 1) / 2, alpha=side / 2).clamp_(0, 1)
        share = inside[..., 0] * inside[..., 1]
        result[part] = pixels.mul_(share[:, None]).round_()
    return result
