"""Reading one picture file, of any size and kind, without trusting it."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from augment.sources.resizing import to_array

#: Pillow's names of the formats that are read; every other is refused, whatever a file is called.
#: Those whose reader starts other programs, or that hold no pixels of their own, are not among
#: them.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")
FORMATS_TEXT = "PNG, JPEG, WebP, BMP, GIF, TIFF, PPM, AVIF or JPEG 2000"
#: What shows through transparent pixels, as in a browser or a file viewer.
BACKGROUND = "white"
#: Bytes of the largest file that is read.
LARGEST_FILE = 1 << 29


class UnreadableImageError(Exception):
    """One file that is no usable picture; its text is a reason without the file's name."""


class NotAPictureError(UnreadableImageError):
    """A file whose first bytes are those of no picture format that is read."""


@dataclass(frozen=True)
class PictureHeader:
    """What the first bytes of a picture say."""

    width: int  # pixels, as stored
    height: int
    several: bool  # whether it holds several frames or pages, of which the first is taken
    colour: bool  # whether its pixels may have colours


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that was read."""

    pixels: np.ndarray  # uint8, image_size x image_size x channels
    header: PictureHeader
    shades: tuple[int, int] | None  # lowest and highest of 0..255 where it has 16 bits; else None
    size: int  # bytes of the file
    sha256: str  # of the file, hexadecimal


@cache
def suffixes() -> frozenset[str]:
    """Return the endings of file names of the formats in ``FORMATS``, such as ``.png``."""
    extensions = Image.registered_extensions()
    return frozenset(suffix for suffix, name in extensions.items() if name in FORMATS)


@cache
def _known_formats() -> tuple[str, ...]:
    """Return those of ``FORMATS`` that this build of Pillow can read."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def look_at(path: Path, *, image_size: int) -> PictureHeader:
    """Read the first bytes of a picture file; nothing is decoded.

    Args:
        path: the file.
        image_size: side in pixels that it would be decoded to.

    Raises:
        UnreadableImageError: as `read_image`, for what the first bytes show.
    """
    with _reasons():
        _check_file(path)
        with Image.open(path, formats=_known_formats()) as image:
            header = _header(image)
            image.draft(None, (2 * image_size, 2 * image_size))
            _refuse_large(image.size)
    return header


def read_image(path: Path, *, image_size: int, channels: int) -> Picture:
    """Read a picture file of one of the formats in ``FORMATS``.

    The picture is turned as its EXIF orientation says; 16-bit gray is scaled (65535 becomes
    255, not clipped); palettes are looked up; transparency is composited on white; of an
    animation, or of several pages, the first is taken. Then see ``resizing``.

    Args:
        path: the file.
        image_size: side of the result in pixels.
        channels: 1 (gray) or 3 (RGB).

    Raises:
        UnreadableImageError: when the file is no readable picture of these formats, is larger
            than ``LARGEST_FILE`` bytes, or decodes to more pixels than Pillow's
            ``Image.MAX_IMAGE_PIXELS`` (a decompression bomb).
    """
    with _reasons():
        _check_file(path)
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=_known_formats()) as image:
            header = _header(image)
            # A JPEG decodes several times faster at 1/2, 1/4 or 1/8; twice the size is kept.
            image.draft(None, (2 * image_size, 2 * image_size))
            _refuse_large(image.size)
            deep = _has_16_bits(image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            flat = _flatten(image)
            shades = _shades(flat) if deep else None
            pixels = to_array(flat, image_size, channels)
    return Picture(pixels, header, shades, len(content), hashlib.sha256(content).hexdigest())


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn whatever goes wrong with a file into one reason."""
    try:
        yield
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(
            f"too many pixels, as in a decompression bomb; allowed: {Image.MAX_IMAGE_PIXELS:,}"
        ) from error
    except MemoryError as error:
        raise UnreadableImageError("memory does not suffice to decode it") from error
    except UnidentifiedImageError as error:
        raise NotAPictureError(f"not a {FORMATS_TEXT} picture") from error
    except OSError as error:
        # strerror leaves the path out; Pillow's own OSErrors have only a text.
        reason = error.strerror or str(error) or type(error).__name__
        raise UnreadableImageError(reason) from error
    except Exception as error:  # a damaged file makes decoders raise almost anything
        raise UnreadableImageError(str(error) or type(error).__name__) from error


def _check_file(path: Path) -> None:
    # A pipe or a device would block or never end.
    if not path.is_file():
        raise UnreadableImageError("a broken link or not a regular file")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UnreadableImageError(
            f"{size >> 20} MiB large; allowed: at most {LARGEST_FILE >> 20} MiB"
        )


def _header(image: Image.Image) -> PictureHeader:
    width, height = image.size
    several = bool(getattr(image, "is_animated", False))
    return PictureHeader(width, height, several, _is_colour(image))


def _is_colour(image: Image.Image) -> bool:
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
        return bool((palette != palette[:, :1]).any())
    return not image.mode.startswith(("1", "L", "I", "F")) or image.mode == "LAB"


def _has_16_bits(image: ImageFile.ImageFile) -> bool:
    """Return whether a picture that is not decoded yet has 16 bits a value."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return True
    # Of colours Pillow keeps the upper 8 bits; how they lie in the file, its decoder is told. A
    # name that ends with 16 itself stands for 16 bits a pixel.
    return any(re.search(r";16[BLN]", str(tile.args)) for tile in image.tile)


def _shades(image: Image.Image) -> tuple[int, int]:
    """Return the lowest and the highest value of a picture of mode ``L`` or ``RGB``."""
    values = np.asarray(image)
    return int(values.min()), int(values.max())


def _refuse_large(size: tuple[int, int]) -> None:
    """Refuse between one and two times the limit, where Pillow only warns."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > limit:
        raise UnreadableImageError(
            f"{size[0]} x {size[1]} pixels, as in a decompression bomb; allowed: {limit:,} pixels"
        )


def _flatten(image: Image.Image) -> Image.Image:
    """Return a picture of any mode as opaque 8-bit gray (``L``) or colour (``RGB``)."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _flatten_16_bit(image)
    if image.mode == "F":
        raise UnreadableImageError("its pixels are fractions, whose black and white are not known")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        backdrop = Image.new("RGBA", rgba.size, BACKGROUND)
        return Image.alpha_composite(backdrop, rgba).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _flatten_16_bit(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255, rounding to the nearest; Pillow's own conversion clips."""
    values = np.asarray(image).astype(np.int64)
    gray = ((np.clip(values, 0, 65535) + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray[values == transparent] = 255
    return Image.fromarray(gray)
