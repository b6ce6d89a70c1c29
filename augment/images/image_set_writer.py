"""Writing image sets: streamed to disk, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from augment.files import atomic_folder, chunks, write_json
from augment.images.image_sets import (
    FORMAT_VERSION,
    IMAGES_FILE,
    LABELS_FILE,
    META_FILE,
    ImageSet,
    ImageSetError,
    check_class_names,
    check_images,
    check_labels,
    combine_digests,
    open_image_set,
)


class _ArrayFile:
    """A .npy file written row by row, with a running SHA-256 of its data."""

    def __init__(self, path: Path, dtype: str, n: int, row_shape: Sequence[int]) -> None:
        self._file = path.open("wb")
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
        made_by: what made the set (JSON values), without times, host names or absolute paths.
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
        self._made_by = dict(made_by or {})
        self.written = 0
        n, height, width, channels = shape
        self._shape = (n, height, width, channels)
        self._source = source
        self._exact = exact
        try:
            self._class_names = check_class_names(class_names)
            if n < exact:
                raise ImageSetError(f"the number of images is {n}; allowed: {int(exact)} or more")
            check_images(np.dtype(np.uint8), self._shape)
        except ImageSetError as error:
            raise self._error(error) from error

    def _error(self, error: object) -> ImageSetError:
        return ImageSetError(f"image set {self.folder}: {error}")

    def __enter__(self) -> ImageSetWriter:
        self._block = self._writing()
        return self._block.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._block.__exit__(kind, error, trace)

    @contextmanager
    def _writing(self) -> Iterator[ImageSetWriter]:
        if self.folder.exists() and not _may_replace(self.folder):
            raise self._error("the place is taken by something that is not an image set")
        n, *row_shape = self._shape
        own: BaseException | None = None
        try:
            with (
                atomic_folder(self.folder) as temporary,
                closing(_ArrayFile(temporary / IMAGES_FILE, "|u1", n, row_shape)) as self._images,
                closing(_ArrayFile(temporary / LABELS_FILE, "<i8", n, ())) as self._labels,
            ):
                try:
                    yield self
                except BaseException as error:
                    own = error
                    raise
                self._finish(temporary / META_FILE)
        except OSError as problem:
            # The block's own error passes through unchanged; a full disk at the end becomes ours.
            if problem is own:
                raise
            raise self._error(problem) from problem

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
            if values.size == 0:  # An empty list makes floats.
                values = values.astype(np.int64)
            if not np.issubdtype(values.dtype, np.integer):
                raise ImageSetError(f"labels have dtype {values.dtype}; allowed: integers")
            check_labels(values, len(batch), len(self._class_names), first=self.written)
            if self.written + len(batch) > self._shape[0]:
                raise ImageSetError(
                    f"more images than announced; allowed: at most {self._shape[0]}"
                )
            self._images.append(batch)
            self._labels.append(values.astype(np.int64))
        except (ImageSetError, OSError) as error:
            raise self._error(error) from error
        self.written += len(batch)

    def _finish(self, meta_path: Path) -> None:
        """Complete the three files before the folder appears."""
        if self._exact and self.written != self._shape[0]:
            raise self._error(f"{self.written} of {self._shape[0]} images were written")
        shape = (self.written, *self._shape[1:])
        digests = (self._images.finish(self.written), self._labels.finish(self.written))
        meta = {
            "format_version": FORMAT_VERSION,
            "class_names": list(self._class_names),
            "source": self._source,
            "shape": list(shape),
            "digest": combine_digests(shape, *digests),
            "made_by": self._made_by,
        }
        try:
            write_json(meta_path, meta)
        except (TypeError, ValueError) as problem:
            raise self._error(f"made_by cannot be written as JSON ({problem})") from problem


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
    with ImageSetWriter(folder, images.shape, class_names, source, made_by) as writer:
        for part in chunks(images):
            writer.append(part, labels[writer.written : writer.written + len(part)])
    return open_image_set(folder)
