"""Stage report: figures, metrics.json and the page, from tables alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from augment.checkpoints import read_meta
from augment.files import atomic_file, atomic_folder, read_json, write_json
from augment.image_sets import ImageSet, open_image_set
from pipeline.project import Project, UnitPaths, read_array
from reports import figures
from reports.page import PageContent, PageFigure, page_figure, render_page
from reports.statistics import class_table, gain_table, headline, summarise_cells
from reports.wording import answer

_VERSIONS = ("synthaug", "torch", "torchvision", "lightning-fabric", "numpy", "pandas", "scipy")
_METRICS = (
    "accuracy_real",
    "accuracy_best_mix",
    "gain",
    "accuracy_synthetic_only",
)
_SAMPLES_PER_CLASS = 8


def run(project: Project) -> list[str]:
    """Write ``results/report.html``, ``results/figures`` and ``results/metrics.json``."""
    p = project.parameters
    paths = project.unit(p.units[0])
    results = project.results
    tables = [results / name for name in ("cells.parquet", "predictions.npy", "scores.json")]
    project.require(project.train, project.test, *tables, paths.generated, paths.training)
    project.require(paths.filtering, paths.generator)
    cells = project.read(tables[0], pd.read_parquet)
    predictions = project.read(tables[1], read_array)
    scores = pd.DataFrame(project.read(tables[2], read_json))
    train, test = open_image_set(project.train), open_image_set(project.test)
    head = headline(cells, predictions, test.labels)
    summary = summarise_cells(cells)
    gains = gain_table(cells, predictions, test.labels)
    meta = read_meta(paths.generator, "generator")

    pages = []
    drawn = _figures(summary, gains, paths, meta, train, open_image_set(paths.generated), project)
    with atomic_folder(results / "figures") as folder:
        for name, figure in drawn:
            png, svg = figures.figure_bytes(figure)
            (folder / f"{name}.png").write_bytes(png)
            (folder / f"{name}.svg").write_bytes(svg)
            pages.append(_page_figure(name, png, svg))

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
        parameters=_shown_parameters(project),
        versions={name: version(name) for name in _VERSIONS},
        reproduce=["git checkout <this version>", "make study"],
        notes=_notes(train, meta),
    )
    with atomic_file(results / "report.html") as file:
        file.write(render_page(content).encode())
    return [". ".join(answer(head)), "the report is results/report.html"]


def _figures(
    summary: pd.DataFrame,
    gains: pd.DataFrame,
    paths: UnitPaths,
    meta: Mapping[str, Any],
    train: ImageSet,
    pool: ImageSet,
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
    yield "accuracy_contour", figures.accuracy_contour(summary)
    if len(gains):
        yield "gain_chart", figures.gain_chart(gains)
    yield "accuracy_over_real", figures.accuracy_over_real(summary)
    yield "accuracy_over_synthetic", figures.accuracy_over_synthetic(summary)
    yield "accuracy_surface", figures.accuracy_surface(summary)
    samples = {"Generated": _samples(pool), "Real": _samples(train)}
    yield "sample_grid", figures.sample_grid(samples, names, per_class=_SAMPLES_PER_CLASS)
    history = pd.read_csv(paths.training / "history.csv")
    yield "training_curves", figures.training_curves(history, best_epoch=meta["epoch"])
    threshold = filtering.threshold
    yield "confidence_histogram", figures.confidence_histogram(groups, threshold=threshold)
    yield "acceptance_chart", figures.acceptance_chart(acceptance, threshold=threshold)


def _read_acceptance(paths: UnitPaths) -> pd.DataFrame:
    # A class may be called NA or null.
    return pd.read_csv(
        paths.filtering / "acceptance.csv", dtype={"class_name": str}, keep_default_na=False
    )


def _page_figure(name: str, png: bytes, svg: bytes) -> PageFigure:
    # Pictures of pixels and of thousands of faces are smaller as PNG than as SVG.
    if name in {"sample_grid", "accuracy_surface"}:
        return page_figure(name, png)
    return page_figure(name, png, svg)


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


def _notes(train: ImageSet, meta: Mapping[str, Any]) -> list[str]:
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
    notes.append(
        f"Generator {meta['system']['name']}, epoch {meta['epoch']} kept, trained on "
        f"{meta['device']} in {meta['precision']}."
    )
    return notes
