"""The figures of a study as files, and as the page of the report shows them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from augment.files import atomic_folder
from reports.figures.study import Evidence, study_figures
from reports.figures.style import figure_bytes
from reports.page.facts import figure_facts
from reports.page.render import PageFigure, page_figure
from reports.verdict.statistics import Findings
from reports.verdict.verdict import Verdict


def write_figures(
    folder: Path,
    evidence: Evidence,
    findings: Findings,
    verdict: Verdict | None,
    checkpoints: pd.DataFrame,
    *,
    labelled: bool,
) -> list[PageFigure]:
    """Write every figure as PNG and SVG; return them with titles and captions, in their order.

    Args:
        folder: gets the files, and holds no others.
        evidence: the tables and images of the study.
        findings: what follows from its cells.
        verdict: None where there is none.
        checkpoints: scores of the kept generators.
        labelled: whether the generator makes images of a class that it is given.
    """
    e, figures = evidence, []
    facts = figure_facts(checkpoints, e.coverage, e.discriminator, e.copies)
    side = e.train[0].shape[2]
    with atomic_folder(folder) as out:
        for name, figure in study_figures(e, findings, verdict):
            png, svg = figure_bytes(figure)
            (out / f"{name}.png").write_bytes(png)
            (out / f"{name}.svg").write_bytes(svg)
            about = facts.get(name, ())
            figures.append(
                page_figure(name, png, svg, facts=about, labelled=labelled, image_side=side)
            )
    return figures
