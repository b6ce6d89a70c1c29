"""What a source gives: image sets by part, and what is known of their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from augment.images.image_sets import ImageSet

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class SourceFile:
    """One file of a source, read or not.

    Attributes:
        path: relative to the source's folder, with forward slashes.
        below: its path below its class folder; empty where it has none.
        size: bytes; -1 where the file could not be looked at.
        sha256: hexadecimal; empty for a file that is not in the image sets.
        reason: why it is left out; empty for a file that is in them.
    """

    path: str
    below: str
    size: int
    sha256: str = ""
    reason: str = ""


@dataclass(frozen=True)
class FetchedData:
    """Images of a source.

    Attributes:
        sets: an image set for each part that the source has: ``train`` always, ``validation`` and
            ``test`` where it comes with one.
        notes: lines for the user, such as files that could not be read.
        files: for each part the file of every image, in order; empty for a source without files.
        left_out: every file, or folder with all in it, that is in no set.
        links: those in a folder that lead out of it.
    """

    sets: dict[str, ImageSet]
    notes: list[str] = field(default_factory=list)
    files: dict[str, list[SourceFile]] = field(default_factory=dict)
    left_out: list[SourceFile] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
