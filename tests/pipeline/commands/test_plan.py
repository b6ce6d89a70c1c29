import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import check_machine, measuring
from pipeline.commands.estimates import Speeds
from pipeline.commands.plan import Measured, table, workers_of
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
MEASURED = Measured(SPEEDS, None, 42.0)
PLACES = {"1": 1, "4": 4, "64": 64, "this machine (2)": 2}


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
    assert list(table(default(), SIZE, MEASURED, PLACES)) == [
        "workers           time    memory in all  disk    longest stage",
        "1                 29 min  1.0 GB         313 MB  train-classifiers, 10 min",
        "4                 10 min  4.0 GB         313 MB  train-gan, 3 min",
        "64                4 min   64.5 GB        313 MB  train-gan, 1 min",
        "this machine (2)  17 min  2.0 GB         313 MB  train-gan, 5 min",
        "a worker is one core with one thread, as this machine's, and takes 1.0 GB",
        "images/s of a core: classifier 9,000, transformed 8,000, its answers 30,000, generator "
        "700, drawing 4,000",
        "GPU: not measured: no GPU on this machine",
        "predicted from 42 measured seconds, by the processor's time, for cores that do nothing "
        "else; what the cache holds takes less",
    ]


def test_workers_without_a_task_take_no_memory(default: Callable[..., Parameters]) -> None:
    # The default study has 99 cells.
    _, most, more, *_ = table(default(), SIZE, MEASURED, {"99": 99, "9999": 9999})
    assert most.split()[1:] == more.split()[1:]


def test_a_gpu_is_a_row_only_where_it_was_measured(default: Callable[..., Parameters]) -> None:
    found = list(table(default(), SIZE, replace(MEASURED, gpu=70_000.0), PLACES))
    assert found[5] == (
        "this machine (2) and its GPU  12 min  2.0 GB         313 MB  train-classifiers, 5 min"
    )
    assert (
        "GPU: generator 70,000 images/s, one unit after the other; all else is done by the cores"
        in found
    )
    refused = list(table(default(compute__device="cpu"), SIZE, MEASURED, PLACES))
    assert "GPU: not measured: compute.device is cpu" in refused


def test_what_is_not_measured_is_said(default: Callable[..., Parameters]) -> None:
    of_folder = replace(MEASURED, speeds=replace(SPEEDS, generator=math.inf, drawing=math.inf))
    p = default(generate__source="folder", generate__path="made", score__inception=True)
    text = "\n".join(table(p, SIZE, of_folder, {"1": 1}))
    assert "inf" not in text.lower().replace("inception", "")
    assert "generator" not in text
    assert "InceptionV3 is not measured: 6 images/s of a core are assumed" in text


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure nothing."""
    monkeypatch.setattr(measuring, "measure_speeds", lambda *_: (SPEEDS, None))


@pytest.mark.usefixtures("measured")
def test_the_command(augment, tmp_path: Path, parameters: Callable[..., None],
                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    root = tmp_path / "project"
    root.mkdir()
    parameters(root, {"compute.processes": None})
    monkeypatch.setattr(check_machine, "_cores", lambda: 3)
    rows = augment(root, "plan", "--workers", "2,16").out.splitlines()
    assert [row.split("  ")[0] for row in rows[:4]] == ["workers", "2", "16", "this machine (3)"]
    parameters(root, {"compute.backend": "dask", "compute.address": "tcp://host:8786"})
    monkeypatch.setattr("pipeline.compute.cluster.cluster_threads", lambda address: 128)
    rows = augment(root, "plan", "--workers", "2").out.splitlines()
    assert [row.split("  ")[0] for row in rows[2:4]] == ["the cluster (128)", "this machine (3)"]


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


def test_a_tiny_study_is_measured(
    tmp_path: Path, bare: Path, files_of: Callable[[Path], dict[str, bytes]]
) -> None:
    before, said = files_of(bare), []
    p = load_parameters(bare / "params.yaml")
    size = StudySize(n_train=90, n_images=150, n_classes=3)
    speeds, gpu = measuring.measure_speeds(bare, p, size, said.append, seconds=0.05)
    assert gpu is None  # compute.device is cpu
    assert all(math.isfinite(value) and value > 0 for value in asdict(speeds).values())
    assert files_of(bare) == before
    assert any("generator" in line for line in said)
    assert "longest stage" in next(table(p, size, Measured(speeds, gpu, 1.0), {"1": 1}))
