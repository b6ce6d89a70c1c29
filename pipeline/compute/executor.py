"""Units side by side: one stage maps a function over them, wherever the executor runs it.

A task is told where the project is, which folder all workers share, and its unit; it returns a few
lines. Nothing else knows where it runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import joblib

from pipeline.compute.device import as_in_a_new_process
from pipeline.compute.interrupt import StopRequest, stop_on_signal
from pipeline.compute.progress import Progress
from pipeline.compute.training_processes import failed_process
from pipeline.compute.workers import side_by_side
from pipeline.errors import Interrupted, PipelineError
from pipeline.project import Project

_POLL_SECONDS = 0.5


class Watcher(Protocol):
    """Who follows a unit's work."""

    def update(self, done: int, total: int, note: str | None = None) -> None:
        """Say that ``done`` of ``total`` are done."""

    def say(self, line: str) -> None:
        """Print a line of its own."""

    def should_stop(self) -> bool:
        """Return whether the user asked to stop."""


UnitWork = Callable[[Project, str, Watcher], list[str]]
"""(project, unit, watcher) -> lines for the user, with the unit's artefacts written."""


@dataclass(frozen=True)
class _Outcome:
    """What came of one unit."""

    unit: str
    lines: Sequence[str] = ()
    error: Exception | None = None
    stopped: str | None = None  # what a unit says that was asked to stop


def map_units(
    work: UnitWork,
    project: Project,
    unit: str | None = None,
    *,
    noun: str,
    stoppable: bool = False,
    processes: int = 1,
) -> list[str]:
    """Do a stage's work for every unit; where one fails, the others are finished first.

    Args:
        work: a function at a module's top level, called once a unit.
        project: whose units they are.
        unit: only this one, by hand.
        noun: what ``work`` counts, such as images.
        stoppable: whether ``work`` asks its watcher to stop, and raises `Interrupted`.
        processes: that ``work`` computes in, each with its threads.

    Returns:
        The lines of all units, in their order.

    Raises:
        Interrupted: the user asked to stop.
        Exception: what the first unit that failed raised; an error of the user's names the unit.
    """
    units = project.units if unit is None else [unit]
    for each in units:
        project.unit(each)  # refuses one that the study does not have
    title = work.__module__.rpartition(".")[2].replace("_", "-")
    compute = project.parameters.compute
    with contextlib.ExitStack() as stack:
        cores = compute.threads * processes
        at_once = stack.enter_context(side_by_side(project, len(units), cores))
        elsewhere = at_once > 1 or compute.backend == "dask"
        # Work that cannot stop half-way is left to the signal, which ends it at once.
        stops = stoppable or elsewhere
        request = stack.enter_context(stop_on_signal()) if stops else StopRequest()
        if elsewhere:
            outcomes = _elsewhere(work, project, units, title, at_once, request)
        else:
            outcomes = [_here(work, project, each, title, noun, request) for each in units]
    return _lines(outcomes, request)


def _lines(outcomes: Sequence[_Outcome], request: StopRequest) -> list[str]:
    stopped = [each.stopped for each in outcomes if each.stopped is not None]
    if stopped:
        raise Interrupted(stopped[0], request.exit_code)
    failed = [each for each in outcomes if each.error is not None]
    if failed:
        first = failed[0]
        assert first.error is not None
        more = f" (and {len(failed) - 1} more units failed)" if len(failed) > 1 else ""
        if len(outcomes) > 1 and _is_ours(first.error):
            raise PipelineError(f"unit {first.unit}: {first.error}{more}") from first.error
        raise first.error
    return [line for each in outcomes for line in each.lines]


_ROOMS = ("augment", "classifiers", "pipeline", "reports")
"""Where errors come from that one line can explain."""


def _is_ours(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in _ROOMS


def _try(work: UnitWork, project: Project, unit: str, watcher: Watcher) -> _Outcome:
    if watcher.should_stop():
        return _Outcome(unit, stopped="stopped; run the same command again to go on")
    try:
        with as_in_a_new_process(project.parameters.compute.threads):
            return _Outcome(unit, work(project, unit, watcher))
    except Interrupted as stop:
        return _Outcome(unit, stopped=str(stop))
    except Exception as error:
        if not _is_ours(error) and (line := failed_process(error)) is not None:
            return _Outcome(unit, error=PipelineError(line))
        error.add_note(f"unit {unit}:\n{traceback.format_exc()}")
        return _Outcome(unit, error=error)


class _Terminal:
    """A watcher in the process that the user sees."""

    def __init__(self, progress: Progress, request: StopRequest) -> None:
        self.update, self.say, self.should_stop = progress.update, progress.say, request


def _here(
    work: UnitWork, project: Project, unit: str, title: str, noun: str, request: StopRequest
) -> _Outcome:
    with Progress(f"{title} {unit}", noun) as progress:
        return _try(work, project, unit, _Terminal(progress, request))


class _Shared:
    """A watcher in another process, which tells by files in a folder that all workers share."""

    def __init__(self, folder: Path, unit: str) -> None:
        self.folder = folder
        self.unit = unit

    def update(self, done: int, total: int, note: str | None = None) -> None:
        """Write the share that is done."""
        temporary = self.folder / f".{self.unit}.{os.getpid()}"
        temporary.write_text(f"{done / max(1, total):.4f}")
        temporary.replace(self.folder / f"{self.unit}.share")

    def say(self, line: str) -> None:
        """Add a line to those that the first process prints."""
        with (self.folder / f"{self.unit}.lines").open("a", encoding="utf-8") as file:
            file.write(f"{self.unit}: {line}\n")

    def should_stop(self) -> bool:
        """Return whether the first process was asked to stop, or is gone with its folder."""
        return not self.folder.exists() or (self.folder / "stop").exists()


def _there(work: UnitWork, project: Project, unit: str, folder: Path) -> _Outcome:
    """Do one unit's work in a worker process, by the parameters that the first process read."""
    if threading.current_thread() is threading.main_thread():
        # A terminal sends Ctrl-C to every process; the first one tells the workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    (folder / f"{unit}.lines").unlink(missing_ok=True)  # of a worker that was lost
    outcome = _try(work, project, unit, _Shared(folder, unit))
    _Shared(folder, unit).update(1, 1)
    return outcome


def _elsewhere(
    work: UnitWork,
    project: Project,
    units: Sequence[str],
    title: str,
    n_jobs: int,
    request: StopRequest,
) -> list[_Outcome]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_shared_place(project))))
        progress = stack.enter_context(Progress(title, "% of all units"))
        done = threading.Event()
        watching = threading.Thread(target=_watch, args=(folder, units, progress, request, done))
        watching.start()
        try:
            return list(
                joblib.Parallel(n_jobs=n_jobs, batch_size=1)(
                    joblib.delayed(_there)(work, project, each, folder) for each in units
                )
            )
        finally:
            done.set()
            watching.join()


def _shared_place(project: Project) -> Path:
    """Return a folder that every worker sees: the project's, which all of them read and write."""
    place = project.log.parent
    place.mkdir(parents=True, exist_ok=True)
    return place


def _watch(
    folder: Path,
    units: Sequence[str],
    progress: Progress,
    request: StopRequest,
    done: threading.Event,
) -> None:
    """Show what the workers tell, and tell them to stop when the user asked for it."""
    printed = dict.fromkeys(units, 0)
    over = False
    while not over:
        over = done.wait(_POLL_SECONDS)
        if request():
            (folder / "stop").touch()
        shares = [path.read_text() for path in folder.glob("*.share")]
        # Never 100 before all have ended: the end of a stage is told once.
        progress.update(int(sum(map(float, shares)) / len(units) * 100), 100)
        for unit in units:
            path = folder / f"{unit}.lines"
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            for line in lines[printed[unit] :]:
                progress.say(line)
            printed[unit] = len(lines)
