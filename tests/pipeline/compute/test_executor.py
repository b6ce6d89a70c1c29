"""Units side by side: their order, a unit that fails, a stop, threads."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.compute.executor import Watcher, _watch, map_units
from pipeline.compute.interrupt import StopRequest
from pipeline.compute.progress import Progress
from pipeline.errors import Interrupted, PipelineError
from pipeline.project import Project

UNITS = ["all-0", "all-1", "30-0"]


@pytest.fixture(params=[1, 2])
def project(
    request: pytest.FixtureRequest,
    bare: Path,
    parameters: Callable[..., None],
    units: Callable[..., None],
) -> Project:
    """A study of three units, one after the other or two at once."""
    parameters(bare, {"compute.processes": request.param})
    units(bare, UNITS)
    return Project(bare)


def report(project: Project, unit: str, watcher: Watcher) -> list[str]:
    watcher.say("begun")
    watcher.update(1, 2, "half")
    return [f"{unit} on {torch.get_num_threads()}"]


def report_parameters(project: Project, unit: str, watcher: Watcher) -> list[str]:
    return [str(project.parameters.compute.threads)]


def fail_once(project: Project, unit: str, watcher: Watcher) -> list[str]:
    if unit == "all-0":
        raise PipelineError("no luck")
    (project.root / unit).touch()
    return []


def fail_unforeseen(project: Project, unit: str, watcher: Watcher) -> list[str]:
    (project.root / unit).touch()
    return [str(1 / 0)] if unit == "all-1" else []


def wait_for_stop(project: Project, unit: str, watcher: Watcher) -> list[str]:
    if unit == "all-0":
        os.kill(int((project.root / "pid").read_text()), signal.SIGTERM)
    while not watcher.should_stop():
        pass
    raise Interrupted(f"{unit} stopped at step 5", 0)


def test_lines_come_in_the_order_of_the_units(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.get_num_threads()
    assert map_units(report, project, noun="steps") == [f"{unit} on 1" for unit in UNITS]
    assert torch.get_num_threads() == before
    assert capsys.readouterr().err.count("begun") == len(UNITS)


def test_threads_are_a_parameter(project: Project, parameters: Callable[..., None]) -> None:
    parameters(project.root, {"compute.threads": 2})
    again = Project(project.root)
    assert map_units(report, again, noun="steps") == [f"{unit} on 2" for unit in UNITS]


def test_an_edit_in_the_middle_of_a_stage_is_not_read(
    project: Project, parameters: Callable[..., None]
) -> None:
    assert project.parameters.compute.threads == 1
    parameters(project.root, {"compute.threads": 2})
    assert map_units(report_parameters, project, noun="steps") == ["1"] * len(UNITS)


def test_one_unit_by_hand(project: Project) -> None:
    assert map_units(report, project, "30-0", noun="steps") == ["30-0 on 1"]
    with pytest.raises(PipelineError, match="unit '60-0' is not one of this study; allowed: all-0"):
        map_units(report, project, "60-0", noun="steps")


@pytest.mark.parametrize(("work", "error", "said"), [
    (fail_once, PipelineError, "unit all-0: no luck"),
    (fail_unforeseen, ZeroDivisionError, "division by zero"),
])  # fmt: skip
def test_where_a_unit_fails_the_others_are_finished(
    project: Project, work: Callable[..., list[str]], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        map_units(work, project, noun="steps")
    done = {unit for unit in UNITS if (project.root / unit).exists()}
    assert done >= set(UNITS) - {"all-0"}


def test_a_stage_is_done_where_all_its_units_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = [f"all-{repeat}" for repeat in range(11)]
    ended = threading.Event()
    ended.set()

    def watch(last: str) -> str:
        for unit in units:
            (tmp_path / f"{unit}.share").write_text("1.0000" if unit != units[-1] else last)
        _watch(tmp_path, units, Progress("generate", "%"), StopRequest(), ended)
        return capsys.readouterr().err

    assert watch("0.9460") == ""  # 99.5 %
    assert watch("1.0000") == "generate: 100 of 100 %\n"


def test_a_stop_reaches_every_unit(project: Project) -> None:
    (project.root / "pid").write_text(str(os.getpid()))
    with pytest.raises(Interrupted, match="all-0 stopped at step 5") as stop:
        map_units(wait_for_stop, project, noun="steps", stoppable=True)
    assert stop.value.exit_code == 128 + signal.SIGTERM
    assert (
        list((project.root / "logs").iterdir()) == [] if (project.root / "logs").exists() else True
    )
