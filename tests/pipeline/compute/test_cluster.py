"""A real scheduler and workers, each a process of its own: units, cells, and a worker that dies."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from pipeline.commands.check import run_check
from pipeline.compute import cluster
from pipeline.compute.executor import Watcher, map_units
from pipeline.errors import Interrupted, PipelineError
from pipeline.project import Project

ROOT = Path(__file__).parents[3]
UNITS = ["all-0", "all-1", "all-2"]
STAGES = ("subset", "train-judge", "train-gan", "generate", "filter", "mix", "train-classifiers")
OUTS = ("models/judges", "models/generators", "models/checkpoints", "results/training")
OUTS += ("results/grids", "data/generated", "data/filtered")
CELLS = ("results/cells.parquet", "results/predictions.npy")


class Cluster:
    """A scheduler and two workers of one thread on this machine; lost workers stay lost."""

    def __init__(self, folder: Path, failures: int = 3) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("AUGMENT_")}
        self.environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self.environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = str(failures)
        self.file = folder / "scheduler.json"
        self.processes = [self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")]
        self.workers = [self.add_worker(), self.add_worker()]
        # Written in place: it is there before it is whole.
        wait_for(lambda: self.file.exists() and self.file.read_text().rstrip().endswith("}"))
        self.address = json.loads(self.file.read_text())["address"]
        with cluster.connect(self.address) as client:
            client.wait_for_workers(2, timeout=120)

    def _start(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--no-dashboard"]
        command += ["--scheduler-file", str(self.file), *options]
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=self.environment
            )

    def add_worker(self) -> subprocess.Popen[bytes]:
        options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder)]
        worker = self._start("dask_worker", *options)
        self.processes.append(worker)
        return worker

    def tasks(self) -> int:
        """Return how many tasks the scheduler knows."""
        with cluster.connect(self.address) as client:
            return client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


def wait_for(ready: Callable[[], Any], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "dask"
    folder.mkdir()
    with contextlib.closing(Cluster(folder)) as made:
        yield made


@pytest.fixture
def on_dask(dask: Cluster, bare: Path, parameters: Any, units: Any, monkeypatch: Any) -> Project:
    """A study of three units whose work goes to the cluster."""
    monkeypatch.setenv("AUGMENT_CACHE_DIR", str(bare.parent / "cache"))
    parameters(bare, place(dask.address))
    units(bare, UNITS)
    return Project(bare)


def place(address: str) -> dict[str, Any]:
    return {"compute.backend": "dask", "compute.address": address, "compute.processes": None}


def where(project: Project, unit: str, watcher: Watcher) -> list[str]:
    watcher.say("begun")
    watcher.update(1, 2)
    time.sleep(0.5)
    return [f"{unit} {os.getpid()} {project.cache}"]


def stop_first(project: Project, unit: str, watcher: Watcher) -> list[str]:
    (project.root / unit).touch()
    with contextlib.suppress(FileNotFoundError):  # a second signal would end the first process
        (project.root / "pid").rename(project.root / f"pid.{unit}")
        pid = (project.root / f"pid.{unit}").read_text()
        os.kill(int(pid), signal.SIGTERM)
    while not watcher.should_stop():
        time.sleep(0.01)
    raise Interrupted(f"{unit} stopped")


def end_the_worker(project: Project, unit: str, watcher: Watcher) -> list[str]:
    os._exit(1)


@pytest.mark.slow
def test_units_are_done_by_the_workers(
    dask: Cluster, on_dask: Project, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    lines = [line.split() for line in map_units(where, on_dask, noun="steps")]
    assert [unit for unit, _, _ in lines] == UNITS
    assert {int(pid) for _, pid, _ in lines} == {worker.pid for worker in dask.workers}
    assert {cache for _, _, cache in lines} == {str(on_dask.cache)}
    said = capsys.readouterr().err.splitlines()
    assert sorted(line for line in said if "begun" in line) == [f"{u}: begun" for u in UNITS]
    # One unit by hand goes there, too.
    ((_, pid, _),) = [line.split() for line in map_units(where, on_dask, "all-1", noun="steps")]
    assert int(pid) in {worker.pid for worker in dask.workers}
    # What has not begun does not begin after a stop.
    (on_dask.root / "pid").write_text(str(os.getpid()))
    with pytest.raises(Interrupted) as stop:
        map_units(stop_first, on_dask, noun="steps", stoppable=True)
    assert stop.value.exit_code == 128 + signal.SIGTERM
    assert not all((on_dask.root / unit).exists() for unit in UNITS)
    # A worker whose code is another one is no use.
    code = cluster.loaded_code("lenet")
    monkeypatch.setattr(cluster, "loaded_code", lambda model: code | {"code": "0" * 64})
    with pytest.raises(PipelineError, match=r"worker tcp://\S+ has other code, \w+ and not 000000"):
        map_units(where, on_dask, noun="steps")
    assert list((on_dask.root / "logs").iterdir()) == []
    wait_for(lambda: dask.tasks() == 0)


@pytest.mark.slow
def test_a_task_that_ends_its_workers_is_one_line(
    tmp_path: Path, bare: Path, parameters: Any, units: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGMENT_CACHE_DIR", str(tmp_path / "cache"))
    with contextlib.closing(Cluster(tmp_path, failures=0)) as dask:
        parameters(bare, place(dask.address))
        units(bare, UNITS)
        with pytest.raises(PipelineError, match="a task ended every worker that tried it"):
            map_units(end_the_worker, Project(bare), noun="steps")


def kill_when(ready: Callable[[], Any], worker: subprocess.Popen[bytes]) -> threading.Thread:
    """Kill a worker as soon as something is so."""

    def wait() -> None:
        wait_for(ready)
        worker.kill()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def half_done(root: Path) -> bool:
    """Return whether two units are under way."""
    with contextlib.suppress(OSError, ValueError):
        shares = [float(path.read_text()) for path in root.glob("logs/*/*.share")]
        return sum(0.2 < share < 0.9 for share in shares) == 2
    return False


@pytest.mark.slow
def test_a_study_with_a_lost_worker_ends_with_the_same_bytes(
    study: Any, dask: Cluster, tmp_path: Path, augment: Any, parameters: Any, files_of: Any,
    one_thread: None,
) -> None:  # fmt: skip
    here, there = tmp_path / "here" / "project", tmp_path / "there" / "project"
    for root in (here, there):
        for folder in ("pictures", "data/real", "models/examiner"):
            shutil.copytree(study.root / folder, root / folder)
        shutil.copy(study.root / "params.yaml", root)
        parameters(root, {"study.repeats": len(UNITS), "mix.strategies": ["mix", "filtered"]})
    parameters(there, place(dask.address))
    cells = there.parent / "cache" / "cells"
    for stage in STAGES:
        of_here = augment(here, stage)
        killer = None
        if stage == "train-gan":
            killer = kill_when(lambda: half_done(there), dask.workers.pop())
        elif stage == "train-classifiers":
            dask.workers.append(dask.add_worker())
            with cluster.connect(dask.address) as client:
                client.wait_for_workers(2, timeout=120)
            killer = kill_when(lambda: len(list(cells.glob("*/*.npz"))) >= 5, dask.workers.pop())
        of_there = augment(there, stage)
        assert (of_here.code, of_there.code) == (0, 0), (stage, of_here.err, of_there.err)
        if killer is not None:
            killer.join(timeout=1)
            assert not killer.is_alive(), f"{stage} ended before its worker could be killed"
        if stage != "train-classifiers":  # which says its minutes
            assert of_there.out == of_here.out
        else:
            assert ", 0 from the cache" in of_there.out
    for out in OUTS:
        assert files_of(there / out) == files_of(here / out), out
    for out in CELLS:
        assert (there / out).read_bytes() == (here / out).read_bytes(), out


@pytest.mark.slow
def test_ctrl_c_cancels_the_cells_that_have_not_begun(
    study: Any, dask: Cluster, tmp_path: Path, parameters: Any
) -> None:
    root = tmp_path / "project"
    shutil.copytree(study.root, root)
    parameters(root, place(dask.address) | {"train_classifiers.steps": 200})
    environment = dask.environment | {"AUGMENT_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "pipeline.cli", "train-classifiers"]
    run = subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True)
    cells = tmp_path / "cache" / "cells"
    wait_for(lambda: len(list(cells.glob("*/*.npz"))) >= 2)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 130
    assert said.splitlines()[-1] == "stopped; run the same command again to go on"
    assert "Traceback" not in said
    wait_for(lambda: dask.tasks() == 0)
    n_cells = len(pd.read_parquet(root / "data/recipes.parquet"))
    assert 2 <= len(list(cells.glob("*/*.npz"))) < n_cells


def test_a_scheduler_that_does_not_answer_is_one_line(
    bare: Path, parameters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_SECONDS", 0.2)
    parameters(bare, place("tcp://127.0.0.1:9"))
    said = (
        "compute.address is 'tcp://127.0.0.1:9', where no scheduler answers in 0.2 seconds; start "
        "one with `dask scheduler`, or set compute.backend to local"
    )
    with pytest.raises(PipelineError) as error:
        map_units(where, Project(bare), noun="steps")
    assert str(error.value) == said
    found = [line for line in run_check(bare) if line.topic == "cluster"]
    assert [(line.status, line.text) for line in found] == [("error", said)]


def test_a_worker_of_two_threads_does_one_task_at_once() -> None:
    from distributed import LocalCluster

    options: dict[str, Any] = {"processes": False, "protocol": "tcp://", "dashboard_address": None}
    with LocalCluster(n_workers=1, threads_per_worker=2, **options) as two_threads:
        assert cluster.cluster_workers(two_threads.scheduler_address) == 1


@pytest.mark.parametrize("address", ["nowhere.invalid:1", "udp://127.0.0.1:1", "tcp://::x", "x y"])
def test_an_address_that_is_none_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS", 0.2)
    with pytest.raises(PipelineError, match="where no scheduler answers"):
        cluster.connect(address)


def test_without_the_extra_it_is_one_line(
    bare: Path, parameters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters(bare, place("tcp://127.0.0.1:9"))
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        PipelineError, match=r"not installed; `pip install --editable '\.\[dask\]'`"
    ):
        map_units(where, Project(bare), noun="steps")


@pytest.fixture
def _on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a worker of another machine."""
    import distributed

    class Worker:
        address = "tcp://10.0.0.7:1"

    monkeypatch.setattr(distributed, "get_worker", Worker)


@pytest.mark.usefixtures("_on_a_worker")
def test_a_worker_must_see_the_projects_folder(tmp_path: Path) -> None:
    gone = tmp_path / "logs/gone"
    elsewhere = cluster._Place(Project(tmp_path), gone, tmp_path / "cache", {}, "cpu", "32-true")
    with pytest.raises(PipelineError, match=r"worker tcp://10.0.0.7:1 does not find \S+/logs/gone"):
        elsewhere.take()


@pytest.mark.usefixtures("_on_a_worker")
@pytest.mark.parametrize(("device", "precision", "said"), [
    ("cuda", "32-true", "computes on cpu and the command on cuda; set compute"),
    ("cpu", "bf16-mixed", "in 32-true and the command in bf16-mixed; set train_gan.precision to"),
])  # fmt: skip
def test_a_worker_must_compute_as_the_command_does(
    bare: Path, parameters: Any, monkeypatch: pytest.MonkeyPatch,
    device: str, precision: str, said: str,
) -> None:  # fmt: skip
    # Put back, for `take` sets it.
    monkeypatch.setenv("AUGMENT_CACHE_DIR", str(bare.parent / "cache"))
    monkeypatch.setattr(cluster, "loaded_code", lambda model: {})
    for able in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, able, lambda: False)
    parameters(bare, {"train_gan.precision": "auto"})
    place = cluster._Place(Project(bare), bare, bare.parent / "cache", {}, device, precision)
    with pytest.raises(PipelineError, match=said):
        place.take()
    if device == "cpu":
        cluster._Place(place.project, bare, place.cache, {}, "cpu", "32-true").take()
