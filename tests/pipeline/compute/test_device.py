"""Which device a study is computed on, and that all of it goes there."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.compute.device import chosen_device
from pipeline.compute.fabric import make_fabric
from pipeline.compute.workers import side_by_side
from pipeline.errors import PipelineError
from pipeline.project import Project


@pytest.fixture
def project_with(
    bare: Path, parameters: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Project]:
    """Return a function of the GPUs that there are and of parameters."""
    monkeypatch.setenv("AUGMENT_CACHE_DIR", str(bare.parent / "cache"))

    def make(gpus: int, changes: dict[str, object]) -> Project:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        parameters(bare, changes)
        return Project(bare)

    return make


@pytest.mark.parametrize(
    ("device", "processes", "gpus", "kind"),
    [
        ("auto", 1, 0, "cpu"), ("auto", 1, 1, "cuda"), ("auto", 2, 1, "cpu"),
        ("auto", 2, 2, "cuda"), ("cpu", 1, 1, "cpu"), ("cuda", 1, 1, "cuda"),
        ("cuda", 2, 3, "cuda"),
    ],
)  # fmt: skip
def test_auto_takes_a_gpu_where_every_training_process_has_one(
    project_with: Callable[..., Project], device: str, processes: int, gpus: int, kind: str
) -> None:
    changes = {"compute.device": device, "train_gan.processes": processes}
    assert chosen_device(project_with(gpus, changes).parameters) == torch.device(kind)


@pytest.mark.parametrize(("gpus", "processes", "allowed"), [
    (0, 1, "cpu or auto"), (1, 2, "cpu or auto, or fewer processes"),
])  # fmt: skip
def test_gpus_that_are_not_there_are_one_line(
    project_with: Callable[..., Project], gpus: int, processes: int, allowed: str
) -> None:
    changes = {"compute.device": "cuda", "train_gan.processes": processes}
    parameters = project_with(gpus, changes).parameters
    with pytest.raises(PipelineError) as caught:
        make_fabric(parameters)
    assert str(caught.value) == (
        f"params.yaml: compute.device is cuda and train_gan.processes {processes}; this machine "
        f"has {gpus} usable GPUs; allowed: {allowed}"
    )


@pytest.mark.parametrize(("processes", "at_once"), [(None, 1), (3, 3)])
def test_on_a_gpu_one_task_is_done_after_the_other(
    project_with: Callable[..., Project], processes: int | None, at_once: int
) -> None:
    changes = {"compute.device": "auto", "compute.processes": processes}
    with side_by_side(project_with(1, changes), 9) as n:
        assert n == at_once
