"""Names of folders for classes: the class names themselves wherever a file system takes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

_LONGEST = 255
"""Bytes of UTF-8 that the usual file systems take as a name."""

_WINDOWS = re.compile(
    r"(?:CON|PRN|AUX|NUL|(?:COM|LPT)[1-9\u00b9\u00b2\u00b3]|CONIN\$|CONOUT\$) *(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)
"""Devices on Windows, whatever their ending (Microsoft, "Naming Files, Paths, and Namespaces")."""


def class_folders(names: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Return one folder name a class, each another one on every file system.

    A reader that numbers classes by their sorted folders, as torchvision's ImageFolder does, then
    finds the user's own numbers. A name stays as it is unless it cannot be a folder's: ``/`` and
    NUL become ``_``, ``.`` and ``..`` too, names of devices on Windows and ``taken`` ones get a
    ``_`` before their ending, long ones are cut. Of names that are one where capitals or Unicode's
    composition make no difference, all but the first get a number.

    Args:
        names: all the classes, not only those that get a folder, so that a name never depends on
            what else is asked for.
        taken: names of files that lie beside the folders.

    Returns:
        Folder names of at most 255 bytes of UTF-8, in the order of ``names``.
    """
    used = {_folded(name) for name in taken}
    wanted = [_allowed(name, used) for name in names]
    folders: dict[int, str] = {}
    # Names that may stay come first: they must not depend on the changed ones.
    for index in sorted(range(len(names)), key=lambda i: wanted[i] != names[i]):
        folder, number = wanted[index], 1
        while _folded(folder) in used:
            number += 1
            folder = f"{cut_name(wanted[index], _LONGEST - len(f'_{number}'))}_{number}"
        used.add(_folded(folder))
        folders[index] = folder
    return [folders[index] for index in range(len(names))]


def _allowed(name: str, taken: Collection[str]) -> str:
    """Return a class name as a folder's name, which other classes may want too."""
    folder = name.replace("/", "_").replace("\0", "_")
    if folder in (".", ".."):
        folder = "_" * len(folder)
    if _WINDOWS.fullmatch(folder) or _folded(folder) in taken:
        stem, dot, ending = folder.partition(".")
        folder = f"{stem}_{dot}{ending}"
    return cut_name(folder, _LONGEST)


def cut_name(text: str, most: int) -> str:
    """Return the start of a text that takes at most ``most`` bytes, cut between characters."""
    return text.encode()[:most].decode(errors="ignore")


def _folded(name: str) -> str:
    """Return what is left of a name where capitals and Unicode's composition do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
