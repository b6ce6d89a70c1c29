"""Images that belong together, such as those of one patient, one scene or one burst."""

from __future__ import annotations

import csv
import re
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from augment.errors import AugmentError

_LARGEST_TABLE = 1 << 28  # bytes
_MOST_SHOWN = 60  # characters of a pattern


class GroupingError(AugmentError):
    """A rule of groups that cannot be used; its text is one line."""


def names_table(rule: str) -> bool:
    """Return whether a rule is the name of a table, not a pattern of file names."""
    return rule.lower().endswith(".csv")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a rule's regular expression; raises `GroupingError` where it is none."""
    try:
        with warnings.catch_warnings():
            # What a later Python may read in another way is no concern of this one's user.
            warnings.simplefilter("ignore")
            return re.compile(_composed(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        short = pattern if len(pattern) <= _MOST_SHOWN else f"{pattern[:_MOST_SHOWN]}..."
        raise GroupingError(
            f"data.groups is {short!r}, which is no regular expression ({error}); allowed: one "
            "such as '^(patient[0-9]+)_', or the name of a .csv file"
        ) from None


def groups_by_pattern(files: Sequence[str], pattern: str) -> list[str | None]:
    """Return the group of each file by its name.

    The group is what the pattern's parentheses match, or without parentheses the whole match, in
    the first place where it matches. Names and pattern are compared in Unicode's form NFC.

    Args:
        files: paths below their class folders, with forward slashes: most often only a name.
        pattern: a regular expression.

    Returns:
        One group a file; None where the pattern matches nothing.

    Raises:
        GroupingError: when it is no regular expression.
    """
    rule = compile_pattern(pattern)
    groups: list[str | None] = []
    for file in files:
        match = rule.search(_composed(file))
        parts = [] if match is None else [part or "" for part in match.groups()]
        groups.append(None if match is None else "\x1f".join(parts) if parts else match[0])
    return groups


def read_group_table(path: Path) -> dict[str, str]:
    """Read a table of files and their groups: a CSV file with the columns file and group.

    Args:
        path: the CSV file, in UTF-8.

    Returns:
        Group by file, as the file is written in the table, with forward slashes; both in
        Unicode's form NFC.

    Raises:
        GroupingError: when it cannot be read, lacks a column, or names a file twice in two groups.
    """
    groups: dict[str, str] = {}
    try:
        if path.stat().st_size > _LARGEST_TABLE:
            raise GroupingError(f"{path} is larger than {_LARGEST_TABLE >> 20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if "file" not in columns or "group" not in columns:
                seen = ", ".join(columns) or "none"
                raise GroupingError(
                    f"{path} has the columns {seen}; allowed: file and group, named in its first "
                    "line"
                )
            for row in rows:
                name = _composed(row["file"] or "").replace("\\", "/")
                group = _composed(row["group"] or "")
                if not name or not group:
                    raise GroupingError(
                        f"{path}, line {rows.line_num}: a file or a group is empty; allowed: both"
                    )
                if groups.setdefault(name.removeprefix("./"), group) != group:
                    raise GroupingError(
                        f"{path}, line {rows.line_num}: {name} is in two groups; allowed: one"
                    )
    except OSError as error:
        raise GroupingError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise GroupingError(f"{path}: is no CSV file in UTF-8 ({error})") from None
    return groups


def look_up(files: Sequence[tuple[str, str]], table: Mapping[str, str]) -> list[str | None]:
    """Return the name by which a table lists each file, None where it does not.

    Names are compared in Unicode's form NFC; a whole path goes before a short one.

    Args:
        files: paths below the source's folder, and below their class folders.
        table: as of `read_group_table`.
    """
    names = ((_composed(whole), _composed(below)) for whole, below in files)
    return [
        whole if whole in table else below if below in table else None for whole, below in names
    ]


def number_groups(groups: Iterable[str | bytes | None]) -> np.ndarray:
    """Return a number a file, int64 N, that files of one group share; None is a group of its own.

    Numbers count from 0 in the order of first appearance.
    """
    numbers: dict[str | bytes | int, int] = {}
    keys = (row if group is None else group for row, group in enumerate(groups))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def join_groups(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return numbers, int64 N, that files share which two ways of grouping link, in any chain.

    Args:
        first: int64, N.
        second: int64, N.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # A graph whose nodes are the groups of both kinds, and whose edges are the files.
    shift = int(first.max(initial=-1)) + 1
    size = shift + int(second.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(first)), (first, second + shift)), shape=(size, size))
    _, joined = connected_components(edges, directed=False)
    numbers: np.ndarray = np.asarray(joined, dtype=np.int64)[first]
    return numbers


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
