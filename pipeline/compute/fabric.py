"""Where a generator trains: device, precision and processes, by the parameters and the machine."""

from __future__ import annotations

import logging

import torch
from lightning_fabric import Fabric

from pipeline.compute.training_processes import launch
from pipeline.errors import PipelineError
from pipeline.parameters.models import GanParameters


def make_fabric(settings: GanParameters) -> Fabric:
    """Return launched Lightning Fabric for the parameters' device, precision and processes.

    bf16 is chosen by what the processor can do, never by a timing.
    """
    # Fabric tells on its loggers what params.yaml already says.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device = settings.device
    if device == "auto":
        enough = torch.cuda.is_available() and torch.cuda.device_count() >= settings.processes
        device = "cuda" if enough else "cpu"
    if device == "cuda" and torch.cuda.device_count() < settings.processes:
        raise PipelineError(
            f"params.yaml: train_gan.device is cuda with {settings.processes} processes; this "
            f"machine has {torch.cuda.device_count()} usable GPUs; allowed: cpu or auto, or fewer"
        )
    # The same bytes after a stop need the same kernels.
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    precision = settings.precision
    if precision == "auto":
        able = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device == "cuda"
            else torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
        precision = "bf16-mixed" if able else "32-true"
    fabric = Fabric(
        accelerator=device,
        devices=settings.processes,
        strategy="ddp" if settings.processes > 1 else "auto",
        precision=precision,
    )
    launch(fabric)
    return fabric
