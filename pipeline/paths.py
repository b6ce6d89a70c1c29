"""Whether a path of the user's may be used: how it is written, and what it must not touch."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from pipeline.errors import PipelineError

OUTPUTS = (
    "data/real",
    "data/subsets",
    "data/generated",
    "data/filtered",
    "data/recipes.parquet",
    "models",
    "results",
    ".dvc",
    ".git",
)
"""What belongs to the pipeline, relative to the project: a stage, DVC or git replaces it."""

_VARIABLE = re.compile(r"(?:^|(?<=[/\\]))(?:\$[A-Za-z_]\w*|\$\{\w+\}|%\w+%)(?=[/\\]|$)")
_HOME = re.compile(r"^(?:\$HOME|\$\{HOME\}|%USERPROFILE%)(?=[/\\]|$)")


def user_path(text: str, base: Path, name: str) -> Path:
    """Return a path as the user wrote it: with ``~`` for a home folder, or relative to ``base``.

    Args:
        text: what was written.
        base: what a relative path counts from.
        name: where it was written, such as ``--out`` or ``data.path``, for the error.

    Raises:
        PipelineError: one line; the text is empty, holds a NUL byte, names a user that does not
            exist, or a variable of a shell and there is no such path.
    """
    if not text or "\0" in text:
        what = "holds a NUL byte" if text else "is empty"
        raise PipelineError(f"{name} {what}; allowed: a path")
    # Not by pathlib: it would expand ./~x too, which is how a name with ~ is written.
    expanded = os.path.expanduser(text)  # noqa: PTH111
    if text.startswith("~") and not os.path.isabs(expanded):  # noqa: PTH117
        user = text[1:].split("/")[0]
        raise PipelineError(
            f"{name} is {text!r}, and no home folder of {user or 'yours'} is known; allowed: the "
            f"whole path, or ./{text} for a name that starts with ~"
        )
    path = base / expanded
    if _VARIABLE.search(text) and not os.path.lexists(path):
        tilde = _HOME.sub("~", text)
        instead = "the whole path" if _VARIABLE.search(tilde) else tilde
        raise PipelineError(
            f"{name} is {text!r}, and there is no such path: variables are not expanded here; "
            f"write {instead}"
        )
    return path


def refuse_outputs(path: Path, root: Path, name: str, *, above: bool = True) -> None:
    """Refuse a path of the user's that a stage, DVC or git would write into or delete.

    Files are compared, not their names alone: ``..``, links, absolute paths and, where the file
    system takes them for the same, capitals do not matter. An output need not exist yet.

    Args:
        path: absolute, or relative to the working directory; it need not exist.
        root: the project's folder.
        name: where the path was written, such as ``--out`` or ``data.path``, for the error.
        above: refuse a folder that holds an output too, as the project's own folder does.

    Raises:
        PipelineError: one line; the path lies in an output, or with ``above`` holds one.
    """
    given = Path.cwd() / path
    # The place that is meant, and every link on the way: a link in an output goes with it.
    links = [part for part in (given, *given.parents) if os.path.islink(part)]  # noqa: PTH114 - a name may be too long
    places = [_resolved(given), *(_resolved(link.parent) / link.name for link in links)]
    for output in OUTPUTS:
        spellings = {_resolved(root) / output, _resolved(root / output)}
        if any(_holds(own, place) for own in spellings for place in places):
            how = "lies in"
        elif above and any(_holds(places[0], own) for own in spellings):
            how = "holds"
        else:
            continue
        allowed = "neither lies in nor holds" if above else "does not lie in"
        raise PipelineError(
            f"{name} is {path}, which {how} {output} of this project; allowed: a path that "
            f"{allowed} {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}"
        )


def refuse_strangers(folder: Path, own: Collection[str], name: str = "") -> None:
    """Refuse to replace an output that holds what no stage put there.

    Args:
        folder: the output; it need not exist.
        own: the files that the stage writes into it, relative, with forward slashes.
        name: what the folder is called in the error, if not by its path.

    Raises:
        PipelineError: naming the first other file or link, or folder that holds none of them.
    """
    ours = {*own, *(str(above) for file in own for above in PurePosixPath(file).parents)}
    for place, inner, files in os.walk(folder):
        for entry in sorted([*inner, *files]):
            path = Path(place) / entry
            within = path.relative_to(folder).as_posix()
            if within not in ours or path.is_symlink():
                raise PipelineError(
                    f"{name or folder} holds {within}, which no stage wrote and which would be "
                    "lost; move it elsewhere: allowed there is what stage fetch writes"
                )


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))  # not Path.resolve: it fails in a loop of links


def _holds(outer: Path, inner: Path) -> bool:
    """Return whether ``inner`` is ``outer`` or lies in it; both are resolved."""
    return any(_same(each, outer) for each in (inner, *inner.parents))


def _same(one: Path, other: Path) -> bool:
    """Return whether two resolved paths are one file, or would be if they were made."""
    if one == other:
        return True
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        if os.path.lexists(one) or os.path.lexists(other):
            return False
    if one.name.casefold() != other.name.casefold():
        return False
    if not _same(one.parent, other.parent):
        return False
    return one.name == other.name or _is_case_blind(one.parent)


def _is_case_blind(folder: Path) -> bool:
    """Return whether capitals make no other name in a folder, which need not exist."""
    for each in (folder, *folder.parents):
        other = each.name.swapcase()
        if other != each.name and each.exists():
            try:
                return os.path.samefile(each, each.with_name(other))  # noqa: PTH121
            except OSError:
                return False
    return False
