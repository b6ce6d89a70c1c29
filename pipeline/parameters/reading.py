"""params.yaml, read and parsed once.

Every problem is a `ParameterError` whose text is one line that names the key, the value and what is
allowed. Only pydantic and ruamel.yaml are imported here, to keep the commands quick to start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode

from pipeline.parameters.errors import ParameterError
from pipeline.parameters.models import DataParameters, Exponent, GanParameters, Parameters, Section
from pipeline.parameters.rules import (
    AbsentKeyError,
    broken_rules,
    needless_groups,
    wrong_path,
    wrong_pattern,
)
from pipeline.parameters.text import ParameterHelp, describe, problems, section_of, shown

_SHIPPED_DATA: dict[str, Any] = {
    "image_size": 28,
    "channels": 1,
    "test": 0.2,
    "validation": 0.1,
    "duplicates": "group",
    "groups": None,
    "nested": False,
    "follow_links": False,
}
"""The section data of the params.yaml that comes with the project, but for source and path."""

_LARGEST_FILE = 1 << 20


def parse_parameters(values: object, name: str = "params.yaml") -> Parameters:
    """Return the parameters that plain values (mappings, lists, numbers, text) stand for.

    Args:
        values: the content of a params.yaml.
        name: what the file is called in an error.

    Raises:
        ParameterError: all problems, a line each.
    """
    parameters: Parameters | None = None
    values, found = _as_today(values)
    try:
        parameters = Parameters.model_validate(values)
    except ValidationError as error:
        found += problems(error, Parameters)
    if parameters is not None:
        found += broken_rules(parameters)
    elif isinstance(values, dict):
        found += broken_rules(_stand_in(_valid_values(Parameters, values)))
    if parameters is None or found:
        raise ParameterError(f"{name}: {each}" for each in found)
    return parameters


def _as_today(values: object) -> tuple[object, list[str]]:
    """Return values with what was called otherwise under today's names, and lines that say so."""
    if not isinstance(values, dict):
        return values, []
    values, lines = dict(values), []
    if "lenet" in values and "classifier" not in values:
        section = values.pop("lenet")
        old = section if isinstance(section, dict) else {}
        values["classifier"] = {"model": "lenet", "pretrained": False} | old
        lines.append(
            "lenet is called classifier now, and says which model it is; write the section as "
            f"classifier: {_flow(values['classifier'])}"
        )
    if "units" in values and "study" not in values:
        del values["units"]
        values["study"] = {"protocol": "published", "repeats": 1, "repeats_below": 1}
        values["study"] |= {"confirm_seeds": 2, "margin": None}
        lines.append(
            "units follow from the section study and mix.real now; write instead of units "
            f"study: {_flow(values['study'])}, "
            "or protocol: strict, which gives every real count units of its own"
        )
    section, compute = values.get("train_gan"), values.get("compute")
    if isinstance(section, dict) and isinstance(compute, dict) and "device" in section:
        values["train_gan"] = section = dict(section)
        values["compute"] = {"device": section.pop("device")} | compute
        lines.append(
            "train_gan.device is called compute.device now, for everything is computed there; "
            f"write in section compute device: {shown(values['compute']['device'])}"
        )
    if isinstance(section, dict) and section.keys() - GanParameters.model_fields.keys():
        from augment.generators.family import systems

        known = {key for system in systems().values() for key in system.Options.model_fields}
        old = {key: section[key] for key in section if key in known}
        if old:
            values["train_gan"] = {"options": {}} | {
                key: value for key, value in section.items() if key not in old
            }
            also = f" (and {len(old) - 1} more)" if len(old) > 1 else ""
            given = {key: value for key, value in old.items() if value is not None}
            lines.append(
                f"train_gan.{next(iter(old))}{also} is an option now, and only what differs from "
                "the system is written; replace what stands there by options: " + _flow(given)
            )
    return values, lines


def _flow(values: Mapping[str, object]) -> str:
    """Return a mapping as YAML writes it in one line."""
    return f"{{{', '.join(f'{key}: {shown(value)}' for key, value in values.items())}}}"


def parse_data(values: object) -> DataParameters | None:
    """Return the section data of a params.yaml that is wrong, as far as it says which images.

    Where source and path are right, every key that is not is as in the file that comes with the
    project, so that the images can be looked at; else None.
    """
    section = values.get("data") if isinstance(values, dict) else None
    valid = _valid_values(DataParameters, section) if isinstance(section, dict) else {}
    if not {"source", "path"} <= valid.keys():
        return None
    data = DataParameters.model_validate(_SHIPPED_DATA | valid)
    known = _stand_in({"data": data})
    if any(wrong_path(known)):
        return None
    if any(needless_groups(known)) or any(wrong_pattern(known)):
        return data.model_copy(update={"groups": _SHIPPED_DATA["groups"]})
    return data


def load_parameters(path: Path) -> Parameters:
    """Read and validate a params.yaml.

    Raises:
        ParameterError: as `read_values` and `parse_parameters`.
    """
    return parse_parameters(read_values(path), path.name)


class _Known:
    """The valid values of a section, as attributes; any other is an `AbsentKeyError`."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AbsentKeyError(name)


def _stand_in(values: Mapping[str, object]) -> Parameters:
    """Return valid values for the rules, which read nothing but attributes."""
    return cast("Parameters", _Known(values))


def _valid_values(model: type[BaseModel], values: Mapping[Any, object]) -> dict[str, Any]:
    """Return those values of a section, parsed, that are allowed; sections in it as `_Known`."""
    valid: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name not in values:
            continue
        value, section = values[name], section_of(field)
        if section is not None and isinstance(value, dict):
            valid[name] = _Known(_valid_values(section, value))
            continue
        config = Section.model_config if section is None else None
        key: TypeAdapter[Any] = TypeAdapter(
            Annotated[field.annotation, field],  # type: ignore[arg-type]  # a type made here
            config=config,
        )
        with suppress(ValidationError):
            valid[name] = key.validate_python(value)
    return valid


class _Constructor(SafeConstructor):
    """Builds the values of a params.yaml, and remembers how numbers were written."""

    def exponent(self, node: ScalarNode) -> float:
        value = self.construct_yaml_float(node)
        if "e" not in str(node.value).lower() or not math.isfinite(value):
            return float(value)
        number = Exponent(value)
        number.written = str(node.value)
        return number


_Constructor.add_constructor("tag:yaml.org,2002:float", _Constructor.exponent)


def read_values(path: Path) -> object:
    """Read the plain values of a params.yaml; nothing is checked.

    YAML 1.2: ``1e-4`` is a number, ``yes`` is text, a repeated key is refused.

    Raises:
        ParameterError: the file cannot be read.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ParameterError(f"{path}: larger than {_LARGEST_FILE} bytes; is it a params.yaml?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ParameterError(f"{path}: not a text file in UTF-8") from None
    try:
        # The C parser (pure=False) reads YAML 1.1.
        yaml = YAML(typ="safe", pure=True)
        yaml.Constructor = _Constructor
        return yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}" if mark is not None else ""
        reason = (error.problem or error.context or "no YAML").splitlines()[0]
        raise ParameterError(f"{path.name}: cannot be read{place}: {reason}") from None
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ParameterError(f"{path.name}: cannot be read as YAML: {reason}") from None


def describe_parameters() -> list[ParameterHelp]:
    """Return every key of params.yaml with what it is for and which values it takes."""
    return list(describe(Parameters))
