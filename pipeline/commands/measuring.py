"""What a worker of this machine does in a second, by the study's own networks and sizes.

The stages' own functions work for some seconds each on made-up images, on the device that
compute.device chooses. Counted is the time of the processor, which other work on the machine hardly
changes; with a GPU it is the clock's.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import torch

from augment.files import write_json
from augment.generators.budget import Budget
from augment.generators.sampling import CHUNK, Sampler
from augment.generators.training import Watch
from augment.images.image_rows import ImageRows, all_rows
from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import ImageSet
from classifiers.checkpoints import save_classifier
from classifiers.classical import ClassicalTransform
from classifiers.fitting import Fit, FitSettings, ModelSettings, Transform, fit_classifier
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from pipeline.cells.tasks import transforms
from pipeline.commands.estimates import SHIFTS, Speeds
from pipeline.commands.study_counts import StudySize, image_bytes, networks, scored_images
from pipeline.compute.device import chosen_device, threads
from pipeline.compute.fabric import make_fabric
from pipeline.compute.resume import ResumeStore
from pipeline.errors import Interrupted
from pipeline.generators.plan import Plan
from pipeline.generators.training import train_generator
from pipeline.parameters.models import Parameters
from pipeline.project import Project
from reports.inspection.copies import shifted_distances
from reports.scores.table import Viewed, score_images

SECONDS = 7.0
"""For the training of a generator, and for that of classifiers; half of it for all else."""

_LEAST = 2
"""Times that are noted at the least, however long what lies between them takes."""

_MOST_IMAGES = 2000
"""Made-up images to train on, or a batch of the generator where that is more."""

_QUERIES = 100
"""Images that are compared with those at a time."""

_BLOCK = 500
"""Images that a classifier predicts at a time."""

_IMPORTS = "import pipeline.stages.train_judge"

Clock = Callable[[], float]


def _gpu_clock() -> float:
    """Return the seconds of the clock when all work that was given to the GPU is done."""
    torch.cuda.synchronize()
    return time.perf_counter()


class _EnoughError(Exception):
    """Ends a classifier's training that has been measured."""


class _Laps:
    """Times of repeated work: its median is what one repetition takes."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.ends_at = clock, time.monotonic() + seconds
        self.times: list[float] = []

    def add(self, *_: object) -> None:
        """Note the end of a repetition, or the start of the first."""
        self.times.append(self.clock())

    def enough(self) -> bool:
        """Return whether the time for it is over."""
        return len(self.times) >= _LEAST and time.monotonic() > self.ends_at

    def add_or_end(self, *_: object) -> None:
        """Note the end of a repetition; raise where the time for it is over."""
        self.add()
        if self.enough():
            raise _EnoughError

    def seconds(self) -> float:
        """Return the median of what lies between two times."""
        return max(float(median(np.diff(self.times))), 1e-9)


class Bench:
    """Measures one study on this machine."""

    def __init__(
        self, root: Path, parameters: Parameters, size: StudySize, folder: Path, seconds: float
    ) -> None:
        """Make images up, and a project around them.

        Args:
            root: the study's project.
            parameters: the whole of its params.yaml.
            size: images and classes of the study.
            folder: an empty one to write in.
            seconds: for the training of a generator.
        """
        self.p, self.size, self.seconds = parameters, size, seconds
        self.device = chosen_device(parameters)
        self.clock = _gpu_clock if self.device.type == "cuda" else time.process_time
        self.system, self.architecture = networks(parameters, size.n_classes)
        self.project = Project(folder)
        shutil.copyfile(root / "params.yaml", folder / "params.yaml")
        self.project.unit_list.parent.mkdir(parents=True)
        write_json(self.project.unit_list, ["all-0"])
        n = min(size.n_train, max(_MOST_IMAGES, self.system.batch_size))
        side = parameters.data.image_size
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (n, side, side, parameters.data.channels), dtype=np.uint8)
        labels = np.arange(n, dtype=np.int64) % size.n_classes
        names = [str(label) for label in range(size.n_classes)]
        self.images: ImageSet = write_image_set(
            self.project.train, pixels, labels, names, source="noise"
        )
        self.judge = self._fit(steps=1)

    def _repeat(self, work: Callable[[], object]) -> float:
        """Return the seconds of one call."""
        laps = _Laps(self.clock, self.seconds / 2)
        laps.add()
        while not laps.enough():
            work()
            laps.add()
        return laps.seconds()

    def _fit(
        self,
        steps: int,
        laps: _Laps | None = None,
        transform: Transform | None = None,
    ) -> Classifier:
        shared = self.p.classifier
        fit = Fit(
            all_rows(self.images),
            self.size.n_classes,
            ModelSettings(shared.model, shared.input_size),
            FitSettings(steps, None, shared.batch_size, shared.learning_rate),
            seed=0,
            transform=transform,
        )
        return fit_classifier(fit, self.device, None if laps is None else laps.add_or_end)

    def classifier(self, transform: Transform | None = None) -> float:
        """Return images/s of a classifier's training."""
        laps = _Laps(self.clock, self.seconds)
        with contextlib.suppress(_EnoughError):
            self._fit(1000, laps, transform)
        return self.p.classifier.batch_size / laps.seconds()

    def classical(self) -> float | None:
        """Return images/s of one whose images are transformed, None where the study has none."""
        if self.p.classical is None:
            return None
        side = min(self.p.data.image_size, self.p.classifier.input_size)
        return self.classifier(ClassicalTransform(transforms(self.p), side))

    def prediction(self) -> float:
        """Return images/s that a classifier predicts."""
        block = np.resize(self.images.images, (_BLOCK, *self.images.images.shape[1:]))
        return _BLOCK / self._repeat(lambda: predict(self.judge, block))

    def generator(self) -> float:
        """Return images/s of the training of a generator."""
        laps = _Laps(self.clock, self.seconds)
        batch = self.system.batch_size
        alone = self.p.train_gan.model_copy(update={"processes": 1})
        there = self.p.compute.model_copy(update={"device": self.device.type})
        rows = ImageRows([self.images], [np.arange(len(self.images))])
        budget = Budget(self.p.train_gan.images, self.p.train_gan.epochs, keep="last")
        steps = budget.steps(batch_size=batch, n_images=len(rows))
        if steps < _LEAST:
            budget, steps = Budget(_LEAST * batch, None, keep="last"), _LEAST
        plan = Plan(
            self.system, self.architecture, budget, rows, None, seed=0, steps=steps, meta={}, key=""
        )
        watch = Watch(on_step=laps.add, should_stop=laps.enough)
        store = ResumeStore(self.project.root / "state")
        save_classifier(self.project.unit("all-0").judge, self.judge, {})
        fabric = make_fabric(self.p.model_copy(update={"train_gan": alone, "compute": there}))
        with contextlib.suppress(Interrupted):
            train_generator(self.project, "all-0", plan, fabric, store, watch)
        store.clear()
        return batch / laps.seconds()

    def drawing(self) -> float:
        """Return images/s that a generator draws."""
        model = import_module(f"augment.generators.{self.system.family}.model")
        network = model.Generator(self.architecture).eval()
        sampler = Sampler(network.to(self.device), self.device)
        return CHUNK / self._repeat(lambda: sampler.draw(0, 0, CHUNK, 0))

    def scoring(self) -> float:
        """Return how many times a second two sets of images are scored."""
        n = scored_images(self.p, self.size)
        rng = np.random.default_rng(0)
        labels = np.arange(n) % self.size.n_classes

        def view() -> Viewed:
            features = rng.random((n, self.judge.n_features), dtype=np.float32)
            of_class = rng.dirichlet(np.ones(self.size.n_classes), n).astype(np.float32)
            return Viewed(features, of_class, labels)

        generated, real, order = view(), view(), np.arange(n)
        known: dict[str, object] = {}  # a reference half is, from the first pool on
        # Of a pool all that goes by it alone is computed once; here, as of a floor, each time.
        return 1 / self._repeat(
            lambda: score_images(generated.rows(order), real.rows(order, known))
        )

    def comparison(self) -> float:
        """Return the multiplications of pixels a second in the search for copies."""
        queries = np.array(self.images.images[:_QUERIES])
        seconds = self._repeat(lambda: shifted_distances(queries, self.images.images))
        return SHIFTS * len(queries) * len(self.images) * image_bytes(self.p) / seconds


def _start() -> float:
    """Return the seconds that a process takes to load what a stage needs."""
    began, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True, cwd=Path(__file__).parents[2])
    after = os.times()
    spent = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return spent or time.perf_counter() - began  # Windows does not tell the former


def measure_speeds(
    root: Path,
    parameters: Parameters,
    size: StudySize,
    say: Callable[[str], None],
    seconds: float = SECONDS,
) -> Speeds:
    """Measure what this machine does in a second; no data set is read and nothing is kept.

    Args:
        root: the study's project.
        parameters: the whole of its params.yaml.
        size: images and classes of the study.
        say: told what is measured.
        seconds: for each of the longer parts, by the clock.

    Returns:
        The speeds of a worker: of one core, or of one task at a time on a GPU.

    Raises:
        PipelineError: compute.device is cuda, and there are not enough GPUs.
        ClassifierError: the classifier cannot be built for these images.
        AugmentError: the generator's images or losses are no finite numbers.
    """
    gpu, of_unit = chosen_device(parameters).type == "cuda", parameters.compute.threads
    say("the start of a process")
    start = _start()
    with tempfile.TemporaryDirectory(prefix="augment-plan-") as folder:
        # By the processor's time a core is measured, by the clock a task with all its threads.
        with threads(of_unit if gpu else 1):
            bench = Bench(root, parameters, size, Path(folder), seconds)
            say("the training of a classifier")
            classifier = bench.classifier()
            say("the same with classical augmentation")
            classical = bench.classical()
            say("the predictions of a classifier")
            prediction = bench.prediction()
            say("scores, and the search for copies")
            scoring, comparison = bench.scoring(), bench.comparison()
        generator = drawing = math.inf  # no work where no generator is trained
        if parameters.generate.source == "model":
            with threads(of_unit):
                say("the training of a generator")
                generator = bench.generator()
                say("drawing images")
                drawing = bench.drawing()
        process_bytes = psutil.Process().memory_info().rss
    return Speeds(
        generator=generator,
        drawing=drawing,
        classifier=classifier,
        classical=classifier if classical is None else classical,
        prediction=prediction,
        scoring=scoring,
        comparison=comparison,
        start=start,
        process_bytes=process_bytes,
        gpu=gpu,
    )
