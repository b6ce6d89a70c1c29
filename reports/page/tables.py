"""The tables of the report page, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.page.answer import CAS_TITLE, percent, points, verdict_text
from reports.page.facts import COPY_NAMES, label_match_facts
from reports.scores.table import SCORES
from reports.tables import rows_of

_DASH = "\N{EN DASH}"
_REPEATED = "In strategy duplicated the generated count is that of repeated real images."
_CHECKPOINTS = (
    "Each row is computed on the same number of images, from the same noise, against the test "
    "images. That number differs from the one of the scores above, and FID depends on it: compare "
    "within this table only."
)
_SCORES = (
    "Scores are by the examiner, a classifier that had no part in training or filtering. The floor "
    "is the score of as many real images in place of the generated ones: one random half of the "
    "test images against the other, the mean over {splits} halvings, which a perfect generator "
    "would reach. 'Generated minus floor' is the mean over the same halvings; deviations are those "
    "of one halving. FID and KID: lower is better; the others: higher. KID grows with up to the "
    "sixth power of the features' scale, so it compares with that of no other network; its floor "
    "is below 0 since both sides hold as many images of each class. Precision: "
    "how many generated images lie among real ones; recall: how many real images lie among "
    "generated ones; density and coverage: the same, less moved by outliers."
)
_CAS = (
    "CAS, the classification accuracy score (Ravuri and Vinyals, 2019), is the test accuracy of a "
    "classifier that saw generated images only; what stands as its floor is the accuracy with real "
    "images only."
)

_Columns = Mapping[str, Callable[[Any], str]]


@dataclass(frozen=True)
class Table:
    """A table of text; the first column is the header of its row."""

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""
    look: str = ""  # "words": sentences in its cells, which may break.


def cell_tables(
    summary: pd.DataFrame, gains: pd.DataFrame, classes: pd.DataFrame, n_test: int
) -> list[Table]:
    """Gains, accuracy by class, and all cells, of a study.

    Args:
        summary: from `reports.verdict.statistics.study_findings`, as the other tables are.
        gains: what each mix and control gains.
        classes: accuracy by class.
        n_test: number of test images.
    """
    cell: _Columns = {
        "Strategy": lambda row: row.strategy,
        "Real": lambda row: f"{row.n_real:,}",
        "Generated": lambda row: f"{row.n_synthetic:,}",
    }
    replicates: _Columns = {"Seeds": lambda row: str(row.n_seeds)}
    if summary["unit_real"].nunique() > 1 or (summary["n_units"] > 1).any():
        cell = {**cell, "A unit sees": lambda row: f"{row.unit_real:,}"}
        replicates = {**replicates, "Units": lambda row: str(row.n_units)}
    repeats = any(
        "duplicated" in set(table["strategy"]) for table in (summary, gains) if len(table)
    )
    return [
        _table(
            "Gain of every mix and control over the same real images alone",
            gains,
            {
                **cell,
                "Gain (points)": lambda row: marked(_points(row.gain), row.optimistic),
                "95 % interval": _gain_interval,
                "Verdict": lambda row: verdict_text(row.verdict, row.n_seeds),
                **replicates,
            },
            _REPEATED * repeats,
        ),
        _table(
            "Accuracy by class, real only against best mix",
            classes,
            {
                "Class": lambda row: row.class_name,
                "Test images": lambda row: f"{row.n_test:,}",
                "Real only": lambda row: percent(row.accuracy_real),
                "Best mix": lambda row: percent(row.accuracy_best_mix),
                "Gain (points)": lambda row: _points(row.gain),
                "95 % interval": _gain_interval,
            },
            "A class has few test images: look at its interval before you read anything into a "
            "difference.",
        ),
        _table(
            f"All cells ({len(summary)})",
            summary,
            {
                **cell,
                "Test accuracy": lambda row: marked(percent(row.test_mean, n_test), row.optimistic),
                "95 % interval (seeds, test images)": lambda row: (
                    _DASH
                    if row.test_low != row.test_low
                    else f"{percent(row.test_low, n_test)} to {percent(row.test_high, n_test)}"
                ),
                "Validation accuracy": lambda row: percent(row.validation_mean, n_test),
                **replicates,
            },
            _REPEATED * repeats,
        ),
    ]


def score_table(scores: pd.DataFrame, headline: Mapping[str, Any]) -> Table:
    """Scores of the pools, with floors; the classification accuracy score first.

    Args:
        scores: as in `reports.page.render.PageContent`.
        headline: from `reports.verdict.statistics.headline`.
    """
    table = _table(
        "Scores of the generated images",
        scores,
        {
            "Score": lambda row: SCORES[str(row.score)].title,
            "Images": lambda row: row.pool,
            "Unit": lambda row: row.unit,
            "Value": lambda row: SCORES[str(row.score)].text(float(row.value)),
            "Floor (real images)": _floor,
            "Generated minus floor": _minus_floor,
            "n": lambda row: f"{int(row.n):,}",
            "Split": lambda row: row.split,
            "n reference": lambda row: f"{int(row.n_reference):,}",
        },
    )
    notes = []
    if len(scores):
        splits = scores["n_splits"].max()
        notes = [_SCORES.format(splits=_DASH if splits != splits else int(splits))]
        notes += label_match_facts(scores)
    cas = headline.get("accuracy_synthetic_only")
    if cas is not None:
        cell, real = headline["synthetic_only_cell"], headline["accuracy_real"]
        n = headline["n_test"]
        row = [CAS_TITLE, f"{cell['n_synthetic']:,} ({cell['strategy']})", "headline's"]
        row += [percent(cas, n), percent(real, n)]
        row.append(_DASH if real is None else f"{points(cas - real, 2)} points")
        table.rows.insert(0, [*row, f"{n:,}", "test", _DASH])
        notes.insert(0, _CAS)
    return replace(table, note=" ".join(notes))


def _floor(row: Any) -> str:
    """The floor of a score, with its deviation over the halvings."""
    score = SCORES[str(row.score)]
    text, deviation = score.text(float(row.floor)), float(row.floor_deviation)
    known = row.floor == row.floor and deviation == deviation
    return f"{text} \N{PLUS-MINUS SIGN} {score.text(deviation)}" if known else text


def _minus_floor(row: Any) -> str:
    difference, deviation = float(row.difference), float(row.difference_deviation)
    return SCORES[str(row.score)].difference_text(difference, deviation)


def generator_tables(acceptance: pd.DataFrame, checkpoints: pd.DataFrame) -> list[Table]:
    """Acceptance by the filter, and scores of the checkpoints.

    Args:
        acceptance: of the generated images, by class.
        checkpoints: columns that were not scored are left out.
    """
    names = [name for name in SCORES if name in checkpoints and checkpoints[name].notna().any()]
    ordered = checkpoints[:0]
    if names:
        ordered = checkpoints.sort_values(["epoch", "weights"], ascending=[True, False])

    def score(name: str) -> Callable[[Any], str]:
        return lambda row: SCORES[name].text(float(getattr(row, name)))

    return [
        _table(
            "Acceptance by class and threshold",
            acceptance,
            {
                "Class": lambda row: row.class_name,
                "Threshold": lambda row: f"{row.threshold:g}",
                "Drawn": lambda row: f"{row.drawn:,}",
                "Accepted": lambda row: f"{row.accepted:,}",
                "Share": lambda row: percent(row.rate),
            },
        ),
        _table(
            f"Scores of the checkpoints ({len(ordered)})",
            ordered,
            {
                "Epoch": lambda row: row.epoch,
                "Weights": lambda row: COPY_NAMES.get(row.weights, row.weights),
                **{SCORES[name].title: score(name) for name in names},
            },
            _CHECKPOINTS,
        ),
    ]


def published_tables(comparison: pd.DataFrame, claims: pd.DataFrame) -> list[Table]:
    """What the published studies say, beside ours.

    Args:
        comparison: as in `reports.page.render.PageContent`, as the other table is.
        claims: of the studies.

    Raises:
        ReportError: a table without one of its columns.
    """
    return [
        _text_table(
            "Published figures beside ours",
            comparison,
            ["study", "system", "measure", "published", "ours", "interval", "n", "same_protocol",
             "why"],
            "Where the protocol is not the same, more than the system differs: the last column "
            "says what.",
        ),
        _text_table(
            "Claims of the studies, tested again",
            claims,
            ["study", "claim", "verdict", "difference", "interval", "n", "based_on"],
        ),
    ]  # fmt: skip


def marked(text: str, optimistic: bool) -> str:
    """A number, marked where it is optimistic."""
    return f"{text} (optimistic)" if optimistic else text


def _table(title: str, rows: pd.DataFrame, columns: _Columns, note: str = "") -> Table:
    """A row of text for each row; ``columns`` are heads and what stands under them."""
    text = [[str(write(row)) for write in columns.values()] for row in rows_of(rows)]
    return Table(title, [*columns], text, note)


def _text_table(title: str, table: pd.DataFrame, names: list[str], note: str = "") -> Table:
    """A table whose columns hold text already."""
    missing = [name for name in names if name not in table]
    if len(table) and missing:
        raise ReportError(f"page: {title.lower()}: no column {missing[0]!r}; needed: {names}")
    rows = [[_word(getattr(row, name)) for name in names] for row in rows_of(table)]
    heads = [name if name == "n" else name.capitalize().replace("_", " ") for name in names]
    return Table(f"{title} ({len(rows)})", heads, rows, note, "words")


def _word(value: Any) -> str:
    """A value of a table of text; what is unknown is a dash."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if value is None or value != value:
        return _DASH
    return str(value) or _DASH


def _points(value: float) -> str:
    return _DASH if value != value else points(value, 2)


def _gain_interval(row: Any) -> str:
    return _DASH if row.low != row.low else f"{_points(row.low)} to {_points(row.high)}"
