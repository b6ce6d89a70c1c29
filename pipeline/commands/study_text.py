"""A study in words, as `augment preset --list` prints it, with the times to expect."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augment.generators.family import systems
from pipeline.commands.estimates import Workers, duration_text, estimate_minutes
from pipeline.commands.presets import Choice, parameters_of, read_text
from pipeline.commands.study_counts import StudySize
from pipeline.study_files import Form, Study

_WIDTH = 100
_CORES = 2
_SHOWN_FORMS: tuple[Form, ...] = ("full", "quick")


def expected_minutes(study: Study, choice: Choice, values: Mapping[str, Any], cores: int) -> float:
    """Return roughly how long a study takes on as many images as it had, in minutes.

    Args:
        study: which one.
        choice: which form of it.
        values: the content of a params.yaml; the keys that the study leaves alone count too.
        cores: of the machine.

    Raises:
        PipelineError: as :func:`parameters_of`.
    """
    images, parameters = study.images, parameters_of(study, choice, values)
    held_out = 0.0 if images.test else parameters.data.test
    n_train = round(images.train * (1 - held_out) * (1 - parameters.data.validation))
    size = StudySize(n_train, images.train + images.test, images.classes)
    return sum(estimate_minutes(parameters, size, Workers(cores)).values())


def describe_study(study: Study, path: Path) -> list[str]:
    """Return lines for the user: data, systems with expected times, what it says and leaves open.

    Args:
        study: which one.
        path: a params.yaml; the keys that the study leaves alone count for the times.

    Raises:
        PipelineError: the file cannot be read, or what the study makes of it is not valid.
    """
    _, values = read_text(path)
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
        full, quick = (
            duration_text(expected_minutes(study, Choice(name, form, "."), values, _CORES))
            for form in _SHOWN_FORMS
        )
        lines += _paragraph("", f"  about {full} on {_CORES} cores; with --quick {quick}")
        if known[name].chosen:
            lines += _paragraph("", f"  chosen: {known[name].chosen}")
    return [*lines, *_paragraph("open", study.open)]


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
