"""One door to every source."""

from __future__ import annotations

from pathlib import Path

from augment.sources.errors import SourceError
from augment.sources.fetched import FetchedData, OnProgress
from augment.sources.folder import fetch_folder
from augment.sources.mnist import DATASETS, fetch_mnist
from augment.sources.mnist5k import fetch_mnist5k

SOURCE_NAMES = ("mnist5k", *DATASETS, "folder")
IMAGE_SIZES = (28, 32, 64, 128)
CHANNELS = (1, 3)


def class_names_of(source: str) -> tuple[str, ...]:
    """Return the classes of a source that everybody has alike: ``mnist5k`` or one of IDX files."""
    return DATASETS["mnist" if source == "mnist5k" else source].class_names


def fetch_source(
    source: str,
    *,
    path: Path | None,
    data_dir: Path | None,
    image_size: int,
    channels: int,
    workdir: Path,
    nested: bool = False,
    follow_links: bool = False,
    on_progress: OnProgress = lambda done, total, part: None,
) -> FetchedData:
    """Bring a source's images to one size and write them as image sets.

    The sets appear as ``workdir/train`` and so on; a download lands in ``workdir/download``.
    Images are streamed, so a source may be larger than memory. The same source gives the same
    bytes.

    Args:
        source: ``mnist5k``, ``mnist``, ``fashion-mnist`` or ``folder``.
        path: the folder of images, or the folder of IDX files; ``folder`` needs it.
        data_dir: a folder of data sets, looked at for the IDX files when ``path`` is ``None``.
        image_size: side in pixels: 28, 32, 64 or 128.
        channels: 1 (gray) or 3 (RGB).
        workdir: a folder to write in; made when it does not exist.
        nested: of a folder, whether folders inside class folders are searched too.
        follow_links: of a folder, whether links may lead out of it.
        on_progress: of a folder, called with the files read, those of the part, and its name.

    Raises:
        SourceError: when an argument is not allowed, or the images cannot be had or used.
        ImageSetError: when the sets cannot be written.
    """
    if source not in SOURCE_NAMES:
        raise SourceError(f"source is {source!r}; allowed: {', '.join(SOURCE_NAMES)}")
    if image_size not in IMAGE_SIZES:
        raise SourceError(f"image size is {image_size}; allowed: 28, 32, 64 or 128")
    if channels not in CHANNELS:
        raise SourceError(f"channels is {channels}; allowed: 1 or 3")
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"cannot write in {workdir} ({error.strerror or error})") from error
    if source == "mnist5k":
        train = fetch_mnist5k(workdir / "train", image_size=image_size, channels=channels)
        notes = [] if path is None else [f"mnist5k needs no path; {path} was not used"]
        return FetchedData({"train": train}, notes)
    if source == "folder":
        if path is None:
            raise SourceError("source folder needs data.path; allowed: a folder of images")
        return fetch_folder(
            path,
            image_size=image_size,
            channels=channels,
            workdir=workdir,
            nested=nested,
            follow_links=follow_links,
            on_progress=on_progress,
        )
    return fetch_mnist(
        source,
        path=path,
        data_dir=data_dir,
        image_size=image_size,
        channels=channels,
        workdir=workdir,
    )
