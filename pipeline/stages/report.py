"""Stage report: figures, metrics.json and the page, from tables and images alone."""

from __future__ import annotations

from importlib.metadata import version

from augment.files import atomic_file, write_json
from pipeline.data.fingerprint import read_about
from pipeline.evidence import (
    NO_CHECKPOINTS,
    budget_text,
    read_cells,
    read_evidence,
    read_generator,
    read_notes,
    read_scores,
    read_verdict,
    shown_parameters,
    why_no_verdict,
)
from pipeline.page_figures import write_figures
from pipeline.project import Project
from pipeline.studies.compare import studies_of, tables
from reports.page.answer import metrics, study_answer, undertrained, worth_text
from reports.page.facts import inspection_notes
from reports.page.render import PageContent, data_line, render_page
from reports.verdict.statistics import class_table, study_findings, worth

_VERSIONS = ("synthaug", "torch", "torchvision", "lightning-fabric", "numpy", "pandas", "scipy")


def run(project: Project) -> list[str]:
    """Write ``results/report.html``, ``results/figures`` and ``results/metrics.json``."""
    cells, unit = read_cells(project)
    meta, about = read_generator(project, unit), read_about(project)
    evidence, scores = read_evidence(project, unit, meta, about), read_scores(project)
    labels, names = evidence.test[1], evidence.class_names
    found = study_findings(cells, evidence.predictions, labels, evidence.choices)
    verdict = read_verdict(project, evidence)
    notes = [*undertrained(evidence.confirmed), *worth_text(found.curve, worth(found.curve))]
    answer = study_answer(verdict, why_no_verdict(cells), budget_text(project, cells), notes)
    studies = studies_of(project.root, project.parameters.data.source)
    comparison, claims = tables(project.root, studies)

    checkpoints = NO_CHECKPOINTS if evidence.training is None else evidence.training.checkpoints
    labelled = meta is None or meta["labelled"]
    folder = project.results / "figures"
    figures = write_figures(folder, evidence, found, verdict, checkpoints, labelled=labelled)
    write_json(
        project.results / "verdict.json",
        {"answer": answer.short, "sentence": answer.sentence}
        | ({} if verdict is None else verdict.to_json()),
    )
    write_json(project.results / "metrics.json", metrics(verdict, found.summary, scores, unit))
    content = PageContent(
        data=data_line(about, evidence.train[0], len(labels), len(names)),
        answer=answer,
        verdict=verdict,
        n_test=len(labels),
        summary=found.summary,
        unit=unit,
        figures=figures,
        scores=scores,
        gains=found.gains,
        classes=class_table(evidence.confirmed, evidence.confirmed_predictions, labels, names),
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
    return [f"{answer.short}. {answer.sentence}", "the report is results/report.html"]
