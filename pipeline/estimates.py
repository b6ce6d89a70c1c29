"""Rough estimates of a study's time, disk space and memory, from its parameters alone.

The speeds are round figures of one ordinary processor: good enough to tell ten minutes from ten
hours, not to compare machines.
"""

from __future__ import annotations

from dataclasses import dataclass

from augment.architectures import multiply_adds
from augment.strategies import STRATEGIES
from pipeline.parameters import FitParameters, Parameters, chosen_system, resolve_counts

LENET_SPEED = 10_000.0
"""Images/s that one thread trains a LeNet on at 32 x 32 pixels."""

GAN_IMAGE_SECONDS = 0.5e-3
"""Seconds that two cores take for an image of training whatever the networks' size."""

GAN_MULTIPLY_ADDS = 40e9
"""Multiplications a second of two cores in a generator's training."""

GPU_GAIN = 20.0
"""How many times faster than two cores a GPU trains a generator."""

INCEPTION_SPEED = 6.0
"""Images/s through InceptionV3 at 299 x 299 pixels, one core."""

FIXED_SECONDS = 60.0
"""Reading the images, starting the stages, figures and report."""

FIXED_BYTES = 200 * 10**6
"""Models, tables, figures and resume states."""

PROCESS_BYTES = 500 * 10**6
"""Memory of one process that has imported torch, before any image."""


@dataclass(frozen=True)
class Machine:
    """What an estimate needs to know of a machine."""

    cores: int
    gpu: bool


@dataclass(frozen=True)
class StudySize:
    """How many images and classes a study has."""

    n_train: int  # images that are trained on, without validation and test
    n_images: int  # all images of the source
    n_classes: int


def cell_sizes(parameters: Parameters, n_train: int) -> list[int]:
    """Return the number of training images of every cell of the grid, seeds counted apart.

    Real images alone are in every grid; counts that mean nothing in a strategy make no cell.
    """
    mix = parameters.mix
    sizes = []
    for n_real in resolve_counts(mix.real, n_train):
        for n_synthetic in resolve_counts(mix.synthetic, n_train):
            for name in ("none", *mix.strategies):
                if STRATEGIES[name].takes(n_real, n_synthetic):
                    sizes += [n_real + n_synthetic] * len(mix.seeds)
    return sizes


def _images_shown(fit: FitParameters, batch_size: int, n: int) -> int:
    if fit.steps is not None:
        return fit.steps * batch_size
    return (fit.epochs or 0) * n


def _gan_speeds(parameters: Parameters, size: StudySize, machine: Machine) -> tuple[float, float]:
    """Return images/s of a generator's training, and of drawing from it."""
    gan, data = parameters.train_gan, parameters.data
    system = chosen_system(gan)
    width = 1.0 if gan.width is None else gan.width
    architecture = system.architecture(size.n_classes, data.channels, data.image_size, width)
    made, judged = multiply_adds(architecture)
    # Backward costs twice forward; the discriminator sees real and generated images.
    g, d = system.generator_updates, system.discriminator_updates
    if architecture.code_discriminator:  # An encoder in its place sees every image once.
        operations = 3 * (made + judged)
    else:
        operations = made * (3 * g + d - 1) + judged * (6 * d + 3 * g)
    cores = (min(machine.cores, 16) / 2) ** 0.8
    gain = GPU_GAIN if machine.gpu and gan.device != "cpu" else cores
    training = GAN_IMAGE_SECONDS * max(g, d) + operations / GAN_MULTIPLY_ADDS
    drawing = GAN_IMAGE_SECONDS / 4 + made / GAN_MULTIPLY_ADDS
    return gain / training, cores / drawing  # Images are drawn on the CPU.


def estimate_minutes(parameters: Parameters, size: StudySize, machine: Machine) -> dict[str, float]:
    """Return a rough number of minutes for each part of a study."""
    p = parameters
    batch = p.lenet.batch_size
    lenet = LENET_SPEED * (32 / p.lenet.input_size) ** 2
    gan, forward = _gan_speeds(p, size, machine)
    shown = p.train_gan.images or (p.train_gan.epochs or 0) * size.n_train
    passes = shown / max(1, size.n_train)
    pooled = p.generate.per_class + (p.filter.per_class if p.filter is not None else 0)
    processes = min(p.train_classifiers.processes or machine.cores, machine.cores)
    cells = cell_sizes(p, size.n_train)
    seconds = {
        "judge and examiner": sum(
            _images_shown(fit, batch, size.n_train) / lenet
            for fit in (p.train_examiner, p.train_judge)
        ),
        "generator": shown / gan + passes * p.train_gan.evaluate * (1 / forward + 0.5 / lenet),
        "images": pooled * size.n_classes * (1 / forward + 0.3 / lenet),
        "classifiers": sum(_images_shown(p.train_classifiers, batch, n) for n in cells)
        / (lenet * max(1, processes)),
        "rest": FIXED_SECONDS,
    }
    if p.score.inception:
        seconds["inception"] = 3 * p.score.n / (INCEPTION_SPEED * machine.cores)
    return {part: value / 60 for part, value in seconds.items()}


def _image_bytes(parameters: Parameters) -> int:
    return parameters.data.image_size**2 * parameters.data.channels


def estimate_disk(parameters: Parameters, size: StudySize) -> int:
    """Return roughly how many bytes a study writes, DVC's cache included."""
    pools = parameters.generate.per_class
    if parameters.filter is not None:
        pools += parameters.filter.per_class
    images = size.n_images + pools * size.n_classes
    # Twice: DVC keeps a copy of every output where the file system has no links for it.
    return 2 * images * _image_bytes(parameters) + FIXED_BYTES


def estimate_memory(parameters: Parameters, size: StudySize, machine: Machine) -> int:
    """Return roughly how many bytes of memory a study's largest stage takes."""
    processes = parameters.train_classifiers.processes or machine.cores
    largest = max(cell_sizes(parameters, size.n_train), default=0)
    return processes * (PROCESS_BYTES + largest * _image_bytes(parameters))
