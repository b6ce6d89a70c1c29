"""Reading IDX files, the format of MNIST, plain or gzipped, without trusting them.

Format: two zero bytes, a type (8 is uint8), the number of dimensions, each dimension as a
big-endian uint32, then the values (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from augment.sources.errors import SourceError

_UINT8 = 8


def read_idx(path: Path, *, max_bytes: int) -> tuple[np.ndarray, str]:
    """Read an IDX file of uint8 values.

    Args:
        path: plain, or gzipped when its name ends in ``.gz``.
        max_bytes: the largest uncompressed size to accept; a larger file (a gzip bomb, too) is
            refused before its content is held in memory.

    Returns:
        The values as uint8 with the shape that the file states, and the hexadecimal SHA-256 of
        the uncompressed file.

    Raises:
        SourceError: when the file cannot be read, is not IDX, or has another length than its
            header states.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as file:
                return _parse(path, file, max_bytes)  # type: ignore[arg-type]
        with path.open("rb") as file:
            return _parse(path, file, max_bytes)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: not readable ({error})") from error


def _parse(path: Path, file: IO[bytes], max_bytes: int) -> tuple[np.ndarray, str]:
    magic = file.read(4)
    if len(magic) != 4 or magic[:2] != b"\0\0" or magic[2] != _UINT8 or not 1 <= magic[3] <= 4:
        raise SourceError(f"{path}: not an IDX file of bytes (it starts with {magic.hex() or '-'})")
    n_dimensions = magic[3]
    dimensions = file.read(4 * n_dimensions)
    if len(dimensions) != 4 * n_dimensions:
        raise SourceError(f"{path}: ends within its header")
    shape = struct.unpack(f">{n_dimensions}I", dimensions)
    header = magic + dimensions
    expected = math.prod(shape)
    if expected + len(header) > max_bytes:
        raise SourceError(
            f"{path}: its header announces {expected} bytes; allowed: {max_bytes - len(header)}"
        )
    # One byte more than announced is enough to notice that there is more.
    content = file.read(expected + 1)
    if len(content) != expected:
        found = "more" if len(content) > expected else str(len(content))
        raise SourceError(f"{path}: its header announces {expected} bytes and it has {found}")
    digest = hashlib.sha256(header)
    digest.update(content)
    return np.frombuffer(content, dtype=np.uint8).reshape(shape), digest.hexdigest()
