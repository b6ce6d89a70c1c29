"""Studies as overlays of params.yaml: read, described, compared with it and written.

One file of ``presets/`` is one study: a published one, or the project's own for any images, which
leaves alone what says which images are studied. Nothing here prints; `augment preset` does.
"""

from __future__ import annotations

import copy
import io
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node

from augment.files import atomic_file
from augment.generators.gan.systems import SYSTEMS
from pipeline.commands.estimates import Machine, StudySize, estimate_minutes
from pipeline.errors import PipelineError
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import describe_parameters, load_parameters, parse_parameters
from pipeline.parameters.text import allowed_names, problems

FOLDER = Path(__file__).parents[2] / "presets"
"""One file a study, in the checkout of this code."""

DEFAULT = "default"
QUICK = "quick"
"""Another name of the default study's small form."""

_KEYS = tuple(entry.key for entry in describe_parameters())
_MISSING = object()
_WIDTH = 100
_SYSTEM_SETTINGS: dict[str, Any] = {
    "train_gan.options": {},
    "train_gan.width": None,
    "generate.source": "model",
    "generate.path": None,
}
"""What changes a system: a preset starts without it, or it would not be the study's system."""


class PresetError(PipelineError):
    """A preset that does not exist or cannot be written; the text is one line."""


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of nested sections; a key may be dotted already."""
    for key, value in values.items():
        whole = f"{prefix}{key}"
        if isinstance(value, dict) and whole not in _KEYS:
            yield from _flat(value, f"{whole}.")
        else:
            yield whole, value


def _overlay(values: object) -> object:
    if not isinstance(values, dict):
        return values
    flat = dict(_flat(values))
    for key in flat:
        if key not in _KEYS:
            raise PydanticCustomError("overlay", "{key} is no key of params.yaml", {"key": key})
    return flat


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class DataSize(_Part):
    """How many images the study had: what its expected time is computed with."""

    images: int = Field(ge=1, description="images outside an official test set")
    test: int = Field(ge=0, description="images of the official test set; 0 without one")
    classes: int = Field(ge=2, description="classes")


class PresetSystem(_Part):
    """One system of a study."""

    says: str = Field(min_length=1, description="the study's own figures")
    params: dict[str, Any] = Field({}, description="keys of params.yaml that only it changes")

    _flatten = field_validator("params", mode="before")(_overlay)


class Preset(_Part):
    """One study: what it is, and its keys of params.yaml.

    Overlays are flat: dotted key to value.
    """

    name: str
    title: str = Field(min_length=1, description="who, where, what")
    data: str = Field(min_length=1, description="the images that it needs")
    size: DataSize
    says: str = Field(min_length=1, description="what the study found")
    open: str = Field(min_length=1, description="what it leaves open, and what was chosen")
    systems: dict[str, PresetSystem] = Field(
        min_length=1, description="by name; the first is the one that is written unless asked"
    )
    params: dict[str, Any] = Field(description="keys of params.yaml, as the study has them")
    quick: dict[str, Any] = Field(description="keys that make it run in minutes")

    _flatten = field_validator("params", "quick", mode="before")(_overlay)

    @model_validator(mode="after")
    def _full_undoes_quick(self) -> Preset:
        """Whatever another form writes, the full form must write too, or it would stay behind."""
        for name in self.systems.keys() - SYSTEMS.keys():
            raise PydanticCustomError("overlay", "{name} is no system", {"name": name})
        own = self.params.keys() | _SYSTEM_SETTINGS
        others = [self.quick, *(system.params for system in self.systems.values())]
        for key in (key for overlay in others for key in overlay if key not in own):
            raise PydanticCustomError("overlay", "{key} is not in params", {"key": key})
        return self


@dataclass(frozen=True)
class Choice:
    """What was asked of a preset."""

    system: str | None = None  # another one of the study
    quick: bool = False  # minutes, on the same path through the code
    data_path: str | None = None  # for data.path


@dataclass(frozen=True)
class Change:
    """One key whose value changes; both values as one line of YAML."""

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


@dataclass(frozen=True)
class Edit:
    """A params.yaml with a preset in it, not written yet."""

    changes: tuple[Change, ...]  # in the preset's order; empty when there is nothing to change
    content: bytes  # of the whole file, valid


def preset_names() -> list[str]:
    """Return the names of all presets, sorted; raises :class:`PresetError` where there is none."""
    names = sorted(file.stem for file in FOLDER.glob("*.yaml"))
    if not names:
        raise PresetError(f"{FOLDER} holds no presets; install the project from its checkout")
    return names


def find_preset(name: str, *, quick: bool = False) -> tuple[Preset, bool]:
    """Return the preset that a user's word stands for, and whether its small form is meant.

    Raises:
        PresetError: as :func:`load_preset`.
    """
    return (load_preset(DEFAULT), True) if name == QUICK else (load_preset(name), quick)


def load_preset(name: str) -> Preset:
    """Read one preset.

    Raises:
        PresetError: there is no such preset, or its file is not valid.
    """
    names = preset_names()
    if name not in names:
        raise PresetError(f"preset {name!r} is unknown; {_allowed(name, [*names, QUICK])}")
    try:
        values = _yaml().load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        return Preset.model_validate(
            values | {"name": name} if isinstance(values, dict) else values
        )
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise PresetError(f"presets/{name}.yaml: cannot be read: {error}") from None
    except ValidationError as error:
        details = error.errors(include_url=False)
        own = [detail["msg"] for detail in details if detail["type"] == "overlay"]
        raise PresetError(f"presets/{name}.yaml: {(own or problems(error, Preset))[0]}") from None


def overlay_of(preset: Preset, choice: Choice, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of params.yaml that a preset sets, dotted, with their values.

    Args:
        preset: the study.
        choice: which form of it.
        values: the present content of params.yaml. Its data.path is kept where the preset reads
            the same source, for it belongs to that source. A preset without a source keeps the
            present one, unless a folder of images is named.

    Raises:
        PresetError: a system of another study, or a folder of images that is not named.
    """
    system = next(iter(preset.systems)) if choice.system is None else choice.system
    if system not in preset.systems:
        said = _allowed(system, list(preset.systems))
        raise PresetError(f"{system!r} is not a system of {preset.name}; {said}")
    overlay = _SYSTEM_SETTINGS | preset.params | {"train_gan.system": system}
    overlay |= preset.systems[system].params
    overlay |= preset.quick if choice.quick else {}
    present = _value(values, "data.source")
    if "data.source" not in overlay:
        overlay["data.source"] = present if choice.data_path is None else "folder"
    source = overlay["data.source"]
    path = choice.data_path
    if path is None and source == present:
        path = _value(values, "data.path")
    elif path != _value(values, "data.path"):
        overlay["data.path"] = path
    if source == "folder" and path in (None, _MISSING):
        raise PresetError(
            f"preset {preset.name} reads a folder of images, one sub-folder a class; "
            "name it with --data-path"
        )
    if source != "folder" and _value(values, "data.groups") not in (None, _MISSING):
        overlay["data.groups"] = None  # of file names, which these sources do not have
    return {key: overlay[key] for key in _KEYS if key in overlay}


def parameters_of(preset: Preset, choice: Choice, values: Mapping[str, Any]) -> Parameters:
    """Return the parameters that a preset makes of the content of a params.yaml.

    Raises:
        PipelineError: as :func:`overlay_of`; or the result is not a valid params.yaml.
    """
    return parse_parameters(_with(values, overlay_of(preset, choice, values)))


def edit_parameters(path: Path, preset: Preset, choice: Choice) -> Edit:
    """Put a preset into the text of a params.yaml; nothing is written.

    Every character outside the changed values stays: comments, order, spacing, other keys.

    Args:
        path: the params.yaml.
        preset: the study.
        choice: which form of it.

    Raises:
        PipelineError: the file cannot be read, the choice is not allowed, or the result is not a
            valid params.yaml; one line.
    """
    text, values = _read(path)
    overlay = overlay_of(preset, choice, values)
    changes = [
        Change(key, _line(_value(values, key)), _line(value)) for key, value in overlay.items()
    ]
    changes = [change for change in changes if change.old != change.new]
    content = _put(text, {change.key: overlay[change.key] for change in changes})
    if _loaded(content) != _with(values, overlay):
        load_parameters(path)  # a file that is not valid says so itself
        raise PresetError(
            f"{path.name}: the values cannot be replaced in place; write out what anchors (&), "
            "aliases (*) and merges (<<) stand for, and try again"
        )
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        trial.write_bytes(content.encode())
        load_parameters(trial)
    return Edit(tuple(changes), content.encode())


def write_edit(path: Path, edit: Edit) -> None:
    """Replace a params.yaml by its edited text, whole or not at all."""
    with atomic_file(path.resolve()) as file:  # a link stays a link
        file.write(edit.content)


def expected_minutes(
    preset: Preset, choice: Choice, values: Mapping[str, Any], machine: Machine
) -> float:
    """Return roughly how long a preset takes on as many images as the study had, in minutes.

    Args:
        preset: the study.
        choice: which form of it.
        values: the content of a params.yaml; the keys that the preset leaves alone count too.
        machine: where it would run.

    Raises:
        PipelineError: as :func:`parameters_of`.
    """
    size, parameters = preset.size, parameters_of(preset, choice, values)
    held_out = 0.0 if size.test else parameters.data.test
    n_train = round(size.images * (1 - held_out) * (1 - parameters.data.validation))
    study = StudySize(n_train, size.images + size.test, size.classes)
    return sum(estimate_minutes(parameters, study, machine).values())


def describe_preset(preset: Preset, path: Path) -> list[str]:
    """Return lines for the user: data, systems with expected times, what it says and leaves open.

    Args:
        preset: the study.
        path: a params.yaml; the keys that the preset leaves alone count for the times.

    Raises:
        PipelineError: the file cannot be read, or what the preset makes of it is not valid.
    """
    _, values = _read(path)
    lines = textwrap.wrap(f"{preset.name}: {preset.title}", _WIDTH, subsequent_indent="  ")
    lines += _paragraph("data", preset.data) + _paragraph("it says", preset.says)
    for index, (name, system) in enumerate(preset.systems.items()):
        default = ", the default" if len(preset.systems) > 1 and not index else ""
        lines += _paragraph("" if index else "systems", f"{name}{default}: {system.says}")
        times = [_times(preset, Choice(name, quick, "."), values) for quick in (False, True)]
        lines += _paragraph("", f"  about {times[0]}; with --quick {times[1]}")
        if SYSTEMS[name].chosen:
            lines += _paragraph("", f"  chosen: {SYSTEMS[name].chosen}")
    return [*lines, *_paragraph("open", preset.open)]


def _times(preset: Preset, choice: Choice, values: Mapping[str, Any]) -> str:
    cpu, gpu = (
        _duration(expected_minutes(preset, choice, values, Machine(cores=2, gpu=gpu)))
        for gpu in (False, True)
    )
    return f"{cpu} on 2 cores, {gpu} with a GPU"


def _duration(minutes: float) -> str:
    if minutes >= 2 * 24 * 60:
        return f"{minutes / (24 * 60):.0f} days"
    return f"{minutes / 60:.0f} hours" if minutes >= 120 else f"{max(1, minutes):.0f} min"


def _paragraph(topic: str, text: str) -> list[str]:
    """Wrap a text beside its topic; leading spaces of the text indent all its lines."""
    margin = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        text.strip(),
        _WIDTH,
        initial_indent=f"  {topic:9}{margin}",
        subsequent_indent=f"  {'':9}{margin}",
        break_on_hyphens=False,
    )


def _allowed(given: str, names: Sequence[str]) -> str:
    """Return which names there are; a system that exists elsewhere is no slip of the pen."""
    return f"allowed: {', '.join(names)}" if given in SYSTEMS else allowed_names(given, names)


def _yaml() -> YAML:
    """Return a YAML 1.2 reader and writer of plain values, the same that reads params.yaml."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.width = 1 << 20  # never broken into lines
    return yaml


def _loaded(text: str) -> object:
    """Return the content of a YAML text, None where it is none."""
    try:
        return _yaml().load(text)
    except YAMLError:
        return None


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a params.yaml, with its own ends of lines, and its values."""
    try:
        text = path.read_bytes().decode("utf-8")
        values = _yaml().load(text)
        if isinstance(values, dict):
            return text, values
    except (OSError, YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        pass
    load_parameters(path)  # says in one line what is wrong
    raise PresetError(f"{path.name}: cannot be read")


def _line(value: object) -> str:
    """Return a value as one line of YAML; whatever differs for params.yaml differs here."""
    if value is _MISSING:
        return "missing"
    buffer = io.StringIO()
    if isinstance(value, dict):  # in a list, it would lose its braces
        _yaml().dump(value, buffer)
        return buffer.getvalue().strip()
    _yaml().dump([value], buffer)  # in a list, a bare word gets no document end
    return buffer.getvalue().strip()[1:-1]


def _value(values: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key, or ``_MISSING``."""
    here: Any = values
    for part in key.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return _MISSING
        here = here[part]
    return here


def _with(values: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested values with others at dotted keys; sections are made as needed."""
    result = copy.deepcopy(dict(values))
    for key, value in overlay.items():
        section, _, name = key.rpartition(".")
        if section and not isinstance(result.get(section), dict):
            result[section] = {}
        (result[section] if section else result)[name] = value
    return result


def _put(text: str, new: Mapping[str, Any]) -> str:
    """Return a YAML text with other values at dotted keys, every other character as it was.

    ruamel.yaml's own round trip would drop the comments after a list of several lines, empty
    every null and set its own indentation; only its marks are used. A section that is null is
    filled where it stands, one that is not there is added at the end. Whether the result is what
    was meant is for the caller to check.
    """
    tree = _yaml().compose(text)
    pieces: list[tuple[int, int, str]] = []  # start, end, what stands there then
    sections: dict[str, list[str]] = {}
    for key, value in new.items():
        section, _, name = key.rpartition(".")
        entry = _entry(tree, *key.split("."))
        if entry is None:
            sections.setdefault(section, []).append(f"\n  {name}: {_line(value)}")
            continue
        start, end = entry[1].start_mark.index, _end(entry[1])
        if start == end or _is_block(entry[1]):
            colon = text.index(":", entry[0].end_mark.index) + 1
            pieces.append((colon, colon, f" {_line(value)}"))
            if start < end:  # a comment between the key and its lines stays, behind the value
                pieces.append((colon + len(text[colon:start].rstrip()), end, ""))
        else:
            pieces.append((start, end, _line(value)))
    added = ""
    for section, lines in sections.items():
        empty = _entry(tree, section)
        if empty is None:
            added += f"\n\n{section}:{''.join(lines)}"
        else:  # null
            colon = text.index(":", empty[0].end_mark.index) + 1
            pieces.append((colon, empty[1].end_mark.index, "".join(lines)))
    for start, end, piece in sorted(pieces, reverse=True):
        text = text[:start] + piece + text[end:]
    return f"{text.rstrip()}{added}\n" if added else text


def _entry(tree: Node | None, *names: str) -> tuple[Node, Node] | None:
    """Return the nodes of a key and of its value."""
    entry = None
    for name in names:
        if not isinstance(tree, MappingNode):
            return None
        entry = next((pair for pair in tree.value if pair[0].value == name), None)
        if entry is None:
            return None
        tree = entry[1]
    return entry


def _is_block(node: Node) -> bool:
    return isinstance(node, CollectionNode) and not node.flow_style


def _end(node: Node) -> int:
    """Return where a value ends; the mark of a block lies behind the comments that follow it."""
    if _is_block(node) and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)
