"""Stage report: figures, metrics.json and the page, from tables and images alone."""

from __future__ import annotations

from importlib.metadata import version

from augment.files import atomic_file, atomic_folder, write_json
from pipeline.data.fingerprint import read_about
from pipeline.evidence import (
    NO_CHECKPOINTS,
    read_cells,
    read_evidence,
    read_generator,
    read_notes,
    read_scores,
    shown_parameters,
)
from pipeline.project import Project
from pipeline.studies.compare import studies_of, tables
from reports.figures.study import study_figures
from reports.figures.style import figure_bytes
from reports.page.answer import answer, classical_answer, metrics
from reports.page.facts import figure_facts, inspection_notes
from reports.page.render import PageContent, data_line, page_figure, render_page
from reports.verdict.statistics import study_findings

_VERSIONS = ("synthaug", "torch", "torchvision", "lightning-fabric", "numpy", "pandas", "scipy")


def run(project: Project) -> list[str]:
    """Write ``results/report.html``, ``results/figures`` and ``results/metrics.json``."""
    cells, unit = read_cells(project)
    meta, about = read_generator(project, unit), read_about(project)
    evidence, scores = read_evidence(project, cells, unit, meta, about), read_scores(project)
    labels, names = evidence.test[1], evidence.class_names
    found = study_findings(cells, evidence.predictions, labels, names)
    studies = studies_of(project.root, project.parameters.data.source)
    comparison, claims = tables(project.root, studies)

    checkpoints = NO_CHECKPOINTS if evidence.training is None else evidence.training.checkpoints
    facts = figure_facts(checkpoints, evidence.coverage, evidence.discriminator, evidence.copies)
    looks = {
        "labelled": meta is None or meta["labelled"],
        "image_side": evidence.train[0].shape[2],
    }
    pages = []
    with atomic_folder(project.results / "figures") as folder:
        for name, figure in study_figures(evidence, found):
            png, svg = figure_bytes(figure)
            (folder / f"{name}.png").write_bytes(png)
            (folder / f"{name}.svg").write_bytes(svg)
            pages.append(page_figure(name, png, svg, facts=facts.get(name, ()), **looks))
    write_json(project.results / "metrics.json", metrics(found.headline, scores, unit))
    content = PageContent(
        data=data_line(about, evidence.train[0], len(labels), len(names)),
        headline=found.headline,
        summary=found.summary,
        unit=unit,
        figures=pages,
        scores=scores,
        gains=found.gains,
        classes=found.classes,
        acceptance=evidence.acceptance,
        checkpoints=checkpoints,
        comparison=comparison,
        claims=claims,
        parameters=shown_parameters(project, about),
        versions={name: version(name) for name in _VERSIONS},
        reproduce=["git checkout <this version>", "make study"],
        notes=[
            *read_notes(project, unit, meta, about),
            *inspection_notes(evidence.copies, evidence.coverage),
        ],
    )
    with atomic_file(project.results / "report.html") as file:
        file.write(render_page(content).encode())
    last = "the report is results/report.html"
    lines = [". ".join(answer(found.headline)), classical_answer(found.headline), last]
    return [line for line in lines if line]
