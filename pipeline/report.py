"""Stage report: figures, metrics.json and the page, from tables alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from augment.checkpoints import read_meta
from augment.files import atomic_file, atomic_folder, read_json, write_json
from augment.grids import untile
from augment.image_sets import ImageSet, open_image_set
from pipeline.compare import studies_of, tables
from pipeline.project import Project, UnitPaths, read_array
from reports import figures
from reports.image_figures import chosen_epochs
from reports.page import PageContent, page_figure, render_page
from reports.statistics import class_table, gain_table, headline, summarise_cells
from reports.wording import (
    COPY_NAMES,
    UNASKED_NOTE,
    answer,
    checkpoint_facts,
    classical_answer,
    coverage_facts,
    discriminator_facts,
)

_VERSIONS = ("synthaug", "torch", "torchvision", "lightning-fabric", "numpy", "pandas", "scipy")
_METRICS = (
    "accuracy_real",
    "accuracy_best_mix",
    "gain",
    "accuracy_classical",
    "accuracy_synthetic_only",
)
_SCORES = ("score", "unit", "pool", "value", "floor", "n", "split", "n_reference")
_SAMPLES_PER_CLASS = 8
_COLLAGE_IMAGES = 12
# Pictures of pixels and of thousands of faces are smaller as PNG than as SVG.
_SHOWN_AS_PNG = {"accuracy_surface", "sample_grid"}
# A vector page skips pixels of images that it draws smaller than they are.
_LARGEST_SHARP = 64
_OF_PIXELS = {"epoch_collage", "reconstructions", "nearest_neighbours", "examples"}
_EXAMPLES = 4


def run(project: Project) -> list[str]:
    """Write ``results/report.html``, ``results/figures`` and ``results/metrics.json``."""
    p = project.parameters
    paths = project.unit(p.units[0])
    results = project.results
    names = [results / name for name in ("cells.parquet", "predictions.npy", "scores.json")]
    project.require(project.train, project.test, *names, paths.generated, paths.training)
    project.require(
        paths.filtered, paths.filtering, paths.generator, paths.checkpoint_scores, paths.inspection
    )
    cells = project.read(names[0], pd.read_parquet)
    predictions = project.read(names[1], read_array)
    # No row at all where the pools are too short to be scored.
    scores = pd.DataFrame(project.read(names[2], read_json), columns=list(_SCORES))
    train, test = open_image_set(project.train), open_image_set(project.test)
    head = headline(cells, predictions, test.labels)
    summary = summarise_cells(cells)
    gains = gain_table(cells, predictions, test.labels)
    meta = read_meta(paths.generator, "generator")
    asked = meta["architecture"]["label"] != "none"
    checkpoints = project.read(paths.checkpoint_scores, _read_by_epoch)
    inspection = _Inspection.read(project, paths)
    facts = {
        "checkpoint_scores": checkpoint_facts(checkpoints),
        "neighbour_coverage": coverage_facts(inspection.coverage),
        "discriminator_scores": discriminator_facts(inspection.discriminator),
    }
    comparison, claims = tables(project.root, studies_of(project.root, p.data.source))

    pages = []
    large = train.images.shape[2] > _LARGEST_SHARP
    raster = _SHOWN_AS_PNG | (_OF_PIXELS if large else set())
    pool = open_image_set(paths.generated)
    drawn = chain(
        _figures(summary, gains, paths, meta, train, pool, checkpoints, project),
        _inspection_figures(inspection, train, pool),
        _example_figure(head, cells, predictions, test),
    )
    with atomic_folder(results / "figures") as folder:
        for name, figure in drawn:
            png, svg = figures.figure_bytes(figure)
            (folder / f"{name}.png").write_bytes(png)
            (folder / f"{name}.svg").write_bytes(svg)
            small = svg if name not in raster else None
            pages.append(page_figure(name, png, small, facts=facts.get(name, ()), asked=asked))

    write_json(results / "metrics.json", _metrics(head, scores, p.units[0]))
    content = PageContent(
        data=_describe(p.data.source, train, test),
        headline=head,
        summary=summary,
        figures=pages,
        scores=scores,
        gains=gains,
        classes=class_table(cells, predictions, test.labels, test.class_names),
        acceptance=_read_acceptance(paths),
        checkpoints=checkpoints,
        comparison=comparison,
        claims=claims,
        parameters=_shown_parameters(project),
        versions={name: version(name) for name in _VERSIONS},
        reproduce=["git checkout <this version>", "make study"],
        notes=_notes(train, {"generated": pool, "filtered": open_image_set(paths.filtered)}, meta),
    )
    with atomic_file(results / "report.html") as file:
        file.write(render_page(content).encode())
    said = [". ".join(answer(head)), classical_answer(head), "the report is results/report.html"]
    return [line for line in said if line]


def _figures(
    summary: pd.DataFrame,
    gains: pd.DataFrame,
    paths: UnitPaths,
    meta: Mapping[str, Any],
    train: ImageSet,
    pool: ImageSet,
    checkpoints: pd.DataFrame,
    project: Project,
) -> Iterator[tuple[str, Figure]]:
    """Yield every figure with the name of the function that draws it."""
    filtering = project.parameters.required_filter
    acceptance = _read_acceptance(paths)
    confidence = pd.read_csv(paths.filtering / "confidence.csv")
    groups = {
        str(name): rows.to_numpy()
        for name, rows in confidence.groupby("group", sort=False)["confidence"]
    }
    names = train.class_names
    kept = meta["epoch"]
    history = project.read(paths.training / "history.csv", _read_by_epoch)
    fids = dict(zip(history["epoch"], history["fid"], strict=True)) if "fid" in history else {}
    grids = _Grids(project, paths, train.images.shape[1:3])
    collage = {k: grids.drawn(k) for k in chosen_epochs(history["epoch"].tolist(), kept)}
    pairs = grids.pairs(kept)
    yield "accuracy_contour", figures.accuracy_contour(summary)
    if len(gains):
        yield "gain_chart", figures.gain_chart(gains)
    yield "accuracy_over_real", figures.accuracy_over_real(summary)
    yield "accuracy_over_synthetic", figures.accuracy_over_synthetic(summary)
    yield "accuracy_surface", figures.accuracy_surface(summary)
    samples = {"Generated": _samples(pool), "Real": _samples(train)}
    yield "sample_grid", figures.sample_grid(samples, names, per_class=_SAMPLES_PER_CLASS)
    yield "epoch_collage", figures.epoch_collage(collage, fids, kept)
    if pairs is not None:
        yield "reconstructions", figures.reconstructions(pairs, grids.drawn(kept))
    yield "training_curves", figures.training_curves(history, kept)
    if len(checkpoints):
        yield "checkpoint_scores", figures.checkpoint_scores(checkpoints, kept)
    threshold = filtering.threshold
    yield "confidence_histogram", figures.confidence_histogram(groups, threshold=threshold)
    yield "acceptance_chart", figures.acceptance_chart(acceptance, threshold=threshold)


@dataclass(frozen=True)
class _Inspection:
    """What stage inspect wrote."""

    neighbours: pd.DataFrame
    coverage: pd.DataFrame
    projection: pd.DataFrame
    explained: tuple[float, float]
    discriminator: pd.DataFrame

    @classmethod
    def read(cls, project: Project, paths: UnitPaths) -> _Inspection:
        def table(name: str) -> pd.DataFrame:
            return project.read(paths.inspection / f"{name}.csv", _read_named)

        first, second = project.read(paths.inspection / "explained.json", read_json)
        return cls(
            neighbours=table("neighbours"),
            coverage=table("coverage"),
            projection=table("projection"),
            explained=(first, second),
            discriminator=table("discriminator"),
        )


def _inspection_figures(
    inspection: _Inspection, train: ImageSet, pool: ImageSet
) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of generated images beside real ones."""
    table = inspection.neighbours
    per_query = table["rank"].max()
    first = table[table["rank"] == 1]
    shape = (len(first), per_query)
    rows = table["row"].to_numpy().reshape(shape)
    near = train.images[np.unique(rows)]
    yield (
        "nearest_neighbours",
        figures.nearest_neighbours(
            np.asarray(pool.images[first["query"].to_numpy()]),
            near[np.searchsorted(np.unique(rows), rows)],
            table["distance"].to_numpy().reshape(shape),
            train.class_names,
            first["label"].to_numpy(),
        ),
    )
    yield "neighbour_coverage", figures.neighbour_coverage(inspection.coverage)
    if len(inspection.discriminator):
        yield "discriminator_scores", figures.discriminator_scores(inspection.discriminator)
    yield (
        "activation_projection",
        figures.activation_projection(
            inspection.projection, inspection.explained, train.class_names
        ),
    )


def _example_figure(
    head: Mapping[str, Any], cells: pd.DataFrame, predictions: np.ndarray, test: ImageSet
) -> Iterator[tuple[str, Figure]]:
    """Yield what the best mix's first classifier reads right and wrong; nothing without a mix."""
    best = head["best_mix_cell"]
    if best is None:
        return
    mine = (cells[list(best)] == pd.Series(best)).all(axis=1)
    rows = np.flatnonzero(mine)
    first = rows[cells["seed"].to_numpy()[rows].argmin()]
    said = predictions[first].astype(np.int64)
    right: dict[int, np.ndarray] = {}
    wrong: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for label in range(test.n_classes):
        of_class = test.labels == label
        hits = np.flatnonzero(of_class & (said == label))[:_EXAMPLES]
        misses = np.flatnonzero(of_class & (said != label))[:_EXAMPLES]
        right[label] = np.asarray(test.images[hits])
        wrong[label] = np.asarray(test.images[misses]), said[misses]
    yield "examples", figures.examples(right, wrong, test.class_names)


def _read_named(path: Path) -> pd.DataFrame:
    # A class may be called NA or null.
    return pd.read_csv(
        path,
        dtype={"class_name": str},
        keep_default_na=False,
        na_values={"share": [""], "most": [""]},
    )


def _read_acceptance(paths: UnitPaths) -> pd.DataFrame:
    return _read_named(paths.filtering / "acceptance.csv")


def _read_by_epoch(path: Path) -> pd.DataFrame:
    """Read a table of scores by epoch; raises ``ValueError`` for another one."""
    table = pd.read_csv(path)
    if "epoch" not in table:
        raise ValueError("it has no column epoch")
    return table


class _Grids:
    """The pictures that the training wrote after every epoch, cut back into images."""

    def __init__(self, project: Project, paths: UnitPaths, size: tuple[int, ...]) -> None:
        self.project = project
        self.folder = paths.training / "plots" / "images"
        self.size = size

    def drawn(self, epoch: int) -> np.ndarray:
        """Images of one epoch from the fixed noise, neighbours of different classes."""
        # A row a class in the picture; one image of each, then the next of each.
        rows = self._read(self.folder / f"grid-{epoch:04d}.png")
        images = np.concatenate(list(rows.swapaxes(0, 1)))
        n = min(len(rows), _COLLAGE_IMAGES)
        return images[: n * (_COLLAGE_IMAGES // n)]

    def pairs(self, epoch: int) -> np.ndarray | None:
        """Real images and their reconstructions at one epoch; None without an autoencoder."""
        path = self.folder / f"reconstructions-{epoch:04d}.png"
        return self._read(path) if path.exists() else None

    def _read(self, path: Path) -> np.ndarray:
        def cut(path: Path) -> np.ndarray:
            try:
                with Image.open(path) as picture:
                    return untile(np.asarray(picture), *self.size)
            except SyntaxError as error:  # Pillow's word for some damaged files.
                raise ValueError(error) from None

        return self.project.read(path, cut)


def _samples(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images of every class and their labels."""
    index = np.concatenate(
        [
            np.flatnonzero(images.labels == label)[:_SAMPLES_PER_CLASS]
            for label in range(images.n_classes)
        ]
    )
    return np.asarray(images.images[index]), images.labels[index]


def _metrics(head: Mapping[str, Any], scores: pd.DataFrame, unit: str) -> dict[str, float]:
    """Return the headline numbers; what could not be measured is left out."""
    metrics = {name: head[name] for name in _METRICS if head[name] is not None}
    mine = scores[(scores["unit"] == unit) & (scores["pool"] == "generated")]
    mine = mine[mine["value"].notna()]
    metrics |= dict(zip(mine["score"], mine["value"], strict=True))
    return {name: round(float(value), 6) for name, value in metrics.items()}


def _describe(source: str, train: ImageSet, test: ImageSet) -> str:
    _, height, width, channels = train.images.shape
    colour = "gray" if channels == 1 else "colour"
    return (
        f"{source}, {height} x {width} {colour}, {train.n_classes} classes, "
        f"{len(train):,} training and {len(test):,} test images"
    )


def _shown_parameters(project: Project) -> dict[str, Any]:
    """Return the parameters that results depend on, without the user's paths."""
    shown: dict[str, Any] = project.parameters.model_dump(mode="json")
    shown["train_classifiers"].pop("processes")
    for section, key in (("data", "path"), ("score", "inception_weights")):
        shown[section][key] = None if shown[section][key] is None else "(given)"
    return shown


def _notes(train: ImageSet, pools: Mapping[str, ImageSet], meta: Mapping[str, Any]) -> list[str]:
    notes = []
    unreadable = train.meta.get("made_by", {}).get("unreadable", {})
    if unreadable.get("n"):
        files = ", ".join(unreadable["files"][:20])
        notes.append(f"{unreadable['n']} files could not be read and are left out: {files}")
    if meta["stopped"]:
        notes.append(
            f"The generator's training ended early ({meta['stopped']}); "
            f"epoch {meta['epoch']} is kept."
        )
    for name, pool in pools.items():
        per_class, counts = pool.meta["made_by"].get("per_class", 0), pool.counts()
        if counts.min() < per_class:
            lacking = ", ".join(
                f"{class_name} ({count:,})"
                for class_name, count in zip(pool.class_names, counts, strict=True)
                if count < per_class
            )
            notes.append(
                f"The generator gave fewer than {per_class:,} {name} images of {lacking}; recipes "
                "that need more are left out."
            )
    copy_of = COPY_NAMES[meta["system"]["weights"]]
    notes.append(
        f"Generator {meta['system']['name']}, epoch {meta['epoch']} kept ({copy_of}), trained on "
        f"{meta['device']} in {meta['precision']}."
    )
    if meta["architecture"]["label"] == "none":
        notes.append(UNASKED_NOTE)
    return notes
