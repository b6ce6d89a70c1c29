from __future__ import annotations

import hashlib
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment.sources import decoding
from augment.sources.decoding import (
    FORMATS,
    FORMATS_TEXT,
    NotAPictureError,
    PictureHeader,
    UnreadableImageError,
    look_at,
    read_image,
    suffixes,
)
from augment.sources.resizing import fit_gray, square_resize


def read(path: Path, size: int = 32, channels: int = 3) -> np.ndarray:
    image = read_image(path, image_size=size, channels=channels).pixels
    assert image.dtype == np.uint8
    assert image.shape == (size, size, channels)
    return image


def gradient(side: int = 32) -> np.ndarray:
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    return np.stack([np.tile(ramp, (side, 1)), np.tile(ramp[:, None], (1, side))] * 2, -1)[..., :3]


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.webp", "x.PNG", "no-suffix"])
def test_lossless_formats_keep_every_pixel_of_a_fitting_image(tmp_path: Path, name: str) -> None:
    kind = {"x.bmp": "BMP", "x.webp": "WEBP"}.get(name, "PNG")
    Image.fromarray(gradient()).save(tmp_path / name, kind, lossless=True)
    np.testing.assert_array_equal(read(tmp_path / name), gradient())


def test_jpeg_is_read_and_large_ones_are_reduced(tmp_path: Path) -> None:
    Image.fromarray(gradient(32)).save(tmp_path / "a.jpg", quality=98)
    Image.fromarray(gradient(640)).save(tmp_path / "b.jpg", quality=98)
    for name in ("a.jpg", "b.jpg"):
        difference = read(tmp_path / name).astype(int) - gradient()
        assert abs(difference).max() < 12
        assert abs(difference).mean() < 3


def test_gray_from_colour_is_bt601_luma(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :] = (200, 100, 50)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert abs(read(tmp_path / "x.png", channels=1) - luma).max() <= 0.5 + 1e-3


def test_gray_and_one_bit_become_equal_channels(tmp_path: Path) -> None:
    gray = gradient()[..., 0]
    Image.fromarray(gray).save(tmp_path / "gray.png")
    np.testing.assert_array_equal(read(tmp_path / "gray.png", channels=1)[..., 0], gray)
    np.testing.assert_array_equal(read(tmp_path / "gray.png"), np.stack([gray] * 3, -1))
    Image.fromarray(gray > 127).save(tmp_path / "bits.png")
    assert Image.open(tmp_path / "bits.png").mode == "1"
    assert set(np.unique(read(tmp_path / "bits.png"))) == {0, 255}


def test_16_bit_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)
    Image.fromarray(values).save(tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").mode in ("I", "I;16")
    expected = np.round(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(read(tmp_path / "x.png", channels=1)[..., 0], expected)
    np.testing.assert_array_equal(read(tmp_path / "x.png")[..., 2], expected)


def png(width: int, height: int, bits: int, kind: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG by hand; kind 0 gray, 2 RGB, 4 gray with alpha, 6 RGB with alpha."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    extra = b"".join(chunk(data[:4], data[4:]) for data in more)
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body


@pytest.mark.parametrize(
    ("kind", "pixel", "expected"),
    [
        (0, [0x8000], [128, 128, 128]),
        (2, [0xFFFF, 0x8080, 0x0000], [255, 128, 0]),
        (4, [0x4040, 0xFFFF], [64, 64, 64]),
        (4, [0x4040, 0x0000], [255, 255, 255]),
        (6, [0xFFFF, 0x8080, 0x0000, 0xFFFF], [255, 128, 0]),
        (6, [0xFFFF, 0x8080, 0x0000, 0x0000], [255, 255, 255]),
    ],
)
def test_every_kind_of_16_bit_png(
    tmp_path: Path, kind: int, pixel: list[int], expected: list[int]
) -> None:
    row = b"\0" + struct.pack(f">{len(pixel)}H", *pixel) * 32
    (tmp_path / "x.png").write_bytes(png(32, 32, 16, kind, row * 32))
    assert abs(read(tmp_path / "x.png")[5, 5].astype(int) - expected).max() <= 1


def test_a_transparent_16_bit_gray_value_is_white(tmp_path: Path) -> None:
    row = b"\0" + struct.pack(">2H", 1000, 2000) * 16
    transparent = b"tRNS" + struct.pack(">H", 1000)
    (tmp_path / "x.png").write_bytes(png(32, 32, 16, 0, row * 32, transparent))
    assert read(tmp_path / "x.png", channels=1)[0, :2, 0].tolist() == [255, 8]


@pytest.mark.parametrize(
    ("kind", "bits", "pixels", "shades"),
    [
        (0, 16, [[0], [4095]], (0, 16)),  # of a scanner of 12 bits
        (0, 16, [[0x8000], [0x9000]], (128, 143)),
        (0, 16, [[0], [0xFFFF]], (0, 255)),
        (2, 16, [[0, 100, 0], [4095, 0, 0]], (0, 15)),
        (4, 16, [[0x4000, 0xFFFF], [0x4800, 0xFFFF]], (64, 72)),
        (6, 16, [[0, 0, 0, 0xFFFF], [0, 4095, 0, 0xFFFF]], (0, 15)),
        (0, 8, [[0], [16]], None),
        (2, 8, [[0, 0, 0], [16, 0, 0]], None),
    ],
)
def test_16_bit_pictures_say_which_shades_they_have(
    tmp_path: Path, kind: int, bits: int, pixels: list[list[int]], shades: tuple[int, int] | None
) -> None:
    values = [value for pixel in pixels for value in pixel]
    letter = "H" if bits == 16 else "B"
    row = b"\0" + struct.pack(f">{len(values)}{letter}", *values) * 16
    (tmp_path / "x.png").write_bytes(png(32, 32, bits, kind, row * 32))
    assert read_image(tmp_path / "x.png", image_size=28, channels=1).shades == shades


def test_16_bit_shades_of_other_formats(tmp_path: Path) -> None:
    values = np.full((32, 32), 4095, np.uint16)
    values[0] = 0
    for name in ("x.tif", "x.jp2"):
        Image.fromarray(values).save(tmp_path / name)
        shades = read_image(tmp_path / name, image_size=28, channels=1).shades
        assert shades is not None, name
        assert shades[1] - shades[0] <= 20, name
    # 16 bits a pixel, not a value.
    header = struct.pack("<IiiHHIIiiII", 40, 32, 32, 1, 16, 0, 0, 0, 0, 0, 0)
    start = b"BM" + struct.pack("<IHHI", 54 + 2048, 0, 0, 54)
    (tmp_path / "x.bmp").write_bytes(start + header + b"\0" * 2048)
    assert read_image(tmp_path / "x.bmp", image_size=28, channels=1).shades is None


def test_endings_are_those_of_the_formats() -> None:
    assert {".png", ".jpg", ".jpeg", ".tif", ".webp", ".avif", ".jp2", ".pgm"} <= suffixes()
    assert not {".pdf", ".h5", ".hdf", ".mpg", ".fits", ".eps", ".txt", ""} & suffixes()


def test_transparency_shows_white(tmp_path: Path) -> None:
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[:, :16] = (255, 0, 0, 255)
    rgba[:, 16:24] = (255, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    image = read(tmp_path / "rgba.png")
    assert image[0, 0].tolist() == [255, 0, 0]
    assert abs(image[0, 20].astype(int) - [255, 127, 127]).max() <= 1
    assert image[0, 31].tolist() == [255, 255, 255]


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([0, 0, 0, 10, 200, 30, 90, 90, 90])
    image.paste(2, (16, 0, 32, 32))
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "clear.png", transparency=2)
    assert read(tmp_path / "plain.png")[0, [0, 31]].tolist() == [[10, 200, 30], [90, 90, 90]]
    assert read(tmp_path / "clear.png")[0, [0, 31]].tolist() == [[10, 200, 30], [255, 255, 255]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path: Path, orientation: int) -> None:
    # Black quarters are stored so that, turned as the tag says, the top left one is black.
    upright = np.full((64, 64), 255, np.uint8)
    upright[:32, :32] = 0
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("x.jpg", "x.png", "x.webp"):
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / name, exif=exif)
        image = read(tmp_path / name, 32, 1)[..., 0]
        assert image[4, 4] < 30, name
        assert min(image[4, 28], image[28, 4], image[28, 28]) > 225, name


def test_a_fine_pattern_does_not_alias(tmp_path: Path) -> None:
    stripes = np.zeros((640, 640), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "x.png")
    inner = read(tmp_path / "x.png", 28, 1)[2:-2, 2:-2].astype(int)
    assert abs(inner - 127.5).max() < 3


def test_crops_the_central_square() -> None:
    pixels = np.zeros((20, 60), np.uint8)
    pixels[:, 20:40] = 255
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).transpose(Image.Transpose(4))):
        assert np.asarray(square_resize(image, 28)).min() == 255
    assert square_resize(Image.new("L", (1, 3000)), 28).size == (28, 28)


def test_an_image_of_the_right_height_is_not_resampled() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 65), dtype=np.uint8)
    np.testing.assert_array_equal(square_resize(Image.fromarray(pixels), 64), pixels[:, :64])


@pytest.mark.parametrize("size", [28, 32, 64, 128])
def test_fit_gray_keeps_constant_images_constant(size: int) -> None:
    images = np.stack([np.full((28, 28), value, np.uint8) for value in (0, 7, 255)])
    result = fit_gray(images, size, 3)
    assert result.shape == (3, size, size, 3)
    assert [np.unique(image).tolist() for image in result] == [[0], [7], [255]]


def test_fit_gray_leaves_the_right_size_untouched() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(fit_gray(images, 28, 1)[..., 0], images)


def truncated(kind: str, tmp_path: Path) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "whole", kind)
    content = (tmp_path / "whole").read_bytes()
    return content[: len(content) // 2]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_truncated_files_are_unreadable(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").write_bytes(truncated(kind, tmp_path))
    with pytest.raises(UnreadableImageError):
        read(tmp_path / "x")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {"quality": 98}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
        ("AVIF", {"quality": 98}),
        ("JPEG2000", {}),
    ],
)
def test_every_format_is_read_whatever_a_file_is_called(
    tmp_path: Path, kind: str, options: dict[str, object]
) -> None:
    assert kind in FORMATS
    Image.fromarray(gradient()).save(tmp_path / "x.txt", kind, **options)
    assert abs(read(tmp_path / "x.txt").astype(int) - gradient()).mean() < 8
    assert look_at(tmp_path / "x.txt", image_size=32) == PictureHeader(32, 32, False, True)


def test_other_formats_are_no_pictures_whatever_they_are_called(tmp_path: Path) -> None:
    contents = [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"]
    for kind in ("ICO", "TGA", "PCX", "SGI", "EPS", "PDF"):
        Image.fromarray(gradient()).save(tmp_path / "x", kind)
        contents.append((tmp_path / "x").read_bytes())
    for content in contents:
        (tmp_path / "x.png").write_bytes(content)
        with pytest.raises(NotAPictureError, match=f"not a {FORMATS_TEXT} picture"):
            read(tmp_path / "x.png")
        with pytest.raises(NotAPictureError):
            look_at(tmp_path / "x.png", image_size=32)


def test_a_build_of_pillow_without_a_format_reads_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(gradient()).save(tmp_path / "x.png")
    Image.fromarray(gradient()).save(tmp_path / "x.avif")
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF")
    decoding._known_formats.cache_clear()
    try:
        np.testing.assert_array_equal(read(tmp_path / "x.png"), gradient())
        with pytest.raises(NotAPictureError):
            read(tmp_path / "x.avif")
    finally:
        decoding._known_formats.cache_clear()


def test_a_picture_says_what_its_file_was(tmp_path: Path) -> None:
    Image.new("L", (50, 20)).save(tmp_path / "x.png")
    picture = read_image(tmp_path / "x.png", image_size=28, channels=1)
    content = (tmp_path / "x.png").read_bytes()
    assert picture.header == PictureHeader(50, 20, False, False)
    assert picture.header == look_at(tmp_path / "x.png", image_size=28)
    assert picture.size == len(content)
    assert picture.sha256 == hashlib.sha256(content).hexdigest()


def test_what_is_no_regular_file_is_unreadable_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nothing")
    for name in ("pipe.png", "broken.png", "absent.png"):
        with pytest.raises(UnreadableImageError, match="not a regular file"):
            read(tmp_path / name)


@pytest.mark.parametrize("side", [10_000, 30_000, 2**31 - 1])
def test_a_decompression_bomb_is_unreadable(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(png(side, side, 8, 0, b"\0" * 1000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for reader in (read, lambda path: look_at(path, image_size=32)):
            with pytest.raises(UnreadableImageError, match="decompression bomb") as caught:
                reader(tmp_path / "bomb.png")
            assert not isinstance(caught.value, NotAPictureError)
            assert "89,478,485" in str(caught.value)
            assert "\n" not in str(caught.value)


def test_a_jpeg_of_more_pixels_than_allowed_is_decoded_small(tmp_path: Path) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    assert limit is not None
    assert limit < 24_000 * 4_000 < 2 * limit
    Image.new("L", (24_000, 4_000), 128).save(tmp_path / "x.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        picture = read_image(tmp_path / "x.jpg", image_size=28, channels=1)
        assert look_at(tmp_path / "x.jpg", image_size=28) == picture.header
    assert picture.header == PictureHeader(24_000, 4_000, False, False)
    assert np.unique(picture.pixels).tolist() == [128]


def test_a_file_beyond_measure_is_not_read(tmp_path: Path) -> None:
    Image.fromarray(gradient()).save(tmp_path / "x.png")
    os.truncate(tmp_path / "x.png", decoding.LARGEST_FILE + (1 << 20))  # a hole: it takes no space
    with pytest.raises(UnreadableImageError, match="513 MiB large; allowed: at most 512 MiB"):
        read(tmp_path / "x.png")


def test_pixels_that_are_fractions_are_not_guessed_at(tmp_path: Path) -> None:
    Image.fromarray(np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)).save(
        tmp_path / "x.tif"
    )
    with pytest.raises(UnreadableImageError, match="fractions"):
        read(tmp_path / "x.tif")


def test_a_text_bomb_is_unreadable(tmp_path: Path) -> None:
    text = b"zTXtkey\0\0" + zlib.compress(b"x" * 10_000_000)
    (tmp_path / "x.png").write_bytes(png(32, 32, 8, 0, (b"\0" * 33) * 32, text))
    with pytest.raises(UnreadableImageError):
        read(tmp_path / "x.png")


def test_cmyk_jpeg_is_read_as_colour(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (250, 10, 10)).convert("CMYK").save(tmp_path / "x.jpg", quality=98)
    assert abs(read(tmp_path / "x.jpg")[16, 16].astype(int) - [250, 10, 10]).max() <= 4


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    for name in ("x.webp", "x.png", "x.gif", "x.tif"):
        options = {} if name in ("x.gif", "x.tif") else {"lossless": True}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert read(tmp_path / name)[16, 16].tolist() == [255, 0, 0]
        assert look_at(tmp_path / name, image_size=32).several
        frames[0].save(tmp_path / name)
        assert not look_at(tmp_path / name, image_size=32).several


def test_transparency_of_a_gif_shows_white(tmp_path: Path) -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([0, 0, 0, 10, 200, 30, 90, 90, 90])
    image.paste(2, (16, 0, 32, 32))
    image.save(tmp_path / "x.gif", transparency=2)
    assert read(tmp_path / "x.gif")[0, [0, 31]].tolist() == [[10, 200, 30], [255, 255, 255]]
