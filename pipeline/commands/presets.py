"""Studies as overlays of params.yaml: described, compared with it and written.

A study is a published one, or the project's own for any images, which leaves alone what says which
images are studied. Nothing here prints; `augment preset` does.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from augment.files import atomic_file
from augment.generators.family import systems
from pipeline.commands.parameter_text import comments, one_line, plain_yaml, replaced
from pipeline.errors import PipelineError
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import load_parameters, parse_parameters
from pipeline.parameters.text import allowed_names
from pipeline.study_files import (
    PARAMETER_KEYS,
    UNLESS_GIVEN,
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


@dataclass(frozen=True)
class Choice:
    """Which system and form of a preset, and where its images are."""

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
        raise PipelineError(f"studies/{name}/study.yaml: {min(unknown)} is no system")
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
        PipelineError: a system of another study, or a folder of images that is not named.
    """
    system = study.system if choice.system is None else choice.system
    if system not in study.systems:
        allowed = _allowed(system, list(study.systems))
        raise PipelineError(f"{system!r} is not a system of {study.name}; {allowed}")
    overlay = UNLESS_GIVEN | study.params | {"train_gan.system": system}
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
        raise PipelineError(
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
    text, values = read_text(path)
    overlay = overlay_of(study, choice, values)
    present = {key: one_line(value) for key, value in flat(values) if key in overlay}
    changes = [
        Change(key, present.get(key, "missing"), one_line(value)) for key, value in overlay.items()
    ]
    changes = [change for change in changes if change.old != change.new]
    content = text
    if changes:
        content = replaced(text, {change.key: overlay[change.key] for change in changes})
    if _loaded(content) != _with(values, overlay):
        load_parameters(path)  # a file that is not valid says so itself
        raise PipelineError(
            f"{path.name}: the values cannot be replaced in place; write out what anchors (&), "
            "aliases (*) and merges (<<) stand for, and try again"
        )
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        trial.write_bytes(content.encode())
        load_parameters(trial)
    lost = Counter(comments(text)) - Counter(comments(content))
    return Edit(tuple(changes), tuple(lost.elements()), content.encode())


def write_edit(path: Path, edit: Edit) -> None:
    """Replace a params.yaml by its edited text, whole or not at all."""
    with atomic_file(path.resolve()) as file:  # a link stays a link
        file.write(edit.content)


def _allowed(given: str, names: Sequence[str]) -> str:
    """Return which names there are; a system that exists elsewhere is no slip of the pen."""
    return f"allowed: {', '.join(names)}" if given in systems() else allowed_names(given, names)


def _loaded(text: str) -> object:
    """Return the content of a YAML text, None where it is none."""
    try:
        return plain_yaml().load(text)
    except YAMLError:
        return None


def read_text(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a params.yaml, with its own ends of lines, and its values."""
    try:
        text = path.read_bytes().decode("utf-8")
        values = plain_yaml().load(text)
        if isinstance(values, dict):
            return text, values
    except (OSError, YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        pass
    load_parameters(path)  # says in one line what is wrong
    raise PipelineError(f"{path.name}: cannot be read")


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
