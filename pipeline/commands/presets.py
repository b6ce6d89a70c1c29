"""Studies as overlays of params.yaml: described, compared with it and written.

A study is a published one, or the project's own for any images, which leaves alone what says which
images are studied. Nothing here prints; `augment preset` does.
"""

from __future__ import annotations

import io
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.tokens import CommentToken

from augment.files import atomic_file
from augment.generators.family import systems
from pipeline.commands.estimates import Machine, StudySize, estimate_minutes
from pipeline.errors import PipelineError
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import load_parameters, parse_parameters
from pipeline.parameters.text import allowed_names
from pipeline.study_files import (
    PARAMETER_KEYS,
    UNLESS_SAID,
    Form,
    Study,
    flat,
    load_study,
    study_names,
)

ROOT = Path(__file__).parents[2]
"""The checkout of this code, with its studies."""

DEFAULT = "default"
OTHER_FORMS: tuple[Form, ...] = ("quick", "thorough")
"""Names of the default study's other forms: minutes, and budgets that nobody would call small."""

_WIDTH = 100
_SHOWN_FORMS: tuple[Form, ...] = ("full", "quick")


class PresetError(PipelineError):
    """A preset that does not exist or cannot be written; the text is one line."""


@dataclass(frozen=True)
class Choice:
    """What was asked of a preset."""

    system: str | None = None  # another one of the study
    form: Form = "full"
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
    lost: tuple[str, ...]  # comments that stand inside of a value that changes, and go with it
    content: bytes  # of the whole file, valid


def preset_names() -> list[str]:
    """Return the names of all presets, sorted; raises ``StudyError`` where there is none."""
    return study_names(ROOT)


def find_preset(name: str, *, quick: bool = False) -> tuple[Study, Form]:
    """Return the study that a user's word stands for, and which form of it is meant.

    Raises:
        PipelineError: as `load_study`; or it names a system that there is not.
    """
    form: Form = "quick" if quick else "full"
    for other in OTHER_FORMS:
        if name == other:
            name, form = DEFAULT, "quick" if quick else other
    study = load_study(ROOT, name, aliases=OTHER_FORMS)
    unknown = study.systems.keys() - systems().keys()
    if unknown:
        raise PresetError(f"studies/{name}/study.yaml: {min(unknown)} is no system")
    return study, form


def overlay_of(study: Study, choice: Choice, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of params.yaml that a study sets, dotted, with their values.

    Args:
        study: which one.
        choice: which form of it.
        values: the present content of params.yaml. Its data.path is kept where the study reads
            the same source, for it belongs to that source. A study without a source keeps the
            present one, unless a folder of images is named.

    Raises:
        PresetError: a system of another study, or a folder of images that is not named.
    """
    system = study.system if choice.system is None else choice.system
    if system not in study.systems:
        allowed = _allowed(system, list(study.systems))
        raise PresetError(f"{system!r} is not a system of {study.name}; {allowed}")
    overlay = UNLESS_SAID | study.params | {"train_gan.system": system}
    overlay |= study.systems[system].overlay
    overlay |= study.form(choice.form)
    present = dict(flat(values))
    if choice.data_path is not None:
        overlay.setdefault("data.source", "folder")
    elif "data.source" in present:
        overlay.setdefault("data.source", present["data.source"])
    source = overlay.get("data.source")
    path = choice.data_path
    if path is None and source == present.get("data.source"):
        path = present.get("data.path")
    elif "data.path" not in present or path != present["data.path"]:
        overlay["data.path"] = path
    if source == "folder" and path is None:
        raise PresetError(
            f"study {study.name} reads a folder of images, one sub-folder a class; "
            "name it with --data-path"
        )
    if source != "folder" and present.get("data.groups") is not None:
        overlay["data.groups"] = None  # of file names, which these sources do not have
    return {key: overlay[key] for key in PARAMETER_KEYS if key in overlay}


def parameters_of(study: Study, choice: Choice, values: Mapping[str, Any]) -> Parameters:
    """Return the parameters that a study makes of the content of a params.yaml.

    Raises:
        PipelineError: as :func:`overlay_of`; or the result is not a valid params.yaml.
    """
    return parse_parameters(_with(values, overlay_of(study, choice, values)))


def edit_parameters(path: Path, study: Study, choice: Choice) -> Edit:
    """Put a study into the text of a params.yaml; nothing is written.

    Comments, order and other keys stay; indents and quotes become ruamel.yaml's own where they
    were others.

    Args:
        path: the params.yaml.
        study: which one.
        choice: which form of it.

    Raises:
        PipelineError: the file cannot be read, the choice is not allowed, or the result is not a
            valid params.yaml; one line.
    """
    text, values = _read(path)
    overlay = overlay_of(study, choice, values)
    present = {key: _line(value) for key, value in flat(values) if key in overlay}
    changes = [
        Change(key, present.get(key, "missing"), _line(value)) for key, value in overlay.items()
    ]
    changes = [change for change in changes if change.old != change.new]
    content = text
    if changes:
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
    lost = Counter(_comments(text)) - Counter(_comments(content))
    return Edit(tuple(changes), tuple(lost.elements()), content.encode())


def write_edit(path: Path, edit: Edit) -> None:
    """Replace a params.yaml by its edited text, whole or not at all."""
    with atomic_file(path.resolve()) as file:  # a link stays a link
        file.write(edit.content)


def expected_minutes(
    study: Study, choice: Choice, values: Mapping[str, Any], machine: Machine
) -> float:
    """Return roughly how long a study takes on as many images as it had, in minutes.

    Args:
        study: which one.
        choice: which form of it.
        values: the content of a params.yaml; the keys that the study leaves alone count too.
        machine: where it would run.

    Raises:
        PipelineError: as :func:`parameters_of`.
    """
    images, parameters = study.images, parameters_of(study, choice, values)
    held_out = 0.0 if images.test else parameters.data.test
    n_train = round(images.train * (1 - held_out) * (1 - parameters.data.validation))
    size = StudySize(n_train, images.train + images.test, images.classes)
    return sum(estimate_minutes(parameters, size, machine).values())


def describe_study(study: Study, path: Path) -> list[str]:
    """Return lines for the user: data, systems with expected times, what it says and leaves open.

    Args:
        study: which one.
        path: a params.yaml; the keys that the study leaves alone count for the times.

    Raises:
        PipelineError: the file cannot be read, or what the study makes of it is not valid.
    """
    _, values = _read(path)
    known = systems()
    lines = textwrap.wrap(f"{study.name}: {study.title}", _WIDTH, subsequent_indent="  ")
    lines += _paragraph("data", study.data) + _paragraph("it says", study.says)
    reached = [
        f"{each.strategy}, {each.counts}: {100 * each.accuracy:.6g} %" for each in study.accuracies
    ]
    if reached:
        text = f"test accuracy, real + generated images: {'; '.join(reached)}"
        lines += _paragraph("", text)
    ordered = sorted(study.systems.items(), key=lambda item: item[0] != study.system)
    for index, (name, system) in enumerate(ordered):
        default = ", the default" if len(ordered) > 1 and not index else ""
        lines += _paragraph("" if index else "systems", f"{name}{default}: {system}")
        full, quick = (_times(study, Choice(name, form, "."), values) for form in _SHOWN_FORMS)
        lines += _paragraph("", f"  about {full}; with --quick {quick}")
        if known[name].chosen:
            lines += _paragraph("", f"  chosen: {known[name].chosen}")
    return [*lines, *_paragraph("open", study.open)]


def _times(study: Study, choice: Choice, values: Mapping[str, Any]) -> str:
    cpu, gpu = (
        _duration(expected_minutes(study, choice, values, Machine(cores=2, gpu=gpu)))
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
    return f"allowed: {', '.join(names)}" if given in systems() else allowed_names(given, names)


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
    buffer = io.StringIO()
    if isinstance(value, dict):  # in a list, it would lose its braces
        _yaml().dump(value, buffer)
        return buffer.getvalue().strip()
    _yaml().dump([value], buffer)  # in a list, a bare word gets no document end
    return buffer.getvalue().strip()[1:-1]


def _with(values: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested values with others at dotted keys; sections are made as needed."""
    # Aliases of one mapping become mappings of their own.
    result = {key: dict(each) if isinstance(each, dict) else each for key, each in values.items()}
    for key, value in overlay.items():
        section, _, name = key.rpartition(".")
        if section and not isinstance(result.get(section), dict):
            result[section] = {}
        (result[section] if section else result)[name] = value
    return result


def _put(text: str, new: Mapping[str, Any]) -> str:
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
            _say_below(place, name, comments)
        else:  # In front, for what follows the last key may be the next section's comment.
            place.insert(added[section], name, _flow(value))
            added[section] += 1
    for section, comments in below.items():
        _say_below(tree[section], list(tree[section])[-1], comments)
    buffer = io.StringIO()
    yaml.dump(tree, buffer)
    content = (_MARK if text.startswith(_MARK) else "") + buffer.getvalue()
    return content.replace("\n", "\r\n") if "\r\n" in text else content


_NULL = "tag:yaml.org,2002:null"
_MARK = "\ufeff"
"""Some editors begin a file with it."""


def _cut(place: CommentedMap | CommentedSeq, key: object, at: int) -> str:
    """Return what is said below the line that a value ends in, and leave what stands behind it."""
    token = (place.ca.items.get(key) or [None] * 4)[at]
    if token is None:
        return ""
    token.value, _, comments = token.value.partition("\n")
    token.value += "\n"
    return str(comments)


def _below(value: object) -> str:
    """Return what is said below a value in block style: it belongs to whatever comes next."""
    while isinstance(value, CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        sequence = isinstance(value, CommentedSeq)
        last = len(value) - 1 if sequence else list(value)[-1]
        if comments := _cut(value, last, 0 if sequence else 2):
            return comments
        value = value[last]
    return ""


def _say_below(place: CommentedMap, key: str, comments: str) -> None:
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


def _comments(text: str) -> Iterator[str]:
    """Yield the comments of a YAML text."""

    def inside(found: object) -> Iterator[str]:
        if isinstance(found, CommentToken):
            yield from (line.strip() for line in found.value.splitlines() if line.strip())
        elif isinstance(found, list):
            for each in found:
                yield from inside(each)

    for token in YAML().scan(text):
        yield from inside(getattr(token, "comment", None))
