"""How a generator trains: precision and processes, by the parameters and the machine."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.compute.device import chosen_device, chosen_precision
from pipeline.compute.training_processes import launch
from pipeline.parameters.models import Parameters

# It takes seconds to import, which a study of given images need not wait for.
if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_fabric(parameters: Parameters) -> Fabric:
    """Return launched Lightning Fabric for the parameters' device, precision and processes.

    Raises:
        PipelineError: as `chosen_device`.
    """
    from lightning_fabric import Fabric

    # Fabric tells on its loggers what params.yaml already says.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    processes = parameters.train_gan.processes
    fabric = Fabric(
        accelerator=chosen_device(parameters).type,
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        precision=chosen_precision(parameters),
    )
    launch(fabric)
    return fabric
