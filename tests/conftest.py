"""What all tests share."""

import contextlib
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image, ImageDraw
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]

# A busy machine is no failure.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if needing:
        import torch

        if not torch.cuda.is_available():
            for item in needing:
                item.add_marker(pytest.mark.skip(reason="no GPU here"))


@pytest.fixture(autouse=True)
def denormal_numbers() -> Iterator[None]:
    """Undo after each test what drawing and training ask of the processor.

    They flush denormal numbers to zero for the whole thread, and Hypothesis refuses to make
    floats there.
    """
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


CLASS_NAMES = ("NA", "circle", "square & co")
"""Pandas reads the first as missing, and HTML must escape the last."""

STAGES = tuple(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])
"""The commands of the stages, in the order in which they run."""

TINY: dict[str, Any] = {
    "study.protocol": "published",
    "study.repeats": 1,
    "study.repeats_below": 1,
    "study.confirm_seeds": 1,
    "data.source": "folder",
    "data.path": "pictures",
    "classifier.batch_size": 16,
    "train_examiner.steps": 60,
    "train_judge.steps": 60,
    "train_gan.images": 1800,
    "train_gan.width": 0.17,  # 8 channels next to the image
    "train_gan.options.batch_size": 12,
    "train_gan.options.generator_rate": 2e-3,
    "train_gan.options.discriminator_rate": 2e-3,
    "train_gan.options.ema_decay": 0.9,
    "train_gan.evaluate": 100,
    "train_gan.checkpoints": 2,
    "compute.device": "cpu",
    "train_gan.precision": "32-true",
    "generate.per_class": 40,
    "filter.threshold": 0.0,
    "filter.per_class": 40,
    "filter.max_draws": 100,
    "mix.real": [0, 30, 1.0],
    "mix.synthetic": [0, 60],
    "mix.strategies": ["mix", "filtered", "fine-tune", "source-channel", "duplicated", "classical"],
    "mix.seeds": [0, 1],
    "train_classifiers.steps": 20,
    "score.n": 100,
    "compute.processes": 1,
    "compute.threads": 1,
}


def draw_shapes(folder: Path, per_class: int = 50) -> Path:
    """Draw a circle, a cross (called NA) and a square, one PNG each, in a folder a class."""
    rng = np.random.default_rng(0)
    for name in CLASS_NAMES:
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            image = Image.new("L", (28, 28))
            pen = ImageDraw.Draw(image)
            x, y = rng.integers(4, 8, 2).tolist()
            size, light = int(rng.integers(13, 17)), int(rng.integers(180, 256))
            box = (x, y, x + size, y + size)
            if name == "circle":
                pen.ellipse(box, fill=light)
            elif name == "NA":
                pen.line(box, fill=light, width=3)
                pen.line((x, y + size, x + size, y), fill=light, width=3)
            else:
                pen.rectangle(box, outline=light, width=3)
            image.save(folder / name / f"{i:03}.png")
    return folder


def write_parameters(root: Path, changes: Mapping[str, Any] = TINY) -> None:
    """Write the checkout's params.yaml, or change the one that is there, at dotted keys."""
    yaml = YAML()
    path = root / "params.yaml"
    values = yaml.load(path if path.exists() else ROOT / "params.yaml")
    for key, value in changes.items():
        *sections, name = key.split(".")
        place = values
        for section in sections:
            place = place[section]
        place[name] = value
    with path.open("w") as file:
        yaml.dump(values, file)


@dataclass(frozen=True)
class Run:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of a problem; anything else is a failure."""
        assert self.code == 2, self
        lines = self.err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        assert errors == lines[-1:], self
        assert "Traceback" not in self.err
        return errors[0]


def run_augment(root: Path, *arguments: str, cache: Path | None = None) -> Run:
    """Run the command in this process, as its script does; a traceback comes through."""
    from pipeline.cli import main

    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.chdir(root)
        patch.setenv("AUGMENT_CACHE_DIR", str(cache or root.parent / "cache"))
        patch.delenv("AUGMENT_DATA_DIR", raising=False)
        patch.setattr(sys, "argv", ["augment", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
    assert isinstance(stop.value.code, int)
    return Run(stop.value.code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class TinyStudy:
    """A finished study; nothing in it may be changed."""

    root: Path
    cache: Path
    said: dict[str, Run]  # stage -> what it printed


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> TinyStudy:
    """A finished tiny study: three classes of drawn shapes, every stage run once in order."""
    import torch

    # Bytes depend on the number of threads; the processes that tests start use one as well.
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("study")
    root, cache = folder / "project", folder / "cache"
    draw_shapes(root / "pictures")
    write_parameters(root)
    said = {}
    for stage in STAGES:
        said[stage] = run_augment(root, *stage.split(), cache=cache)
        assert said[stage].code == 0, (stage, said[stage].err)
    return TinyStudy(root, cache, said)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run on one thread, as the tiny study was."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def augment() -> Callable[..., Run]:
    """Run the command in this process: ``augment(root, "fetch", cache=...)``."""
    return run_augment


@pytest.fixture(scope="session")
def parameters() -> Callable[..., None]:
    """Write or change a project's params.yaml: ``parameters(root, {"mix.seeds": [3]})``."""
    return write_parameters


@pytest.fixture(scope="session", name="draw_shapes")
def _draw_shapes() -> Callable[..., Path]:
    """Draw pictures of three classes: ``draw_shapes(folder, per_class=50)``."""
    return draw_shapes


def draw_noise(
    folder: Path, counts: Mapping[str, int], suffix: str = ".png", side: int = 28
) -> Path:
    """Draw pictures of random pixels, no two alike whatever the folder, in a folder a class."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        seed = zlib.crc32(f"{folder.name}/{name}".encode("utf-8", "surrogateescape"))
        pixels = np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)
        for index in range(count):
            Image.fromarray(pixels[index]).save(folder / name / f"p{index:03}{suffix}")
    return folder


@pytest.fixture(scope="session", name="draw_noise")
def _draw_noise() -> Callable[..., Path]:
    """Draw pictures that are all different: ``draw_noise(folder, {"cat": 50, "dog": 40})``."""
    return draw_noise


@pytest.fixture(scope="session")
def stages() -> tuple[str, ...]:
    """The commands of every stage, in order."""
    return STAGES


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A project that holds the tiny study's params.yaml, the names of its units and no more."""
    root = tmp_path / "project"
    root.mkdir()
    write_parameters(root)
    write_units(root, ["all-0"])
    return root


def write_units(root: Path, names: Sequence[str]) -> None:
    """Write the names of a study's units, as stage subset does."""
    folder = root / "data/subsets"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "units.json").write_text(json.dumps(names))


@pytest.fixture(scope="session")
def units() -> Callable[..., None]:
    """Write the names of a study's units: ``units(root, ["all-0", "30-0"])``."""
    return write_units


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Read every file below a folder, hidden ones too: ``{relative path: bytes}``."""

    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read


REAL = (0, 300, 1200, 3600)
SYNTHETIC = (0, 1200, 3600, 7200)
WORTH = {"filtered": 1.3, "duplicated": 0}


def make_study(n_test=600, strategies=("mix", "filtered"), validation=True):
    """Cells, predictions and labels in which generated images help a little."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(n_test) % 10)
    difficulty = rng.uniform(size=n_test)
    rows, predictions = [], []
    for strategy in ("none", *strategies):
        for n_real in REAL:
            for n_synthetic in SYNTHETIC:
                if (strategy in ("none", "classical", "classical-half")) != (n_synthetic == 0):
                    continue
                if n_real == 0 and (n_synthetic == 0 or strategy in ("fine-tune", "duplicated")):
                    continue
                worth = n_real + 0.08 * n_synthetic * WORTH.get(strategy, 1)
                if "classical" in strategy:
                    worth *= 1.5
                rate = 1 - 0.6 / (1 + worth / 60)
                for seed in (0, 1, 2):
                    noise = rng.normal(0, 0.006, size=n_test)
                    right = difficulty + noise < rate + rng.normal(0, 0.003)
                    wrong = (labels + 1) % 10
                    predicted = np.where(right, labels, wrong).astype(np.uint8)
                    rows.append(
                        {
                            "unit": "all-0",
                            "unit_real": max(REAL),
                            "strategy": strategy,
                            "n_real": n_real,
                            "n_synthetic": n_synthetic,
                            "seed": seed,
                            "validation_accuracy": rate + rng.normal(0, 0.002)
                            if validation
                            else np.nan,
                            "test_accuracy": float(right.mean()),
                        }
                    )
                    predictions.append(predicted)
    return pd.DataFrame(rows), np.array(predictions), labels


@pytest.fixture(scope="session")
def make():
    """Make a study up: cells, predictions and labels in which generated images help a little."""
    return make_study
