"""What is said about parameters: what a key allows, and one line for each problem.

The allowed values are read from the models themselves, so that an error, `augment check`, the
documentation and the comments of params.yaml cannot say different things.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

_UNKNOWN_KEY = ("extra_forbidden", "invalid_key")


@dataclass(frozen=True)
class ParameterHelp:
    """What is known about one key: its dotted name, what it is for, which values it takes."""

    key: str
    description: str
    allowed: str


def shown(value: object) -> str:
    """Return a value as one short line, in YAML's words for null, true and false.

    Long, deep and self-referring values are cut, and control characters escaped.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    short.maxlevel = 3
    try:
        text = short.repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:  # a number inside a list that is too long to be printed
        return "a value too long to show"
    return text if len(text) <= 120 else f"{text[:117]}..."


def join_or(words: Sequence[object]) -> str:
    """Return ``a``, ``a or b``, ``a, b or c``."""
    texts = [str(word) for word in words]
    return " or ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def nearest(given: str, names: Iterable[str]) -> str | None:
    """Return the name that an unknown one most likely means, or None."""
    return next(iter(difflib.get_close_matches(given, list(names), n=1)), None)


def allowed_names(given: str, names: Iterable[str]) -> str:
    """Return which names there are, behind the one that an unknown one most likely means."""
    names = list(names)
    return f"{did_you_mean(given, names)}allowed: {', '.join(names)}"


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """Return the question whether the nearest name is meant, with a space; or nothing."""
    close = nearest(given, names)
    return f"did you mean {close}? " if close else ""


def dotted(location: Sequence[int | str]) -> str:
    """Return a location such as ``("mix", "real", 2)`` as ``mix.real[2]``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _kinds(field: FieldInfo) -> tuple[list[Any], bool]:
    """Return the types that a field takes beside None, and whether it takes None."""
    annotation = field.annotation
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    return [kind for kind in members if kind is not NoneType], NoneType in members


def _range(field: FieldInfo) -> str:
    low, high = "", ""
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge(ge=bound):
                low = f"from {bound}"
            case annotated_types.Gt(gt=bound):
                low = f"above {bound}"
            case annotated_types.Le(le=bound):
                high = f"to {bound}"
            case annotated_types.Lt(lt=bound):
                high = f"to below {bound}"
    return " ".join(word for word in (low, high) if word)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a section, else None."""
    for kind in _kinds(field)[0]:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def allowed_text(field: FieldInfo, *, entry: bool = False) -> str:
    """Return which values a key takes, or with ``entry`` which values one entry of its list takes.

    A field states its own words in ``json_schema_extra`` (``allowed``, ``entry``) where its type
    and limits do not say enough; an ``entry`` that is long to look up is a function.
    """
    own = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    if entry and "entry" in own:
        choices = own["entry"]
        return str(choices() if callable(choices) else choices)
    if "allowed" in own:
        return str(own["allowed"])
    section = section_of(field)
    kinds, optional = _kinds(field)
    if section is not None:
        keys = f"a section with the keys {', '.join(section.model_fields)}"
        return f"{keys}, or null" if optional else keys
    limits = _range(field)
    words: list[object] = []
    for kind in kinds:
        if get_origin(kind) is Literal:
            words += get_args(kind)
        elif kind is bool:
            words += ["true", "false"]
        elif kind is int:
            words.append(f"a whole number {limits}".rstrip())
        elif kind is float:
            words.append(f"a number {limits}".rstrip())
        else:
            words.append("text")
    return join_or([*words, "null"] if optional else words)


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[ParameterHelp]:
    """Yield every key of a model, sections opened, in order."""
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is None:
            yield ParameterHelp(prefix + name, field.description or "", allowed_text(field))
        else:
            yield from describe(section, f"{prefix}{name}.")


def _find(model: type[BaseModel], location: Sequence[int | str]) -> tuple[FieldInfo | None, bool]:
    """Return the field that a location is in, and whether it points at an entry of its list."""
    field: FieldInfo | None = None
    section: type[BaseModel] | None = model
    for depth, part in enumerate(location):
        if section is None or part not in section.model_fields:
            return field, depth < len(location)
        field = section.model_fields[str(part)]
        section = section_of(field)
    return field, False


def _unknown_key(model: type[BaseModel], location: Sequence[int | str]) -> tuple[str, str | None]:
    """Return the line on an unknown key, and the known key that it most likely means."""
    *parents, name = map(str, location)
    here = model
    for parent in parents:
        here = section_of(here.model_fields[parent]) or here
    meant = None
    if close := nearest(name, here.model_fields):
        meant = ".".join([*parents, close])
    else:
        # Right key, wrong section: an exact name elsewhere beats nothing.
        keys = [known.key for known in describe(model)]
        same = [key for key in keys if key.rpartition(".")[2] == name]
        meant = same[0] if len(same) == 1 else None
    # A key may be any text or number of the YAML file: keep it to one short line.
    key = dotted([*location[:-1], shown(name)[1:-1]])
    hint = f"did you mean {meant}?" if meant else f"allowed: {', '.join(here.model_fields)}"
    return f"{key} is not a known key; {hint}", meant


def problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line for each problem of a validation, unknown keys first.

    A missing key that an unknown one was most likely meant to be is not counted again.
    """
    unknown: list[str] = []
    others: list[str] = []
    meant: set[str | None] = set()
    details = error.errors(include_url=False)
    for detail in details:
        if detail["type"] in _UNKNOWN_KEY:
            line, close = _unknown_key(model, detail["loc"])
            unknown.append(line)
            meant.add(close)
    for detail in details:
        kind, value, key = detail["type"], detail["input"], dotted(detail["loc"])
        if kind in _UNKNOWN_KEY or (kind == "missing" and key in meant):
            continue
        if kind == "repeated":
            index = detail["ctx"]["index"]
            repeated = shown(value[index])
            others.append(f"{key}[{index}] is {repeated} again; allowed: every entry once")
            continue
        field, entry = _find(model, detail["loc"])
        if field is None:
            others.append(f"the content is {shown(value)}; allowed: sections of keys")
            continue
        allowed = allowed_text(field, entry=entry)
        if isinstance(value, float) and value.is_integer() and "whole number" in allowed:
            allowed += f" (written {int(value)})"  # 1e5 and 100000.0 are fractions to YAML
        state = "missing" if kind == "missing" else shown(value)
        others.append(f"{key} is {state}; allowed: {allowed}")
    return unknown + others
