"""Rough estimates of a study's time, disk space and memory, from its parameters alone.

The speeds are round figures of one ordinary processor: good enough to tell ten minutes from ten
hours, not to compare machines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from augment.generators.budget import epochs_between_scores
from augment.generators.family import system_of
from augment.mixing.counts import resolve_counts
from augment.mixing.strategies import STRATEGIES
from pipeline.parameters.models import FitParameters, Parameters
from pipeline.parameters.units import parse_unit
from pipeline.units import unit_names

LENET_SPEED = 10_000.0
"""Images/s that one thread trains a LeNet on at 32 x 32 pixels."""

CLASSIFIER_MULTIPLY_ADDS = 20e9
"""Multiplications a second of one thread in the training of torchvision's models."""

GAN_IMAGE_SECONDS = 0.5e-3
"""Seconds that two cores take for an image of training whatever the networks' size."""

GAN_MULTIPLY_ADDS = 40e9
"""Multiplications a second of two cores in a generator's training."""

GPU_GAIN = 20.0
"""How many times faster than two cores a GPU is taken to train and draw: nothing was timed."""

INCEPTION_SPEED = 6.0
"""Images/s through InceptionV3 at 299 x 299 pixels, one core."""

UNITS_GAIN = 1.4
"""How many times sooner two units are done side by side, one thread each, than one after the other
on two threads."""

_MOST_ARMS = 5
"""Chosen mix, chosen control, real alone, classical, mix with classical."""

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


def on_gpu(parameters: Parameters, machine: Machine) -> bool:
    """Return whether a study is computed on a GPU, as far as one can tell without torch."""
    return machine.gpu and parameters.compute.device != "cpu"


def cell_sizes(parameters: Parameters, n_train: int) -> list[int]:
    """Return the number of training images of every cell of a unit, seeds counted apart.

    Real images alone are in every grid; counts that mean nothing in a strategy make no cell.

    Args:
        parameters: the whole of params.yaml.
        n_train: training images of the unit.
    """
    mix = parameters.mix
    of_real = set(resolve_counts(mix.real, n_train))
    if parameters.study.protocol == "strict":
        of_real = {n_train, *([0] if 0 in mix.real else [])}
    sizes = []
    for n_real in of_real:
        for n_synthetic in set(resolve_counts(mix.synthetic, n_train)):
            for name in ("none", *mix.strategies):
                if STRATEGIES[name].takes(n_real, n_synthetic):
                    sizes += [n_real + n_synthetic] * len(mix.seeds)
    return sizes


def unit_sizes(parameters: Parameters, n_train: int) -> list[int]:
    """Return the training images of every unit."""
    return [parse_unit(unit).n_real or n_train for unit in unit_names(parameters, n_train)]


def _images_shown(fit: FitParameters, batch_size: int, n: int) -> int:
    if fit.steps is not None:
        return fit.steps * batch_size
    return (fit.epochs or 0) * n


def _gan_speeds(parameters: Parameters, size: StudySize, machine: Machine) -> tuple[float, float]:
    """Return images/s of a generator's training, and of drawing from it."""
    gan, data = parameters.train_gan, parameters.data
    system = system_of(gan.system, gan.options)
    width = 1.0 if gan.width is None else gan.width
    architecture = system.architecture(size.n_classes, data.channels, data.image_size, width)
    cost = system.cost(architecture)
    cores = (min(machine.cores, 16) / 2) ** 0.8
    gain = GPU_GAIN if on_gpu(parameters, machine) else cores
    training = GAN_IMAGE_SECONDS * cost.updates + cost.training / GAN_MULTIPLY_ADDS
    drawing = GAN_IMAGE_SECONDS / 4 + cost.drawing / GAN_MULTIPLY_ADDS
    return gain / training, gain / drawing


def _classifier_speed(parameters: Parameters) -> float:
    """Return images/s that one thread trains the classifier on; one of the user's is a LeNet."""
    from classifiers.models.registry import BUILT_IN

    model, side = parameters.classifier.model, parameters.classifier.input_size
    if model in BUILT_IN or ":" in model:
        return LENET_SPEED * (32 / side) ** 2
    from classifiers.models.torchvision import multiply_adds as of_model

    # Backward costs twice forward.
    return CLASSIFIER_MULTIPLY_ADDS / (3 * of_model(model, side))


def estimate_minutes(parameters: Parameters, size: StudySize, machine: Machine) -> dict[str, float]:
    """Return a rough number of minutes for each part of a study."""
    p = parameters
    batch = p.classifier.batch_size
    gpu = on_gpu(p, machine)
    classifier = _classifier_speed(p) * (GPU_GAIN if gpu else 1.0)
    gan, forward = _gan_speeds(p, size, machine)
    units = unit_sizes(p, size.n_train)
    pooled = sum(_pooled(p, n, size.n_classes) for n in units)
    processes = _processes(p, machine)
    # Units are done side by side, each on a part of the cores.
    gain = UNITS_GAIN if len(units) > 1 and processes > 1 else 1.0
    from_folder = p.generate.source == "folder"
    cells = [n for unit in units for n in cell_sizes(p, unit)]
    cells += _confirmed_sizes(p, units)
    seconds = {
        "judges and examiner": _images_shown(p.train_examiner, batch, size.n_train) / classifier
        + sum(_images_shown(p.train_judge, batch, n) for n in units) / classifier / gain,
        "generators": 0.0
        if from_folder
        else sum(_generator_seconds(p, n, gan, forward, classifier) for n in units) / gain,
        "images": pooled * (1 / forward + 0.3 / classifier) / gain,
        "classifiers": sum(_images_shown(p.train_classifiers, batch, n) for n in cells)
        / (classifier * max(1, processes)),
        "rest": FIXED_SECONDS,
    }
    if p.score.inception:
        seconds["inception"] = (
            3 * p.score.n / (INCEPTION_SPEED * (GPU_GAIN if gpu else machine.cores))
        )
    return {part: value / 60 for part, value in seconds.items()}


def _processes(p: Parameters, machine: Machine) -> int:
    """Return the tasks that are done at once."""
    at_once = 1 if on_gpu(p, machine) else machine.cores
    return min(p.compute.processes or at_once, machine.cores)


def _pooled(p: Parameters, n_train: int, n_classes: int) -> int:
    """Return the images in a unit's pools, where all classes are alike."""
    entries = [p.generate.per_class, *([] if p.filter is None else [p.filter.per_class])]
    return sum(n * n_classes if isinstance(n, int) else round(n * n_train) for n in entries)


def _confirmed_sizes(p: Parameters, units: Sequence[int]) -> list[int]:
    """Return the training images of every classifier that confirms a choice, half ones counted."""
    arms = min(_MOST_ARMS, 1 + len(p.mix.strategies))
    largest = [n for n in units if n == max(units)]
    sizes = {n: max(cell_sizes(p, n), default=0) for n in set(largest)}
    return [sizes[n] for n in largest for _ in range(arms * (p.study.confirm_seeds + 1))]


def _generator_seconds(
    p: Parameters, n_train: int, gan: float, forward: float, classifier: float
) -> float:
    """Return the time of one generator's training, with the scores of its epochs."""
    shown = p.train_gan.images or (p.train_gan.epochs or 0) * n_train
    passes = shown / max(1, n_train)
    epoch_steps = n_train // system_of(p.train_gan.system, p.train_gan.options).batch_size
    scored = passes / max(1, epochs_between_scores(math.ceil(passes), epoch_steps))
    return shown / gan + scored * p.train_gan.evaluate * (1 / forward + 0.5 / classifier)


def _image_bytes(parameters: Parameters) -> int:
    return parameters.data.image_size**2 * parameters.data.channels


def estimate_disk(parameters: Parameters, size: StudySize) -> int:
    """Return roughly how many bytes a study writes, DVC's cache included."""
    units = unit_sizes(parameters, size.n_train)
    images = size.n_images + sum(_pooled(parameters, n, size.n_classes) for n in units)
    # Twice: DVC keeps a copy of every output where the file system has no links for it.
    return 2 * images * _image_bytes(parameters) + FIXED_BYTES


def estimate_memory(parameters: Parameters, size: StudySize, machine: Machine) -> int:
    """Return roughly how many bytes of memory a study's largest stage takes."""
    processes = _processes(parameters, machine)
    largest = max(cell_sizes(parameters, size.n_train), default=0)
    return processes * (PROCESS_BYTES + largest * _image_bytes(parameters))
