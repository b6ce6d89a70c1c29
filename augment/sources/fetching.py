"""One door to every source."""

from __future__ import annotations

from pathlib import Path

from augment.sources.errors import SourceError
from augment.sources.fetched import FetchedData, OnProgress
from augment.sources.folder import fetch_folder
from augment.sources.mnist import DATASETS, fetch_mnist
from augment.sources.mnist5k import fetch_mnist5k


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
        path: the folder of images, or the folder of IDX files; ``folder`` needs it, ``mnist5k``
            has none.
        data_dir: a folder of data sets, looked at for the IDX files when ``path`` is ``None``.
        image_size: side in pixels: 28, 32, 64 or 128.
        channels: 1 (gray) or 3 (RGB).
        workdir: a folder to write in; made when it does not exist.
        nested: of a folder, whether folders inside class folders are searched too.
        follow_links: of a folder, whether links may lead out of it.
        on_progress: of a folder, called with the files read, those of the part, and its name.

    Raises:
        SourceError: when the images cannot be had or used.
        ImageSetError: when the sets cannot be written.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"cannot write in {workdir} ({error.strerror or error})") from error
    if source == "mnist5k":
        train = fetch_mnist5k(workdir / "train", image_size=image_size, channels=channels)
        return FetchedData({"train": train})
    if source == "folder":
        assert path is not None  # A rule of the parameters.
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
