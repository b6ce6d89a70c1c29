"""Intervals over generators against closed forms and SciPy, and verdicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.studies.findings import Finding, claim_verdict, claims_table
from pipeline.studies.generator_claims import late_change, oscillation, welch_interval

FIDS = st.lists(st.floats(1, 1000), min_size=3, max_size=12)


# Generators


@given(
    a=st.lists(st.integers(-50, 50), min_size=2, max_size=6, unique=True),
    b=st.lists(st.integers(-50, 50), min_size=2, max_size=6, unique=True),
)
def test_welch_is_scipys(a, b) -> None:
    found = welch_interval(a, b)
    bounds = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high))
    assert (found.mean, found.n) == (pytest.approx(np.mean(b) - np.mean(a)), len(a) + len(b))


def test_one_seed_or_values_that_all_agree_have_no_interval() -> None:
    for a, b, mean in (([3.0], [1.0, 2.0], -1.5), ([3, 3], [1, 1], -2)):
        found = welch_interval(a, b)
        assert (found.mean, found.n) == (mean, len(a) + len(b))
        assert np.isnan([found.low, found.high]).all()
    one = welch_interval([3, 3], [1, 2])
    assert one[1:3] == pytest.approx(stats.t.interval(0.95, 1, loc=-1.5, scale=stats.sem([1, 2])))


@given(FIDS)
def test_a_steady_course_is_no_oscillation(fids) -> None:
    for course in (sorted(fids), sorted(fids, reverse=True)):
        found = oscillation(course)
        assert found is None or found == pytest.approx(0, abs=1e-9)


@given(FIDS, st.floats(0.1, 10))
def test_oscillation_is_a_share_and_never_negative(fids, scale) -> None:
    found, scaled = oscillation(fids), oscillation([scale * fid for fid in fids])
    assert (found is None) == (len(fids) - len(fids) // 3 < 3) == (scaled is None)
    if found is not None:
        assert found >= -1e-12
        assert scaled == pytest.approx(found, abs=1e-9)


def test_oscillation_by_hand() -> None:
    # 90 and 50 are the first third; then +20, -10, -10 and -10: 50 less 10, over 4 steps, of 10.
    assert oscillation([90, 50, 20, 40, 30, 20, 10]) == pytest.approx((50 - 10) / 4 / 10)
    assert oscillation([90, 10, 30, 20]) == pytest.approx((30 - 10) / 2 / 10)
    assert oscillation([3, 2, 1]) is None
    assert oscillation([3, 2, 1, 0]) is None


@pytest.mark.parametrize(
    ("fids", "change"),
    [([30, 10, 15], 0.5), ([30, 20, 10], -0.5), ([10, 10], 0.0), ([5], None), ([5, 0], None)],
)
def test_the_late_change_is_that_from_the_best_before(fids, change) -> None:
    assert late_change(fids) == (None if change is None else pytest.approx(change))


# Verdicts


@pytest.mark.parametrize(
    ("low", "high", "expects", "margin", "verdict"),
    [
        (0.1, 0.2, "higher", 0, "confirmed"),
        (0.1, 0.2, "lower", 0, "contradicted"),
        (-0.1, 0.2, "higher", 0, "undecided"),
        (0.0, 0.2, "higher", 0, "undecided"),
        (-0.2, 0.0, "lower", 0, "undecided"),
        (0.0, 0.0, "higher", 0, "undecided"),
        (-0.1, 0.1, "equal", 0.1, "confirmed"),
        (0.05, 0.09, "equal", 0.1, "confirmed"),
        (0.05, 0.2, "equal", 0.1, "undecided"),
        (-0.3, 0.3, "equal", 0.1, "undecided"),
        (0.11, 0.2, "equal", 0.1, "contradicted"),
        (-0.2, -0.11, "equal", 0.1, "contradicted"),
        (None, None, "higher", 0, "undecided"),
    ],
)
def test_a_verdict_is_where_the_whole_interval_is(low, high, expects, margin, verdict) -> None:
    assert claim_verdict(low, high, expects, margin) == verdict


@given(st.floats(-1, 1), st.floats(0, 1), st.sampled_from(["higher", "lower"]))
def test_opposite_claims_get_opposite_verdicts(low, width, expects) -> None:
    opposite = {"confirmed": "contradicted", "contradicted": "confirmed", "undecided": "undecided"}
    other = "lower" if expects == "higher" else "higher"
    here, there = (claim_verdict(low, low + width, word) for word in (expects, other))
    assert there == opposite[here]


def test_the_table_is_text_with_units() -> None:
    minus, dash = "\N{MINUS SIGN}", "\N{EN DASH}"
    expected = [
        ("points", -0.0123, -0.02, 0.001, f"{minus}1.23 points", f"{minus}2.00 to +0.10"),
        ("FID", 12.34, None, None, "+12.3 FID", dash),
        ("%", 0.123, 0.1, 0.2, "+12.3 %", "+10.0 to +20.0"),
        ("points", -0.00001, None, None, "0.00 points", dash),
        ("Inception Score", None, None, None, dash, dash),
    ]
    findings = [
        ("s", "c", Finding(unit, "b", "undecided", difference, low, high, "3"))
        for unit, difference, low, high, *_ in expected
    ]
    table = claims_table(findings)
    assert table["difference"].tolist() == [row[4] for row in expected]
    assert table["interval"].tolist() == [row[5] for row in expected]
    assert table.columns.tolist() == [
        "study", "claim", "verdict", "difference", "interval", "n", "based_on",
    ]  # fmt: skip
    assert claims_table([]).columns.tolist() == table.columns.tolist()
