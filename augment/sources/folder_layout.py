"""What a folder of pictures holds: parts, classes and files, found before anything is read."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from augment.images.image_sets import ImageSetError, check_class_names
from augment.sources.errors import SourceError

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Names of the folders of a part, in any case."""

# What systems and programs leave in folders, in lower case; names with a leading dot besides.
_RUBBISH = {
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__pycache__",
}


@dataclass(frozen=True)
class FolderPart:
    """One part of a folder source.

    Attributes:
        folder: the folder whose sub-folders are the classes.
        files: every file of every class with its label, by class and then by name.
    """

    folder: Path
    files: list[tuple[Path, int]]


@dataclass(frozen=True)
class LeftOut:
    """A file, or a folder with all in it, that is not used; ``path`` is relative to the root."""

    path: Path
    reason: str


@dataclass(frozen=True)
class FolderLayout:
    """What a folder source holds.

    Attributes:
        root: the folder.
        class_names: as the folders of train are called, sorted; the same for every part.
        parts: by the names of ``PART_NAMES``; ``train`` is always there.
        left_out: everything below ``root`` that is not in a part.
        notes: lines for the user.
        links: those that lead out of ``root``.
    """

    root: Path
    class_names: tuple[str, ...]
    parts: Mapping[str, FolderPart]
    left_out: list[LeftOut]
    notes: list[str]
    links: list[Path]


@dataclass
class _Scan:
    """A walk through a folder source."""

    root: Path
    nested: bool
    follow_links: bool
    left_out: list[LeftOut] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)

    def skip(self, path: Path, reason: str) -> None:
        self.left_out.append(LeftOut(path.relative_to(self.root), reason))

    def entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return the sub-folders and the other entries of ``folder``, sorted by name."""
        folders: list[Path] = []
        others: list[Path] = []
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    path = folder / entry.name
                    if entry.name.startswith("."):
                        self.skip(path, "hidden")
                    elif entry.name.lower() in _RUBBISH:
                        self.skip(path, "left by a system or a program")
                    elif entry.is_symlink() and not self._may_follow(path):
                        continue
                    else:
                        (folders if entry.is_dir() else others).append(path)
        except OSError as error:
            raise SourceError(f"cannot list {folder} ({error.strerror or error})") from error
        return folders, others

    def _may_follow(self, link: Path) -> bool:
        """Return whether a link may be followed; a circle is left out, a way out refused."""
        try:
            target = link.resolve(strict=True)
        except FileNotFoundError:
            return True  # named when it is read
        except (OSError, RuntimeError):
            self.skip(link, "a link that leads in a circle")
            return False
        if target.is_dir() and target in (link.parent.resolve(), *link.parent.resolve().parents):
            self.skip(link, "a link that leads in a circle")
            return False
        if target.is_relative_to(self.root.resolve()):
            return True
        if not self.follow_links:
            raise SourceError(
                f"{link} is a link that leads out of {self.root}; allowed: links within it, or "
                "any with data.follow_links: true"
            )
        self.links.append(link)
        return True

    def classes(self, folder: Path) -> dict[str, tuple[str, list[Path]]]:
        """Return name and files of every class of a folder, by the name in Unicode's form NFC."""
        folders, loose = self.entries(folder)
        for path in loose:
            self.skip(path, "beside the class folders")
        classes: dict[str, tuple[str, list[Path]]] = {}
        for each in folders:
            key = unicodedata.normalize("NFC", each.name)
            pictures = self._pictures(each, each, ())
            if not pictures:
                self.skip(each, "an empty folder")
            elif key in classes:
                raise SourceError(
                    f"{folder} has two folders of the name {key!r}, written in two ways of "
                    "Unicode; allowed: one"
                )
            else:
                classes[key] = each.name, pictures
        return classes

    def _pictures(self, folder: Path, class_folder: Path, above: tuple[Path, ...]) -> list[Path]:
        """Return the files of a class folder, with those of its sub-folders where they count."""
        inner, files = self.entries(folder)
        parts = {part for each in inner if (part := part_of(each.name))}
        if inner and (not self.nested or len(parts) > 1):
            raise SourceError(
                f"class folder {class_folder} has {_folders(inner)} inside; allowed: "
                f"{_instead_of(class_folder, inner)}"
            )
        above = (*above, folder.resolve())
        for each in inner:
            if each.resolve() in above:  # by a chain of links
                self.skip(each, "a link that leads in a circle")
            else:
                files += self._pictures(each, class_folder, above)
        return files


def scan_folder(root: Path, *, nested: bool = False, follow_links: bool = False) -> FolderLayout:
    """Find the classes and files of a folder source; no file is opened.

    A folder has one sub-folder a class, or a folder for each part (``PART_NAMES``, in any case)
    with one sub-folder a class each; train is needed. Hidden names, what systems leave behind,
    empty folders and what lies beside the class folders are left out, each by name. Everything is
    taken in sorted order of names; class names are compared in Unicode's form NFC.

    Args:
        root: the folder.
        nested: whether folders inside a class folder are searched for pictures of that class.
        follow_links: whether links may lead out of ``root``.

    Raises:
        SourceError: when the folder cannot be listed, has fewer than two classes, the same class
            twice, other classes in one part than in another, parts that cannot be told from
            classes, a folder inside a class folder or a link that leads out where that is not
            asked for, or a class name that is not text.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise SourceError(f"{root} {what}; allowed: a folder with one sub-folder a class")
    scan = _Scan(root, nested, follow_links)
    folders, files = scan.entries(root)
    places = _part_folders(folders, scan)
    if places:
        for path in [*(each for each in folders if each not in places.values()), *files]:
            scan.skip(path, f"beside {_listed([place.name for place in places.values()])}")
    else:
        _refuse_misread(folders, scan)
        scan.left_out.clear()  # the walk over the classes lists the folder again
        places = {"train": root}
    found = {part: scan.classes(place) for part, place in places.items()}
    for part in [part for part, classes in found.items() if not classes and part != "train"]:
        scan.skip(places[part], "no pictures in class folders")
        del found[part]
    train = found["train"]
    if len(train) < 2:
        raise SourceError(_too_few(places["train"], train, folders, files))
    try:
        class_names = check_class_names([name for name, _ in train.values()])
    except ImageSetError as error:
        raise SourceError(f"{places['train']}: {error}") from error
    for part, classes in found.items():
        _compare_classes(root, train, classes, part)
    labels = {key: label for label, key in enumerate(train)}
    parts = {
        part: FolderPart(
            places[part], [(path, labels[key]) for key in train for path in classes[key][1]]
        )
        for part, classes in found.items()
    }
    left_out = sorted(scan.left_out, key=lambda each: each.path)
    notes = _alike(class_names) + _left_out_notes(left_out)
    return FolderLayout(root, class_names, parts, left_out, notes, scan.links)


def part_of(name: str) -> str | None:
    """Return which part a folder's name stands for, None where it is another name."""
    return next((part for part, names in PART_NAMES.items() if name.casefold() in names), None)


def _part_folders(folders: Sequence[Path], scan: _Scan) -> dict[str, Path]:
    """Return the folders of the parts, train first; empty where the folders are the classes.

    Classes may have the names of parts: what tells them apart is that the folder for training has
    folders inside, and that there is another part or nothing else.
    """
    named = [(part_of(folder.name), folder) for folder in folders]
    train = [folder for part, folder in named if part == "train"]
    aside = _Scan(scan.root, scan.nested, scan.follow_links)
    if not any(aside.entries(folder)[0] for folder in train):
        return {}
    if len(folders) > len(train) and not any(part in ("test", "validation") for part, _ in named):
        return {}
    found: dict[str, Path] = {}
    for part in PART_NAMES:
        mine = [folder for name, folder in named if name == part]
        if len(mine) > 1:
            raise SourceError(
                f"{scan.root} has {_folders(mine)}, which all stand for {part}; allowed: one"
            )
        if mine:
            found[part] = mine[0]
    return found


def _refuse_misread(folders: Sequence[Path], scan: _Scan) -> None:
    """Refuse folders that would be classes and are none: parts, or what holds the classes.

    Classes may have the names of parts. Where the folders inside one are called like those inside
    another folder, they are the classes, and the folders above them are parts.
    """
    if len(folders) > 1 and not any(part_of(folder.name) for folder in folders):
        return
    aside = _Scan(scan.root, scan.nested, scan.follow_links)
    inside = {folder: aside.entries(folder)[0] for folder in folders}
    names = {
        folder: {unicodedata.normalize("NFC", each.name) for each in inner}
        for folder, inner in inside.items()
    }
    parts = [folder for folder in folders if part_of(folder.name)]
    classes = {
        name
        for part in parts
        for other in folders
        if part is not other or len(folders) == 1
        for name in names[part] & names[other]
    }
    if classes:
        train = [folder for folder in parts if part_of(folder.name) == "train"]
        if not train:
            what = "train/ is missing"
        elif not any(names[folder] for folder in train):
            what = f"no class folders are in {_listed([folder.name for folder in train])}"
        else:
            unknown = [f"{folder.name}/" for folder in folders if folder not in parts]
            what = f"beside {_listed([folder.name for folder in train])} no part is known"
            what += f", and {_some(unknown)} may be meant as one"
        seen = _some([f"{folder.name}/" for folder in folders])
        inner = _some([f"{name}/" for name in sorted(classes)])
        known = ", ".join(" or ".join(each) for each in PART_NAMES.values())
        raise SourceError(
            f"{scan.root}: {what} (seen: {seen}, with {inner} inside); allowed: parts called "
            f"{known}, of which train is needed; or classes whose inner folders have other names"
        )
    if len(folders) == 1 and names[folders[0]]:
        raise SourceError(
            f"{scan.root} has one folder only, {folders[0].name}/, with "
            f"{_folders(inside[folders[0]])} inside; allowed: at least 2 class folders, or "
            f"data.path: {folders[0]} where the classes or parts are in that folder"
        )


def _instead_of(class_folder: Path, inner: Sequence[Path]) -> str:
    """Return what would be allowed in place of folders inside a class folder."""
    name = class_folder.name
    if any(part_of(each.name) for each in inner):
        return (
            f"parts above the classes, such as train/{name}/, or data.path: {class_folder} where "
            "all classes are in that folder"
        )
    if part_of(name):
        return f"pictures only, or data.path: {class_folder} where the classes are in that folder"
    return "pictures only, or with data.nested: true any folders, whose pictures are of that class"


def _compare_classes(
    root: Path, train: Mapping[str, object], other: Mapping[str, object], name: str
) -> None:
    only_train = sorted(train.keys() - other.keys())
    only_other = sorted(other.keys() - train.keys())
    if only_train or only_other:
        differences = [
            f"only in {part}: {_some(names)}"
            for part, names in (("train", only_train), (name, only_other))
            if names
        ]
        raise SourceError(
            f"{root} has different classes in train and {name} ({'; '.join(differences)}); "
            "allowed: the same classes in all parts, each with pictures"
        )


def _too_few(
    place: Path, classes: Mapping[str, object], folders: Sequence[Path], files: Sequence[Path]
) -> str:
    if classes:
        found = f"pictures of one class only, {next(iter(classes))!r}"
    elif folders:
        found = f"{_folders(folders)} without pictures"
    else:
        found = f"{len(files):,} files and no folder" if files else "nothing that is used"
    return (
        f"{place} has too few class folders (seen: {found}); allowed: at least 2, each with the "
        "pictures of one class, or train/ and test/ above them"
    )


def _alike(class_names: Sequence[str]) -> list[str]:
    """Return a note for every two classes whose names look alike."""

    def look(name: str) -> str:
        folded = unicodedata.normalize("NFKC", name).casefold()
        return re.sub(r"[\s_-]+", " ", folded).strip()

    first: dict[str, str] = {}
    notes = []
    for name in class_names:
        other = first.setdefault(look(name), name)
        if other != name:
            notes.append(
                f"classes {other!r} and {name!r} look alike; if they are one class, put their "
                "pictures into one folder"
            )
    return notes


def _left_out_notes(left_out: Sequence[LeftOut]) -> list[str]:
    """Return a line for each reason; hidden files are what systems make, and only listed."""
    by_reason: dict[str, list[str]] = {}
    for each in left_out:
        if each.reason != "hidden":
            by_reason.setdefault(each.reason, []).append(each.path.as_posix())
    return [f"not used ({reason}): {_some(names)}" for reason, names in by_reason.items()]


def _folders(folders: Sequence[Path]) -> str:
    names = _some([f"{folder.name}/" for folder in folders])
    return f"{len(folders)} folder{'s' if len(folders) != 1 else ''} ({names})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in names)


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
