"""Reading one picture file, of any size and kind, without trusting it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from augment.sources.errors import SourceError
from augment.sources.resizing import to_array

#: Pillow's names of the formats that are read; every other is refused, whatever a file is called.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
#: What shows through transparent pixels, as in a browser or a file viewer.
BACKGROUND = "white"


class UnreadableImageError(Exception):
    """One file that is no usable picture; its text is a reason without the file's name."""


def read_image(path: Path, *, image_size: int, channels: int) -> np.ndarray:
    """Read a PNG, JPEG, WebP or BMP file.

    The picture is turned as its EXIF orientation says; 16-bit gray is scaled (65535 becomes
    255, not clipped); palettes are looked up; transparency is composited on white; of an
    animation the first frame is taken. Then see ``resizing``.

    Args:
        path: the file.
        image_size: side of the result in pixels.
        channels: 1 (gray) or 3 (RGB).

    Returns:
        uint8, ``image_size`` x ``image_size`` x ``channels``.

    Raises:
        UnreadableImageError: when the file is no readable picture of these formats.
        SourceError: when the picture has more pixels than Pillow's ``Image.MAX_IMAGE_PIXELS``
            (a decompression bomb), or memory does not suffice.
    """
    # A pipe or a device would block or never end.
    if not path.is_file():
        raise UnreadableImageError("a broken link or not a regular file")
    try:
        with Image.open(path, formats=FORMATS) as image:
            _refuse_bomb(path, image.size)
            # A JPEG decodes several times faster at 1/2, 1/4 or 1/8; twice the size is kept.
            image.draft(None, (2 * image_size, 2 * image_size))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return to_array(_flatten(image), image_size, channels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceError(f"{path} is refused as a decompression bomb ({error})") from error
    except MemoryError as error:
        raise SourceError(f"{path}: memory does not suffice to decode it") from error
    except SourceError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not a PNG, JPEG, WebP or BMP picture") from error
    except OSError as error:
        # strerror leaves the path out; Pillow's own OSErrors have only a text.
        reason = error.strerror or str(error) or type(error).__name__
        raise UnreadableImageError(reason) from error
    except Exception as error:  # a damaged file makes decoders raise almost anything
        raise UnreadableImageError(str(error) or type(error).__name__) from error


def _refuse_bomb(path: Path, size: tuple[int, int]) -> None:
    """Refuse between one and two times the limit, where Pillow only warns."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > limit:
        raise SourceError(
            f"{path} has {size[0]} x {size[1]} pixels and is refused as a decompression bomb; "
            f"allowed: at most {limit} pixels"
        )


def _flatten(image: Image.Image) -> Image.Image:
    """Return a picture of any mode as opaque 8-bit gray (``L``) or colour (``RGB``)."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _flatten_16_bit(image)
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
