"""Whether there will be as many images as params.yaml asks for: one answer for check and stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from augment.mixing.counts import (
    Count,
    counts_per_class,
    pool_size,
    resolve_count,
    resolve_counts,
    unknown_classes,
)
from pipeline.parameters.errors import ParameterError
from pipeline.parameters.models import Parameters
from pipeline.parameters.text import nearest, shown
from pipeline.units import parse_unit, unit_names

if TYPE_CHECKING:
    import numpy as np


def check_feasible(
    parameters: Parameters,
    real_per_class: np.ndarray,
    test_per_class: np.ndarray | None,
    class_names: Sequence[str],
) -> None:
    """Refuse a study that asks for more images than there will be, before anything is trained.

    Args:
        parameters: the whole of params.yaml.
        real_per_class: int64, training images of each class (after test and validation are taken).
        test_per_class: int64, test images of each class; None leaves out what is scored on them,
            where the test set must not be read.
        class_names: one name a class, in the same order.

    Raises:
        ParameterError: everything that cannot be had, as in `infeasible`.
    """
    found = infeasible(parameters, real_per_class, test_per_class, class_names)
    if found:
        raise ParameterError(f"params.yaml: {each}" for each in found)


def infeasible(
    parameters: Parameters,
    real_per_class: np.ndarray,
    test_per_class: np.ndarray | None,
    class_names: Sequence[str],
) -> list[str]:
    """Return a line for everything in params.yaml that these images cannot give.

    Args and order as in `check_feasible`; every line names the key, its value and what would fit.
    """
    import numpy as np

    real = np.asarray(real_per_class, dtype=np.int64)
    empty = np.flatnonzero(real <= 0)
    if empty.size:
        name = shown(class_names[empty[0]])
        return [f"class {name} has no training image; allowed: at least 1 of each"]
    n_train = int(real.sum())
    test = None if test_per_class is None else np.asarray(test_per_class)
    mix = parameters.mix
    return [
        *_wrong_totals("mix.real", mix.real, n_train),
        *(
            f"mix.real[{index}] is {count}; allowed: at most the {n_train} training images"
            for index, count in enumerate(resolve_counts(mix.real, n_train))
            if count > n_train
        ),
        *_wrong_totals("mix.synthetic", mix.synthetic, n_train),
        *(
            f"mix.synthetic[{index}] names the class {_no_class(name, class_names)}"
            for index, entry in enumerate(mix.synthetic)
            for name in unknown_classes(entry, class_names)
        ),
        *_nothing_generated(parameters, n_train),
        *_wrong_units(parameters, real, class_names),
        *_wrong_batches(parameters, n_train),
        *_small_pools(parameters, real, test, class_names),
    ]


def _no_class(name: str, class_names: Sequence[str]) -> str:
    close = nearest(name, class_names)
    meant = f"did you mean {shown(close)}? " if close else ""
    return f"{shown(name)}; {meant}allowed: {shown(list(class_names))[1:-1]}"


def _wrong_totals(key: str, entries: Sequence[Count], n_train: int) -> Iterator[str]:
    """Yield shares of no image, and entries that come to the same number of images."""
    first_with: dict[int, int] = {}
    for index, (entry, total) in enumerate(
        zip(entries, resolve_counts(entries, n_train), strict=True)
    ):
        if total == 0 and entry != 0:
            yield (
                f"{key}[{index}] is {shown(entry)}, less than one of the {n_train} training images;"
                f" allowed: 0 or at least {_least_share(n_train)}"
            )
        elif total in first_with:
            yield (
                f"{key}[{first_with[total]}] and {key}[{index}] are both {total} images of "
                f"{n_train}; allowed: every number once"
            )
        first_with.setdefault(total, index)


def _least_share(n_train: int) -> float:
    """Return the smallest share, in ten thousandths, that is one image."""
    least = max(1, -(-10_000 // (2 * n_train))) / 10_000
    return least if resolve_count(least, n_train) else least + 1e-4


def _nothing_generated(parameters: Parameters, n_train: int) -> Iterator[str]:
    """Yield that the smallest unit has no generated image: a share is one of the unit's images."""
    from augment.mixing.strategies import STRATEGIES

    mix, name = parameters.mix, unit_names(parameters, n_train)[-1]
    n_unit = parse_unit(name).n_real or n_train
    of_all, of_unit = (any(resolve_counts(mix.synthetic, n)) for n in (n_train, n_unit))
    if of_unit or not of_all:
        return
    for index, strategy in enumerate(mix.strategies):
        if not STRATEGIES[strategy].is_control:
            yield (
                f"mix.synthetic has no generated image for unit {name}, which has {n_unit} "
                f"training images, and mix.strategies[{index}] is {strategy}; allowed: a share of "
                f"at least {_least_share(n_unit)}, or a number of images"
            )
            return


def _wrong_units(
    parameters: Parameters, real: np.ndarray, class_names: Sequence[str]
) -> Iterator[str]:
    """Yield real counts one of whose subsets has no image of a class."""
    from augment.images.subsets import subset_counts

    n_train = int(real.sum())
    entries = parameters.mix.real
    index_of = {count: i for i, count in enumerate(resolve_counts(entries, n_train))}
    for name in unit_names(parameters, n_train):
        unit = parse_unit(name)
        if unit.n_real is None or unit.n_real not in index_of:
            continue
        empty = (subset_counts(real, unit.n_real, unit.repeat) == 0).nonzero()[0]
        if len(empty):
            index = index_of.pop(unit.n_real)  # one line a count
            yield (
                f"mix.real[{index}] is {shown(entries[index])}: unit {name} has no image of class "
                f"{shown(class_names[empty[0]])}; allowed: more images"
            )


def _wrong_batches(parameters: Parameters, n_train: int) -> Iterator[str]:
    """Yield why a batch cannot be filled by a unit's images, or shared by the processes."""
    gan = parameters.train_gan
    if parameters.generate.source == "folder":
        return  # needs no generator
    from augment.generators.family import system_of

    units = [parse_unit(name) for name in unit_names(parameters, n_train)]
    smallest = min(unit.n_real or n_train for unit in units)
    system = system_of(gan.system, gan.options)
    batch = system.batch_size
    own = "" if "batch_size" in gan.options else f" ({gan.system}'s own)"
    key = f"train_gan.options.batch_size is {batch}{own}"
    if batch > smallest:
        yield f"{key}; allowed: at most the {smallest} training images"
    if batch % gan.processes:
        yield f"{key}; allowed: a multiple of train_gan.processes, {gan.processes}"
    if batch == gan.processes and system.batch_norm:
        yield (
            f"{key}; allowed: at least 2 images for each of the {gan.processes} processes, for "
            "batch norm has no spread of one image"
        )


def _units_per_class(parameters: Parameters, real: np.ndarray) -> list[np.ndarray]:
    """Return the training images of each class of every unit."""
    from augment.images.subsets import subset_counts

    n_train = int(real.sum())
    units = [parse_unit(name) for name in unit_names(parameters, n_train)]
    return [
        subset_counts(real, min(unit.n_real or n_train, n_train), unit.repeat) for unit in units
    ]


def _small_pools(
    parameters: Parameters, real: np.ndarray, test: np.ndarray | None, class_names: Sequence[str]
) -> Iterator[str]:
    """Yield for each pool that is too small what asks most of it, and the size that would do."""
    from augment.images.splits import scored_per_class
    from augment.mixing.strategies import STRATEGIES

    units = _units_per_class(parameters, real)
    used = {STRATEGIES[name].pool for name in parameters.mix.strategies}
    entries = {"generated": ("generate.per_class", parameters.generate.per_class)}
    if parameters.filter is not None:
        entries["filtered"] = ("filter.per_class", parameters.filter.per_class)
    # What each entry asks of every unit.
    demands = {
        f"mix.synthetic[{index}] is {shown(entry)}": [
            counts_per_class(entry, unit, class_names) for unit in units
        ]
        for index, entry in enumerate(parameters.mix.synthetic)
        if not unknown_classes(entry, class_names)
    }
    for pool, (key, entry) in entries.items():
        wanted = dict(demands) if pool in used else {}
        if test is not None and (pool == "generated" or pool in used):
            scored = scored_per_class(test, parameters.score.n)
            wanted[f"score.n is {parameters.score.n}"] = [scored] * len(units)
        sizes = [pool_size(entry, unit) for unit in units]
        # The largest demand of each that a pool cannot meet, with the pool's size.
        too_many = {
            what: max(missing, key=lambda pair: int(pair[0].max()))
            for what, counts in wanted.items()
            if (
                missing := [
                    (n, size)
                    for n, size in zip(counts, sizes, strict=True)
                    if int(n.max(initial=0)) > size
                ]
            )
        }
        if too_many:
            what = max(too_many, key=lambda each: int(too_many[each][0].max()))
            counts, size = too_many[what]
            most, name = int(counts.max()), shown(class_names[int(counts.argmax())])
            others = f" (and {len(too_many) - 1} more ask too much)" if len(too_many) > 1 else ""
            of_unit = "" if isinstance(entry, int) else f", which is {size} images of each class"
            yield (
                f"{key} is {shown(entry)}{of_unit}, and {what}, which takes {most} images of class "
                f"{name}{others}; allowed: {key} of at least {most}, or fewer asked for"
            )
