"""The answer, the warnings and notes beside it, and the study's numbers."""

import numpy as np
import pandas as pd
import pytest

from reports.page.answer import (
    key_scores,
    metrics,
    percent,
    study_answer,
    synthetic_only,
    undertrained,
    worth_text,
)
from reports.scores.table import HEADLINES, SCORES
from reports.verdict.verdict import reach_verdict
from reports.verdict.wording import sentences
from tests.reports.verdict.confirmations import confirmation

BUDGET = "400 steps a classifier"
HELPS = (0.05, 0.052, 0.055, 0.05)
DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def verdict_of(gains, margin=0.02, **options):
    return reach_verdict(*confirmation(gains), margin, **options)


# The answer


@pytest.mark.parametrize(
    ("gains", "margin", "short", "tone"),
    [
        (HELPS, 0.2, "Helps, by less than the margin", "helps"),
        ([-gain for gain in HELPS], 0.01, "Hurts", "hurts"),
        ((0.03, -0.02, 0.04, 0.01), 0.02, "Cannot tell", "cannot-tell"),
    ],
)
def test_the_answer_is_the_verdict(gains, margin, short, tone):
    verdict = verdict_of(gains, margin)
    found = study_answer(verdict, "Nothing to compare.", BUDGET, ["One note.", "Another."])
    first, *rest = sentences(verdict, BUDGET)
    assert (found.short, found.tone, found.sentence) == (short, tone, first)
    assert list(found.basis) == [*rest, "One note.", "Another."]


def test_without_a_verdict_there_is_no_comparison():
    found = study_answer(None, "Nothing to compare.", BUDGET, ["One note."])
    assert (found.short, found.sentence) == ("No comparison", "Nothing to compare.")
    assert (list(found.basis), found.tone) == (["One note."], "none")


# Whether the classifiers were done learning


def trained(**accuracies):
    """Confirmed classifiers: for each arm pairs of validation accuracy and that of half the steps.

    An underscore stands for a hyphen.
    """
    rows = [
        (f"all-{k}", [arm.replace("_", "-")], whole, half)
        for arm, pairs in accuracies.items()
        for k, (whole, half) in enumerate(pairs)
    ]
    columns = ["unit", "arms", "validation_accuracy", "half_validation_accuracy"]
    return pd.DataFrame(rows, columns=columns)


def test_arms_that_were_still_learning_are_named_with_their_rise():
    """Rises of the mix: 2 and 2.2 points, by hand 2.1 +- 12.706 x 0.1."""
    confirmed = trained(
        mix=[(0.92, 0.90), (0.922, 0.90)],
        control=[(0.8019, 0.8), (0.7999, 0.8)],
        mix_classical=[(0.9, 0.893), (0.9, 0.9)],
        real=[(0.9, 0.8)],
    )
    assert undertrained(confirmed) == [
        "With half the steps validation accuracy was lower, in points: mix by 2.1 (95 % interval "
        f"over units +0.8 to +3.4), mix-classical by 0.4 (95 % interval over units {MINUS}4.1 to "
        "+4.8), real by 10.0. Classifiers of mix were still learning; those of mix-classical and "
        "real may still have been learning. More steps may change the answer."
    ]


def test_what_chance_explains_may_have_been_learning_and_is_told_all_the_same():
    (told,) = undertrained(trained(mix=[(0.93, 0.90), (0.9, 0.9)], control=[(0.9, 0.9)]))
    assert "Classifiers of mix may still have been learning. More steps" in told
    assert "were still learning" not in told
    (told,) = undertrained(trained(mix=[(0.92, 0.9), (0.922, 0.9)]))
    assert "Classifiers of mix were still learning. More steps" in told


def test_a_small_rise_is_told_where_chance_does_not_explain_it():
    small = [(0.9012, 0.9), (0.9011, 0.9), (0.9013, 0.9)]
    (told,) = undertrained(trained(mix=small, control=[(0.903, 0.9), (0.9, 0.9), (0.9, 0.9)]))
    assert "in points: mix by 0.1 (95 % interval over units +0.1 to +0.1)." in told
    assert "Classifiers of mix were still learning. More steps" in told


def test_seeds_of_a_unit_are_no_replicates():
    """Two seeds that agree in each of two units: the interval is that of two numbers."""
    once = trained(mix=[(0.92, 0.90), (0.90, 0.89)])
    assert undertrained(pd.concat([once] * 5, ignore_index=True)) == undertrained(once)


@pytest.mark.parametrize(
    "confirmed",
    [
        trained(mix=[(0.9, 0.9)], control=[(0.8, 0.85)]),
        trained(mix=[(0.9, 0.85), (0.9, 0.95)]),  # no rise on average
        trained(mix=[(np.nan, np.nan)], control=[(np.nan, np.nan)]),
        trained(),
    ],
)
def test_what_did_not_rise_is_no_warning(confirmed):
    assert undertrained(confirmed) == []


def test_a_cell_of_two_arms_warns_of_both():
    confirmed = trained(mix=[(0.9, 0.9)], control=[(0.9, 0.8)])
    confirmed.at[1, "arms"] = ["control", "real"]
    (told,) = undertrained(confirmed)
    assert "control by 10.0, real by 10.0." in told


# What generated images are worth


def curve_of(*counts):
    return pd.DataFrame({"arm": "real", "n_real": counts})


def worth_of(*rows):
    return pd.DataFrame(rows, columns=["n_real", "worth", "low", "high"])


def test_worth_is_told_for_each_count_but_the_largest():
    table = worth_of(
        (400.0, 1234.4, 900.0, 2000.6), (1200.0, 2000.0, np.nan, 3000.0), (3600.0, 3500.0, 1.0, 2.0)
    )
    assert worth_text(curve_of(400, 1200, 3600), table) == [
        "400 real images with generated ones reach the accuracy of about 1,234 real images alone "
        "(900 to 2,001 at the bounds of the interval); 1,200 real images with generated ones reach "
        "the accuracy of about 2,000 real images alone. Exploratory: interpolated on the learning "
        "curve of real images alone, between its counts on a logarithmic axis. The bounds are "
        "those of the mix; the curve is uncertain too."
    ]


@pytest.mark.parametrize(
    "table",
    [worth_of(), worth_of((400.0, np.nan, np.nan, 500.0)), worth_of((3600.0, 3000.0, 1.0, 2.0))],
)
def test_what_is_worth_nothing_known_is_not_told(table):
    assert worth_text(curve_of(400, 3600), table) == []


# Numbers


def test_percentages_have_the_decimals_that_the_test_images_carry():
    assert percent(0.98765) == percent(0.98765, 4999) == "98.8%"
    assert percent(0.98765, 5000) == "98.77%"
    assert percent(np.nan) == percent(np.nan, 9000) == DASH


def scores_of(*rows):
    return pd.DataFrame(rows, columns=["score", "unit", "pool", "value"])


SCORE_ROWS = (
    ("fid_examiner", "all-0", "generated", 4.5),
    ("fid_examiner", "all-1", "generated", 9.0),
    ("fid_examiner", "all-0", "filtered", 9.0),
    ("kid_examiner", "all-0", "generated", 9.0),  # no headline
    ("label_match", "all-0", "generated", np.nan),
)


def test_key_scores_are_the_units_generated_images_and_headlines_alone():
    found = key_scores(scores_of(*SCORE_ROWS), "all-0")
    assert found[["score", "value"]].to_numpy().tolist() == [["fid_examiner", 4.5]]
    assert key_scores(pd.DataFrame(), "all-0").empty


def summary_of(*rows):
    return pd.DataFrame(
        rows, columns=["unit_real", "strategy", "n_real", "n_synthetic", "test_mean"]
    )


ALONE = (
    (3600, "mix", 0, 1200, 0.6),
    (3600, "mix", 0, 7200, 0.71234567),
    (3600, "mix", 300, 9000, 0.9),
    (3600, "filtered", 0, 9000, 0.9),
    (1200, "mix", 0, 9000, 0.5),
)


def test_generated_images_alone_are_the_most_of_the_largest_units():
    found = synthetic_only(summary_of(*ALONE))
    assert (found["n_synthetic"], found["test_mean"]) == (7200, 0.71234567)
    assert synthetic_only(summary_of(ALONE[2], ALONE[3])) is None
    # Smaller units do not stand in for the largest.
    assert synthetic_only(summary_of(ALONE[2], ALONE[4])) is None


def test_metrics_are_the_verdicts_and_at_most_ten():
    verdict = verdict_of(HELPS)
    scores = scores_of(*((name, "all-0", "generated", k / 7) for k, name in enumerate(SCORES, 1)))
    found = metrics(verdict, summary_of(*ALONE), scores, "all-0")
    arms = verdict.primary
    wanted = {
        "accuracy_control": arms.accuracy_against,
        "accuracy_mix": arms.accuracy,
        "gain": arms.interval.gain,
        "gain_low": arms.interval.low,
        "gain_high": arms.interval.high,
        "cas": 0.71234567,
    }
    wanted |= {name: k / 7 for k, name in enumerate(SCORES, 1) if name in HEADLINES}
    assert found == {name: round(value, 6) for name, value in wanted.items()}
    assert found["gain"] == pytest.approx(0.05175)
    assert found["accuracy_control"] == 0.8
    assert len(found) <= 10
    assert all(type(value) is float for value in found.values())


def test_what_was_not_measured_is_no_metric():
    nothing = summary_of(ALONE[2])
    assert metrics(None, nothing, pd.DataFrame(), "all-0") == {}
    assert metrics(None, nothing, scores_of(*SCORE_ROWS), "all-0") == {"fid_examiner": 4.5}
    one = metrics(verdict_of((0.05,)), nothing, pd.DataFrame(), "all-0")
    assert one == {"accuracy_control": 0.8, "accuracy_mix": 0.85, "gain": 0.05}  # no bounds
