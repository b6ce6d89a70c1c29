"""What our runs say of one claim: confirmed, contradicted or undecided, and the table of that.

A claim sets one side, ``b``, against another, ``a``; its difference is always b minus a, with an
interval at 95 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from pipeline.studies.comparison import NONE

Expectation = Literal["higher", "lower", "equal"]
ClaimVerdict = Literal["confirmed", "contradicted", "undecided", "missing"]

DifferenceUnit = Literal["points", "FID", "Inception Score", "%"]
"""Of a finding's difference: percentage points, a score, or a share of the lowest FID."""

NOTE = (
    "A difference is the claim's second side minus its first; its 95 % interval covers seeds and "
    "test images where classifiers decide a claim, and seeds of the generator where generators do. "
    "Confirmed and contradicted: the whole interval is on one side, at the budget that 'based on' "
    "names, often less than the study's. One seed decides nothing, nor do seeds that all agree. "
    "Optimistic: the generator saw all training images, the classifiers "
    "only so many, as in the studies."
)
"""What a reader of the table must know."""

COLUMNS = ["study", "claim", "verdict", "difference", "interval", "n", "based_on"]

_SCALES: dict[DifferenceUnit, tuple[float, int]] = {
    "points": (100, 2),
    "FID": (1, 1),
    "Inception Score": (1, 2),
    "%": (100, 1),
}
"""What a difference is multiplied with, and its decimals."""


@dataclass(frozen=True)
class Finding:
    """What our runs say of one claim; without more than a reason, that none of them decides it."""

    unit: DifferenceUnit
    based_on: str
    verdict: ClaimVerdict = "missing"
    difference: float | None = None  # b minus a; a fraction with the units points and %
    low: float | None = None
    high: float | None = None
    n: str = "0"  # seeds


def claims_table(findings: Iterable[tuple[str, str, Finding]]) -> pd.DataFrame:
    """Return one row a claim, all text.

    Args:
        findings: study, text of the claim, and what was found of it.

    Returns:
        Columns study, claim, verdict, difference (with its unit), interval (95 %), n, based_on;
        an en dash stands for what there is not.
    """
    rows = []
    for study, claim, found in findings:
        scale, decimals = _SCALES[found.unit]
        difference = interval = NONE
        if found.difference is not None:
            difference = f"{_signed(scale * found.difference, decimals)} {found.unit}"
        if found.low is not None and found.high is not None:
            low, high = (_signed(scale * bound, decimals) for bound in (found.low, found.high))
            interval = f"{low} to {high}"
        decided = found.verdict in ("confirmed", "contradicted")
        verdict = f"{found.verdict} at this budget" if decided else found.verdict
        rows.append([study, claim, verdict, difference, interval, found.n, found.based_on])
    return pd.DataFrame(rows, columns=COLUMNS)


def claim_verdict(
    low: float | None, high: float | None, expects: Expectation, margin: float = 0.0
) -> ClaimVerdict:
    """What an interval of a difference says of a claim.

    Args:
        low: lower bound, None where there is no interval.
        high: upper bound.
        expects: what the claim says of b against a.
        margin: with ``equal``, the largest difference that counts as none.

    Returns:
        'confirmed' where the whole interval is on the claimed side (with ``equal``: within the
        margin), 'contradicted' where all of it is on the other side (outside the margin), else
        'undecided'.
    """
    if low is None or high is None:
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
