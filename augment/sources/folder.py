"""Images from a folder of pictures, streamed into image sets."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from augment.image_sets import ImageSet, ImageSetWriter, one_line, open_image_set
from augment.sources.decoding import BACKGROUND, UnreadableImageError, read_image
from augment.sources.errors import SourceError
from augment.sources.folder_layout import FolderPart, scan_folder
from augment.sources.resizing import RESAMPLING

# Pictures decoded between two writes: bounds memory whatever the folder's size.
_CHUNK = 64
_MOST_THREADS = 4
_NAMED_IN_NOTE = 5


def fetch_folder(
    root: Path, *, image_size: int, channels: int, workdir: Path
) -> tuple[ImageSet, ImageSet | None, list[str]]:
    """Write a folder of pictures as image sets ``workdir/train`` and ``workdir/test``.

    Files that cannot be read are left out, named in the notes and all listed in ``meta.json``
    (``made_by.unreadable``). See ``folder_layout`` for the folders and ``decoding`` for the
    files that are understood.

    Args:
        root: one sub-folder a class, or ``train`` and ``test`` above the classes.
        image_size: side in pixels.
        channels: 1 (gray) or 3 (RGB).
        workdir: a folder to write in.

    Returns:
        The training set, the test set (``None`` when the folder has none), and notes.

    Raises:
        SourceError: when the folder's layout is not allowed, a picture is a decompression bomb,
            more than half of a part's files are unreadable, or a class has no readable one.
    """
    layout = scan_folder(root)
    notes = list(layout.notes)
    sets: list[ImageSet] = []
    for part, name in ((layout.train, "train"), (layout.test, "test")):
        if part is not None:
            image_set, more = _write_part(root, part, workdir / name, image_size, channels)
            sets.append(image_set)
            notes += more
    return sets[0], sets[1] if len(sets) > 1 else None, [one_line(note) for note in notes]


def _write_part(
    root: Path, part: FolderPart, folder: Path, image_size: int, channels: int
) -> tuple[ImageSet, list[str]]:
    unreadable: list[tuple[Path, str]] = []
    readable = np.zeros(len(part.class_names), dtype=np.int64)
    writer = ImageSetWriter(
        folder,
        len(part.files),
        image_size,
        image_size,
        channels,
        part.class_names,
        "folder",
        {
            "image_size": image_size,
            "channels": channels,
            "resampling": RESAMPLING,
            "background": BACKGROUND,
        },
        exact=False,
    )

    def read(path: Path) -> np.ndarray | str:
        try:
            return read_image(path, image_size=image_size, channels=channels)
        except UnreadableImageError as error:
            return str(error)

    Image.init()  # loading Pillow's plugins is not safe in several threads at once
    n_threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with warnings.catch_warnings(), writer, ThreadPoolExecutor(n_threads) as pool:
        # Bombs are refused by their size; Pillow's warning about them would be a second line.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for start in range(0, len(part.files), _CHUNK):
            chunk = part.files[start : start + _CHUNK]
            # map keeps the order, so threads never change what is written.
            for (path, label), image in zip(
                chunk, pool.map(read, [path for path, _ in chunk]), strict=True
            ):
                if isinstance(image, str):
                    unreadable.append((path, image))
                else:
                    writer.append(image, label)
                    readable[label] += 1
        _refuse_unreadable(root, part, unreadable, readable)
        writer.made_by["unreadable"] = {
            "n": len(unreadable),
            "files": [one_line(_relative(path, root)) for path, _ in unreadable],
        }
    notes = []
    if unreadable:
        notes.append(
            f"{len(unreadable)} of {len(part.files)} files could not be read and were left out: "
            f"{_name(unreadable, root)}"
        )
    return open_image_set(folder), notes


def _refuse_unreadable(
    root: Path, part: FolderPart, unreadable: list[tuple[Path, str]], readable: np.ndarray
) -> None:
    if 2 * len(unreadable) > len(part.files):
        raise SourceError(
            f"{part.folder}: {len(unreadable)} of {len(part.files)} files are not readable "
            f"pictures ({_name(unreadable, root)}); allowed: at most half"
        )
    if not readable.all():
        empty = part.class_names[int(np.argmin(readable > 0))]
        raise SourceError(
            f"{part.folder}: class {empty!r} has no readable picture ({_name(unreadable, root)}); "
            "allowed: at least one"
        )


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _name(unreadable: list[tuple[Path, str]], root: Path) -> str:
    named = [f"{_relative(path, root)} ({reason})" for path, reason in unreadable[:_NAMED_IN_NOTE]]
    if len(unreadable) > _NAMED_IN_NOTE:
        named.append(f"{len(unreadable) - _NAMED_IN_NOTE} more")
    return ", ".join(named)
