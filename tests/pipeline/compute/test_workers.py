"""How many tasks at once, where several stages run on one machine."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest

from pipeline.compute import workers
from pipeline.compute.workers import free_cores, side_by_side
from pipeline.project import Project
from pipeline.stages import train_gan

ROOT = Path(__file__).parents[3]
CORES = workers._cores

# A stage of a queue's worker: how many cores it got, and when.
STAGE = """
import sys, time
from pathlib import Path
from pipeline.compute import workers
from pipeline.compute.workers import free_cores
folder, name, most, least = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
workers._cores = lambda: range(4)
with free_cores(folder / "cores", most, least) as n:
    began = time.monotonic()
    (folder / f"{name}.began").touch()
    time.sleep(float(sys.argv[5]))
    (folder / name).write_text(f"{n} {began} {time.monotonic()}")
"""


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: range(4))


def start(folder: Path, name: str, most: int, least: int, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STAGE, str(folder), name, str(most), str(least), str(seconds)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    until = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_stages_at_once_never_have_more_cores_than_there_are(tmp_path: Path) -> None:
    wanted = {"a": (3, 1), "b": (8, 1), "c": (4, 2), "d": (1, 1), "e": (8, 4)}
    runs = {name: start(tmp_path, name, *cores, 0.5) for name, cores in wanted.items()}
    for run in runs.values():
        assert run.wait(timeout=300) == 0
    held = {}
    for name, (most, least) in wanted.items():
        n, began, ended = (tmp_path / name).read_text().split()
        held[name] = int(n), float(began), float(ended)
        assert least <= int(n) <= min(most, 4)
    for _, moment, _ in held.values():
        assert sum(n for n, began, ended in held.values() if began <= moment < ended) <= 4


def test_a_stage_waits_where_no_core_is_free_and_a_killed_one_gives_its_cores_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = start(tmp_path, "other", 4, 1, 1000)
    wait_for(tmp_path / "other.began")
    got: list[int] = []

    def take() -> None:
        with free_cores(tmp_path / "cores", 2) as n:
            got.append(n)

    waiting = threading.Thread(target=take)
    waiting.start()
    waiting.join(timeout=1.2)
    assert got == []
    other.kill()
    other.communicate()
    waiting.join(timeout=60)
    assert got == [2]
    assert capsys.readouterr().err == "other stages have all cores; waiting for one to end\n"


def test_more_threads_than_cores_take_all_of_them(tmp_path: Path) -> None:
    with free_cores(tmp_path, 9, 9) as n:
        assert n == 4
    with free_cores(tmp_path, 0) as n:
        assert n == 0


def test_jobs_on_other_cores_of_a_node_take_nothing_from_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SLURM starts them, with a home folder of all nodes."""
    monkeypatch.setattr(workers, "_cores", CORES)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)

    def on(*cores: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(cores), raising=False)

    on(4, 5)
    with free_cores(tmp_path, 2) as first:
        on(0, 1)
        with free_cores(tmp_path, 2) as second:
            on(1, 2)
            with free_cores(tmp_path, 2) as third:
                assert (first, second, third) == (2, 2, 1)
    monkeypatch.delattr(os, "sched_getaffinity")
    with free_cores(tmp_path, 9) as n:  # as on macOS
        assert n == 2


def test_a_training_takes_a_core_for_each_of_its_processes(
    bare: Path, parameters: Callable[..., None], units: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("AUGMENT_CACHE_DIR", str(bare.parent / "cache"))
    left: list[int] = []

    def train(project: Project, unit: str, watcher: object) -> list[str]:
        with side_by_side(project, 9) as n:
            left.append(n)
        return []

    monkeypatch.setattr(train_gan, "train_unit", train)
    monkeypatch.setattr(train_gan, "write_summary", lambda project: None)
    parameters(bare, {"compute.processes": None, "train_gan.processes": 3})
    units(bare, ["all-0"])
    train_gan.run(Project(bare))
    assert left == [1]


def test_an_error_gives_the_cores_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), free_cores(tmp_path, 4):
        raise ZeroDivisionError
    with free_cores(tmp_path, 4) as n:
        assert n == 4


@pytest.mark.parametrize(
    ("processes", "tasks", "threads", "at_once"),
    [
        (None, 9, 1, 4), (None, 3, 1, 3), (None, 9, 2, 2), (None, 9, 8, 1), (None, 0, 1, 1),
        (6, 9, 1, 6), (6, 3, 1, 3), (1, 9, 2, 1),
    ],
)  # fmt: skip
def test_at_once(
    bare: Path, parameters: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
    processes: int | None, tasks: int, threads: int, at_once: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("AUGMENT_CACHE_DIR", str(bare.parent / "cache"))
    parameters(bare, {"compute.processes": processes})
    project = Project(bare)
    with side_by_side(project, tasks, threads) as n:
        assert n == at_once
        # A number of the user's is taken as it is; else a second stage gets what is left.
        if processes is None and tasks == 3:
            with side_by_side(project, tasks, threads) as rest:
                assert rest == 1
    # The further processes of one training have the cores of the first.
    monkeypatch.setenv("LOCAL_RANK", "1")
    with free_cores(bare.parent / "cache", 4), side_by_side(project, tasks, threads) as n:
        assert n == (1 if processes is None else at_once)
