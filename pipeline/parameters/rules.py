"""Rules between the keys of params.yaml, each a line where it is broken."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from pydantic import ValidationError

from pipeline.parameters.models import Parameters
from pipeline.parameters.text import allowed_names, did_you_mean, problems, shown

_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class AbsentKeyError(Exception):
    """A rule asked for a key that is not in the file, or whose value is not allowed."""


def broken_rules(p: Parameters) -> Iterator[str]:
    """Yield one line for each rule between keys that does not hold; `_RULES` gives the order."""
    for rule in _RULES:
        with suppress(AbsentKeyError):
            yield from rule(p)


def _several_units_and_processes(p: Parameters) -> Iterator[str]:
    if p.train_gan.processes == 1:
        return
    smaller = p.study.protocol == "strict" and sum(map(bool, p.mix.real)) > 1
    if p.study.repeats > 1 or smaller:
        yield (
            f"train_gan.processes is {p.train_gan.processes}; allowed with several units: 1, for "
            "units are trained side by side; study.repeats 1 and one real count make one unit"
        )


def _wrong_cluster(p: Parameters) -> Iterator[str]:
    """Yield what does not go with where the work runs."""
    compute = p.compute
    if compute.backend == "local":
        if compute.address is not None:
            yield (
                f"compute.address is {shown(compute.address)}; allowed: null, because "
                "compute.backend is local"
            )
        return
    if compute.address is None:
        yield "compute.address is null; allowed: an address, because compute.backend is dask"
    if compute.processes is not None:
        yield (
            f"compute.processes is {compute.processes}; allowed: null, because compute.backend is "
            "dask, where workers say how many"
        )


def _several_processes_on_a_cluster(p: Parameters) -> Iterator[str]:
    if p.train_gan.processes > 1 and p.compute.backend == "dask":
        yield (
            f"train_gan.processes is {p.train_gan.processes}; allowed: 1, because compute.backend "
            "is dask, where a unit has one worker"
        )


def wrong_path(p: Parameters) -> Iterator[str]:
    """Yield a line where data.path is there, or not, and data.source asks for the other."""
    if p.data.source == "folder" and p.data.path is None:
        yield "data.path is null; allowed: a path, because data.source is folder"
    if p.data.source == "mnist5k" and p.data.path is not None:
        yield (
            f"data.path is {shown(p.data.path)}; "
            "allowed: null, because data.source mnist5k is not read from a folder"
        )


def _wrong_pool(p: Parameters) -> Iterator[str]:
    source, path = p.generate.source, p.generate.path
    if (source == "folder") == (path is None):
        allowed = "a path" if source == "folder" else "null"
        given = f"generate.path is {shown(path)}; allowed: {allowed}"
        yield f"{given}, because generate.source is {source}"


def needless_groups(p: Parameters) -> Iterator[str]:
    """Yield a line where data.groups is set and data.source has no files of single images."""
    if p.data.groups is not None and p.data.source != "folder":
        yield (
            f"data.groups is {shown(p.data.groups)}; allowed: null, because data.source "
            f"{p.data.source} has no files of single images"
        )


def wrong_pattern(p: Parameters) -> Iterator[str]:
    """Yield a line where data.groups is neither a table's name nor a pattern that can be used."""
    if p.data.groups is None:
        return
    from augment.sources.grouping import GroupingError, compile_pattern, names_table

    if not names_table(p.data.groups):
        try:
            compile_pattern(p.data.groups)
        except GroupingError as error:
            yield str(error)


def _both_or_neither(name: str, one: str, p: Parameters) -> Iterator[str]:
    section = getattr(p, name)
    first, second = getattr(section, one), section.epochs
    if (first is None) == (second is None):
        yield (
            f"{name}.{one} is {shown(first)} and {name}.epochs is {shown(second)}; "
            "allowed: a number for exactly one of them, null for the other"
        )


def _wrong_model(p: Parameters) -> Iterator[str]:
    """Yield a line where there is no such classifier, without running any code of the user's."""
    from classifiers.models.registry import BUILT_IN

    name = p.classifier.model
    given = f"classifier.model is {shown(name)}"
    if name in BUILT_IN:
        return
    if ":" not in name:
        # Slow to import, so only where its models are asked for.
        from classifiers.models.torchvision import model_names

        names = [*BUILT_IN, *model_names()]
        if name not in names:
            yield (
                f"{given}; {did_you_mean(name, names)}allowed: {', '.join(BUILT_IN)}, a "
                "classification model of torchvision that ends with a linear layer, or "
                "package.module:function"
            )
    elif not _FACTORY.fullmatch(name):
        yield f"{given}; allowed: package.module:function, each a name of Python"
    elif not _is_found(name.partition(":")[0].partition(".")[0]):
        yield (
            f"{given}, and there is no module {name.partition(':')[0]}; allowed: one beside "
            "params.yaml, or on PYTHONPATH"
        )


def _is_found(package: str) -> bool:
    """Return whether a package or module could be imported, without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # such as __main__, which comes from no file
        return False


def _nothing_pretrained(p: Parameters) -> Iterator[str]:
    from classifiers.models.registry import BUILT_IN

    if not p.classifier.pretrained:
        return
    name = p.classifier.model
    if name in BUILT_IN:
        yield f"classifier.pretrained is true; allowed: false, because {name} has no such weights"
    elif ":" in name:
        yield (
            f"classifier.pretrained is true; allowed: false, because {shown(name)} loads its "
            "weights itself"
        )


def _wrong_system(p: Parameters) -> Iterator[str]:
    from augment.errors import AugmentError
    from augment.generators.family import system_of, systems

    name, options = p.train_gan.system, p.train_gan.options
    known = systems()
    if name not in known:
        yield f"train_gan.system is {shown(name)}; {allowed_names(name, known)}"
        return
    try:
        system_of(name, options).check_images(options, p.data.image_size)
    except ValidationError as error:
        wrong = problems(error, known[name].Options)
        yield from (f"train_gan.options.{each}" for each in wrong)
    except AugmentError as error:
        yield f"train_gan.options.{error}"


def _nothing_to_choose_by(p: Parameters) -> Iterator[str]:
    if p.train_gan.keep == "best" and p.data.validation == 0:
        yield "train_gan.keep is best; allowed: last, because data.validation is 0"


def _filtered_without_section(p: Parameters) -> Iterator[str]:
    if "filtered" in p.mix.strategies and p.filter is None:
        index = p.mix.strategies.index("filtered")
        yield f"mix.strategies[{index}] is filtered; allowed: mix, as there is no section filter"


def _classical_without_section(p: Parameters) -> Iterator[str]:
    from augment.mixing.strategies import STRATEGIES

    if p.classical is not None:
        return
    for index, name in enumerate(p.mix.strategies):
        if STRATEGIES[name].classical:
            yield (
                f"mix.strategies[{index}] is {name} and there is no section classical; "
                "allowed: the section, as in the params.yaml that comes with the project"
            )
            return


def _strategies_without_cell(p: Parameters) -> Iterator[str]:
    from augment.mixing.strategies import STRATEGIES

    if not any(p.mix.real) and not any(p.mix.synthetic):
        return  # the next rule says it
    grid = [(bool(r), bool(s)) for r in p.mix.real for s in p.mix.synthetic]
    for index, name in enumerate(p.mix.strategies):
        strategy = STRATEGIES[name]
        cells = (strategy.takes(int(r), int(s)) for r, s in grid)
        if not strategy.is_control and not any(cells):
            yield (
                f"mix.strategies[{index}] is {name}, which has no cell in mix.real x "
                f"mix.synthetic; allowed: with {strategy.needs}"
            )


def _grid_of_nothing(p: Parameters) -> Iterator[str]:
    if not any(p.mix.real) and not any(p.mix.synthetic):
        yield "mix.real and mix.synthetic hold only 0; allowed: a count above 0 in one of them"


# Each asks for few keys: one that is wrong elsewhere must not hide what they find.
_RULES: tuple[Callable[[Parameters], Iterator[str]], ...] = (
    _several_units_and_processes,
    _several_processes_on_a_cluster,
    _wrong_cluster,
    wrong_path,
    needless_groups,
    wrong_pattern,
    _wrong_pool,
    partial(_both_or_neither, "train_examiner", "steps"),
    partial(_both_or_neither, "train_judge", "steps"),
    partial(_both_or_neither, "train_classifiers", "steps"),
    partial(_both_or_neither, "train_gan", "images"),
    _wrong_model,
    _nothing_pretrained,
    _wrong_system,
    _nothing_to_choose_by,
    _filtered_without_section,
    _classical_without_section,
    _strategies_without_cell,
    _grid_of_nothing,
)
