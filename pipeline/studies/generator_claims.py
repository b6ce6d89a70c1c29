"""Claims of generators, measured over seeds from the scores of their checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from pipeline.studies.findings import DifferenceUnit, Expectation, Finding, claim_verdict
from pipeline.studies.records import GeneratorRecord, Runs, runs_by_budget
from pipeline.study_files import CourseTest, GeneratorsTest, NeighboursTest, OscillationTest
from reports.verdict.intervals import CONFIDENCE, MeanInterval, mean_interval

_UNITS: dict[str, DifferenceUnit] = {
    "fid_examiner": "FID",
    "inception_score": "Inception Score",
    "label_match": "points",
}


def two_generators(
    test: GeneratorsTest | OscillationTest, records: Sequence[GeneratorRecord]
) -> Finding:
    """Judge a claim of two generators by their runs at one budget.

    Args:
        test: what decides it.
        records: runs on the study's images.
    """
    budget_of: Callable[[GeneratorRecord], Hashable]
    if isinstance(test, GeneratorsTest):
        score, unit = test.score, _UNITS[test.score]
        budget_of = _budget

        def value(record: GeneratorRecord) -> float | None:
            found: float | None = getattr(record.plain[-1], score)
            return found
    else:
        unit, budget_of = "%", _spaced_budget

        def value(record: GeneratorRecord) -> float | None:
            return oscillation([row.fid_examiner for row in record.plain])

    a, b = (runs_by_budget(records, name, budget_of) for name in (test.a, test.b))
    absent = [name for name, side in ((test.a, a), (test.b, b)) if not side]
    if absent:
        return Finding(unit, f"no run of {' or '.join(absent)}")
    shared = [budget for budget in a if budget in b]
    if not shared:
        nearest = [next(iter(side.values())).first for side in (a, b)]
        budgets = "; ".join(f"{run.system.name}: {run.budget_text}" for run in nearest)
        return Finding(unit, f"no runs at one budget ({budgets})")
    # Sorted by nearness: of budgets with equally many seeds the first one counts.
    budget = max(shared, key=lambda each: min(len(a[each].records), len(b[each].records)))
    runs = a[budget], b[budget]
    values = [_known(value, side) for side in runs]
    basis = f"{runs[0]}, {runs[1]}; {runs[0].first.budget_text}{_arithmetic(*runs)}"
    if not all(values):
        return Finding(unit, f"{basis}; too few checkpoints or no such score")
    ns = [len(each) for each in values]
    interval = welch_interval(values[0], values[1])
    basis += "; n = 1" if 1 in ns else ""
    return _finding(unit, interval, test.expects, f"{ns[0]} + {ns[1]}", basis)


def one_generator(test: CourseTest | NeighboursTest, records: Sequence[GeneratorRecord]) -> Finding:
    """Judge a claim of one generator by its runs at the budget with the most seeds.

    Args:
        test: what decides it.
        records: runs on the study's images.
    """
    unit: DifferenceUnit = "%" if isinstance(test, CourseTest) else "points"
    # A run with another batch, say, tells more than none, and is named as such.
    by_budget = runs_by_budget(records, test.system) or runs_by_budget(
        records, test.system, changed=True
    )
    if not by_budget:
        return Finding(unit, f"no run of {test.system}")

    def value(record: GeneratorRecord) -> float | None:
        if isinstance(test, CourseTest):
            return late_change([row.fid_examiner for row in record.plain])
        near = record.neighbours
        return None if near is None else near.generated - near.test

    best = max(by_budget.values(), key=lambda runs: len(_known(value, runs)))
    values = _known(value, best)
    basis = f"{best}; {best.first.budget_text}"
    if not values:
        lacking = "one checkpoint" if isinstance(test, CourseTest) else "not inspected"
        return Finding(unit, f"{basis}; {lacking}")
    interval = mean_interval(values)
    basis += "; n = 1" if interval.n == 1 else ""
    if isinstance(test, CourseTest):
        return _finding(unit, interval, "higher", str(interval.n), basis)
    match = float(np.mean([record.plain[-1].label_match or 0.0 for record in best.records]))
    basis += f"; label match {match:.1%}"
    if match >= test.label_match:
        return _finding(unit, interval, "lower", str(interval.n), basis)
    basis += f", too low to look right (from {test.label_match:.0%} on)"
    return replace(_finding(unit, interval, "lower", str(interval.n), basis), verdict="undecided")


def _budget(record: GeneratorRecord) -> Hashable:
    return record.budget


def _spaced_budget(record: GeneratorRecord) -> Hashable:
    # Changes from checkpoint to checkpoint depend on how far they lie apart.
    return record.budget, tuple(row.epoch for row in record.plain)


def _known(value: Callable[[GeneratorRecord], float | None], runs: Runs) -> list[float]:
    """Return one value a seed, of those that have it."""
    return [found for record in runs.records if (found := value(record)) is not None]


def _arithmetic(*sides: Runs) -> str:
    """Return the arithmetic of runs that differ in it; else nothing."""
    found = {record.machine.precision for runs in sides for record in runs.records} - {None}
    return f"; partly {' and '.join(sorted(map(str, found)))}" if len(found) > 1 else ""


def _finding(
    unit: DifferenceUnit, interval: MeanInterval, expects: Expectation, n: str, based_on: str
) -> Finding:
    """Return the finding of an interval over generators."""
    low, high = (None if math.isnan(bound) else bound for bound in (interval.low, interval.high))
    return Finding(
        unit=unit,
        based_on=based_on,
        verdict=claim_verdict(low, high, expects),
        difference=interval.mean,
        low=low,
        high=high,
        n=n,
    )


def welch_interval(a: ArrayLike, b: ArrayLike) -> MeanInterval:
    """Mean of ``b`` minus mean of ``a``, two groups of independent values, at 95 % (Welch, 1947).

    Args:
        a: finite numbers, one a seed.
        b: likewise; the groups may differ in size and in variance.

    Returns:
        The difference, bounds, and the number of values of both groups. With fewer than two values
        in a group, or where the values of neither differ, the bounds are NaN.

    Raises:
        StatisticsError: an empty group, or values that are not finite.
    """
    one, other = mean_interval(a), mean_interval(b)
    difference = other.mean - one.mean
    if min(one.n, other.n) < 2 or (math.isnan(one.low) and math.isnan(other.low)):
        return MeanInterval(difference, float("nan"), float("nan"), one.n + other.n)
    parts = [float(np.var(np.asarray(x, np.float64), ddof=1)) / np.size(x) for x in (a, b)]
    error = sum(parts) ** 0.5
    freedom = sum(parts) ** 2 / sum(
        part**2 / (n - 1) for part, n in zip(parts, (one.n, other.n), strict=True)
    )
    half = float(student_t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
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
