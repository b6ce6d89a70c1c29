"""`augment check`: is params.yaml valid, and can this machine run the study? In about a second.

Nothing is written, and of a folder of pictures only a sample is looked at. What is decided here is
decided by the code of the stages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.commands.check_data import Found, check_data
from pipeline.commands.check_lines import CheckLine
from pipeline.commands.check_machine import (
    Machine,
    check_cache,
    check_cluster,
    check_device,
    check_disk,
    check_inception,
    check_memory,
    this_machine,
    workers_here,
)
from pipeline.commands.estimates import (
    Workers,
    duration_text,
    estimate_disk,
    estimate_memory,
    estimate_minutes,
)
from pipeline.commands.study_counts import StudySize, unit_cells, unit_sizes
from pipeline.errors import PipelineError
from pipeline.parameters.errors import ParameterError
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import parse_data, parse_parameters, read_values
from pipeline.project import Project


def run_check(root: Path) -> list[CheckLine]:
    """Check params.yaml, the data and the machine; all problems at once.

    Args:
        root: the project's folder, with params.yaml in it. Of the environment AUGMENT_DATA_DIR,
            TORCH_HOME, XDG_CACHE_HOME and CUDA_VISIBLE_DEVICES are read.

    Returns:
        The findings, in the order in which they should be read. A study can run when none has the
        status "error".
    """
    from augment.images.image_sets import one_line

    # Names of files may hold anything.
    return [replace(line, text=one_line(line.text)) for line in _check(root)]


def _check(root: Path) -> Iterator[CheckLine]:
    try:
        values = read_values(root / "params.yaml")
    except PipelineError as error:
        yield CheckLine("error", "parameters", str(error))
        return
    try:
        parameters = parse_parameters(values)
    except ParameterError as error:
        yield from (CheckLine("error", "parameters", each) for each in error.problems)
        data = parse_data(values)
        if data is not None:
            yield from check_data(data, root)[0]
        return
    yield CheckLine("ok", "parameters", "params.yaml is valid")
    lines, found = check_data(parameters.data, root)
    yield from lines
    project, machine = Project(root), this_machine()
    yield from check_cache(project)
    yield from check_device(parameters, machine)
    lines, on_cluster = check_cluster(parameters.compute)
    yield from lines
    if parameters.score.inception:
        yield check_inception(project)
    n_train = None
    if found is not None:
        lines, n_train = _check_grid(parameters, found)
        yield from lines
        if parameters.generate.source == "folder":
            yield _check_given(project, found.class_names)
    if found is None or n_train is None:
        yield check_disk(root, None)
        return
    size = _size_of(found, n_train)
    workers = workers_here(parameters.compute, machine)
    here = workers.at_once()
    if on_cluster:
        workers = Workers(on_cluster * parameters.compute.threads, on_cluster)
        here = 1  # a cluster's machines have their own memory
    yield check_disk(root, estimate_disk(parameters, size))
    yield check_memory(here * estimate_memory(parameters, size))
    yield _time_line(parameters, size, workers, machine)


def study_size(parameters: Parameters, root: Path) -> StudySize:
    """Return how many images and classes the study has, without loading one.

    Raises:
        PipelineError: in one line; the images cannot be read, or cannot fill the grid.
    """
    lines, found = check_data(parameters.data, root)
    n_train = None
    if found is not None:
        more, n_train = _check_grid(parameters, found)
        lines = [*lines, *more]
    problems = [line.text for line in lines if line.status == "error"]
    if found is None or n_train is None or problems:
        raise PipelineError(f"{'; '.join(problems[:1])}; `augment check` tells all problems")
    return _size_of(found, n_train)


def _size_of(found: Found, n_train: int) -> StudySize:
    n_images = sum(len(part.labels) for part in found.given.values())
    return StudySize(n_train, n_images, len(found.class_names))


def _check_grid(parameters: Parameters, found: Found) -> tuple[list[CheckLine], int | None]:
    """Return lines on the grid, and the number of training images where it is known."""
    from augment.errors import AugmentError
    from pipeline.data.real_images import divide, part_counts
    from pipeline.parameters.feasibility import infeasible

    names = found.class_names
    try:
        divided = divide(parameters, found.given, names)
    except AugmentError as error:
        return [CheckLine("error", "grid", str(error))], None
    counts = part_counts(divided, found.given, len(names))
    n_train = int(counts["train"].sum())
    problems = infeasible(parameters, counts["train"], counts["test"], names)
    if problems:
        return [CheckLine("error", "grid", f"params.yaml: {each}") for each in problems], n_train
    cells = sum(len(unit_cells(parameters, n)) for n in unit_sizes(parameters, n_train))
    text = f"{cells} classifiers on up to {n_train} training images in {len(names)} classes"
    lines = [CheckLine("ok", "grid", text)]
    lines += [
        CheckLine("warning", "grid", f"{n} images will be left out: {reason}")
        for reason, n in divided.dropped.items()
    ]
    return [*lines, *_check_length(parameters, n_train)], n_train


def _check_given(project: Project, class_names: Sequence[str]) -> CheckLine:
    from augment.errors import AugmentError
    from pipeline.pools.given_folder import check_given

    try:
        folder = check_given(project, class_names)
    except (PipelineError, AugmentError) as error:
        return CheckLine("error", "pool", str(error))
    return CheckLine("ok", "pool", f"the generated images are those of {folder}")


def _check_length(parameters: Parameters, n_train: int) -> Iterator[CheckLine]:
    """Warn of a generator's training that ends before it can have drawn anything."""
    if parameters.generate.source == "folder":
        return
    from augment.generators.budget import LEAST_STEPS, Budget
    from augment.generators.family import system_of

    gan = parameters.train_gan
    batch = system_of(gan.system, gan.options).batch_size
    n_train = min(unit_sizes(parameters, n_train))
    steps = Budget(gan.images, gan.epochs).steps(batch_size=batch, n_images=n_train)
    if gan.images is not None:
        key, least = "train_gan.images", LEAST_STEPS * batch
    else:
        key, least = "train_gan.epochs", -(-LEAST_STEPS // max(1, n_train // batch))
    if steps < LEAST_STEPS:
        text = f"{key} is {gan.images or gan.epochs}, only {steps} steps of {batch} images"
        advice = f"too few to draw anything; {key} of at least {least} may do"
        yield CheckLine("warning", "grid", f"{text}: {advice}")


def _time_line(
    parameters: Parameters, size: StudySize, workers: Workers, machine: Machine
) -> CheckLine:
    parts = estimate_minutes(parameters, size, workers)
    total = duration_text(sum(parts.values()))
    each = ", ".join(f"{part} {duration_text(minutes)}" for part, minutes in parts.items())
    text = f"about {total}, a rough estimate ({each}); `augment plan` measures"
    if machine.gpu and parameters.compute.device != "cpu":
        text += ", the GPU too, which is not counted here"
    return CheckLine("ok", "time", text)
