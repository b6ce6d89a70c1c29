"""MNIST and Fashion-MNIST from their IDX files: given, found, or downloaded; always checked."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augment.images.image_set_writer import ImageSetWriter
from augment.images.image_sets import ImageSet, open_image_set
from augment.sources.errors import SourceError
from augment.sources.fetched import FetchedData
from augment.sources.idx import read_idx
from augment.sources.resizing import RESAMPLING, fit_gray

SIDE = 28
_CHUNK = 1024
_DOWNLOAD_TIMEOUT = 30.0  # seconds without an answer


@dataclass(frozen=True)
class IdxPart:
    """One part of a data set: its two files and the SHA-256 of each, uncompressed."""

    prefix: str
    n: int
    images_sha256: str
    labels_sha256: str

    @property
    def files(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The names of the images file and the labels file, each with its SHA-256."""
        return (
            (f"{self.prefix}-images-idx3-ubyte", self.images_sha256),
            (f"{self.prefix}-labels-idx1-ubyte", self.labels_sha256),
        )


@dataclass(frozen=True)
class IdxDataset:
    """A data set of two parts, and the torchvision class that downloads it."""

    train: IdxPart
    test: IdxPart
    class_names: tuple[str, ...]
    torchvision_class: str


DATASETS: Mapping[str, IdxDataset] = {
    "mnist": IdxDataset(
        train=IdxPart(
            "train",
            60_000,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        test=IdxPart(
            "t10k",
            10_000,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        class_names=tuple(str(digit) for digit in range(10)),
        torchvision_class="MNIST",
    ),
    "fashion-mnist": IdxDataset(
        train=IdxPart(
            "train",
            60_000,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        test=IdxPart(
            "t10k",
            10_000,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        torchvision_class="FashionMNIST",
    ),
}


def find_idx_files(folder: Path, name: str) -> tuple[dict[str, Path], list[str]]:
    """Look for the four files of data set ``name`` in ``folder``; nothing is read.

    The files may be plain or gzipped, be named ``train-images-idx3-ubyte`` or
    ``train-images.idx3-ubyte``, and lie in ``folder`` or where torchvision puts them below it.

    Returns:
        The files found, by their usual name, and the usual names of those that are missing.
    """
    dataset = DATASETS[name]
    places = [folder, folder / "raw", folder / dataset.torchvision_class / "raw"]
    found: dict[str, Path] = {}
    missing = []
    for usual, _ in (*dataset.train.files, *dataset.test.files):
        spellings = [usual, usual.replace("-idx", ".idx")]
        candidates = [
            place / f"{spelling}{ending}"
            for place in places
            for spelling in spellings
            for ending in ("", ".gz")
        ]
        hit = next((path for path in candidates if path.is_file()), None)
        if hit is None:
            missing.append(usual)
        else:
            found[usual] = hit
    return found, missing


def fetch_mnist(
    name: str,
    *,
    path: Path | None,
    data_dir: Path | None,
    image_size: int,
    channels: int,
    workdir: Path,
) -> FetchedData:
    """Write the two official parts of ``name`` as ``workdir/train`` and ``workdir/test``.

    The files come from ``path`` when it is given, else from ``data_dir/name`` when they are
    there, else from the network into ``workdir/download``.

    Args:
        name: ``mnist`` or ``fashion-mnist``.
        path: a folder with the IDX files.
        data_dir: a folder of data sets, one sub-folder each.
        image_size: side in pixels; 28 leaves the images untouched.
        channels: 1, or 3 for the gray value three times.
        workdir: a folder to write in.

    Raises:
        SourceError: when the files are not to be had, or their content is not the known one.
    """
    dataset = DATASETS[name]
    files, notes = _locate(name, path=path, data_dir=data_dir, workdir=workdir)
    sets = {
        folder: _write_part(name, dataset, part, files, workdir / folder, image_size, channels)
        for folder, part in (("train", dataset.train), ("test", dataset.test))
    }
    return FetchedData(sets, notes)


def _locate(
    name: str, *, path: Path | None, data_dir: Path | None, workdir: Path
) -> tuple[dict[str, Path], list[str]]:
    if path is not None:
        # A folder that the user named is meant: never replace it by a download.
        files, missing = find_idx_files(path, name)
        if missing:
            raise SourceError(
                f"source {name}: {_what_is_missing(path, missing)}; "
                "allowed: a folder with the four IDX files, plain or .gz"
            )
        return files, [f"{name} was read from {path}"]
    looked = []
    if data_dir is not None:
        folder = data_dir / name
        files, missing = find_idx_files(folder, name)
        if not missing:
            return files, [f"{name} was read from {folder}"]
        looked.append(_what_is_missing(folder, missing))
    else:
        looked.append("data.path and AUGMENT_DATA_DIR are not set")
    download = workdir / "download"
    try:
        _download(DATASETS[name].torchvision_class, download)
    except Exception as error:  # torchvision raises whatever the network layer below it raises
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SourceError(
            f"source {name} is not to be had: {'; '.join(looked)}; and the download failed "
            f"({' '.join(reason)})"
        ) from error
    files, missing = find_idx_files(download, name)
    if missing:
        raise SourceError(f"source {name}: {_what_is_missing(download, missing)} after a download")
    return files, [f"{name} was downloaded"]


def _what_is_missing(folder: Path, missing: list[str]) -> str:
    if not folder.is_dir():
        return f"there is no folder {folder}"
    return f"{folder} lacks {', '.join(missing)}"


def _download(torchvision_class: str, folder: Path) -> None:
    """Let torchvision download a data set below ``folder``; raises what it raises."""
    from torchvision import datasets

    with _socket_timeout(_DOWNLOAD_TIMEOUT):
        getattr(datasets, torchvision_class)(str(folder), train=True, download=True)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Make silent connections fail: torchvision itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _write_part(
    name: str,
    dataset: IdxDataset,
    part: IdxPart,
    files: Mapping[str, Path],
    folder: Path,
    image_size: int,
    channels: int,
) -> ImageSet:
    (images_file, images_sha256), (labels_file, labels_sha256) = part.files
    images = _read_known(name, files[images_file], images_file, (part.n, SIDE, SIDE), images_sha256)
    labels = _read_known(name, files[labels_file], labels_file, (part.n,), labels_sha256)
    return write_gray(
        folder,
        images,
        labels,
        dataset.class_names,
        name,
        image_size,
        channels,
        {"files_sha256": dict(part.files)},
    )


def write_gray(
    folder: Path,
    images: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    source: str,
    image_size: int,
    channels: int,
    known_by: Mapping[str, Any],
) -> ImageSet:
    """Write gray images of 28 x 28 as an image set of another size.

    Args:
        folder: where the set appears.
        images: uint8, N x 28 x 28.
        labels: integers, N.
        class_names: one a class.
        source: what the images are.
        image_size: side in pixels; 28 leaves the images untouched.
        channels: 1, or 3 for the gray value three times.
        known_by: digests, for the set's ``made_by``.
    """
    made_by = {
        "image_size": image_size,
        "channels": channels,
        "resampling": None if image_size == SIDE else RESAMPLING,
        **known_by,
    }
    shape = (len(images), image_size, image_size, channels)
    with ImageSetWriter(folder, shape, class_names, source, made_by) as writer:
        for start in range(0, len(images), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            writer.append(fit_gray(images[chunk], image_size, channels), labels[chunk])
    return open_image_set(folder)


def _read_known(
    name: str, path: Path, usual: str, shape: tuple[int, ...], sha256: str
) -> np.ndarray:
    """Read one IDX file and check that it is the very file that everybody uses."""
    header_bytes = 4 + 4 * len(shape)
    values, found = read_idx(path, max_bytes=header_bytes + int(np.prod(shape)))
    if values.shape != shape or found != sha256:
        raise SourceError(
            f"{path} is not {name}'s {usual} (SHA-256 of the uncompressed file {found[:16]}..., "
            f"allowed: {sha256[:16]}...)"
        )
    return values
