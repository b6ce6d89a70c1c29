"""The tables of the report page, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from reports.page.answer import CAS_TITLE, percent, synthetic_only
from reports.page.facts import COPY_NAMES, label_match_facts
from reports.scores.table import SCORES
from reports.tables import rows_of
from reports.verdict.wording import points

_DASH = "\N{EN DASH}"
_REPEATED = "In strategy duplicated the generated count is that of repeated real images."
_EXPLORATORY = (
    "Of the classifiers that the choice rests on, not those of the verdict. Seeds are averaged "
    "within a unit; intervals are over units and test images, and one unit has none. p is "
    "corrected for the number of rows (Holm), the intervals are not: the more rows, the likelier "
    "one excludes 0 by chance."
)
_INTERVALS = "Intervals: over units and test images; of one unit over its seeds and test images."
_AGAINST = {"none": "real images alone"}
_CHECKPOINTS = (
    "Each row is computed on the same number of images, from the same noise, against the test "
    "images. That number differs from the one of the scores above, and FID depends on it: compare "
    "within this table only."
)
_SCORES = (
    "Where InceptionV3 is not named, scores are by the examiner, a classifier that had no part in "
    "training or filtering. The floor is what a perfect generator would reach, the score of real "
    "images: one random half of the test images against the other, the mean over {splits} "
    "halvings. 'Generated minus floor' is the mean over the same halvings; deviations are those of "
    "one halving. FID and KID: lower is better; the others: higher. KID grows with up to the "
    "sixth power of the features' scale, so it compares with that of no other network; its floor "
    "is below 0 since both sides hold as many images of each class. Precision: "
    "the share of generated images that lie among real ones; recall: the share of real images that "
    "lie among generated ones; density and coverage: the same, less moved by outliers."
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
        gains: from `reports.verdict.statistics.gain_table`.
        classes: from `reports.verdict.statistics.class_table`.
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
            "Gain of every mix and control (exploratory)",
            gains,
            {
                **cell,
                "Over": lambda row: _AGAINST.get(row.against, row.against),
                "Gain (points)": lambda row: marked(_points(row.gain), row.optimistic),
                "95 % interval": _gain_interval,
                "p, corrected": _p_value,
                **replicates,
            },
            _EXPLORATORY + f" {_REPEATED}" * repeats,
        ),
        _table(
            "Accuracy by class, best control against best mix (exploratory)",
            classes,
            {
                "Class": lambda row: row.class_name,
                "Test images": lambda row: f"{row.n_test:,}",
                "Best control": lambda row: percent(row.accuracy_against),
                "Best mix": lambda row: percent(row.accuracy),
                "Gain (points)": lambda row: _points(row.gain),
                "95 % interval": _gain_interval,
                "p, corrected": _p_value,
            },
            "The verdict's classifiers. A class has few test images; p is corrected for the number "
            "of classes (Holm).",
        ),
        _table(
            f"All cells ({len(summary)})",
            summary,
            {
                **cell,
                "Test accuracy": lambda row: marked(percent(row.test_mean, n_test), row.optimistic),
                "95 % interval": lambda row: (
                    _DASH
                    if row.test_low != row.test_low
                    else f"{percent(row.test_low, n_test)} to {percent(row.test_high, n_test)}"
                ),
                "Validation accuracy": lambda row: percent(row.validation_mean, n_test),
                **replicates,
            },
            _INTERVALS + f" {_REPEATED}" * repeats,
        ),
    ]


def score_table(scores: pd.DataFrame, summary: pd.DataFrame, n_test: int) -> Table:
    """Scores of the pools, with floors; the classification accuracy score first.

    Args:
        scores: as in `reports.page.render.PageContent`.
        summary: from `reports.verdict.statistics.summarise_cells`.
        n_test: number of test images.
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
        notes = [_SCORES.format(splits=int(scores["n_splits"].max()))]
        notes += label_match_facts(scores)
    cell = synthetic_only(summary)
    if cell is not None:
        largest = summary[summary["unit_real"] == summary["unit_real"].max()]
        alone = largest[largest["strategy"] == "none"].sort_values("n_real")["test_mean"]
        real = float(alone.iloc[-1]) if len(alone) else float("nan")
        value = f"{percent(cell['test_mean'], n_test)} ({int(cell['n_units'])} units)"
        row = [CAS_TITLE, f"{int(cell['n_synthetic']):,} ({cell['strategy']})", "the largest"]
        row += [value, percent(real, n_test)]
        row.append(_DASH if real != real else f"{points(cell['test_mean'] - real)} points")
        table.rows.insert(0, [*row, f"{n_test:,}", "test", _DASH])
        notes.insert(0, _CAS)
    return replace(table, note=" ".join(notes))


def _floor(row: Any) -> str:
    """The floor of a score, with its deviation over the halvings."""
    score = SCORES[str(row.score)]
    return f"{score.text(row.floor)} \N{PLUS-MINUS SIGN} {score.text(row.floor_deviation)}"


def _minus_floor(row: Any) -> str:
    return SCORES[str(row.score)].difference_text(row.difference, row.difference_deviation)


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
    """
    return [
        _text_table(
            "Published figures beside ours",
            comparison,
            "Where the protocol is not the same, more than the system differs: the last column "
            "says what.",
        ),
        _text_table("Claims of the studies, tested again", claims),
    ]


def marked(text: str, optimistic: bool) -> str:
    """A number, marked where it is optimistic."""
    return f"{text} (optimistic)" if optimistic else text


def _table(title: str, rows: pd.DataFrame, columns: _Columns, note: str = "") -> Table:
    """A row of text for each row; ``columns`` are heads and what stands under them."""
    text = [[str(write(row)) for write in columns.values()] for row in rows_of(rows)]
    return Table(title, [*columns], text, note)


def _text_table(title: str, table: pd.DataFrame, note: str = "") -> Table:
    """A table whose columns hold text already; an empty one is a dash."""
    heads = ["n" if name == "n" else str(name).capitalize().replace("_", " ") for name in table]
    rows = [[str(value) or _DASH for value in row] for row in table.to_numpy().tolist()]
    return Table(f"{title} ({len(rows)})", heads, rows, note, "words")


def _points(value: float) -> str:
    return _DASH if value != value else points(value)


def _p_value(row: Any) -> str:
    if row.p_holm != row.p_holm:
        return _DASH
    return "< 0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"


def _gain_interval(row: Any) -> str:
    return _DASH if row.low != row.low else f"{_points(row.low)} to {_points(row.high)}"
