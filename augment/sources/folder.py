"""Images from a folder of pictures, streamed into image sets."""

from __future__ import annotations

import os
import stat
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from PIL import Image

from augment.images.image_set_writer import ImageSetWriter
from augment.images.image_sets import one_line, open_image_set
from augment.sources.decoding import (
    BACKGROUND,
    NotAPictureError,
    Picture,
    PictureHeader,
    UnreadableImageError,
    read_image,
    suffixes,
)
from augment.sources.errors import SourceError
from augment.sources.fetched import FetchedData, OnProgress, SourceFile
from augment.sources.folder_layout import FolderLayout, FolderPart, scan_folder
from augment.sources.resizing import RESAMPLING

# Pictures decoded between two writes: bounds memory whatever the folder's size.
_CHUNK = 64
_MOST_THREADS = 4
_NAMED_IN_NOTE = 5
# Pictures of formats that are not read: they are lost, not beside the point.
_OTHER_PICTURES = {
    ".heic", ".heif", ".jxl", ".svg", ".dng", ".cr2", ".nef", ".arw", ".raw",
    ".tga", ".psd", ".pcx", ".dib", ".ico", ".dds", ".qoi", ".exr",
}  # fmt: skip
# A quarter of those of 8 bits. In files of 16 bits, scans of 14 bits use no more.
_FEW_SHADES = 64


def fetch_folder(
    root: Path,
    *,
    image_size: int,
    channels: int,
    workdir: Path,
    nested: bool = False,
    follow_links: bool = False,
    on_progress: OnProgress = lambda done, total, part: None,
) -> FetchedData:
    """Write a folder of pictures as image sets, one for each part, in ``workdir``.

    Every file that is not in a set is in ``left_out`` with its reason, by itself or with the
    folder that it lies in. See ``folder_layout`` for the folders and ``decoding`` for the files
    that are understood.

    Args:
        root: one sub-folder a class, or a folder a part above the classes.
        image_size: side in pixels.
        channels: 1 (gray) or 3 (RGB).
        workdir: a folder to write in.
        nested: whether folders inside class folders are searched too.
        follow_links: whether links may lead out of ``root``.
        on_progress: called with the files read, those of the part, and the part's name.

    Raises:
        SourceError: when the folder's layout is not allowed, or more than half of the pictures of
            a class cannot be read.
    """
    layout = scan_folder(root, nested=nested, follow_links=follow_links)
    left_out = [
        SourceFile(each.path.as_posix(), "", -1, "", each.reason) for each in layout.left_out
    ]
    data = FetchedData({}, list(layout.notes), {}, left_out, layout.links)
    for name, part in layout.parts.items():
        _write_part(layout, part, workdir / name, image_size, channels, data, name, on_progress)
    return replace(data, notes=[one_line(note) for note in data.notes])


def _write_part(
    layout: FolderLayout,
    part: FolderPart,
    folder: Path,
    image_size: int,
    channels: int,
    data: FetchedData,
    name: str,
    on_progress: OnProgress,
) -> None:
    """Write one part's image set, and add to ``data`` what is known of its files."""
    files: list[SourceFile] = []
    unread: list[Unread] = []
    headers: list[PictureHeader] = []
    shades: list[tuple[int, int] | None] = []
    writer = ImageSetWriter(
        folder,
        (len(part.files), image_size, image_size, channels),
        layout.class_names,
        "folder",
        {
            "image_size": image_size,
            "channels": channels,
            "resampling": RESAMPLING,
            "background": BACKGROUND,
        },
        exact=False,
    )

    def read(path: Path) -> Picture | UnreadableImageError:
        try:
            return read_image(path, image_size=image_size, channels=channels)
        except UnreadableImageError as error:
            return error

    Image.init()  # loading Pillow's plugins is not safe in several threads at once
    n_threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with warnings.catch_warnings(), writer, ThreadPoolExecutor(n_threads) as pool:
        # Bombs are refused by their size, and broken tags of a picture that is read are its own.
        warnings.simplefilter("ignore")
        for start in range(0, len(part.files), _CHUNK):
            chunk = part.files[start : start + _CHUNK]
            # map keeps the order, so threads never change what is written.
            for (path, label), picture in zip(
                chunk, pool.map(read, [path for path, _ in chunk]), strict=True
            ):
                if isinstance(picture, UnreadableImageError):
                    unread.append((path, label, picture))
                else:
                    writer.append(picture.pixels, label)
                    headers.append(picture.header)
                    shades.append(picture.shades)
                    files.append(
                        SourceFile(*names_of(layout, part, path), picture.size, picture.sha256)
                    )
            on_progress(start + len(chunk), len(part.files), name)
        refuse_lost(layout, part, unread)
    data.sets[name] = open_image_set(folder)
    data.files[name] = files
    data.left_out.extend(
        SourceFile(*names_of(layout, part, path), file_size(path), "", str(error))
        for path, _, error in unread
    )
    data.notes.extend(unreadable_notes(layout, part, unread))
    paths = [layout.root / file.path for file in files]
    data.notes.extend(size_notes(paths, headers, image_size, channels, layout.root))
    data.notes.extend(shade_notes(paths, shades, layout.root))


def names_of(layout: FolderLayout, part: FolderPart, path: Path) -> tuple[str, str]:
    """Return a file's path relative to the source's folder, and below its class folder."""
    return _below(layout.root, path), _below(part.folder, path).partition("/")[2]


def _below(folder: Path, path: Path) -> str:
    # Text, not pathlib: a folder may hold many thousands of files.
    return os.fspath(path)[len(os.fspath(folder)) :].replace(os.sep, "/").lstrip("/")


Unread = tuple[Path, int, UnreadableImageError]
"""A file, its label, and why it was not read."""


def is_lost_picture(path: Path, error: UnreadableImageError) -> bool:
    """Return whether a file that was not read is a picture: by its content or by its name."""
    if not isinstance(error, NotAPictureError):
        return True
    suffix = path.suffix.lower()
    return suffix in _OTHER_PICTURES or suffix in suffixes()


def refuse_lost(layout: FolderLayout, part: FolderPart, unread: Sequence[Unread]) -> None:
    """Refuse a part of which a class has lost more than half of its pictures, or all.

    Args:
        layout: the folder.
        part: the part; every file of it that is not in ``unread`` counts as read.
        unread: the files that were not read.

    Raises:
        SourceError: naming the class, how many, and the first files.
    """
    files = Counter(label for _, label in part.files)
    failed = Counter(label for _, label, _ in unread)
    lost = Counter(label for path, label, error in unread if is_lost_picture(path, error))
    for label, name in enumerate(layout.class_names):
        read = files[label] - failed[label]
        if read and lost[label] <= read:
            continue
        mine = [each for each in unread if each[1] == label]
        n = lost[label] + read
        what = f"{lost[label]} of {n} pictures of class {name!r} cannot be read"
        if not n:
            what = f"class {name!r} has no picture"
        raise SourceError(
            f"{part.folder}: {what} ({_named(mine, layout.root)}); "
            "allowed: at most half of a class, and at least one that can"
        )


def unreadable_notes(layout: FolderLayout, part: FolderPart, unread: Sequence[Unread]) -> list[str]:
    """Return a line for each class that lost pictures, and one for files that are no pictures."""
    notes = []
    lost = [each for each in unread if is_lost_picture(each[0], each[2])]
    others = [each for each in unread if not is_lost_picture(each[0], each[2])]
    files = Counter(label for _, label in part.files)
    files.subtract(label for _, label, _ in others)
    for label, name in enumerate(layout.class_names):
        mine = [each for each in lost if each[1] == label]
        if mine:
            notes.append(
                f"class {name!r}: {len(mine)} of {files[label]} pictures in {part.folder.name}/ "
                f"could not be read and are left out: {_named(mine, layout.root)}"
            )
    if others:
        notes.append(
            f"{len(others)} files in {part.folder.name}/ are no pictures and are left out: "
            f"{_named(others, layout.root)}"
        )
    return notes


def size_notes(
    paths: Sequence[Path],
    headers: Sequence[PictureHeader],
    image_size: int,
    channels: int,
    root: Path,
) -> list[str]:
    """Return lines on pictures that are enlarged, or lose pixels, colours or frames.

    Args:
        paths: the files.
        headers: of each file.
        image_size: side in pixels that every picture gets.
        channels: 1 (gray) or 3 (RGB), that every picture gets.
        root: what names count from.
    """
    sides = [sorted((header.width, header.height)) for header in headers]
    # Of each kind how remarkable a picture is, the least first, and its row.
    kinds: dict[str, list[tuple[float, int]]] = {
        f"smaller than {image_size} pixels and enlarged": [
            (short, row) for row, (short, _) in enumerate(sides) if short < image_size
        ],
        "more than twice as long one way as the other, and lose more than half by the crop to a "
        "square": [
            (short / long, row) for row, (short, long) in enumerate(sides) if 2 * short < long
        ],
        "of several frames or pages, of which the first is taken": [
            (0, row) for row, header in enumerate(headers) if header.several
        ],
        "stored in colour and become gray (data.channels: 3 keeps colours)": [
            (0, row) for row, header in enumerate(headers) if channels == 1 and header.colour
        ],
    }
    notes = []
    for what, found in kinds.items():
        if found:
            _, row = min(found)
            example = paths[row].relative_to(root).as_posix()
            notes.append(
                f"{len(found):,} of {len(headers):,} pictures are {what}, such as {example} "
                f"({headers[row].width} x {headers[row].height})"
            )
    return notes


def shade_notes(
    paths: Sequence[Path], shades: Sequence[tuple[int, int] | None], root: Path
) -> list[str]:
    """Return a line on pictures of 16 bits a value that use at most a quarter of their range.

    Args:
        paths: the files.
        shades: of each file, as in `decoding.Picture`.
        root: what names count from.
    """
    few = [
        (each[1] - each[0], path, each)
        for path, each in zip(paths, shades, strict=True)
        if each is not None and each[1] - each[0] <= _FEW_SHADES
    ]
    if not few:
        return []
    _, path, (low, high) = min(few)
    return [
        f"{len(few):,} of {len(paths):,} pictures have 16 bits a value, use at most a quarter of "
        "that range and get as few of the 256 shades of 8 bits, such as "
        f"{path.relative_to(root).as_posix()} ({low} to {high}); scale them before to keep more"
    ]


def file_size(path: Path) -> int:
    """Return the bytes of a regular file; -1 of anything else, and of what cannot be looked at."""
    return file_state(path)[0]


def file_state(path: Path) -> tuple[int, int]:
    """Return the bytes of a regular file and the nanoseconds of its time; -1 and 0 otherwise."""
    try:
        status = os.stat(path)  # noqa: PTH116 - pathlib's is slower, and there may be many
    except OSError:
        return -1, 0
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else (-1, 0)


def _named(unread: Sequence[Unread], root: Path) -> str:
    named = [
        f"{path.relative_to(root).as_posix()} ({error})"
        for path, _, error in unread[:_NAMED_IN_NOTE]
    ]
    if len(unread) > _NAMED_IN_NOTE:
        named.append(f"{len(unread) - _NAMED_IN_NOTE} more")
    return ", ".join(named)
