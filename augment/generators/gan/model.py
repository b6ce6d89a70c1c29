"""What the contracts ask of this family: a trainer, and the network of a checkpoint."""

from augment.generators.gan.adversaries import build_trainer
from augment.generators.gan.architectures import read_architecture
from augment.generators.gan.networks import Generator

__all__ = ["Generator", "build_trainer", "read_architecture"]
