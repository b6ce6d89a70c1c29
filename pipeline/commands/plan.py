"""`augment plan`: hours, memory and disk of the study on more workers, from one measured minute.

A worker is one core with one thread. What a stage cannot do side by side stays as it is, however
many there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline.commands.check import study_size
from pipeline.commands.check_machine import check_workers, size_text, this_machine
from pipeline.commands.estimates import (
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
            f"--workers is {text!r:.80}; allowed: whole numbers from 1 to {_MOST_WORKERS} with "
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
    lines, at_once = check_workers(p.compute, machine.cores)
    for line in lines:
        if line.status == "error":
            raise PipelineError(line.text)
    from pipeline.commands.measuring import measure_speeds

    began = time.monotonic()
    speeds, gpu = measure_speeds(project.root, p, size, say)
    measured = Measured(speeds, gpu, time.monotonic() - began)
    here = min(p.compute.processes or machine.cores, machine.cores)
    places = {str(n): n for n in numbers} | {_of_cores("this machine", here): here}
    if lines:
        places[f"the cluster ({at_once} workers)"] = at_once
    return list(table(p, size, measured, places))


def _of_cores(place: str, cores: int) -> str:
    return f"{place} ({cores} core{'s' * (cores > 1)})"


def table(
    p: Parameters, size: StudySize, measured: Measured, places: Mapping[str, int]
) -> Iterator[str]:
    """Yield the lines of the answer.

    Args:
        p: the whole of params.yaml.
        size: images and classes.
        measured: of this machine.
        places: the number of workers of each row, by its name; this machine's last but a cluster's.
    """
    speeds = measured.speeds
    each, disk = estimate_memory(p, size, speeds.process_bytes), estimate_disk(p, size)
    rows = [("workers", "time", "memory in all", "disk", "longest stage")]
    for place, workers in places.items():
        rows.append(_row(p, size, speeds, place, workers, (workers * each, disk)))
    if measured.gpu is not None:
        place, workers = next(reversed(places.items()))
        rows.append(_row(p, size, speeds, f"{place}, 1 GPU", workers, (workers * each, disk),
                         gpu=measured.gpu))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if measured.gpu is not None:
        yield "GPU: trains the generators one after the other; all else is done by the cores"
    elif p.train_gan.device == "cpu":
        yield "GPU: not measured: train_gan.device is cpu"
    else:
        yield "GPU: not measured: no GPU on this machine"
    yield f"a worker is one core with one thread, as this machine's, and takes {size_text(each)}"
    yield (
        f"images/s of a core: generator {speeds.generator:,.0f}, drawing {speeds.drawing:,.0f}, "
        f"classifier {speeds.classifier:,.0f} (transformed {speeds.classical:,.0f}), answers "
        f"{speeds.prediction:,.0f}"
    )
    yield (
        f"predicted from {measured.seconds:.0f} measured seconds, by the processor's time, for "
        "cores that do nothing else; what the cache holds takes less"
    )


def _row(
    p: Parameters,
    size: StudySize,
    speeds: Speeds,
    place: str,
    workers: int,
    takes: tuple[int, int],
    gpu: float | None = None,
) -> tuple[str, ...]:
    """Return a row of the table; with a GPU it trains the generators, one after the other."""
    minutes = {stage.name: stage.seconds(workers) / 60 for stage in stages_of(p, size, speeds)}
    if gpu is not None:
        for stage in stages_of(p, size, replace(speeds, generator=gpu)):
            if stage.name == "train-gan":
                minutes[stage.name] = stage.seconds(1) / 60
    longest = max(minutes, key=lambda name: minutes[name])
    return (
        place,
        duration_text(sum(minutes.values())),
        *(size_text(n) for n in takes),
        f"{longest}, {duration_text(minutes[longest])}",
    )
