"""The report's answer: the verdict in words, what it rests on, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.scores.table import HEADLINES
from reports.verdict.intervals import mean_interval
from reports.verdict.verdict import Verdict
from reports.verdict.wording import headline, points, sentences

_ROSE = 0.002
"""A second half of training that adds more to validation accuracy than this may not be the last,
though chance explains it."""

CAS_TITLE = "CAS (classification accuracy score)"
"""Test accuracy with generated images only: Ravuri and Vinyals, 2019."""


@dataclass(frozen=True)
class Answer:
    """What stands on top of the report."""

    short: str  # a few words
    sentence: str
    basis: Sequence[str]  # sentences on what it rests on
    tone: str  # helps, hurts, cannot-tell or none


def study_answer(
    verdict: Verdict | None, why_none: str, budget: str, notes: Sequence[str]
) -> Answer:
    """The answer of a study.

    Args:
        verdict: None where nothing could be compared.
        why_none: why, in a sentence.
        budget: what every generator and classifier was given.
        notes: further sentences of the basis.
    """
    if verdict is None:
        return Answer("No comparison", why_none, notes, "none")
    tone = verdict.word if verdict.word in ("helps", "hurts") else "cannot-tell"
    first, *basis = sentences(verdict, budget)
    return Answer(headline(verdict), first, [*basis, *notes], tone)


def undertrained(confirmed: pd.DataFrame) -> list[str]:
    """A warning of arms whose validation accuracy the second half of their steps still raised.

    Each chosen cell was also trained, from the start, for half the steps. Arms are told by their
    mean over units, whatever its interval (Student's t over units): only the word for it depends
    on that.

    Args:
        confirmed: columns unit, arms, validation_accuracy, half_validation_accuracy (NaN without a
            validation part).

    Returns:
        One sentence that names the arms, or none.
    """
    rows = confirmed.explode("arms")
    rose = rows["validation_accuracy"] - rows["half_validation_accuracy"]
    by_unit = rose.groupby([rows["arms"].astype(str), rows["unit"]]).mean().dropna()
    told: list[str] = []
    learning: list[str] = []
    perhaps: list[str] = []
    for arm, values in by_unit.groupby(level=0):
        found = mean_interval(values)
        # NaN, as with one unit, is not above 0.
        certain = found.low > 0
        if found.mean <= _ROSE and not certain:
            continue
        (learning if certain else perhaps).append(str(arm))
        text = f"{arm} by {100 * found.mean:.1f}"
        if found.low == found.low:
            text += f" (95 % interval over units {points(found.low, 1)} to {points(found.high, 1)})"
        told.append(text)
    if not told:
        return []
    words = [f"{listed(learning)} were still learning"] if learning else []
    words += [f"{listed(perhaps)} may still have been learning"] if perhaps else []
    return [
        f"With half the steps validation accuracy was lower, in points: {', '.join(told)}. "
        f"Classifiers of {'; those of '.join(words)}. More steps may change the answer."
    ]


def worth_text(curve: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """How many real images the generated ones are worth, for each real count; exploratory.

    Args:
        curve: from `reports.verdict.statistics.learning_curve`.
        table: from `reports.verdict.statistics.worth`.
    """
    largest = curve.loc[curve["arm"] == "real", "n_real"].max()
    counts, bounded = [], False
    for n_real, count, low, high in table.itertuples(index=False):
        if count != count or n_real == largest:
            continue
        bounds = ""
        if low == low and high == high:
            bounds = f" ({low:,.0f} to {high:,.0f} at the bounds of the interval)"
            bounded = True
        counts.append(
            f"{int(n_real):,} real images with generated ones reach the accuracy of about "
            f"{count:,.0f} real images alone{bounds}"
        )
    if not counts:
        return []
    of_mix = " The bounds are those of the mix; the curve is uncertain too." if bounded else ""
    return [
        f"{'; '.join(counts)}. Exploratory: interpolated on the learning curve of real images "
        f"alone, between its counts on a logarithmic axis.{of_mix}"
    ]


def listed(parts: Sequence[str]) -> str:
    """One or more things in words: 'a, b and c'."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def percent(fraction: float, n_test: int = 0) -> str:
    """A fraction as a percentage, with two decimals where 5,000 test images or more carry them."""
    if fraction != fraction:
        return "\N{EN DASH}"
    return f"{100 * fraction:.{2 if n_test >= 5000 else 1}f}%"


def below_full_note(summary: pd.DataFrame, *, has_verdict: bool) -> str:
    """What a reader must know of cells with fewer real images than the generator saw.

    In the strict protocol, the only one with units of several sizes, there is no such cell.

    Args:
        summary: from `reports.verdict.statistics.summarise_cells`.
        has_verdict: whether there is a verdict.

    Returns:
        Sentences; empty where there is no such cell.
    """
    unit_real = int(summary["unit_real"].max())
    small = summary[(summary["n_real"] > 0) & (summary["n_real"] < summary["unit_real"])]
    if small.empty:
        return ""
    notes = []
    marked = sorted({int(n) for n in small.loc[small["optimistic"], "n_real"]})
    if marked:
        counts = " to ".join(f"{n:,}" for n in dict.fromkeys((marked[0], marked[-1])))
        notes.append(
            "Optimistic means: the generator, the judge and the choice of the epoch saw all "
            f"{unit_real:,} training images, the classifier only {counts} of them. So the "
            "generated images can hold something of images that the classifier never saw; "
            f"those of a generator trained on the same {counts} images could not."
        )
    if has_verdict:
        notes.append(f"The verdict is about {unit_real:,} real images, all that there are.")
    if marked:
        notes.append(
            "Cells of generated images alone are not marked: they stand for all "
            f"{unit_real:,} images, and should be compared with these."
        )
    return " ".join(notes)


def key_scores(scores: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The rows of the scores that stand on top of the report: one unit's generated images.

    Args:
        scores: as in `reports.page.render.PageContent`; or empty.
        unit: whose generator.
    """
    if scores.empty:
        return scores
    mine = scores[(scores["unit"] == unit) & (scores["pool"] == "generated")]
    return mine[mine["value"].notna() & mine["score"].isin(HEADLINES)]


def synthetic_only(summary: pd.DataFrame) -> Mapping[str, float] | None:
    """The cell of the most generated images alone, of the largest units; None without one.

    Args:
        summary: from `reports.verdict.statistics.summarise_cells`.
    """
    rows = summary[
        (summary["strategy"] == "mix")
        & (summary["n_real"] == 0)
        & (summary["unit_real"] == summary["unit_real"].max())
    ]
    if rows.empty:
        return None
    found: Mapping[str, float] = rows.sort_values("n_synthetic").iloc[-1].to_dict()
    return found


def metrics(
    verdict: Verdict | None, summary: pd.DataFrame, scores: pd.DataFrame, unit: str
) -> dict[str, float]:
    """The study's headline numbers, rounded to six digits; what was not measured is left out.

    Args:
        verdict: None without a comparison.
        summary: from `reports.verdict.statistics.summarise_cells`.
        scores: as for `key_scores`.
        unit: whose generator the scores are of.
    """
    found: dict[str, float] = {}
    if verdict is not None:
        arms = verdict.primary
        found |= {f"accuracy_{arms.against}": arms.accuracy_against}
        found |= {f"accuracy_{arms.arm}": arms.accuracy, "gain": arms.interval.gain}
        found |= {"gain_low": arms.interval.low, "gain_high": arms.interval.high}
    else:
        found |= _real_alone(summary)
    only = synthetic_only(summary)
    if only is not None:
        # Classification accuracy score (Ravuri and Vinyals, 2019).
        found["cas"] = only["test_mean"]
    rows = key_scores(scores, unit)
    if len(rows):
        found |= dict(zip(rows["score"], rows["value"], strict=True))
    return {name: round(float(value), 6) for name, value in found.items() if value == value}


def _real_alone(summary: pd.DataFrame) -> dict[str, float]:
    """Accuracy with the most real images alone; nothing where none were trained."""
    rows = summary[summary["strategy"] == "none"].sort_values("n_real")
    return {"accuracy_real": float(rows["test_mean"].iloc[-1])} if len(rows) else {}
