"""A page of everything, with texts that must be escaped."""

import numpy as np
import pandas as pd
import pytest

from reports import figures
from reports.page.answer import study_answer
from reports.page.render import PageContent, page_figure
from reports.verdict.statistics import class_table, gain_table, summarise_cells
from reports.verdict.verdict import reach_verdict
from tests.reports.verdict.confirmations import confirmation

EVIL = "<script>alert('x')</script>"
HELPS = (0.05, 0.052, 0.055, 0.05)


def verdict_of(gains, margin=0.01, **options):
    return reach_verdict(*confirmation(gains, **options), margin)


def answer_of(verdict):
    return study_answer(verdict, "Nothing to compare.", "400 steps", [f"A note {EVIL}"])


@pytest.fixture(scope="module")
def content(study):
    cells, predictions, labels = study
    names = [EVIL, "a & b", *map(str, range(8))]
    summary = summarise_cells(cells, 3600, len(labels))
    drawn = {
        "accuracy_contour": figures.accuracy_contour(summary),
        "accuracy_over_real": figures.accuracy_over_real(summary),
        "sample_grid": figures.sample_grid(
            {EVIL: (np.zeros((10, 8, 8, 1), np.uint8), np.arange(10))}, names
        ),
    }
    scores = [
        {"score": name, "unit": "all-0", "pool": "generated", "value": value, "floor": floor,
         "floor_deviation": 0.25, "difference": value - floor, "difference_deviation": 0.5,
         "n_splits": 50, "n": 1000, "split": "test", "n_reference": 900}
        for name, value, floor in (("fid_examiner", 4.25, 1.5), ("label_match", 0.975, 0.98))
    ]  # fmt: skip
    verdict = verdict_of(HELPS)
    return PageContent(
        data=f"made up {EVIL}",
        answer=answer_of(verdict),
        verdict=verdict,
        n_test=len(labels),
        summary=summary,
        unit="all-0",
        figures=[page_figure(name, *figures.figure_bytes(f)) for name, f in drawn.items()],
        scores=pd.DataFrame(scores),
        gains=gain_table(cells, predictions, labels),
        classes=class_table(*confirmation(HELPS), names),
        acceptance=pd.DataFrame(
            [{"class_name": EVIL, "threshold": 0.9, "drawn": 1500, "accepted": 1000, "rate": 2 / 3}]
        ),
        parameters={"seed": 0, "data": {"source": EVIL, "path": None}, "mix": {"real": [0, 1.0]}},
        versions={"torch": "2.0", EVIL: EVIL},
        reproduce=["make study", f"echo {EVIL}"],
        notes=[f"3 files could not be read: {EVIL}"],
    )
