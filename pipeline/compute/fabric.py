"""How a generator trains: precision and processes, by the parameters and the machine."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from pipeline.compute.device import chosen_device
from pipeline.compute.training_processes import launch
from pipeline.parameters.models import Parameters

# It takes seconds to import, which a study of given images need not wait for.
if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_fabric(parameters: Parameters) -> Fabric:
    """Return launched Lightning Fabric for the parameters' device, precision and processes.

    bf16 is chosen by what the processor can do, never by a timing.

    Raises:
        PipelineError: as `chosen_device`.
    """
    from lightning_fabric import Fabric

    # Fabric tells on its loggers what params.yaml already says.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device, settings = chosen_device(parameters).type, parameters.train_gan
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
