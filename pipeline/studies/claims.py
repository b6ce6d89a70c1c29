"""The studies' claims, judged by our recorded runs: confirmed, contradicted or undecided.

A claim sets one side, ``b``, against another, ``a``; its difference is always b minus a, with an
interval at 95 %. Claims of classifiers were measured where their predictions were at hand (see
`contrasts`), claims of generators are measured from the scores of their checkpoints. Which runs
decide a claim is settled by budget and name, never by what they reached.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from pipeline.studies.records import (
    CellsRecord,
    GeneratorRecord,
    Record,
    RecordedContrast,
    Runs,
    budget_text,
    runs_by_budget,
)
from pipeline.study_files import (
    BestTest,
    CellsTest,
    Claim,
    CourseTest,
    GeneratorsTest,
    NeighboursTest,
    OscillationTest,
    RoughnessTest,
    Study,
)
from reports.verdict.intervals import CONFIDENCE, MeanInterval, mean_interval

Expectation = Literal["higher", "lower", "equal"]
ClaimVerdict = Literal["confirmed", "contradicted", "undecided", "missing"]

Unit = Literal["points", "FID", "Inception Score", "%"]
"""Of a finding's difference: percentage points, a score, or a share of the lowest FID."""

NOTE = (
    "A difference is the claim's second side minus its first; its 95 % interval covers seeds and "
    "test images where classifiers decide a claim, and seeds of the generator where generators do. "
    "Confirmed and contradicted: the whole interval is on one side. One seed decides nothing, nor "
    "do seeds that all agree. Optimistic: the generator saw all training images, the classifiers "
    "only so many, as in the studies."
)
"""What a reader of the table must know."""

COLUMNS = ["study", "claim", "verdict", "difference", "interval", "n", "based_on"]
NONE = "\N{EN DASH}"

_SCALES: dict[Unit, tuple[float, int]] = {
    "points": (100, 2),
    "FID": (1, 1),
    "Inception Score": (1, 2),
    "%": (100, 1),
}

_UNITS: dict[str, Unit] = {
    "fid_examiner": "FID",
    "inception_score": "Inception Score",
    "label_match": "points",
}
_MOST_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """What our runs say of one claim."""

    study: str
    claim: str
    verdict: ClaimVerdict
    difference: float | None  # b minus a; a fraction with the units points and %
    low: float | None
    high: float | None
    unit: Unit
    n: str  # seeds
    based_on: str


def claims_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return one row a claim, all text.

    Args:
        findings: what was found of each.

    Returns:
        Columns study, claim, verdict, difference (with its unit), interval (95 %), n, based_on;
        an en dash stands for what there is not.
    """
    rows = []
    for found in findings:
        scale, decimals = _SCALES[found.unit]
        difference = interval = NONE
        if found.difference is not None:
            difference = f"{_signed(scale * found.difference, decimals)} {found.unit}"
        if found.low is not None and found.high is not None:
            low, high = (_signed(scale * bound, decimals) for bound in (found.low, found.high))
            interval = f"{low} to {high}"
        rows.append(
            [
                found.study,
                found.claim,
                found.verdict,
                difference,
                interval,
                found.n,
                found.based_on,
            ]
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def judge_claims(study: Study, records: Sequence[Record]) -> Iterator[Finding]:
    """Yield what the recorded runs say of every claim of a study."""
    generators = [record for record in records if isinstance(record, GeneratorRecord)]
    grids = [record for record in records if isinstance(record, CellsRecord)]
    for claim in study.claims:
        match claim.test:
            case CellsTest() | BestTest() | RoughnessTest():
                yield _of_classifiers(study, claim, claim.test, grids)
            case GeneratorsTest() | OscillationTest():
                yield _of_two_generators(study, claim, claim.test, generators)
            case CourseTest() | NeighboursTest():
                yield _of_one_generator(study, claim, claim.test, generators)


def _missing(study: Study, claim: Claim, unit: Unit, why: str) -> Finding:
    return Finding(study.name, claim.text, "missing", None, None, None, unit, "0", why)


def _of_classifiers(
    study: Study,
    claim: Claim,
    test: CellsTest | BestTest | RoughnessTest,
    grids: Sequence[CellsRecord],
) -> Finding:
    """Judge a claim by the contrast that a grid of the study's generator and data recorded."""
    pool = study.published.pool
    candidates: list[tuple[CellsRecord, RecordedContrast]] = []
    for record in grids:
        if pool is None or record.generator.system != pool.system or record.options:
            continue
        if record.data.source == study.source:
            candidates += [(record, c) for c in record.contrasts if c.claim == claim.id]
    if not candidates:
        name = "the study's generator" if pool is None else pool.system
        why = f"no grid of {study.images.name} with images of {name} in its own settings"
        return _missing(study, claim, "points", why)
    current = [(r, c) for r, c in candidates if c.test == claim.measured]
    if not current:
        names = ", ".join(record.name for record, _ in candidates)
        why = f"{names}: measured for another test; `augment record --cells` measures it again"
        return _missing(study, claim, "points", why)
    record, contrast = max(
        current, key=lambda item: (bool(item[1].pairs), *item[0].generator.nearness)
    )
    if contrast.difference is None:
        why = f"{record.name}: not trained: {_named(contrast.missing)}"
        return _missing(study, claim, "points", why)
    # With one seed the interval covers the choice of test images alone.
    low, high = (contrast.low, contrast.high) if contrast.n_seeds > 1 else (None, None)
    margin = test.margin if isinstance(test, CellsTest) else None
    verdict = claim_verdict(low, high, test.expects, margin or 0.0)
    details = [f"{record.name} ({budget_text(record.generator)})", _pairs_text(test, contrast)]
    if contrast.missing:
        details.append(f"not trained: {_named(contrast.missing)}")
    if contrast.optimistic_counts:
        details.append(_optimistic_text(contrast.optimistic_counts))
    if contrast.n_seeds < 2:
        details.append("n = 1")
    return Finding(
        study.name,
        claim.text,
        verdict,
        contrast.difference,
        low,
        high,
        "points",
        str(contrast.n_seeds),
        "; ".join(details),
    )


def _optimistic_text(counts: Sequence[int]) -> str:
    fewest, most = (f"{count:,}" for count in (min(counts), max(counts)))
    return f"optimistic at {fewest if fewest == most else f'{fewest} to {most}'} real images"


def _pairs_text(test: CellsTest | BestTest | RoughnessTest, contrast: RecordedContrast) -> str:
    n = len(contrast.pairs)
    if isinstance(test, RoughnessTest):
        return f"{n} lines of the grid" if n > 1 else "1 line of the grid"
    if contrast.chosen_by == "validation":
        return f"chosen on validation: {contrast.pairs[0]}"
    pairs = f"{n} pairs" if n > 1 else contrast.pairs[0]
    return f"{pairs} at the {contrast.chosen_by}" if contrast.chosen_by else pairs


def _named(names: Sequence[str]) -> str:
    """Return names as one text, the first ones and how many more."""
    more = len(names) - _MOST_NAMED
    text = ", ".join(names[:_MOST_NAMED])
    return f"{text} and {more} more" if more > 0 else text


def _of_two_generators(
    study: Study,
    claim: Claim,
    test: GeneratorsTest | OscillationTest,
    records: Sequence[GeneratorRecord],
) -> Finding:
    """Judge a claim of two generators by their runs at one budget."""
    own = [record for record in records if record.data.source == study.source]
    unit: Unit = "%"
    if isinstance(test, GeneratorsTest):
        score = test.score
        unit = _UNITS[score]
        sides = [runs_by_budget(own, name) for name in (test.a, test.b)]

        def value(record: GeneratorRecord) -> float | None:
            found: float | None = getattr(record.plain[-1], score)
            return found
    else:

        def spaced(record: GeneratorRecord) -> Hashable:
            # Changes from checkpoint to checkpoint depend on how far they lie apart.
            return record.budget, tuple(row.epoch for row in record.plain)

        sides = [runs_by_budget(own, name, spaced) for name in (test.a, test.b)]

        def value(record: GeneratorRecord) -> float | None:
            return oscillation([row.fid_examiner for row in record.plain])

    absent = [name for name, side in zip((test.a, test.b), sides, strict=True) if not side]
    if absent:
        return _missing(study, claim, unit, f"no run of {' or '.join(absent)}")
    shared = [budget for budget in sides[0] if budget in sides[1]]
    if not shared:
        budgets = "; ".join(
            f"{runs.first.system.name}: {budget_text(runs.first)}"
            for side in sides
            for runs in list(side.values())[:1]
        )
        return _missing(study, claim, unit, f"no runs at one budget ({budgets})")
    # Sorted by nearness: of budgets with equally many seeds the first one counts.
    budget = max(shared, key=lambda each: min(len(side[each].records) for side in sides))
    values = [
        [found for record in side[budget].records if (found := value(record)) is not None]
        for side in sides
    ]
    runs = [side[budget] for side in sides]
    basis = f"{runs[0]}, {runs[1]}; {budget_text(runs[0].first)}{_arithmetic(*runs)}"
    if not all(values):
        return _missing(study, claim, unit, f"{basis}; too few checkpoints or no such score")
    ns = len(values[0]), len(values[1])
    interval = welch_interval(values[0], values[1])
    return _finding(
        study,
        claim,
        unit,
        interval,
        test.expects,
        f"{ns[0]} + {ns[1]}",
        basis,
        min(ns),
    )


def _arithmetic(*sides: Runs) -> str:
    """Return the arithmetic of runs that differ in it, to be said; else nothing."""
    found = {record.machine.precision for runs in sides for record in runs.records} - {None}
    return f"; partly {' and '.join(sorted(map(str, found)))}" if len(found) > 1 else ""


def _of_one_generator(
    study: Study,
    claim: Claim,
    test: CourseTest | NeighboursTest,
    records: Sequence[GeneratorRecord],
) -> Finding:
    """Judge a claim of one generator by its runs at the budget with the most seeds."""
    own = [record for record in records if record.data.source == study.source]
    # A run with another batch, say, tells more than none, and is named as such.
    by_budget = runs_by_budget(own, test.system) or runs_by_budget(own, test.system, changed=True)
    unit: Unit = "points" if isinstance(test, NeighboursTest) else "%"
    if not by_budget:
        return _missing(study, claim, unit, f"no run of {test.system}")

    def value(record: GeneratorRecord) -> float | None:
        if isinstance(test, CourseTest):
            return late_change([row.fid_examiner for row in record.plain])
        near = record.neighbours
        return None if near is None else near.generated - near.test

    best = max(
        by_budget.values(),
        key=lambda runs: sum(value(record) is not None for record in runs.records),
    )
    values = [found for record in best.records if (found := value(record)) is not None]
    basis = f"{best}; {budget_text(best.first)}"
    if not values:
        lacking = "one checkpoint" if isinstance(test, CourseTest) else "not inspected"
        return _missing(study, claim, unit, f"{basis}; {lacking}")
    interval = mean_interval(values)
    expects: Expectation = "higher" if isinstance(test, CourseTest) else "lower"
    n = interval.n
    result = _finding(study, claim, unit, interval, expects, str(n), basis, n)
    if isinstance(test, NeighboursTest):
        return _where_images_look_right(result, test, best)
    return result


def _where_images_look_right(found: Finding, test: NeighboursTest, runs: Runs) -> Finding:
    """Leave a claim of images that look right undecided where they do not."""
    matches = [record.plain[-1].label_match or 0.0 for record in runs.records]
    match = float(np.mean(matches))
    basis = f"{found.based_on}; label match {match:.1%}"
    if match >= test.label_match:
        return replace(found, based_on=basis)
    return replace(
        found,
        verdict="undecided",
        based_on=f"{basis}, too low to look right (from {test.label_match:.0%} on)",
    )


def _finding(
    study: Study,
    claim: Claim,
    unit: Unit,
    found: MeanInterval,
    expects: Expectation,
    n: str,
    based_on: str,
    fewest: int,
) -> Finding:
    """Return the finding of an interval over generators; one seed decides nothing."""
    low, high = (None if math.isnan(bound) else bound for bound in (found.low, found.high))
    return Finding(
        study.name,
        claim.text,
        claim_verdict(low, high, expects),
        found.mean,
        low,
        high,
        unit,
        n,
        f"{based_on}; n = 1" if fewest < 2 else based_on,
    )


def welch_interval(a: ArrayLike, b: ArrayLike, confidence: float = CONFIDENCE) -> MeanInterval:
    """Mean of ``b`` minus mean of ``a``, two groups of independent values (Welch, 1947).

    Args:
        a: finite numbers, one a seed.
        b: likewise; the groups may differ in size and in variance.
        confidence: coverage, in (0, 1).

    Returns:
        The difference, bounds, and the number of values of both groups. With fewer than two values
        in a group, or where the values of neither differ, the bounds are NaN.

    Raises:
        StatisticsError: an empty group, or values that are not finite.
    """
    one, other = mean_interval(a, confidence), mean_interval(b, confidence)
    difference = other.mean - one.mean
    if min(one.n, other.n) < 2 or (math.isnan(one.low) and math.isnan(other.low)):
        return MeanInterval(difference, float("nan"), float("nan"), one.n + other.n)
    parts = [float(np.var(np.asarray(x, np.float64), ddof=1)) / np.size(x) for x in (a, b)]
    error = sum(parts) ** 0.5
    freedom = sum(parts) ** 2 / sum(
        part**2 / (n - 1) for part, n in zip(parts, (one.n, other.n), strict=True)
    )
    half = float(student_t.ppf((1 + confidence) / 2, freedom)) * error
    return MeanInterval(difference, difference - half, difference + half, one.n + other.n)


def oscillation(fids: Sequence[float]) -> float | None:
    """How much FID goes up and down from checkpoint to checkpoint, as a share of its lowest value.

    The mean absolute change between consecutive checkpoints, less the change from the first to the
    last: 0 where FID only falls or only rises, for a steady course is no oscillation. The first
    third of the checkpoints, in which every FID falls, is left out.

    Args:
        fids: FID of each checkpoint in order.

    Returns:
        The share; None with fewer than three checkpoints after the first third, or a FID that is
        not above 0.
    """
    values = np.asarray(fids, dtype=np.float64)
    later = values[len(values) // 3 :]
    if len(later) < 3 or values.min() <= 0:
        return None
    steps = np.diff(later)
    return float((np.abs(steps).sum() - abs(steps.sum())) / len(steps) / values.min())


def late_change(fids: Sequence[float]) -> float | None:
    """How much worse the last checkpoint is than the best one before it, as a share of that one.

    Above 0 quality rose and was lost again: the best checkpoint is not the last. Below 0 the last
    one is the best.

    Args:
        fids: FID of each checkpoint in order.

    Returns:
        The share; None with fewer than two checkpoints, or a FID that is not above 0.
    """
    if len(fids) < 2 or min(fids) <= 0:
        return None
    return float(fids[-1] / min(fids[:-1]) - 1)


def claim_verdict(
    low: float | None, high: float | None, expects: Expectation, margin: float = 0.0
) -> ClaimVerdict:
    """What an interval of a difference says of a claim.

    Args:
        low: lower bound, None or NaN where there is no interval.
        high: upper bound.
        expects: what the claim says of b against a.
        margin: with ``equal``, the largest difference that counts as none.

    Returns:
        'confirmed' where the whole interval is on the claimed side (with ``equal``: within the
        margin), 'contradicted' where all of it is on the other side (outside the margin), else
        'undecided'.
    """
    if low is None or high is None or not low <= high:  # false for NaN
        return "undecided"
    if expects == "equal":
        if -margin <= low and high <= margin:
            return "confirmed"
        return "contradicted" if low > margin or high < -margin else "undecided"
    if expects == "lower":
        low, high = -high, -low
    return "confirmed" if low > 0 else "contradicted" if high < 0 else "undecided"


def _signed(value: float, decimals: int) -> str:
    """Return a number with a sign that is not a hyphen; what rounds to 0 has none."""
    text = f"{value:+.{decimals}f}"
    return (text if float(text) else text[1:]).replace("-", "\N{MINUS SIGN}")
