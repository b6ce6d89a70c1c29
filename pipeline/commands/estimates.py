"""A study's time, memory and disk space, from its parameters and a worker's speeds.

One walk over the study's counts gives every stage its tasks. `augment check` asks it with round
figures of an ordinary processor, good enough to tell ten minutes from ten hours; `augment plan`
with speeds that it measured.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.commands.study_counts import (
    Cell,
    StudySize,
    Training,
    confirmed_cells,
    image_bytes,
    networks,
    pooled,
    scored_images,
    test_images,
    unit_cells,
    unit_sizes,
)
from pipeline.parameters.models import FitParameters, Parameters

LENET_SPEED = 9_000.0
"""Images/s that one thread trains a LeNet on at 32 x 32 pixels."""

CLASSIFIER_MULTIPLY_ADDS = 20e9
"""Multiplications a second of one thread in the training of torchvision's models."""

CLASSICAL_SECONDS = 20e-9
"""Seconds of one thread to transform one value of a pixel."""

GAN_IMAGE_SECONDS = 0.3e-3
"""Seconds of one thread for an image of training whatever the networks' size."""

GAN_MULTIPLY_ADDS = 60e9
"""Multiplications a second of one thread in a generator's training, in bf16."""

DRAWING_MULTIPLY_ADDS = 30e9
"""Multiplications a second of one thread that draws images, in float32."""

SCORINGS = 70.0
"""Scores a second, by one thread, of 500 images beside 500."""

COMPARISONS = 30e9
"""Multiplications a second of one thread that compares pixels of images."""

INCEPTION_SPEED = 6.0
"""Images/s of one thread through InceptionV3 at 299 x 299 pixels; measured nowhere else."""

READING_SPEED = 2_000.0
"""Images/s that stage fetch decodes, compares and writes."""

REPORT_SECONDS = 15.0
"""Figures and page."""

STAGE_SECONDS = 2.0
"""What DVC takes to start a stage and to take its outputs in."""

FIXED_BYTES = 50 * 10**6
"""Judges, examiner, tables and figures."""

NETWORK_BYTES = 2.5 * 10**6
"""Weights of a generator of the default width; its discriminator has twice as many."""

PROCESS_SECONDS = 2.5
"""For a process to start."""

PROCESS_BYTES = 1000 * 10**6
"""Memory of one process that trains, before any image."""

CHECKPOINT_IMAGES = 2000
"""Images that stage score-checkpoints draws from a generator, and stage inspect looks up."""

HALVINGS = 50
"""Of the test images, each of which stage score compares with every pool."""

SHIFTS = 25
"""Places where stage inspect compares two images, which may be moved by 2 pixels either way."""

MOST_PRODUCTS = 2e12
"""Multiplications of that comparison, at the most."""


@dataclass(frozen=True)
class Speeds:
    """What one thread of a worker does in a second, and what its process takes.

    With a GPU it is what the worker does, whatever does one task at a time there.
    """

    generator: float  # real images shown in a generator's training
    drawing: float  # images drawn
    classifier: float  # images shown in a classifier's training
    classical: float  # those of a training whose every image is transformed
    prediction: float  # images that a classifier predicts
    scoring: float  # scores of score.n images beside half of the test images
    comparison: float  # multiplications of pixels, in the search for copies
    start: float  # seconds for a process to start
    process_bytes: int  # memory of a process that trains, before any image
    gpu: bool = False  # whether the worker has a GPU


@dataclass(frozen=True)
class Workers:
    """Who does a stage's tasks: each worker one at a time."""

    cores: int  # of all workers together
    number: int | None = None  # None: as many as there are cores for the threads of a task each

    def at_once(self, threads: int = 1) -> int:
        """Return how many tasks of so many threads are done at once, where there are enough."""
        return self.number or max(1, self.cores // threads)


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml: what can be done side by side, and what cannot."""

    name: str
    tasks: tuple[float, ...]  # seconds of one thread, a task each
    start: float  # seconds for a process to start
    threads: int = 1  # of a task

    def at_once(self, workers: Workers) -> int:
        """Return how many of the stage's tasks are done at once."""
        return max(1, min(workers.at_once(self.threads), len(self.tasks)))

    def seconds(self, workers: Workers) -> float:
        """Return how long the stage takes."""
        at_once = self.at_once(workers)
        starts = 2 if at_once > 1 else 1  # the command, then its workers together
        faster = min(self.threads, workers.cores / at_once)  # threads without a core only wait
        return starts * self.start + STAGE_SECONDS + packed(self.tasks, at_once) / faster


def packed(tasks: Sequence[float], workers: int) -> float:
    """Return when the last worker is done, where the longest task left goes to the first free one.

    Args:
        tasks: seconds of each.
        workers: how many do one task at a time, at least 1.
    """
    busy = [0.0] * workers
    for task in sorted(tasks, reverse=True):
        heapq.heapreplace(busy, busy[0] + task)
    return max(busy)


def rough_speeds(parameters: Parameters, size: StudySize) -> Speeds:
    """Return round figures of one core of an ordinary processor."""
    system, architecture = networks(parameters, size.n_classes)
    cost = system.cost(architecture)
    training = GAN_IMAGE_SECONDS * cost.updates + cost.training / GAN_MULTIPLY_ADDS
    drawing = GAN_IMAGE_SECONDS / 4 + cost.drawing / DRAWING_MULTIPLY_ADDS
    classifier, data = _classifier_speed(parameters), parameters.data
    transformed = min(data.image_size, parameters.classifier.input_size) ** 2 * data.channels
    return Speeds(
        generator=1 / training,
        drawing=1 / drawing,
        classifier=classifier,
        classical=1 / (1 / classifier + CLASSICAL_SECONDS * transformed),
        prediction=3 * classifier,  # backward costs twice forward
        scoring=SCORINGS * (500 / scored_images(parameters, size)) ** 2,
        comparison=COMPARISONS,
        start=PROCESS_SECONDS,
        process_bytes=PROCESS_BYTES,
    )


def _classifier_speed(parameters: Parameters) -> float:
    """Return images/s that one thread trains the classifier on; one of the user's is a LeNet."""
    from classifiers.models.registry import BUILT_IN

    model, side = parameters.classifier.model, parameters.classifier.input_size
    if model in BUILT_IN or ":" in model:
        return LENET_SPEED * (32 / side) ** 2
    from classifiers.models.torchvision import multiply_adds as of_model

    # Backward costs twice forward.
    return CLASSIFIER_MULTIPLY_ADDS / (3 * of_model(model, side))


def stages_of(parameters: Parameters, size: StudySize, speeds: Speeds) -> list[Stage]:
    """Return the stages in the order of dvc.yaml, each with its tasks; some have none to speak of.

    Args:
        parameters: the whole of params.yaml.
        size: images and classes.
        speeds: of a worker.
    """
    p, units = parameters, unit_sizes(parameters, size.n_train)
    walk = _Walk(p, size, speeds)
    cells = [cell for n in units for cell in unit_cells(p, n)]
    largest = [n for n in units if n == max(units)]
    tasks = {
        "fetch": [size.n_images / READING_SPEED],
        "train-examiner": [walk.fitting(p.train_examiner, size.n_train)],
        "subset": [],
        "train-judge": [walk.fitting(p.train_judge, n) for n in units],
        "train-gan": [walk.generator(n) for n in units],
        "score-checkpoints": [walk.checkpoints(n) for n in units],
        "generate": [walk.drawn(n) for n in units],
        "filter": [walk.filtered(n) for n in units],
        "inspect": [walk.inspected(n) for n in units],
        "mix": [],
        "train-classifiers": [walk.cell(cell) for cell in cells],
        "choose": [],
        "confirm": [task for n in largest for task in walk.confirmed(n)],
        "score": [walk.scores(units)],
        "report": [REPORT_SECONDS],
    }
    of_unit = {"train-examiner", "train-judge", "train-gan", "score-checkpoints", "generate"}
    of_unit |= {"filter", "inspect", "score"}
    threads = 1 if speeds.gpu else p.compute.threads
    return [
        Stage(name, tuple(each), speeds.start, threads if name in of_unit else 1)
        for name, each in tasks.items()
    ]


@dataclass(frozen=True)
class _Walk:
    """Seconds of one worker for each kind of task."""

    p: Parameters
    size: StudySize
    speeds: Speeds

    def fitting(self, fit: FitParameters, n: int, *, classical: bool = False) -> float:
        """Return what a classifier of n images takes, and its predictions."""
        speed = self.speeds.classical if classical else self.speeds.classifier
        batch = self.p.classifier.batch_size
        steps = fit.steps if fit.steps is not None else (fit.epochs or 0) * -(-n // batch)
        return steps * batch / speed + self._predicting(self.size.n_held_out)

    def _predicting(self, n: float) -> float:
        return n / self.speeds.prediction

    def _seen(self, drawn: float) -> float:
        return drawn / self.speeds.drawing + self._predicting(drawn)

    @property
    def _modelled(self) -> bool:
        """Whether a generator is trained, or images are those of a folder."""
        return self.p.generate.source == "model"

    def generator(self, n: int) -> float:
        """Return what a unit's generator takes, its judge's scores of its epochs included."""
        if not self._modelled:
            return 0.0
        training = Training.of(self.p, n)
        scores = training.scored * self._seen(self.p.train_gan.evaluate)
        return training.shown / self.speeds.generator + scores

    def checkpoints(self, n: int) -> float:
        """Return what the examiner's scores of a unit's kept generators take."""
        if not self._modelled:
            return 0.0
        scores = (
            CHECKPOINT_IMAGES
            * test_images(self.p, self.size)
            / scored_images(self.p, self.size) ** 2
            / self.speeds.scoring
        )
        each = self._seen(CHECKPOINT_IMAGES) + scores + self._inception(CHECKPOINT_IMAGES)
        return Training.of(self.p, n).kept * each

    def drawn(self, n: int) -> float:
        """Return what a unit's pool takes; the judge predicts the labels where there are none."""
        return self._seen(self._pool(n)) if self._modelled else self._pool(n) / READING_SPEED

    def filtered(self, n: int) -> float:
        """Return what the filtered pool takes, where the judge keeps most of what is drawn."""
        per_class = None if self.p.filter is None else self.p.filter.per_class
        more = max(0, pooled(per_class, n, self.size.n_classes) - self._pool(n))
        return self._predicting(self._pool(n)) + (self._seen(more) if self._modelled else 0.0)

    def _pool(self, n: int) -> int:
        return pooled(self.p.generate.per_class, n, self.size.n_classes)

    def inspected(self, n: int) -> float:
        """Return what the search for copies and neighbours of a unit takes."""
        looked_up = min(CHECKPOINT_IMAGES, self._pool(n)) + min(
            CHECKPOINT_IMAGES, test_images(self.p, self.size)
        )
        products = float(SHIFTS * n * image_bytes(self.p) * looked_up)
        return min(MOST_PRODUCTS, products) / self.speeds.comparison

    def cell(self, cell: Cell) -> float:
        """Return what one classifier of the grid takes."""
        fit = self.p.train_classifiers
        return self.fitting(fit, cell.n_images, classical=cell.classical)

    def confirmed(self, n: int) -> Iterator[float]:
        """Yield what each classifier takes that confirms a unit's choices, half ones included."""
        for cell in confirmed_cells(unit_cells(self.p, n)):
            whole = self.cell(cell)
            yield from [whole] * self.p.study.confirm_seeds
            if self.p.data.validation:
                yield whole / 2

    def scores(self, units: Sequence[int]) -> float:
        """Return what the scores of all pools take, and of as many real images."""
        kinds = 1 if self.p.filter is None else 2
        views = kinds * scored_images(self.p, self.size) * len(units)
        compared = (kinds * len(units) + 1) * HALVINGS / self.speeds.scoring
        return (
            compared
            + self._predicting(views)
            + self._inception(views + test_images(self.p, self.size))
        )

    def _inception(self, n: float) -> float:
        return n / INCEPTION_SPEED if self.p.score.inception else 0.0


_PARTS = {
    "train-examiner": "judges and examiner",
    "train-judge": "judges and examiner",
    "train-gan": "generators",
    "generate": "images",
    "filter": "images",
    "train-classifiers": "classifiers",
    "confirm": "confirmation",
}
"""What `augment check` calls a stage; all others are the rest."""


def estimate_minutes(parameters: Parameters, size: StudySize, workers: Workers) -> dict[str, float]:
    """Return a rough number of minutes for each part of a study.

    Args:
        parameters: the whole of params.yaml.
        size: images and classes.
        workers: who does the tasks.
    """
    minutes = dict.fromkeys([*_PARTS.values(), "rest"], 0.0)
    for stage in stages_of(parameters, size, rough_speeds(parameters, size)):
        minutes[_PARTS.get(stage.name, "rest")] += stage.seconds(workers) / 60
    return minutes


def duration_text(minutes: float) -> str:
    """Return a duration in words, as exact as an estimate is."""
    if minutes >= 2 * 24 * 60:
        return f"{minutes / (24 * 60):.0f} days"
    if minutes >= 120:
        return f"{minutes / 60:.0f} hours"
    return f"{minutes:.0f} min" if minutes >= 1 else "under 1 min"


def estimate_disk(parameters: Parameters, size: StudySize) -> int:
    """Return roughly how many bytes a study writes, DVC's cache and this project's included.

    Args:
        parameters: the whole of params.yaml.
        size: images and classes.
    """
    entries = [parameters.generate.per_class]
    entries += [] if parameters.filter is None else [parameters.filter.per_class]
    units = unit_sizes(parameters, size.n_train)
    images = size.n_images
    images += sum(pooled(each, n, size.n_classes) for n in units for each in entries)
    side, seen = parameters.data.image_size, parameters.classifier.input_size
    # Each set is reduced once, for all classifiers.
    reduced = images * seen**2 * parameters.data.channels if side > seen else 0
    networks = 0.0
    if parameters.generate.source == "model":
        kept = sum(1 + 3 * Training.of(parameters, n).kept for n in units)
        networks = kept * NETWORK_BYTES * (parameters.train_gan.width or 1.0) ** 2
    # Twice: DVC keeps a copy of every output where the file system has no links for it.
    written = images * image_bytes(parameters) + int(networks) + FIXED_BYTES
    return 2 * written + reduced


def estimate_memory(
    parameters: Parameters, size: StudySize, process_bytes: int = PROCESS_BYTES
) -> int:
    """Return roughly how many bytes of memory one worker takes.

    Args:
        parameters: the whole of params.yaml.
        size: images and classes.
        process_bytes: of a process that trains, before any image.

    Returns:
        The process with the images of its largest cell. These are mapped from files that all
        workers of a machine share, so that together they take less.
    """
    return process_bytes + _largest_cell(parameters, size) * image_bytes(parameters)


def _largest_cell(parameters: Parameters, size: StudySize) -> int:
    """Return how many images the largest cell is trained on."""
    return max((cell.n_images for cell in unit_cells(parameters, size.n_train)), default=0)
