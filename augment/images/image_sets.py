"""Image sets: the one form in which images travel between the stages.

An image set is a folder of three files:

- ``images.npy``: uint8, N x H x W x C, C order, C is 1 (gray) or 3 (RGB);
- ``labels.npy``: int64, N, values in ``0 .. n_classes - 1``;
- ``meta.json``: format version, class names, source, shape, digest and what made the set.

Images are memory-mapped when a set is opened and streamed when one is written, so a set may be
larger than memory. Nothing in a set depends on when, where or by whom it was written: the same
images and labels give the same bytes. `augment.images.image_set_writer` writes them.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from augment.errors import AugmentError
from augment.files import chunks

FORMAT_VERSION = 1
IMAGES_FILE = "images.npy"
LABELS_FILE = "labels.npy"
META_FILE = "meta.json"

# Far above any honest meta.json (it names unreadable source files), far below memory.
_MAX_META_BYTES = 1 << 26


def one_line(text: object) -> str:
    """Return ``text`` with line breaks, control characters and undecodable bytes escaped."""
    return "".join(
        character
        if character.isprintable() or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )


class ImageSetError(AugmentError):
    """An image set that cannot be read or written; its text is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def check_class_names(class_names: Iterable[object]) -> tuple[str, ...]:
    """Return the class names as a tuple, or raise ``ImageSetError``.

    A class name is unique, non-empty text without line breaks, control characters or bytes that
    are not UTF-8; everything else, such as spaces, ``<`` or emoji, is allowed.
    """
    if isinstance(class_names, str):
        raise ImageSetError(
            f"class names are one text, {class_names!r:.80}; allowed: a list of texts"
        )
    names: list[str] = []
    for name in class_names:
        if not isinstance(name, str) or not name.strip():
            raise ImageSetError(f"class name {name!r:.80} is not allowed; allowed: non-empty text")
        # Cc control, Cs lone surrogate (an undecodable byte), Zl and Zp line breaks.
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
            raise ImageSetError(
                f"class name {name!r:.80} is not allowed; allowed: UTF-8 text on one line"
            )
        if name in names:
            raise ImageSetError(f"class name {name!r:.80} appears twice; allowed: unique names")
        names.append(name)
    if not names:
        raise ImageSetError("there are no class names; allowed: one or more")
    return tuple(names)


def check_images(dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Refuse what are no images, uint8 N x height x width x 1 or 3."""
    if dtype != np.uint8:
        raise ImageSetError(f"images have dtype {dtype}; allowed: uint8")
    if len(shape) != 4 or shape[3] not in (1, 3) or shape[1] < 1 or shape[2] < 1:
        raise ImageSetError(
            f"images have shape {shape}; allowed: N x height x width x channels, "
            "with 1 or 3 channels"
        )


def check_labels(labels: np.ndarray, n_images: int, n_classes: int, first: int = 0) -> None:
    """Refuse another number of labels than images, and labels that are no class.

    Args:
        labels: integers, one dimension.
        n_images: that they belong to.
        n_classes: number of classes.
        first: index of ``labels[0]`` in its set, for the error.
    """
    if len(labels) != n_images:
        raise ImageSetError(
            f"there are {n_images} images and {len(labels)} labels; "
            "allowed: as many labels as images"
        )
    wrong = (labels < 0) | (labels >= n_classes)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ImageSetError(
            f"label {first + index} is {labels[index]}; allowed: 0 to {n_classes - 1}"
        )


def image_digest(images: np.ndarray, labels: np.ndarray) -> str:
    """Return the digest of a set: SHA-256 over shape, image bytes and label bytes.

    Args:
        images: uint8, N x H x W x C; read in chunks, so a memory-mapped array is fine.
        labels: int64, N.
    """
    parts = []
    for array in (images, labels):
        digest = hashlib.sha256()
        for part in chunks(array):
            digest.update(np.ascontiguousarray(part).reshape(-1).data)
        parts.append(digest.hexdigest())
    return combine_digests(images.shape, *parts)


def combine_digests(shape: tuple[int, ...], images_sha256: str, labels_sha256: str) -> str:
    """Return the digest of a set of the digests of its images and of its labels.

    The shape comes last in time (a writer may end with fewer images than planned), so it is joined
    with the two finished digests instead of being hashed before the bytes.
    """
    return hashlib.sha256(f"{shape}|{images_sha256}|{labels_sha256}".encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images of one size.

    Attributes:
        images: uint8, N x H x W x C with C 1 or 3, values 0 to 255; read-only and memory-mapped
            when the set was opened from a folder.
        labels: int64, N, values in ``0 .. n_classes - 1``.
        class_names: the name of each label, in label order.
        meta: what ``meta.json`` holds; may be empty for a set made in memory.

    Raises:
        ImageSetError: when dtypes, shapes, labels and class names do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", check_class_names(self.class_names))
        check_images(self.images.dtype, self.images.shape)
        if self.labels.dtype != np.int64 or self.labels.ndim != 1:
            raise ImageSetError(
                f"labels have dtype {self.labels.dtype} and {self.labels.ndim} dimensions; "
                "allowed: int64 and 1"
            )
        check_labels(self.labels, len(self.images), len(self.class_names))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_classes(self) -> int:
        """The number of classes, those without an image included."""
        return len(self.class_names)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of images and labels: as recorded in ``meta``, else computed once."""
        recorded = self.meta.get("digest")
        return recorded if isinstance(recorded, str) else image_digest(self.images, self.labels)

    def counts(self) -> np.ndarray:
        """Return the number of images of each class: int64, ``n_classes``."""
        return np.bincount(self.labels, minlength=self.n_classes).astype(np.int64)

    def short_of(self, per_class: int, most: int = 20) -> str:
        """Return the classes with fewer images than ``per_class``, each with its count; or ""."""
        lacking = [
            f"{name} ({count:,})"
            for name, count in zip(self.class_names, self.counts(), strict=True)
            if count < per_class
        ]
        more = f" and {len(lacking) - most} more classes" if len(lacking) > most else ""
        return ", ".join(lacking[:most]) + more

    def subset(self, indices: Sequence[int] | np.ndarray) -> ImageSet:
        """Return the images at ``indices``, in that order, as a set in memory.

        Args:
            indices: integers in ``0 .. N - 1``, one dimension; an index may repeat.

        Raises:
            ImageSetError: when an index is out of range or not an integer.
        """
        chosen = np.asarray(indices)
        if chosen.size == 0:  # An empty list makes floats.
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
            raise ImageSetError(
                f"indices have dtype {chosen.dtype} and {chosen.ndim} dimensions; "
                "allowed: integers in one dimension"
            )
        wrong = (chosen < 0) | (chosen >= len(self))
        if wrong.any():
            raise ImageSetError(
                f"index {chosen[np.argmax(wrong)]} is out of range; allowed: 0 to {len(self) - 1}"
            )
        # The digest of the whole does not hold for the part; it is computed when asked for.
        meta = {key: value for key, value in self.meta.items() if key not in ("digest", "shape")}
        images = np.array(self.images[chosen])
        return ImageSet(images, np.array(self.labels[chosen]), self.class_names, meta)


def open_image_set(folder: Path) -> ImageSet:
    """Open an image set without reading its images.

    Args:
        folder: a folder that `write_image_set` or `ImageSetWriter` wrote.

    Returns:
        The set; ``images`` is memory-mapped read-only, ``labels`` is read-only in memory.

    Raises:
        ImageSetError: when a file is missing, damaged or does not fit the others; one line that
            names the folder. Nothing is ever unpickled.
    """
    folder = Path(folder)
    try:
        if not folder.is_dir():
            raise ImageSetError("there is no such folder")
        meta = _read_meta(folder / META_FILE)
        images = _map_array(folder / IMAGES_FILE)
        labels = np.array(_map_array(folder / LABELS_FILE))
        labels.setflags(write=False)
        image_set = ImageSet(images, labels, meta["class_names"], meta)
        if list(images.shape) != meta["shape"]:
            raise ImageSetError(
                f"{META_FILE} says shape {meta['shape']!s:.80} and {IMAGES_FILE} has "
                f"{list(images.shape)}"
            )
    except (ImageSetError, OSError) as error:
        raise ImageSetError(f"image set {folder}: {error}") from error
    return image_set


def _read_meta(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ImageSetError(f"{path.name} is missing")
    if path.stat().st_size > _MAX_META_BYTES:
        raise ImageSetError(f"{path.name} is larger than {_MAX_META_BYTES >> 20} MiB")
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ImageSetError(f"{path.name} is not readable JSON ({error})") from error
    if not isinstance(meta, dict):
        raise ImageSetError(f"{path.name} is not a JSON object")
    if meta.get("format_version") != FORMAT_VERSION:
        raise ImageSetError(
            f"{path.name}: format_version is {meta.get('format_version')!r:.80}; "
            f"allowed: {FORMAT_VERSION}"
        )
    kinds = {"class_names": list, "source": str, "shape": list, "digest": str, "made_by": dict}
    for key, kind in kinds.items():
        if not isinstance(meta.get(key), kind):
            raise ImageSetError(f"{path.name}: {key} is missing or not a {kind.__name__}")
    return meta


def _map_array(path: Path) -> np.ndarray:
    """Memory-map one .npy file read-only, refusing all but a plain, exactly sized array."""
    if not path.is_file():
        raise ImageSetError(f"{path.name} is missing")
    try:
        # open_memmap reads .npy only (np.load would also try archives), and never object arrays.
        with np.errstate(over="raise"):  # a shape beyond 64 bits is an error, not a warning
            array: np.ndarray = np.lib.format.open_memmap(path, mode="r")
        offset = int(array.offset)  # type: ignore[attr-defined]
    except Exception as error:  # a hostile header makes NumPy's parser raise almost anything
        raise ImageSetError(f"{path.name} is not a readable .npy file ({error})") from error
    if not array.flags.c_contiguous:
        raise ImageSetError(f"{path.name} is not in C order")
    if offset + array.nbytes != path.stat().st_size:
        raise ImageSetError(
            f"{path.name} has {path.stat().st_size} bytes where its header says "
            f"{offset + array.nbytes}"
        )
    return array
