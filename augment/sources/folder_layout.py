"""What a folder of pictures holds: parts, classes and files, found before anything is read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from augment.image_sets import ImageSetError, check_class_names
from augment.sources.errors import SourceError


@dataclass(frozen=True)
class FolderPart:
    """One part of a folder source.

    Attributes:
        folder: the folder whose sub-folders are the classes.
        class_names: the classes, sorted.
        files: every file of every class with its label, by class and then by name.
    """

    folder: Path
    class_names: tuple[str, ...]
    files: list[tuple[Path, int]]


@dataclass(frozen=True)
class FolderLayout:
    """The parts of a folder source; ``test`` is ``None`` without an official test set."""

    train: FolderPart
    test: FolderPart | None
    notes: list[str]


def scan_folder(root: Path) -> FolderLayout:
    """Find the classes and files of a folder source; no file is opened.

    A folder has one sub-folder a class, or ``train`` and ``test`` with one sub-folder a class
    each. Names that start with a dot are ignored; what else lies beside the class folders is
    noted. Everything is taken in sorted order of names.

    Raises:
        SourceError: when the folder cannot be listed, has fewer than two classes, an empty class,
            other classes in ``test`` than in ``train``, a folder inside a class folder, a class
            name that is not text, or a link that leads out of ``root``.
    """
    if not root.is_dir():
        raise SourceError(f"there is no folder {root}")
    folders, files = _list(root, root)
    notes = []
    names = {folder.name for folder in folders}
    if {"train", "test"} <= names and all(
        _list(root / part, root)[0] for part in ("train", "test")
    ):
        beside = [folder.name for folder in folders if folder.name not in ("train", "test")]
        if beside:
            notes.append(f"not used, because train/ and test/ are: {_some(beside)}")
        train, more = _scan_part(root / "train", root)
        notes += more
        test, more = _scan_part(root / "test", root)
        notes += more
        _compare_classes(root, train, test)
        layout = FolderLayout(train, test, notes)
    else:
        train, more = _scan_part(root, root)
        return FolderLayout(train, None, more)
    if files:
        notes.append(_loose_note(root, files, root))
    return layout


def _scan_part(part: Path, root: Path) -> tuple[FolderPart, list[str]]:
    folders, loose = _list(part, root)
    if len(folders) < 2:
        found = f"only {folders[0].name!r}" if folders else "none"
        raise SourceError(
            f"{part} has too few class folders ({found}); "
            "allowed: at least 2, each with the pictures of one class"
        )
    try:
        class_names = check_class_names([folder.name for folder in folders])
    except ImageSetError as error:
        raise SourceError(f"{part}: {error}") from error
    files: list[tuple[Path, int]] = []
    for label, folder in enumerate(folders):
        inner, pictures = _list(folder, root)
        if inner:
            raise SourceError(
                f"class folder {folder} has a folder inside ({inner[0].name!r}); "
                "allowed: pictures only, or train/ and test/ above the class folders"
            )
        if not pictures:
            raise SourceError(f"class folder {folder} is empty; allowed: at least one picture")
        files += [(picture, label) for picture in pictures]
    notes = [_loose_note(part, loose, root)] if loose else []
    return FolderPart(part, class_names, files), notes


def _list(folder: Path, root: Path) -> tuple[list[Path], list[Path]]:
    """Return the sub-folders and the other entries of ``folder``, sorted, without hidden ones."""
    folders: list[Path] = []
    others: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                path = folder / entry.name
                if entry.is_symlink():
                    _refuse_escape(path, root)
                (folders if entry.is_dir() else others).append(path)
    except OSError as error:
        raise SourceError(f"cannot list {folder} ({error.strerror or error})") from error
    return folders, others


def _refuse_escape(link: Path, root: Path) -> None:
    try:
        inside = link.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise SourceError(f"{link} is a link that leads in a circle") from error
    if not inside:
        raise SourceError(f"{link} is a link that leads out of {root}; allowed: links within it")


def _compare_classes(root: Path, train: FolderPart, test: FolderPart) -> None:
    only_train = sorted(set(train.class_names) - set(test.class_names))
    only_test = sorted(set(test.class_names) - set(train.class_names))
    if only_train or only_test:
        differences = [
            f"only in {part}: {_some(names)}"
            for part, names in (("train", only_train), ("test", only_test))
            if names
        ]
        raise SourceError(
            f"{root} has different classes in train and test ({'; '.join(differences)}); "
            "allowed: the same classes in both"
        )


def _loose_note(folder: Path, files: list[Path], root: Path) -> str:
    place = folder.relative_to(root).as_posix()
    where = "beside the class folders" + ("" if place == "." else f" of {place}/")
    return f"not used, because {where}: {_some([file.name for file in files])}"


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
