"""Where, how exactly and on how many threads everything is computed: part of a result."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch

from augment.placing import same_kernels
from pipeline.errors import PipelineError
from pipeline.parameters.models import Parameters

Precision = Literal["bf16-mixed", "32-true"]


def chosen_precision(parameters: Parameters) -> Precision:
    """Return the precision of generators' training, by Fabric's names.

    ``auto`` goes by what the device and the processor can do, never by a timing.

    Raises:
        PipelineError: as `chosen_device`.
    """
    device, wanted = chosen_device(parameters).type, parameters.train_gan.precision
    if wanted != "auto":
        return wanted
    able = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if device == "cuda"
        else torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )
    return "bf16-mixed" if able else "32-true"


def chosen_device(parameters: Parameters) -> torch.device:
    """Return the device of every stage; ``auto`` takes a GPU where each training process has one.

    Raises:
        PipelineError: one line; a GPU is asked for, and there are not enough of them.
    """
    wanted, processes = parameters.compute.device, parameters.train_gan.processes
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cuda" and gpus < processes:
        fewer = ", or fewer processes" if gpus else ""
        raise PipelineError(
            f"params.yaml: compute.device is cuda and train_gan.processes {processes}; this "
            f"machine has {gpus} usable GPUs; allowed: cpu or auto{fewer}"
        )
    if wanted == "cpu" or gpus < processes:
        return torch.device("cpu")
    same_kernels()
    return torch.device("cuda")


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Compute on ``n`` threads of this process: their number is part of what a result is."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def as_in_a_new_process(n: int) -> Iterator[None]:
    """Compute on ``n`` threads, whatever this process computed before."""
    torch.set_flush_denormal(False)
    with threads(n):
        yield
