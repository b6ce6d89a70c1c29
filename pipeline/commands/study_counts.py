"""The counts of a study, from its parameters: units, cells, pools, a generator's training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from augment.generators.budget import Budget, checkpoint_epochs, epochs_between_scores
from augment.generators.family import Architecture, System, system_of
from augment.mixing.counts import resolve_counts
from augment.mixing.strategies import STRATEGIES
from pipeline.parameters.models import Parameters
from pipeline.units import parse_unit, unit_names


@dataclass(frozen=True)
class StudySize:
    """How many images and classes a study has."""

    n_train: int  # images that are trained on, without validation and test
    n_images: int  # all images of the source
    n_classes: int

    @property
    def n_held_out(self) -> int:
        """Images for validation and test."""
        return self.n_images - self.n_train


@dataclass(frozen=True)
class Cell:
    """The images that one classifier of the grid is trained on."""

    n_images: int
    generated: bool
    classical: bool


def unit_cells(parameters: Parameters, n_train: int) -> list[Cell]:
    """Return the cells of a unit, seeds counted apart.

    Real images alone are in every grid; counts that mean nothing in a strategy make no cell.

    Args:
        parameters: the whole of params.yaml.
        n_train: training images of the unit.
    """
    mix = parameters.mix
    of_real = set(resolve_counts(mix.real, n_train))
    if parameters.study.protocol == "strict":
        of_real = {n_train, *([0] if 0 in mix.real else [])}
    cells = []
    for n_real in of_real:
        for n_synthetic in set(resolve_counts(mix.synthetic, n_train)):
            for name in ("none", *mix.strategies):
                strategy = STRATEGIES[name]
                if strategy.takes(n_real, n_synthetic):
                    n = n_real + n_synthetic
                    cell = Cell(n, not strategy.is_control, strategy.classical > 0)
                    cells += [cell] * len(mix.seeds)
    return cells


def confirmed_cells(cells: Sequence[Cell]) -> list[Cell]:
    """Return those of a unit's cells that are trained again: the largest of each kind.

    An arm of the verdict is real images or a mix, transformed or not; the best control and the best
    mix are among these.
    """
    largest: dict[tuple[bool, bool], Cell] = {}
    for cell in sorted(cells, key=lambda cell: cell.n_images):
        largest[cell.generated, cell.classical] = cell
    return list(largest.values())


def unit_sizes(parameters: Parameters, n_train: int) -> list[int]:
    """Return the training images of every unit."""
    return [parse_unit(unit).n_real or n_train for unit in unit_names(parameters, n_train)]


def networks(parameters: Parameters, n_classes: int) -> tuple[System, Architecture]:
    """Return the system of a study's generators, and their networks."""
    gan, data = parameters.train_gan, parameters.data
    system = system_of(gan.system, gan.options)
    width = 1.0 if gan.width is None else gan.width
    return system, system.architecture(n_classes, data.channels, data.image_size, width)


class Training(NamedTuple):
    """The training of one unit's generator."""

    shown: int  # real images
    scored: int  # generators that its judge scores
    kept: int  # generators that are kept for the examiner

    @classmethod
    def of(cls, p: Parameters, n: int) -> Training:
        """Return that of a unit with n images."""
        gan = p.train_gan
        system = system_of(gan.system, gan.options)
        epoch_steps = max(1, n // system.batch_size)
        steps = Budget(gan.images, gan.epochs).steps(batch_size=system.batch_size, n_images=n)
        epochs = max(1, -(-steps // epoch_steps))
        every = epochs_between_scores(epochs, epoch_steps)
        copies = 2 if system.weights == "plain" and system.ema_decay else 1
        kept = checkpoint_epochs(epochs, every, gan.checkpoints)
        return cls(steps * system.batch_size, -(-epochs // every) * copies, len(kept) * copies)


def scored_images(parameters: Parameters, size: StudySize) -> int:
    """Return how many images of a pool stage score takes: at most half of the test images."""
    return max(1, min(parameters.score.n, test_images(parameters, size) // 2))


def test_images(parameters: Parameters, size: StudySize) -> int:
    """Return the images for test, where validation has its share of the others."""
    share = parameters.data.validation
    return max(1, size.n_held_out - round(size.n_train * share / (1 - share)))


def pooled(per_class: int | float | None, n_train: int, n_classes: int) -> int:
    """Return the images in a unit's pool, where all classes are alike."""
    if isinstance(per_class, int):
        return per_class * n_classes
    return round((per_class or 0.0) * n_train)


def image_bytes(parameters: Parameters) -> int:
    """Return the bytes of one image of a study."""
    return parameters.data.image_size**2 * parameters.data.channels
