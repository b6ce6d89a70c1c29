"""The sentences say what the numbers do, and no more."""

import pytest

from reports.verdict.choice import BEFOREHAND, BY_VALIDATION
from reports.verdict.verdict import reach_verdict
from reports.verdict.wording import headline, points, sentence, sentences
from tests.reports.verdict.confirmations import confirmation

BUDGET = "400 steps a classifier"
HELPS = (0.05, 0.052, 0.055, 0.05)


def text(gains, margin=0.02, **options):
    return " ".join(sentences(reach_verdict(*confirmation(gains), margin, **options), BUDGET))


@pytest.mark.parametrize(
    ("gains", "margin", "head", "words"),
    [
        (HELPS, 0.01, "Helps", "generated images helped: +5.18 points (95 % interval"),
        (HELPS, 0.2, "Helps, by less than the margin", "helped, by less than the margin"),
        ([-g for g in HELPS], 0.01, "Hurts", "generated images hurt: \N{MINUS SIGN}5.18 points"),
        ((0.001, -0.001, 0.0, 0.0), 0.02, "No relevant difference", "no relevant difference"),
        ((0.03, -0.02, 0.04, 0.01), 0.02, "Cannot tell", "cannot tell whether"),
        ((0.05, 0.05), 0.02, "Too few repeats", "too few repeats to tell"),
        ((0.05,), 0.02, "Too few repeats", "help: +5.00 points, 85.00 % instead of 80.00 %."),
    ],
)
def test_the_first_sentence(gains, margin, head, words):
    verdict = reach_verdict(*confirmation(gains), margin)
    assert headline(verdict) == head
    assert words in sentence(verdict, BUDGET)
    assert sentence(verdict, BUDGET).startswith("At this budget (400 steps a classifier) ")
    assert sentences(verdict, BUDGET)[0] == sentence(verdict, BUDGET)


def test_what_was_compared():
    found = text(HELPS, chosen_by=BY_VALIDATION)
    assert "in four repeats: mix of 400 real and 800 generated images, against real images" in found
    assert "how classifiers of other repeats did on validation images; only" in found
    assert "chose differently" not in found
    few = "Both were fixed beforehand: there were too few validation images to choose by."
    assert few in text(HELPS, chosen_by=BEFOREHAND)


@pytest.mark.parametrize(
    ("shared", "words"),
    [(1, "images, the same for all repeats; only"), (0.4, "images, some of them the same for")],
)
def test_shared_validation_images_are_said_so(shared, words):
    assert words in text(HELPS, chosen_by=BY_VALIDATION, shared=shared)


def test_one_repeat_has_no_other_to_choose_on():
    found = text((0.05,), chosen_by=BEFOREHAND)
    assert "Both were fixed beforehand: with one repeat there is no other to choose on." in found
    assert "too few validation images" not in found


def test_repeats_that_chose_differently_are_said_so():
    confirmed, predictions, labels = confirmation(HELPS)
    odd = (confirmed["unit"] == "r-1") & (confirmed["strategy"] == "mix")
    confirmed.loc[odd, "n_synthetic"] = 1600
    found = " ".join(sentences(reach_verdict(confirmed, predictions, labels, None), BUDGET))
    assert "800 generated images (3 of 4); mix of 400 real and 1,600" in found
    assert "the verdict is about choosing in this way" in found
    assert "No margin was set" in found


def test_how_often_the_control_repeats_images_is_told():
    confirmed, predictions, labels = confirmation(HELPS)
    control = confirmed["strategy"] == "none"
    confirmed.loc[control, ["strategy", "n_synthetic"]] = ["duplicated", 4000]
    found = " ".join(sentences(reach_verdict(confirmed, predictions, labels, None), BUDGET))
    assert "against the real images repeated (400 real and 4,000 repeats)." in found


def test_what_the_interval_covers():
    assert "covers other training subsets" in text(HELPS)
    shared = text(HELPS, shared=0.5)
    assert "for this training set" in shared
    assert "50 % of their training images in common" in shared
    assert "other training subsets" not in shared
    assert "One repeat has no interval" in text((0.05,))


def test_what_would_settle_an_open_verdict():
    found = text((0.03, -0.02, 0.04, 0.01))
    assert "four studies of five would detect a true effect" in found
    assert "repeats in all would settle it" in found
    assert "settle" not in text(HELPS)
    few = text((0.05, 0.05))
    assert "no verdict says 'helps' or 'hurts'; 3 show only large effects" in few


def test_images_that_forbid_it_are_said_so():
    confirmed, predictions, labels = confirmation((0.0,) * 3, n_test=200, lost=20)
    found = " ".join(sentences(reach_verdict(confirmed, predictions, labels, None), BUDGET))
    assert "more test images are needed" in found


def test_few_repeats_are_told_what_they_settle():
    assert (
        "would reach 2.48 standard deviations of the repeats to either side; with five it would "
        "reach 1.24."
    ) in text(HELPS[:3])
    assert "standard deviations" not in text((*HELPS, 0.05))


def test_points_have_a_minus_that_is_no_hyphen_and_no_sign_at_zero():
    assert (points(0.0123, 1), points(-0.0123)) == ("+1.2", "\N{MINUS SIGN}1.23")
    assert points(0.0004, 1) == points(-0.0004, 1) == "0.0"


def test_secondary_contrasts_are_marked_exploratory():
    found = text(HELPS)
    assert "Exploratory, the chosen mix against real images alone: helps, +5.18 points" in found
    assert "corrected for the number of exploratory contrasts" in found
