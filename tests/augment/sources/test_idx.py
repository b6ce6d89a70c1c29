from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from augment.sources.errors import SourceError
from augment.sources.idx import read_idx


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize("shape", [(5,), (3, 4, 2), (0, 28, 28)])
@pytest.mark.parametrize("zipped", [False, True])
def test_reads_what_was_written(tmp_path: Path, shape: tuple[int, ...], zipped: bool) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    content = idx_bytes(array)
    path = tmp_path / ("x.gz" if zipped else "x")
    path.write_bytes(gzip.compress(content) if zipped else content)
    values, sha256 = read_idx(path, max_bytes=len(content))
    np.testing.assert_array_equal(values, array)
    assert values.shape == shape
    assert sha256 == hashlib.sha256(content).hexdigest()


GOOD = idx_bytes(np.arange(12).reshape(3, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\0\0", "not an IDX file"),
        (b"\x89PNG" + GOOD, "not an IDX file"),
        (b"\0\0\x0d\x02" + GOOD[4:], "not an IDX file"),
        (b"\0\0\x08\x00" + GOOD[4:], "not an IDX file"),
        (b"\0\0\x08\xff" + GOOD[4:], "not an IDX file"),
        (GOOD[:7], "ends within its header"),
        (GOOD[:-1], "announces 12 bytes and it has 11"),
        (GOOD + b"x", "announces 12 bytes and it has more"),
        (b"\0\0\x08\x02" + b"\xff" * 8, "allowed: 88"),
        (b"\0\0\x08\x04" + b"\xff" * 16, "allowed: 80"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_refuses(tmp_path: Path, content: bytes, message: str, zipped: bool) -> None:
    path = tmp_path / ("x.gz" if zipped else "x")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(SourceError, match=message) as caught:
        read_idx(path, max_bytes=100)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(GOOD)
    flipped = bytearray(whole)
    flipped[12] ^= 0xFF
    path = tmp_path / "x.gz"
    for content in (GOOD, whole[:-12], whole[:5], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(SourceError, match=r"x\.gz"):
            read_idx(path, max_bytes=100)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(GOOD + b"\0" * 50_000_000, compresslevel=1))
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="has more"):
            read_idx(path, max_bytes=100)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not readable"):
        read_idx(tmp_path / "nothing", max_bytes=100)
