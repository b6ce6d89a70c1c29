"""`augment plan`: hours, memory and disk of the study on more workers, from one measured minute.

A worker does one task at a time, on a core for each of its threads or on a GPU.
What a stage cannot do side by side stays as it is, however many workers there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from pipeline.commands.check import study_size
from pipeline.commands.check_machine import check_cluster, size_text, this_machine, workers_here
from pipeline.commands.estimates import (
    INCEPTION_SPEED,
    Speeds,
    Workers,
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


def run(project: Project, workers: str, say: Callable[[str], None]) -> list[str]:
    """Measure this machine, and return a table of what the study takes.

    Args:
        project: whose params.yaml is planned.
        workers: numbers of workers, with commas between them.
        say: told what is being measured.

    Raises:
        PipelineError: in one line; ``workers`` is no such list, or the study cannot run.
    """
    numbers = workers_of(workers)
    p = project.parameters
    size = study_size(p, project.root)
    lines, on_cluster = check_cluster(p.compute)
    for line in lines:
        if line.status == "error":
            raise PipelineError(line.text)
    from pipeline.commands.measuring import measure_speeds

    began = time.monotonic()
    speeds = measure_speeds(project.root, p, size, say)
    seconds = time.monotonic() - began
    names = {str(n): n for n in numbers}
    if on_cluster:
        names[f"the cluster ({on_cluster})"] = on_cluster
    places = {name: Workers(n * p.compute.threads, n) for name, n in names.items()}
    here = workers_here(p.compute, this_machine())
    if speeds.gpu:  # there the stages do one task after the other
        here = Workers(p.compute.processes or 1)
    places[f"this machine ({here.at_once()})"] = here
    return list(table(p, size, speeds, seconds, places))


def table(
    p: Parameters, size: StudySize, speeds: Speeds, seconds: float, places: Mapping[str, Workers]
) -> Iterator[str]:
    """Yield the lines of the answer.

    Args:
        p: the whole of params.yaml.
        size: images and classes.
        speeds: of one worker.
        seconds: that the measurement took, by the clock.
        places: the workers of each row, by its name.
    """
    stages = stages_of(p, size, speeds)
    each = estimate_memory(p, size, speeds.process_bytes)
    rows: list[tuple[str, ...]] = [("workers", "time", "memory in all", "disk", "longest stage")]
    for place, workers in places.items():
        minutes = {stage.name: stage.seconds(workers) / 60 for stage in stages}
        longest = max(minutes, key=lambda name: minutes[name])
        busy = max(stage.at_once(workers) for stage in stages)
        rows.append(
            (
                place,
                duration_text(sum(minutes.values())),
                size_text(busy * each),
                size_text(estimate_disk(p, size)),
                f"{longest}, {duration_text(minutes[longest])}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield "  ".join(padded).rstrip()
    worker, clock, less = "one core with one thread", "the processor's time, for cores", "takes"
    measured = "a worker"
    if p.compute.threads > 1:
        measured = "a core"
        worker = f"{p.compute.threads} cores, for the threads of one unit or for one classifier"
    if speeds.gpu:
        worker, measured = "one task at a time on a GPU", "a worker"
        clock = "the clock, for GPUs"
        less = "and cells that are trained many at once take"
    yield f"a worker is {worker}, as this machine's, and takes {size_text(each)}"
    text = (
        f"images/s of {measured}: classifier {speeds.classifier:,.0f}, transformed "
        f"{speeds.classical:,.0f}, prediction {speeds.prediction:,.0f}"
    )
    if p.generate.source == "model":
        text += f", generator {speeds.generator:,.0f}, drawing {speeds.drawing:,.0f}"
    yield text
    if p.score.inception:
        yield f"InceptionV3 is not measured: {INCEPTION_SPEED:g} images/s of a core are assumed"
    yield (
        f"predicted from {seconds:.0f} measured seconds, by {clock} that do nothing else; what "
        f"the cache holds {less} less"
    )
