"""The machine of a study, as `augment check` sees it: cache, device, weights, disk and memory."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib

from pipeline.commands.check_lines import CheckLine, Status
from pipeline.commands.estimates import Workers
from pipeline.errors import PipelineError
from pipeline.parameters.models import ComputeParameters, Parameters
from pipeline.project import Project

_INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
_MEMORY_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Files of a container's limit and of what is used of it, of Linux's two kinds of groups."""


@dataclass(frozen=True)
class Machine:
    """What a check needs to know of a machine."""

    cores: int
    gpu: bool


def this_machine() -> Machine:
    """Return what this machine has for a study: cores as the stages count them."""
    return Machine(cores=joblib.cpu_count(), gpu=_gpu_visible())


def _gpu_visible() -> bool:
    """Return whether a GPU seems to be usable; importing torch to be sure would take seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if importlib.metadata.version("torch").endswith("+cpu"):
        return False
    devices = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")
    return any(Path(device).exists() for device in devices) or bool(shutil.which("nvidia-smi"))


def check_cache(project: Project) -> Iterator[CheckLine]:
    """Yield what is wrong with the folder of finished work that the environment names."""
    try:
        _ = project.cache
    except PipelineError as error:
        yield CheckLine("error", "cache", str(error))


def workers_here(compute: ComputeParameters, machine: Machine) -> Workers:
    """Return who does a stage's tasks on this machine's processor."""
    return Workers(machine.cores, compute.processes)


def check_device(parameters: Parameters, machine: Machine) -> Iterator[CheckLine]:
    """Yield what is computed where, and numbers of processes that are too high for it."""
    if parameters.compute.device == "cuda" and not machine.gpu:
        text = "compute.device is cuda and no GPU is visible; allowed here: auto or cpu"
        yield CheckLine("error", "device", text)
    elif machine.gpu and parameters.compute.device != "cpu":
        text = (
            "networks train, draw and predict on the GPU, units one after the other and cells "
            "many at once; neighbours, scores and figures come from the cores"
        )
        yield CheckLine("ok", "device", text)
    else:
        yield CheckLine("ok", "device", f"everything is computed on {machine.cores} cores")
    for key, processes in (
        ("train_gan", parameters.train_gan.processes),
        ("compute", parameters.compute.processes or 1),
    ):
        if processes > machine.cores:
            text = f"{key}.processes is {processes}, more than the {machine.cores} cores"
            yield CheckLine("warning", "device", text)


def check_cluster(compute: ComputeParameters) -> tuple[list[CheckLine], int]:
    """Return lines on the cluster of ``compute.address``, and how many workers it has.

    Without such a cluster there is no line and no worker.
    """
    if compute.backend == "local" or compute.address is None:
        return [], 0
    from pipeline.compute.cluster import cluster_workers

    try:
        n = cluster_workers(compute.address)
    except PipelineError as error:
        return [CheckLine("error", "cluster", str(error))], 0
    text = f"{n} tasks at once on the workers of {compute.address}"
    return [CheckLine("ok" if n else "warning", "cluster", text)], n


def check_inception(project: Project) -> CheckLine:
    """Return whether the weights of InceptionV3 are there; TORCH_HOME and XDG_CACHE_HOME count."""
    try:
        file = project.inception_weights
    except PipelineError as error:
        return CheckLine("error", "inception", str(error))
    if file is not None and not file.is_file():
        text = f"score.inception_weights is {file}; there is no such file"
        return CheckLine("error", "inception", text)
    if file is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
        home = Path(os.environ.get("TORCH_HOME") or cache).expanduser()
        file = home / "hub" / "checkpoints" / _INCEPTION_FILE
    if file.is_file():
        return CheckLine("ok", "inception", f"InceptionV3 weights: {file}")
    text = f"the InceptionV3 weights (96 MB) will be downloaded, because {file} does not exist"
    return CheckLine("warning", "inception", text)


def check_disk(root: Path, needed: int | None) -> CheckLine:
    """Return whether ``needed`` bytes can be written; None where that is not known."""
    if not os.access(root, os.W_OK):
        return CheckLine("error", "disk", f"{root} cannot be written to")
    free = _free_disk(root)
    if needed is None:
        return CheckLine("ok", "disk", f"{size_text(free)} free")
    text = f"{size_text(free)} free, the study writes about {size_text(needed)}"
    # An estimate that is missed by half must not stop anybody.
    status: Status = "error" if free < needed / 2 else "warning" if free < 1.5 * needed else "ok"
    return CheckLine(status, "disk", text)


def _free_disk(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def check_memory(needed: int) -> CheckLine:
    """Return whether ``needed`` bytes of memory can be had."""
    available = _available_memory()
    text = f"{size_text(available)} available, the study takes about {size_text(needed)}"
    if available < needed:
        return CheckLine("warning", "memory", f"{text}; fewer compute.processes take less")
    return CheckLine("ok", "memory", text)


def _available_memory() -> int:
    """Return the bytes that can be had, inside a container no more than its limit leaves."""
    import psutil

    available = int(psutil.virtual_memory().available)
    for limit, used in _MEMORY_LIMITS:
        try:
            left = int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):  # no such group, or the word "max"
            continue
        available = min(available, max(0, left))
    return available


def size_text(n: float) -> str:
    """Return a number of bytes in words."""
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"
