"""The studies' claims, each judged by our runs.

Which runs decide a claim is settled by budget and name, never by what they reached.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from pipeline.studies.claims import (
    Expectation,
    Finding,
    Unit,
    claim_verdict,
    late_change,
    oscillation,
    welch_interval,
)
from pipeline.studies.published import (
    BestTest,
    CellsTest,
    Claim,
    CourseTest,
    GeneratorsTest,
    NeighboursTest,
    OscillationTest,
    Published,
    RoughnessTest,
)
from pipeline.studies.records import (
    CellsRecord,
    GeneratorRecord,
    Record,
    RecordedContrast,
    Runs,
    budget_text,
    runs_by_budget,
)
from reports.verdict.statistics import MeanInterval, mean_interval

_UNITS: dict[str, Unit] = {
    "fid_examiner": "FID",
    "inception_score": "Inception Score",
    "label_match": "points",
}
_MOST_NAMED = 3


def judge_claims(published: Published, records: Sequence[Record]) -> Iterator[Finding]:
    """Yield what the recorded runs say of every claim of a study."""
    generators = [record for record in records if isinstance(record, GeneratorRecord)]
    grids = [record for record in records if isinstance(record, CellsRecord)]
    for claim in published.claims:
        match claim.test:
            case CellsTest() | BestTest() | RoughnessTest():
                yield _of_classifiers(published, claim, claim.test, grids)
            case GeneratorsTest() | OscillationTest():
                yield _of_two_generators(published, claim, claim.test, generators)
            case CourseTest() | NeighboursTest():
                yield _of_one_generator(published, claim, claim.test, generators)


def _missing(published: Published, claim: Claim, unit: Unit, why: str) -> Finding:
    return Finding(published.study, claim.text, "missing", None, None, None, unit, "0", why)


def _of_classifiers(
    published: Published,
    claim: Claim,
    test: CellsTest | BestTest | RoughnessTest,
    grids: Sequence[CellsRecord],
) -> Finding:
    """Judge a claim by the contrast that a grid of the study's generator and data recorded."""
    pool = published.protocol.pool
    candidates: list[tuple[CellsRecord, RecordedContrast]] = []
    for record in grids:
        if pool is None or record.generator.system != pool.system or record.options:
            continue
        if record.data.source == published.data.source:
            candidates += [(record, c) for c in record.contrasts if c.claim == claim.id]
    if not candidates:
        name = "the study's generator" if pool is None else pool.system
        why = f"no grid of {published.data.name} with images of {name} in its own settings"
        return _missing(published, claim, "points", why)
    current = [(r, c) for r, c in candidates if c.test == claim.measured]
    if not current:
        names = ", ".join(record.name for record, _ in candidates)
        why = f"{names}: measured for another test; `augment record --cells` measures it again"
        return _missing(published, claim, "points", why)
    record, contrast = max(
        current, key=lambda item: (bool(item[1].pairs), *item[0].generator.nearness)
    )
    if contrast.difference is None:
        why = f"{record.name}: not trained: {_named(contrast.missing)}"
        return _missing(published, claim, "points", why)
    # With one seed the interval covers the choice of test images alone.
    low, high = (contrast.low, contrast.high) if contrast.n_seeds > 1 else (None, None)
    margin = test.margin if isinstance(test, CellsTest) else None
    verdict = claim_verdict(low, high, test.expects, margin or 0.0)
    said = [f"{record.name} ({budget_text(record.generator)})", _pairs_text(test, contrast)]
    if contrast.missing:
        said.append(f"not trained: {_named(contrast.missing)}")
    if contrast.optimistic_counts:
        said.append(_optimistic_text(contrast.optimistic_counts))
    if contrast.n_seeds < 2:
        said.append("n = 1")
    return Finding(
        published.study,
        claim.text,
        verdict,
        contrast.difference,
        low,
        high,
        "points",
        str(contrast.n_seeds),
        "; ".join(said),
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
    published: Published,
    claim: Claim,
    test: GeneratorsTest | OscillationTest,
    records: Sequence[GeneratorRecord],
) -> Finding:
    """Judge a claim of two generators by their runs at one budget."""
    own = [record for record in records if record.data.source == published.data.source]
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
        return _missing(published, claim, unit, f"no run of {' or '.join(absent)}")
    shared = [budget for budget in sides[0] if budget in sides[1]]
    if not shared:
        budgets = "; ".join(
            f"{runs.first.system.name}: {budget_text(runs.first)}"
            for side in sides
            for runs in list(side.values())[:1]
        )
        return _missing(published, claim, unit, f"no runs at one budget ({budgets})")
    # Sorted by nearness: of budgets with equally many seeds the first one counts.
    budget = max(shared, key=lambda each: min(len(side[each].records) for side in sides))
    values = [
        [found for record in side[budget].records if (found := value(record)) is not None]
        for side in sides
    ]
    runs = [side[budget] for side in sides]
    basis = f"{runs[0]}, {runs[1]}; {budget_text(runs[0].first)}{_arithmetic(*runs)}"
    if not all(values):
        return _missing(published, claim, unit, f"{basis}; too few checkpoints or no such score")
    ns = len(values[0]), len(values[1])
    interval = welch_interval(values[0], values[1])
    return _finding(
        published,
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
    published: Published,
    claim: Claim,
    test: CourseTest | NeighboursTest,
    records: Sequence[GeneratorRecord],
) -> Finding:
    """Judge a claim of one generator by its runs at the budget with the most seeds."""
    own = [record for record in records if record.data.source == published.data.source]
    # A run with another batch, say, tells more than none, and is named as such.
    by_budget = runs_by_budget(own, test.system) or runs_by_budget(own, test.system, changed=True)
    unit: Unit = "points" if isinstance(test, NeighboursTest) else "%"
    if not by_budget:
        return _missing(published, claim, unit, f"no run of {test.system}")

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
        return _missing(published, claim, unit, f"{basis}; {lacking}")
    interval = mean_interval(values)
    expects: Expectation = "higher" if isinstance(test, CourseTest) else "lower"
    n = interval.n
    result = _finding(published, claim, unit, interval, expects, str(n), basis, n)
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
    published: Published,
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
        published.study,
        claim.text,
        claim_verdict(low, high, expects),
        found.mean,
        low,
        high,
        unit,
        n,
        f"{based_on}; n = 1" if fewest < 2 else based_on,
    )
