"""Image sets: the one form in which images travel between the stages.

An image set is a folder of three files:

- ``images.npy``: uint8, N x H x W x C, C order, C is 1 (gray) or 3 (RGB);
- ``labels.npy``: int64, N, values in ``0 .. n_classes - 1``;
- ``meta.json``: format version, class names, source, shape, digest and what made the set.

Images are memory-mapped when a set is opened and streamed when one is written, so a set may be
larger than memory. Nothing in a set depends on when, where or by whom it was written: the same
images and labels give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from augment.errors import AugmentError
from augment.files import atomic_folder, write_json

FORMAT_VERSION = 1
IMAGES_FILE = "images.npy"
LABELS_FILE = "labels.npy"
META_FILE = "meta.json"

_CHUNK_BYTES = 1 << 24
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
        raise ImageSetError(f"class names are one text, {class_names!r}; allowed: a list of texts")
    names: list[str] = []
    for name in class_names:
        if not isinstance(name, str) or not name.strip():
            raise ImageSetError(f"class name {name!r} is not allowed; allowed: non-empty text")
        # Cc control, Cs lone surrogate (an undecodable byte), Zl and Zp line breaks.
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
            raise ImageSetError(
                f"class name {name!r} is not allowed; allowed: UTF-8 text on one line"
            )
        if name in names:
            raise ImageSetError(f"class name {name!r} appears twice; allowed: unique names")
        names.append(name)
    if not names:
        raise ImageSetError("there are no class names; allowed: one or more")
    return tuple(names)


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 4 or shape[3] not in (1, 3) or shape[1] < 1 or shape[2] < 1:
        raise ImageSetError(
            f"images have shape {shape}; allowed: N x height x width x channels, "
            "with 1 or 3 channels"
        )


def _check_labels(labels: np.ndarray, n_classes: int, first: int = 0) -> None:
    """Raise when a label is out of range; ``first`` is the index of ``labels[0]`` in its set."""
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
        rows = max(1, _CHUNK_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[start : start + rows]).reshape(-1).data)
        parts.append(digest.hexdigest())
    return _combine_digests(images.shape, *parts)


def _combine_digests(shape: tuple[int, ...], images_sha256: str, labels_sha256: str) -> str:
    # The shape comes last in time (a writer may end with fewer images than planned), so it is
    # joined with the two finished digests instead of being hashed before the bytes.
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
        if self.images.dtype != np.uint8:
            raise ImageSetError(f"images have dtype {self.images.dtype}; allowed: uint8")
        _check_shape(self.images.shape)
        if self.labels.dtype != np.int64 or self.labels.ndim != 1:
            raise ImageSetError(
                f"labels have dtype {self.labels.dtype} and {self.labels.ndim} dimensions; "
                "allowed: int64 and 1"
            )
        if len(self.labels) != len(self.images):
            raise ImageSetError(
                f"there are {len(self.images)} images and {len(self.labels)} labels; "
                "allowed: as many labels as images"
            )
        _check_labels(self.labels, len(self.class_names))

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
        if chosen.size == 0:
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


def open_image_set(folder: Path, *, verify: bool = False) -> ImageSet:
    """Open an image set without reading its images.

    Args:
        folder: a folder that ``write_image_set`` or ``ImageSetWriter`` wrote.
        verify: also read everything and compare it with the recorded digest.

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
                f"{META_FILE} says shape {meta['shape']} and {IMAGES_FILE} has {list(images.shape)}"
            )
        if verify and image_digest(images, labels) != meta["digest"]:
            raise ImageSetError("the content does not match the digest in meta.json")
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
            f"{path.name}: format_version is {meta.get('format_version')!r}; "
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


class _ArrayFile:
    """A .npy file written row by row, with a running SHA-256 of its data."""

    def __init__(self, path: Path, dtype: str, n: int, row_shape: tuple[int, ...]) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._sha256 = hashlib.sha256()
        self._write_header(n)
        self._data_start = self._file.tell()

    def _write_header(self, n: int) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (n, *self._row_shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, rows: np.ndarray) -> None:
        data = np.ascontiguousarray(rows, dtype=self._dtype).reshape(-1).data
        self._sha256.update(data)
        self._file.write(data)

    def finish(self, n: int) -> str:
        """Set the true number of rows, close the file, return the SHA-256 of the data."""
        self._file.seek(0)
        self._write_header(n)
        # NumPy pads headers so that the first axis can change in place; bytes would shift if not.
        if self._file.tell() != self._data_start:
            raise ImageSetError("cannot write: the .npy header changed its length")
        self._file.close()
        return self._sha256.hexdigest()

    def close(self) -> None:
        self._file.close()


class ImageSetWriter:
    """Writes an image set piece by piece; the set appears whole, or not at all.

    Use it as a context manager. Images go straight to disk, so the set may be larger than
    memory. An error inside the block, or fewer images than announced, leaves nothing behind and
    an older set in the same place untouched.

    Args:
        folder: where the set appears; replaced when it already holds an image set.
        shape: N x height x width x channels. N is the number of images, at least 1, or with
            ``exact=False`` the largest number, from 0; sides are in pixels; channels 1 or 3.
        class_names: the name of each label.
        source: what the images are, such as ``"mnist5k"``.
        made_by: what made the set (JSON values); ``writer.made_by`` may be changed until the
            block ends. Keep times, host names and absolute paths out of it.
        exact: whether ending with fewer than ``n`` images is an error; a set without an image is
            allowed where it is not.

    Raises:
        ImageSetError: when the arguments do not fit, or ``folder`` holds something else.
    """

    def __init__(
        self,
        folder: Path,
        shape: Sequence[int],
        class_names: Sequence[str],
        source: str,
        made_by: Mapping[str, Any] | None = None,
        *,
        exact: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.made_by: dict[str, Any] = dict(made_by or {})
        self.written = 0
        n, height, width, channels = shape
        self._shape = (n, height, width, channels)
        self._source = source
        self._exact = exact
        self._stack = ExitStack()
        try:
            self._class_names = check_class_names(class_names)
            if n < exact:
                raise ImageSetError(f"the number of images is {n}; allowed: {int(exact)} or more")
            _check_shape(self._shape)
        except ImageSetError as error:
            raise self._error(error) from error

    def _error(self, error: object) -> ImageSetError:
        return ImageSetError(f"image set {self.folder}: {error}")

    def __enter__(self) -> ImageSetWriter:
        if self.folder.exists() and not _may_replace(self.folder):
            raise self._error("the place is taken by something that is not an image set")
        try:
            with ExitStack() as stack:
                temporary = stack.enter_context(atomic_folder(self.folder))
                self._meta_path = temporary / META_FILE
                n, *row_shape = self._shape
                self._images = _ArrayFile(temporary / IMAGES_FILE, "|u1", n, tuple(row_shape))
                stack.callback(self._images.close)
                self._labels = _ArrayFile(temporary / LABELS_FILE, "<i8", n, ())
                stack.callback(self._labels.close)
                stack.push(self._finish)
                self._stack = stack.pop_all()
        except OSError as error:
            raise self._error(error) from error
        return self

    def append(self, images: np.ndarray, labels: int | Sequence[int] | np.ndarray) -> None:
        """Add one image or a batch.

        Args:
            images: uint8, H x W x C or B x H x W x C.
            labels: one integer, or B integers.

        Raises:
            ImageSetError: when dtype, shape or a label does not fit, or the set is full.
        """
        try:
            batch = images[None] if images.ndim == 3 else images
            values = np.atleast_1d(np.asarray(labels))
            if batch.dtype != np.uint8:
                raise ImageSetError(f"images have dtype {batch.dtype}; allowed: uint8")
            if batch.shape[1:] != self._shape[1:]:
                raise ImageSetError(
                    f"images have shape {images.shape}; allowed: N x "
                    + " x ".join(map(str, self._shape[1:]))
                )
            if values.size == 0:
                values = values.astype(np.int64)
            if not np.issubdtype(values.dtype, np.integer):
                raise ImageSetError(f"labels have dtype {values.dtype}; allowed: integers")
            if values.shape != (len(batch),):
                raise ImageSetError(
                    f"there are {len(batch)} images and {values.size} labels; "
                    "allowed: as many labels as images"
                )
            _check_labels(values, len(self._class_names), first=self.written)
            if self.written + len(batch) > self._shape[0]:
                raise ImageSetError(
                    f"more images than announced; allowed: at most {self._shape[0]}"
                )
            self._images.append(batch)
            self._labels.append(values.astype(np.int64))
        except (ImageSetError, OSError) as error:
            raise self._error(error) from error
        self.written += len(batch)

    def _finish(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Complete the three files when the block succeeded; runs before the folder appears."""
        if kind is not None:
            return False
        if self._exact and self.written != self._shape[0]:
            raise self._error(f"{self.written} of {self._shape[0]} images were written")
        shape = (self.written, *self._shape[1:])
        digests = (self._images.finish(self.written), self._labels.finish(self.written))
        meta = {
            "format_version": FORMAT_VERSION,
            "class_names": list(self._class_names),
            "source": self._source,
            "shape": list(shape),
            "digest": _combine_digests(shape, *digests),
            "made_by": self.made_by,
        }
        try:
            write_json(self._meta_path, meta)
        except (TypeError, ValueError) as problem:
            raise self._error(f"made_by cannot be written as JSON ({problem})") from problem
        return False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        except OSError as problem:
            # The block's own error passes through unchanged; a full disk at the end becomes ours.
            if problem is error:
                raise
            raise self._error(problem) from problem


def _may_replace(folder: Path) -> bool:
    """Whether ``folder`` is empty or an image set, so that replacing it destroys nothing else."""
    if not folder.is_dir():
        return False
    names = {entry.name for entry in folder.iterdir()}
    return not names or {IMAGES_FILE, META_FILE} <= names


def write_image_set(
    folder: Path,
    images: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    source: str,
    made_by: Mapping[str, Any] | None = None,
) -> ImageSet:
    """Write an image set and open it.

    Args:
        folder: where the set appears whole; replaced when it already holds an image set.
        images: uint8, N x H x W x C with N >= 1 and C 1 or 3; may be memory-mapped.
        labels: integers, N, values in ``0 .. len(class_names) - 1``.
        class_names: the name of each label.
        source: what the images are, such as ``"mnist5k"`` or ``"generated"``.
        made_by: what made the set (JSON values), without times, hosts or absolute paths.

    Raises:
        ImageSetError: when something does not fit; nothing is written then.
    """
    labels = np.asarray(labels)
    if images.ndim != 4 or labels.shape != images.shape[:1]:
        raise ImageSetError(
            f"image set {folder}: images have shape {images.shape} and labels {labels.shape}; "
            "allowed: N x height x width x channels and N"
        )
    n = len(images)
    rows = max(1, _CHUNK_BYTES // max(1, images[:1].nbytes))
    writer = ImageSetWriter(folder, images.shape, class_names, source, made_by)
    with writer:
        for start in range(0, n, rows):
            writer.append(images[start : start + rows], labels[start : start + rows])
    return open_image_set(folder)
