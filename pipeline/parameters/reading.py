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
    values, renamed = _without_old_section(values)
    values, found = _without_old_options(values)
    values, units = _without_old_units(values)
    found = [*renamed, *units, *found]
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


def _without_old_section(values: object) -> tuple[object, list[str]]:
    """Return values with the section lenet under its name of today, and a line that says so."""
    if not isinstance(values, dict) or "lenet" not in values or "classifier" in values:
        return values, []
    section = values["lenet"]
    old = section if isinstance(section, dict) else {}
    new = {"model": "lenet", "pretrained": False} | old
    line = (
        "lenet is called classifier now, and says which model it is; write the section as "
        f"classifier: {{{', '.join(f'{key}: {shown(value)}' for key, value in new.items())}}}"
    )
    rest = {key: value for key, value in values.items() if key != "lenet"}
    return rest | {"classifier": new}, [line]


def _without_old_units(values: object) -> tuple[object, list[str]]:
    """Return values without a list of units, and a line that says what stands for it now."""
    if not isinstance(values, dict) or "units" not in values or "study" in values:
        return values, []
    study = {"protocol": "published", "repeats": 1, "repeats_below": 1}
    study |= {"confirm_seeds": 2, "margin": None}
    line = (
        "units follow from the section study and mix.real now; write instead of units "
        f"study: {{{', '.join(f'{key}: {shown(value)}' for key, value in study.items())}}}, "
        "or protocol: strict, which gives every real count units of its own"
    )
    rest = {key: value for key, value in values.items() if key != "units"}
    return rest | {"study": study}, [line]


def _without_old_options(values: object) -> tuple[object, list[str]]:
    """Return values without a generator's options as keys of train_gan, and a line that says so."""
    if not isinstance(values, dict):
        return values, []
    section = values.get("train_gan")
    if not isinstance(section, dict) or not section.keys() - GanParameters.model_fields.keys():
        return values, []
    from augment.generators.family import systems

    known = {key for system in systems().values() for key in system.Options.model_fields}
    old = [key for key in section if key in known]
    if not old:
        return values, []
    given = ", ".join(f"{key}: {shown(section[key])}" for key in old if section[key] is not None)
    left = {key: value for key, value in section.items() if key not in old}
    also = f" (and {len(old) - 1} more)" if len(old) > 1 else ""
    line = (
        f"train_gan.{old[0]}{also} is an option now, and only what differs from the system is "
        f"written; replace what stands there by options: {{{given}}}"
    )
    return values | {"train_gan": {"options": {}} | left}, [line]


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
