"""`augment plan`: hours, memory and disk of the study on more workers, from one measured minute.

A worker is one core with one thread. What a stage cannot do side by side stays as it is, however
many there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline.commands.check import study_size
from pipeline.commands.check_machine import check_cluster, size_text, tasks_here, this_machine
from pipeline.commands.estimates import (
    INCEPTION_SPEED,
    Speeds,
    duration_text,
    estimate_disk,
    estimate_memory,
    stages_of,
)
from pipeline.commands.study_counts import StudySize
from pipeline.errors import PipelineError
from pipeline.parameters.models import Parameters
from pipeline.project import Project

_MOST_WORKERS = 100_000


@dataclass(frozen=True)
class Measured:
    """What was measured of this machine."""

    speeds: Speeds  # of one core
    gpu: float | None  # images/s of a generator's training on the GPU, None without one
    seconds: float  # that the measurement took, by the clock


def workers_of(text: str) -> list[int]:
    """Return the numbers of workers in a list such as ``1,4,64``.

    Raises:
        PipelineError: an entry is no number, or none that a study could use.
    """
    entries = [entry.strip() for entry in text.split(",")]
    whole = all(entry.isascii() and entry.isdigit() for entry in entries)
    workers = [int(entry[:9]) for entry in entries] if whole else []
    if not workers or not all(1 <= n <= _MOST_WORKERS for n in workers):
        raise PipelineError(
            f"--workers is {text[:40]!r}; allowed: whole numbers from 1 to {_MOST_WORKERS} with "
            "commas between them, such as 1,4,64"
        )
    return list(dict.fromkeys(workers))


def run(
    project: Project, workers: str, environ: Mapping[str, str], say: Callable[[str], None]
) -> list[str]:
    """Measure this machine, and return a table of what the study takes.

    Args:
        project: whose params.yaml is planned.
        workers: numbers of workers, with commas between them.
        environ: the environment, as `augment check` reads it.
        say: told what is being measured.

    Raises:
        PipelineError: in one line; ``workers`` is no such list, or the study cannot run.
    """
    numbers = workers_of(workers)
    p, machine = project.parameters, this_machine(environ)
    size = study_size(p, project.root, environ)
    lines, on_cluster = check_cluster(p.compute)
    for line in lines:
        if line.status == "error":
            raise PipelineError(line.text)
    from pipeline.commands.measuring import measure_speeds

    began = time.monotonic()
    speeds, gpu = measure_speeds(project.root, p, size, say)
    measured = Measured(speeds, gpu, time.monotonic() - began)
    places = {str(n): n for n in numbers}
    if on_cluster:
        places[f"the cluster ({on_cluster})"] = on_cluster
    here = tasks_here(p.compute, machine)
    places[f"this machine ({here})"] = here
    return list(table(p, size, measured, places))


def table(
    p: Parameters, size: StudySize, measured: Measured, places: Mapping[str, int]
) -> Iterator[str]:
    """Yield the lines of the answer.

    Args:
        p: the whole of params.yaml.
        size: images and classes.
        measured: of this machine.
        places: the number of workers of each row, by its name; this machine's is the last.
    """
    speeds = measured.speeds
    each = estimate_memory(p, size, speeds.process_bytes)
    most = max(len(stage.tasks) for stage in stages_of(p, size, speeds))

    def row(place: str, workers: int, gpu: float | None = None) -> tuple[str, ...]:
        minutes = _minutes(p, size, speeds, workers, gpu)
        longest = max(minutes, key=lambda name: minutes[name])
        return (
            place,
            duration_text(sum(minutes.values())),
            size_text(min(workers, most) * each),
            size_text(estimate_disk(p, size)),
            f"{longest}, {duration_text(minutes[longest])}",
        )

    rows: list[tuple[str, ...]] = [("workers", "time", "memory in all", "disk", "longest stage")]
    rows += [row(place, workers) for place, workers in places.items()]
    if measured.gpu is not None:
        place, workers = list(places.items())[-1]
        rows.append(row(f"{place} and its GPU", workers, measured.gpu))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield "  ".join(padded).rstrip()
    yield f"a worker is one core with one thread, as this machine's, and takes {size_text(each)}"
    yield from _speed_lines(p, measured)
    if p.score.inception:
        yield f"InceptionV3 is not measured: {INCEPTION_SPEED:g} images/s of a core are assumed"
    yield (
        f"predicted from {measured.seconds:.0f} measured seconds, by the processor's time, for "
        "cores that do nothing else; what the cache holds takes less"
    )


def _speed_lines(p: Parameters, measured: Measured) -> Iterator[str]:
    speeds = measured.speeds
    text = (
        f"images/s of a core: classifier {speeds.classifier:,.0f}, transformed "
        f"{speeds.classical:,.0f}, its answers {speeds.prediction:,.0f}"
    )
    if p.generate.source == "folder":
        yield text
        return
    yield f"{text}, generator {speeds.generator:,.0f}, drawing {speeds.drawing:,.0f}"
    if measured.gpu is not None:
        yield (
            f"GPU: generator {measured.gpu:,.0f} images/s, one unit after the other; all else is "
            "done by the cores"
        )
    elif p.compute.device == "cpu":
        yield "GPU: not measured: compute.device is cpu"
    else:
        yield "GPU: not measured: no GPU on this machine"


def _minutes(
    p: Parameters, size: StudySize, speeds: Speeds, workers: int, gpu: float | None
) -> dict[str, float]:
    """Return the minutes of each stage; a GPU trains the generators, one after the other."""
    minutes = {stage.name: stage.seconds(workers) / 60 for stage in stages_of(p, size, speeds)}
    if gpu is not None:
        for stage in stages_of(p, size, replace(speeds, generator=gpu)):
            if stage.name == "train-gan":
                minutes[stage.name] = replace(stage, threads=1).seconds(1) / 60
    return minutes
