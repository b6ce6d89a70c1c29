"""The text of a YAML file with other values in it: comments, order and other keys stay."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

_NULL = "tag:yaml.org,2002:null"
_MARK = "\ufeff"
"""Some editors begin a file with it."""


def plain_yaml() -> YAML:
    """Return a YAML 1.2 reader and writer of plain values, the same that reads params.yaml."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.width = 1 << 20  # never broken into lines
    return yaml


def one_line(value: object) -> str:
    """Return a value as one line of YAML; whatever differs for params.yaml differs here."""
    buffer = io.StringIO()
    if isinstance(value, dict):  # in a list, it would lose its braces
        plain_yaml().dump(value, buffer)
        return buffer.getvalue().strip()
    plain_yaml().dump([value], buffer)  # in a list, a bare word gets no document end
    return buffer.getvalue().strip()[1:-1]


def replaced(text: str, new: Mapping[str, Any]) -> str:
    """Return a YAML text with other values at dotted keys, by ruamel.yaml's round trip.

    A section that is null is filled where it stands, one that is not there is added at the end.
    Whether the result is what was meant is for the caller to check.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 20  # never broken into lines
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar(_NULL, "null")
    )
    tree = yaml.load(text.removeprefix(_MARK).replace("\r\n", "\n"))
    added: Counter[str] = Counter()
    below: dict[str, str] = {}  # null sections that are filled
    for key, value in new.items():
        section, _, name = key.rpartition(".")
        if section and not isinstance(tree.get(section), CommentedMap):
            below[section] = _cut(tree, section, 2)
            tree[section] = CommentedMap()
        place = tree[section] if section else tree
        if name in place:
            comments = _below(place[name])
            place[name] = _flow(value)
            _put_below(place, name, comments)
        else:  # In front, for what follows the last key may be the next section's comment.
            place.insert(added[section], name, _flow(value))
            added[section] += 1
    for section, comments in below.items():
        _put_below(tree[section], list(tree[section])[-1], comments)
    buffer = io.StringIO()
    yaml.dump(tree, buffer)
    content = (_MARK if text.startswith(_MARK) else "") + buffer.getvalue()
    return content.replace("\n", "\r\n") if "\r\n" in text else content


def _cut(place: CommentedMap | CommentedSeq, key: object, at: int) -> str:
    """Take away and return the comments below a value's last line; one on that line stays."""
    token = (place.ca.items.get(key) or [None] * 4)[at]
    if token is None:
        return ""
    token.value, _, comments = token.value.partition("\n")
    token.value += "\n"
    return str(comments)


def _below(value: object) -> str:
    """Take away and return the comments below a value in block style: they are the next key's."""
    while isinstance(value, CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        sequence = isinstance(value, CommentedSeq)
        last = len(value) - 1 if sequence else list(value)[-1]
        if comments := _cut(value, last, 0 if sequence else 2):
            return comments
        value = value[last]
    return ""


def _put_below(place: CommentedMap, key: str, comments: str) -> None:
    """Put comments below the line of a key."""
    if comments:
        tokens = place.ca.items.setdefault(key, [None] * 4)
        tokens[2] = tokens[2] or CommentToken("", CommentMark(0), None)
        tokens[2].value = tokens[2].value.rstrip("\n") + f"\n{comments}"


def _flow(value: object) -> object:
    """Return a value that is written in one line."""
    found: CommentedMap | CommentedSeq
    if isinstance(value, dict):
        found = CommentedMap({key: _flow(each) for key, each in value.items()})
    elif isinstance(value, list | tuple):
        found = CommentedSeq([_flow(each) for each in value])
    else:
        return value
    found.fa.set_flow_style()
    return found


def comments(text: str) -> Iterator[str]:
    """Yield the comments of a YAML text."""

    def inside(found: object) -> Iterator[str]:
        if isinstance(found, CommentToken):
            yield from (line.strip() for line in found.value.splitlines() if line.strip())
        elif isinstance(found, list):
            for each in found:
                yield from inside(each)

    for token in YAML().scan(text):
        yield from inside(getattr(token, "comment", None))
