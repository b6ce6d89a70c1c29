"""The studies' figures, each beside what we have.

Which run stands beside a figure is settled by budget and name, never by what it reached.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

from pipeline.studies.comparison import Figure, Measurement, Protocol
from pipeline.studies.records import (
    CellRow,
    CellsRecord,
    Checkpoint,
    GeneratorRecord,
    Grid,
    Machine,
    Record,
    Runs,
    grids_of_generators,
    runs_by_budget,
)
from pipeline.study_files import PublishedAccuracy, PublishedFigure, Study, StudySystem
from reports.scores.table import SCORES

_STAND_INS = {
    "fid_inception": ("fid_examiner", "FID (other features)"),
    "inception_score_inception": ("inception_score", "Inception Score (other network)"),
}
"""The score that is shown where one on InceptionV3 was not recorded, and what it is called."""

_TIMES = ("seconds_per_epoch", "training_minutes")
_MEASURES = {
    "fid_inception": ("FID (InceptionV3)", 1),
    "inception_score": ("Inception Score (LeNet)", 2),
    "inception_score_inception": ("Inception Score (InceptionV3)", 2),
    "label_match": ("label match (%)", 2),
    "seconds_per_epoch": ("seconds an epoch", 1),
    "training_minutes": ("minutes of training", 1),
}
"""What a score is called, and its decimals."""

_SOURCES = {
    "mnist5k": "5,000 digits of MNIST",
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "folder": "a folder of images",
}
_ALL = "the best of all epochs"


def compare_figures(
    study: Study, records: Sequence[Record]
) -> Iterator[tuple[Figure, Measurement | None]]:
    """Yield every figure of a study with what we have of it, None where nothing was run.

    Of several budgets the one with the widest networks, then with the most images seen is taken: it
    is the nearest to the study's.
    """
    generators = [record for record in records if isinstance(record, GeneratorRecord)]
    grids = grids_of_generators(records)
    for name, system in study.systems.items():
        runs = runs_by_budget(generators, name)
        for figure in system.figures:
            yield _score(study, name, system, figure, runs)
    for accuracy in study.accuracies:
        yield _accuracy(study, accuracy, grids)


def _score(
    study: Study,
    name: str,
    system: StudySystem,
    figure: PublishedFigure,
    by_budget: Mapping[Hashable, Runs],
) -> tuple[Figure, Measurement | None]:
    measure, decimals = _MEASURES[figure.score]
    shown: str = figure.score
    values, runs = _measured(study, figure, shown, by_budget)
    if runs is None and figure.score in _STAND_INS:
        shown, stand_in = _STAND_INS[figure.score]
        values, runs = _measured(study, figure, shown, by_budget)
        measure = measure if runs is None else stand_in
    theirs = Figure(
        study.name,
        name,
        measure if figure.epoch is None else f"{measure}, epoch {figure.epoch:g}",
        figure.value,
        _their_protocol(study, system, figure),
        share=figure.score == "label_match",
        decimals=decimals,
        note=figure.note,
    )
    if runs is None:
        return theirs, None
    return theirs, Measurement(tuple(values), _our_protocol(study, figure, shown, runs.first))


def _measured(
    study: Study, figure: PublishedFigure, score: str, by_budget: Mapping[Hashable, Runs]
) -> tuple[list[float], Runs | None]:
    """Return what the runs of the nearest budget have of a score, and these runs."""
    for runs in by_budget.values():
        found = [_value(record, score, figure, study) for record in runs.records]
        values = [value for value in found if value is not None]
        if values:
            return values, runs
    return [], None


def _value(
    record: GeneratorRecord, score: str, figure: PublishedFigure, study: Study
) -> float | None:
    """Return what one run has of a score: at the figure's epoch, its best one, or its last."""
    seconds = record.seconds_per_epoch
    if score == "seconds_per_epoch":
        return seconds
    if score == "training_minutes":
        return None if seconds is None else seconds * record.images_seen / record.data.train / 60
    rows = [row for row in record.plain if getattr(row, score) is not None]
    if not rows:
        return None
    if figure.epoch is not None:
        rows = [_nearest(rows, figure.epoch)]
    values = [float(getattr(row, score)) for row in rows]
    best = min if SCORES[score].better == "lower" else max
    return best(values) if study.published.best_epoch else values[-1]


def _nearest(rows: Sequence[Checkpoint], epoch: float) -> Checkpoint:
    return min(rows, key=lambda row: (abs(row.epoch - epoch), row.epoch))


def _their_protocol(study: Study, system: StudySystem, figure: PublishedFigure) -> Protocol:
    """Return what a score of the study depends on."""
    timed, score = figure.score in _TIMES, figure.score
    epoch = None
    if figure.epoch is not None:
        epoch = f"epoch {figure.epoch:g}"
    elif study.published.best_epoch and not timed:
        epoch = _ALL
    of_all_epochs = figure.epoch is None and score != "seconds_per_epoch"
    return Protocol(
        data=study.images.name,
        n_train=study.images.train,
        image_size=system.image_size or study.images.image_size,
        width=1.0,
        epochs=system.epochs if of_all_epochs else None,
        batch_size=system.batch_size or study.published.batch_size,
        options="",
        features="InceptionV3" if score in _STAND_INS else None,
        lenet_epochs=(
            study.published.lenet_epochs if score in ("inception_score", "label_match") else None
        ),
        epoch=epoch,
        machine=study.published.machine if timed else None,
    )


def _our_protocol(
    study: Study, figure: PublishedFigure, score: str, record: GeneratorRecord
) -> Protocol:
    """Return what our own score depends on."""
    if figure.epoch is not None:
        epoch = f"epoch {_nearest(record.plain, figure.epoch).epoch}"
    elif len(record.plain) < record.epochs:
        epoch = f"the best of {len(record.plain)} of {record.epochs} epochs"
    else:
        epoch = _ALL
    return Protocol(
        data=_data_name(study, record.data.source),
        n_train=record.data.train,
        image_size=record.architecture.image_size,
        width=record.width,
        epochs=record.images_seen / record.data.train,
        batch_size=record.system.batch_size,
        options=record.options,
        features="InceptionV3" if score in _STAND_INS else record.examiner_model,
        lenet_epochs=record.examiner_epochs,
        epoch=epoch,
        machine=_machine_text(record.machine),
    )


def _data_name(study: Study, source: str) -> str:
    """Return our images by the study's name where they are the same; no folder is known to be."""
    same = source == study.source != "folder"
    return study.images.name if same else _SOURCES.get(source, source)


def _machine_text(machine: Machine) -> str:
    device = "" if machine.device in (None, "cpu") else f", {machine.device}"
    cores = "" if machine.cores is None else f" with {machine.cores} cores"
    return f"{machine.processor}{cores}{device}"


def _accuracy(
    study: Study, accuracy: PublishedAccuracy, grids: Sequence[Grid]
) -> tuple[Figure, Measurement | None]:
    pool = study.published.pool
    assert pool is not None  # A rule of the published facts.
    generated = accuracy.n_synthetic != 0
    choice = None
    if accuracy.best:
        choice = "the best on test"
    elif accuracy.n_real is None or accuracy.n_synthetic is None:
        choice = "counts that are not given"
    theirs = Protocol(
        data=study.images.name,
        n_train=study.images.train,
        image_size=study.images.image_size,
        width=1.0 if generated else None,
        epochs=pool.epochs if generated else None,
        batch_size=study.published.batch_size if generated else None,
        options="" if generated else None,
        classifiers=_epochs_text(study.published.classifier_epochs),
        choice=choice,
    )
    figure = Figure(
        study.name,
        f"{accuracy.strategy} ({pool.system})" if generated else accuracy.strategy,
        f"accuracy (%), {accuracy.counts}",
        accuracy.accuracy,
        theirs,
        share=True,
    )
    candidates = [
        (record, generator, *found)
        for record, generator in grids
        if generator.system == pool.system or not generated
        if (found := _find_row(record, accuracy, study.images.train)) is not None
    ]
    if not candidates:
        return figure, None
    # Where no generated image is mixed in, the generator does not matter, and seeds do.
    record, generator, row, chosen = max(
        candidates,
        key=lambda item: (
            0 if generated else len(item[2].test_accuracy),
            item[1].nearness,
        ),
    )
    steps = record.classifier.steps
    ours = Protocol(
        data=_data_name(study, record.data.source),
        n_train=record.data.train,
        image_size=generator.image_size,
        width=generator.width,
        epochs=generator.images_seen / record.data.train,
        batch_size=generator.batch_size,
        options=record.options,
        classifiers=f"{steps:,} steps" if steps else _epochs_text(record.classifier.epochs),
        choice=chosen,
    )
    return figure, Measurement(tuple(row.test_accuracy), ours, record.data.test)


def _epochs_text(epochs: int | None) -> str | None:
    return None if epochs is None else f"{epochs} epochs"


def _find_row(
    record: CellsRecord, accuracy: PublishedAccuracy, study_train: int
) -> tuple[CellRow, str] | None:
    """Return the cell that stands beside a published one, and how it was chosen.

    Where the study does not give its counts, the best one on validation images stands for it, and
    without such images the one with the largest counts: never the best on test.
    """
    # All of the study's training images stand for all of ours.
    whole = accuracy.n_real == study_train
    n_real = record.data.train if whole else accuracy.n_real

    def fits(count: int, published: int | None) -> bool:
        return count > 0 if published is None else count == published

    rows = [
        row
        for row in record.cells
        if row.strategy == accuracy.strategy
        and fits(row.n_real, n_real)
        and fits(row.n_synthetic, accuracy.n_synthetic)
    ]
    if not rows:
        return None
    if accuracy.n_real is not None and accuracy.n_synthetic is not None:
        return rows[0], "a cell fixed beforehand"
    if all(row.validation is not None for row in rows):
        row = max(rows, key=lambda row: (row.validation or 0, -row.n_synthetic, -row.n_real))
        by = "the best on validation"
    else:
        row = max(rows, key=lambda row: (row.n_real, row.n_synthetic))
        by = "the largest counts"
    return row, f"{by} ({row.n_real:,} + {row.n_synthetic:,})"
