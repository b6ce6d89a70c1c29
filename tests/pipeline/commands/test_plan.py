import math
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import joblib
import pytest
import torch

from pipeline.commands import measuring
from pipeline.commands.estimates import Speeds, Workers
from pipeline.commands.plan import table, workers_of
from pipeline.commands.study_counts import StudySize
from pipeline.errors import PipelineError
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import load_parameters

SIZE = StudySize(n_train=3600, n_images=5000, n_classes=10)
SPEEDS = Speeds(
    generator=700,
    drawing=4000,
    classifier=9000,
    classical=8000,
    prediction=30_000,
    scoring=40,
    comparison=3e10,
    start=2.0,
    process_bytes=10**9,
)
PLACES = {"1": Workers(1), "4": Workers(4), "64": Workers(64), "this machine (2)": Workers(2)}


@pytest.fixture
def default(tmp_path: Path, parameters: Callable[..., None]) -> Callable[..., Parameters]:
    """The default study, with values changed at dotted keys (__)."""

    def make(**values: Any) -> Parameters:
        parameters(tmp_path, {key.replace("__", "."): value for key, value in values.items()})
        return load_parameters(tmp_path / "params.yaml")

    return make


def test_workers_are_a_list_of_whole_numbers() -> None:
    assert workers_of("1,4,64") == [1, 4, 64]
    assert workers_of(" 8, 2,8 ") == [8, 2]
    for wrong in ("", "1,,2", "0", "-1", "1.5", "four", "1;2", "²", "100001", "9" * 5000):
        with pytest.raises(PipelineError, match=r"^--workers is '.*'; allowed: whole numbers from"):
            workers_of(wrong)


def test_the_tables_text(default: Callable[..., Parameters]) -> None:
    assert list(table(default(), SIZE, SPEEDS, 42.0, PLACES)) == [
        "workers           time    memory in all  disk    longest stage",
        "1                 29 min  1.0 GB         598 MB  train-classifiers, 10 min",
        "4                 10 min  4.0 GB         598 MB  train-gan, 3 min",
        "64                4 min   64.5 GB        598 MB  train-gan, 1 min",
        "this machine (2)  17 min  2.0 GB         598 MB  train-gan, 5 min",
        "a worker is one core with one thread, as this machine's, and takes 1.0 GB",
        "images/s of a worker: classifier 9,000, transformed 8,000, prediction 30,000, generator "
        "700, drawing 4,000",
        "predicted from 42 measured seconds, by the processor's time, for cores that do nothing "
        "else; what the cache holds takes less",
    ]


def test_workers_without_a_task_take_no_memory(default: Callable[..., Parameters]) -> None:
    # The default study has 99 cells.
    _, most, more, *_ = table(
        default(), SIZE, SPEEDS, 42.0, {"99": Workers(99), "9999": Workers(9999)}
    )
    assert most.split()[1:] == more.split()[1:]


def test_a_worker_with_a_gpu_does_a_task_at_a_time(default: Callable[..., Parameters]) -> None:
    one_core = list(table(default(), SIZE, SPEEDS, 42.0, {"this machine (1)": Workers(1)}))
    gpu = replace(SPEEDS, gpu=True)
    found = list(
        table(default(compute__threads=4), SIZE, gpu, 42.0, {"this machine (1)": Workers(1)})
    )
    # Threads belong to the worker, which was measured with them: one more makes nothing faster.
    assert found[:2] == one_core[:2]
    assert found[2].startswith("a worker is one task at a time on a GPU, as this machine's, and ")
    assert found[-1] == (
        "predicted from 42 measured seconds, by the clock, for GPUs that do nothing else; what the "
        "cache holds and cells that are trained many at once take less"
    )


def test_what_is_not_measured_is_said(default: Callable[..., Parameters]) -> None:
    of_folder = replace(SPEEDS, generator=math.inf, drawing=math.inf)
    p = default(generate__source="folder", generate__path="made", score__inception=True)
    text = "\n".join(table(p, SIZE, of_folder, 42.0, {"1": Workers(1)}))
    assert "inf" not in text.lower().replace("inception", "")
    assert "generator" not in text
    assert "InceptionV3 is not measured: 6 images/s of a core are assumed" in text


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure nothing."""
    monkeypatch.setattr(measuring, "measure_speeds", lambda *_: SPEEDS)


@pytest.mark.usefixtures("measured")
def test_the_command(augment, tmp_path: Path, parameters: Callable[..., None],
                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    root = tmp_path / "project"
    root.mkdir()
    parameters(root, {"compute.processes": None})
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    rows = augment(root, "plan", "--workers", "2,16").out.splitlines()
    assert [row.split("  ")[0] for row in rows[:4]] == ["workers", "2", "16", "this machine (3)"]
    parameters(root, {"compute.backend": "dask", "compute.address": "tcp://host:8786"})
    monkeypatch.setattr("pipeline.compute.cluster.cluster_workers", lambda address: 128)
    rows = augment(root, "plan", "--workers", "2").out.splitlines()
    assert [row.split("  ")[0] for row in rows[2:4]] == ["the cluster (128)", "this machine (3)"]


@pytest.mark.usefixtures("measured")
def test_a_worker_does_one_task_however_many_threads(
    augment, tmp_path: Path, parameters: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    def minutes(processes: int | None, place: str) -> float:
        parameters(root, {"compute.processes": processes, "compute.threads": 2})
        rows = augment(root, "plan", "--workers", "4").out.splitlines()
        (row,) = [row for row in rows if row.startswith(f"{place} ")]
        return float(re.split("  +", row)[1].removesuffix(" min"))

    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    # Four units at once on two cores each, whoever says so; then eight cells, or four.
    assert minutes(4, "this machine (4)") == minutes(4, "4") > minutes(None, "this machine (8)")


@pytest.mark.parametrize(("processes", "at_once"), [(None, 1), (2, 2)])
def test_on_a_gpu_this_machine_does_one_task_at_a_time(
    augment, tmp_path: Path, parameters: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
    processes: int | None, at_once: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(measuring, "measure_speeds", lambda *_: replace(SPEEDS, gpu=True))
    root = tmp_path / "project"
    root.mkdir()
    parameters(root, {"compute.processes": processes})
    assert f"this machine ({at_once})  " in augment(root, "plan", "--workers", "4").out


@pytest.mark.usefixtures("measured")
def test_what_cannot_run_is_one_line(augment, bare: Path, parameters: Callable[..., None]) -> None:
    assert augment(bare, "plan", "--workers", "1,x").error == (
        "error: --workers is '1,x'; allowed: whole numbers from 1 to 100000 with commas between "
        "them, such as 1,4,64"
    )
    assert "`augment check` tells all problems" in augment(bare, "plan").error  # no pictures
    parameters(bare, {"data.source": "mnist5k", "data.path": None, "mix.synthetic": [0, 100_000]})
    assert "mix.synthetic[1] is 100000" in augment(bare, "plan").error
    parameters(bare, {"mix.synthetic": [0, 10], "compute.backend": "dask",
                      "compute.address": "tcp://127.0.0.1:9"})  # fmt: skip
    assert "compute." in augment(bare, "plan").error
    parameters(bare, {"seed": "x"})
    assert "seed is 'x'" in augment(bare, "plan").error


def measured_values(speeds: Speeds) -> list[float]:
    return [value for name, value in asdict(speeds).items() if name != "gpu"]


def test_a_gpu_that_is_not_there_is_one_line(bare: Path, parameters: Callable[..., None],
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    parameters(bare, {"compute.device": "cuda"})
    p, size = load_parameters(bare / "params.yaml"), StudySize(90, 150, 3)
    with pytest.raises(PipelineError, match="this machine has 0 usable GPUs"):
        measuring.measure_speeds(bare, p, size, lambda line: None)


def test_a_tiny_study_is_measured(
    tmp_path: Path, bare: Path, files_of: Callable[[Path], dict[str, bytes]]
) -> None:
    before, said = files_of(bare), []
    p = load_parameters(bare / "params.yaml")
    size = StudySize(n_train=90, n_images=150, n_classes=3)
    speeds = measuring.measure_speeds(bare, p, size, said.append, seconds=0.05)
    assert not speeds.gpu  # compute.device is cpu
    assert all(math.isfinite(value) and value > 0 for value in measured_values(speeds))
    assert files_of(bare) == before
    assert any("generator" in line for line in said)
    assert "longest stage" in next(table(p, size, speeds, 1.0, {"1": Workers(1)}))


@pytest.mark.gpu
def test_a_tiny_study_is_measured_on_a_gpu(bare: Path, parameters: Callable[..., None]) -> None:
    parameters(bare, {"compute.device": "cuda"})
    p = load_parameters(bare / "params.yaml")
    size = StudySize(n_train=90, n_images=150, n_classes=3)
    speeds = measuring.measure_speeds(bare, p, size, lambda line: None, seconds=0.05)
    assert speeds.gpu
    assert all(math.isfinite(value) and value > 0 for value in measured_values(speeds))
