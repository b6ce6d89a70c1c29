"""The answer, what it rests on, and what classical augmentation is worth beside it."""

import numpy as np
import pandas as pd
import pytest

from reports.page.answer import answer, basis, classical_answer, metrics
from reports.verdict.statistics import headline


def some_headline(**changes):
    base = {
        "accuracy_real": 0.97,
        "accuracy_best_mix": 0.98,
        "gain": 0.01,
        "gain_low": 0.004,
        "gain_high": 0.016,
        "accuracy_synthetic_only": None,
        "real_cell": {"strategy": "none", "n_real": 3600, "n_synthetic": 0},
        "best_mix_cell": {"strategy": "mix", "n_real": 3600, "n_synthetic": 7200},
        "synthetic_only_cell": None,
        "chosen_by": "validation",
        "verdict": "helps",
        "n_seeds": 3,
        "n_test": 1000,
        "unit_real": 3600,
        "n_candidates": 6,
        "confidence": 0.95,
        "protocols": ["paper"],
        "n_units": 1,
        "n_replicates": 3,
    }
    return base | changes


@pytest.mark.parametrize(
    ("changes", "short", "words"),
    [
        ({}, "It helps", "Adding 7,200 generated images (strategy mix) to the 3,600 real ones"
         " raises test accuracy by 1.0 percentage points (95 % interval +0.4 to +1.6), from"
         " 97.0% to 98.0%."),
        ({"verdict": "hurts", "gain": -0.01, "gain_low": -0.016, "gain_high": -0.004},
         "It hurts", "lowers test accuracy by 1.0 percentage points"
         " (95 % interval \N{MINUS SIGN}1.6 to \N{MINUS SIGN}0.4)"),
        ({"verdict": "cannot tell", "gain_low": -0.001, "gain": 0.002, "gain_high": 0.005},
         "Cannot tell", "by +0.2 percentage points, too little to tell from chance"),
        ({"verdict": "cannot tell", "n_seeds": 1}, "Cannot tell", "by +1.0 percentage points, which"
         " one classifier seed cannot tell from chance (95 % interval +0.4 to +1.6)"),
        ({"verdict": "no verdict",
          "real_cell": {"strategy": "none", "n_real": 360, "n_synthetic": 0},
          "best_mix_cell": {"strategy": "mix", "n_real": 360, "n_synthetic": 7200}}, "No verdict",
         "The generator saw all 3,600 training images, the classifiers at most 360 of them: what"
         " generated images add is then optimistic. Add 1.0, all training images, to mix.real for a"
         " verdict. Adding 7,200 generated images (strategy mix) to the 360 real ones changes test"
         " accuracy by +1.0 percentage points (95 % interval +0.4 to +1.6), from 97.0% to 98.0%."),
        ({"gain_low": 0.0002}, "It helps", "interval +0.02 to"),
        ({"gain_low": 0.0002, "n_test": 10_000}, "It helps", "1.00 percentage points"),
        ({"gain": None, "real_cell": None}, "No comparison", "real images alone was trained"),
        ({"gain": None, "best_mix_cell": None}, "No comparison",
         "no cell with generated images beside 3,600 real ones was trained"),
    ],
)  # fmt: skip
def test_the_answer_follows_the_interval(changes, short, words):
    found = answer(some_headline(**changes))
    assert found[0] == short
    assert words in found[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "the best of 6 mixes with 3,600 real images by validation accuracy"),
        ({"n_candidates": 1}, "The mix is the only one with 3,600 real images;"),
        ({}, "It does not cover training the generator again, drawing other training images"),
        ({"n_seeds": 1}, "With one seed, the interval covers only chance in which test images"),
        ({"n_seeds": 2, "n_replicates": 2}, "With two seeds it can be too narrow"),
        ({"n_units": 2, "n_replicates": 6},
         "with 2 generators and 3 classifier seeds (6 replicates), pair by pair"),
        ({"n_units": 2, "n_replicates": 6}, "in the classifier's seed and, in part, in training the"
         " generator. It counts every pair of a generator and a classifier seed as an independent"
         " replicate, so it is too narrow where generators differ more than seeds do."),
        ({"n_units": 2, "n_seeds": 1, "n_replicates": 2}, "were drawn and, in part, in training"),
        ({"n_units": 2, "n_seeds": 1, "n_replicates": 2}, "With two replicates it can be"),
        ({"chosen_by": "largest counts"}, "Without validation images no best mix can be chosen"),
    ],
)  # fmt: skip
def test_the_basis_says_what_the_interval_rests_on(changes, words):
    assert words in " ".join(basis(some_headline(**changes)))


CLASSICAL = {
    "accuracy_classical": 0.97,
    "classical_cell": {"strategy": "classical", "n_real": 3600, "n_synthetic": 0},
    "gain_over_classical": 0.01,
    "gain_over_classical_low": 0.004,
    "gain_over_classical_high": 0.016,
    "verdict_over_classical": "helps",
    "classical_gain": 0.0,
    "classical_gain_low": -0.004,
    "classical_gain_high": 0.004,
    "classical_verdict": "cannot tell",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "The best mix beats classical augmentation of the 3,600 real images, without any"
         " generated one, by 1.0 percentage points (95 % interval of the mix's gain +0.4 to +1.6):"
         " 98.0% against 97.0%."),
        ({"verdict_over_classical": "hurts", "accuracy_classical": 0.99,
          "gain_over_classical": -0.01, "gain_over_classical_low": -0.016,
          "gain_over_classical_high": -0.004},
         "Classical augmentation of the 3,600 real images, without any generated one, beats the"
         " best mix by 1.0 percentage points (95 % interval of the mix's gain \N{MINUS SIGN}1.6 to"
         " \N{MINUS SIGN}0.4): 99.0% against 98.0%."),
        ({"verdict_over_classical": "cannot tell", "gain_over_classical_low": -0.0001},
         "Against classical augmentation of the 3,600 real images, without any generated one, the"
         " best mix changes test accuracy by +1.00 percentage points, too little to tell from"
         " chance (95 % interval of the mix's gain \N{MINUS SIGN}0.01 to +1.60): 98.0% against"
         " 97.0%."),
    ],
)  # fmt: skip
def test_the_best_mix_is_set_beside_classical_augmentation(changes, words):
    assert classical_answer(some_headline(**CLASSICAL | changes)) == words


def of_36(real, classical, mix):
    """A headline of right answers of 36 images, with every seed alike."""
    labels = np.zeros(36, dtype=np.int64)
    rows, predictions = [], []
    for strategy, made, right in (("none", 0, real), ("classical", 0, classical), ("mix", 9, mix)):
        for seed in (0, 1):
            rows.append(("all-0", 99, strategy, 99, made, seed, 0.9, right / 36))
            predictions.append(np.arange(36) >= right)
    columns = ["unit", "unit_real", "strategy", "n_real", "n_synthetic", "seed"]
    columns += ["validation_accuracy", "test_accuracy"]
    return headline(pd.DataFrame(rows, columns=columns), np.array(predictions), labels, 99)


def test_a_bar_below_the_plain_real_images_is_none():
    """Best mix 78 %, classical augmentation 64 %, real images alone 83 %."""
    told = classical_answer(of_36(30, 23, 28))
    minus = "\N{MINUS SIGN}"
    start = (
        "The best mix is 5.6 percentage points below the real images alone (cannot tell). Against"
    )
    assert told.startswith(start)
    assert "changes test accuracy by +13.9 percentage points" in told
    assert (
        "77.8% against 63.9%. But classical augmentation is itself 19.4 percentage points" in told
    )
    assert f"below the real images alone (95 % interval of its own gain {minus}3" in told
    assert told.endswith("), so to beat it means little.")


def test_a_mix_that_beats_a_bar_below_the_plain_real_images_says_so_at_once():
    changes = {"accuracy_classical": 0.65, "gain_over_classical": 0.139, "accuracy_best_mix": 0.789}
    below = {"classical_gain": -0.18, "classical_gain_low": -0.3, "classical_gain_high": -0.06}
    above = {"gain": 0.004, "verdict": "cannot tell", "classical_verdict": "hurts"}
    told = classical_answer(some_headline(**CLASSICAL | changes | below | above))
    assert told.startswith("The best mix beats classical augmentation of the 3,600 real images")
    assert "by 13.9 percentage points" in told
    assert told.endswith(
        "78.9% against 65.0%. But classical augmentation is itself 18.0 percentage points below "
        "the real images alone (95 % interval of its own gain \N{MINUS SIGN}30.0 to "
        "\N{MINUS SIGN}6.0), so to beat it means little."
    )
    worse = above | {"gain": -0.05, "verdict": "hurts"}
    told = classical_answer(some_headline(**CLASSICAL | changes | below | worse))
    first = "The best mix is 5.0 percentage points below the real images alone. The best mix beats"
    assert told.startswith(first)


def test_one_seed_and_few_real_images_beat_nothing():
    for changes, words in (
        ({"verdict_over_classical": "cannot tell", "n_seeds": 1},
         "by +1.0 percentage points, which one classifier seed cannot tell from chance (95 %"),
        ({"verdict_over_classical": "no verdict"}, "by +1.0 percentage points (95 %"),
    ):  # fmt: skip
        told = classical_answer(some_headline(**CLASSICAL | changes))
        assert told.startswith("Against classical augmentation")
        assert words in told


def test_metrics_are_of_the_headline_and_its_generator():
    scores = pd.DataFrame(
        [("fid_examiner", "all-0", "generated", 4.5), ("fid_examiner", "all-1", "generated", 9.0),
         ("fid_examiner", "all-0", "filtered", 9.0), ("kid_examiner", "all-0", "generated", 9.0),
         ("label_match", "all-0", "generated", np.nan)],
        columns=["score", "unit", "pool", "value"],
    )  # fmt: skip
    head = some_headline(accuracy_classical=None)
    wanted = {"accuracy_real": 0.97, "accuracy_best_mix": 0.98, "gain": 0.01}
    assert metrics(head, scores, "all-0") == wanted | {"fid_examiner": 4.5}
    assert metrics(head, pd.DataFrame(), "all-0") == wanted
