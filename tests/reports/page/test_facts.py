"""What the page says of checkpoints, neighbours and discriminators, computed from their numbers."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.page.facts import checkpoint_facts, copy_facts, coverage_facts, discriminator_facts


def table(fids, weights="plain", **columns):
    epochs = [10 * k for k in range(1, len(fids) + 1)]
    rows = {"epoch": epochs, "weights": weights, "fid_examiner": fids}
    return pd.DataFrame(rows | columns)


@pytest.mark.parametrize(
    ("fids", "sentences"),
    [
        ([30.0, 20, 10], [
            "Of 3 checkpoints, FID is lowest at epoch 30, the last (10.00; 30.00 at epoch 10).",
            "It fell from each checkpoint to the next: quality was still rising at the end.",
        ]),
        ([30.0, 10, 12, 15], [
            "Of 4 checkpoints, FID is lowest at epoch 20 (10.00); the last, epoch 40, has 15.00, "
            "50 % more.",
            "From there on it rose from each checkpoint to the next: quality fell.",
        ]),
        ([30.0, 10, 12, 11, 14, 10.5], [
            "Of 6 checkpoints, FID is lowest at epoch 20 (10.00); the last, epoch 60, has 10.50, "
            "5.0 % more.",
            "From there on it went up and down between 10.50 and 14.00.",
        ]),
        ([30.0, 12, 20, 10], [
            "Of 4 checkpoints, FID is lowest at epoch 40, the last (10.00; 30.00 at epoch 10).",
            "It did not fall at every step on the way.",
        ]),
        ([30.0, 10, 15], [
            "Of 3 checkpoints, FID is lowest at epoch 20 (10.00); the last, epoch 30, has 15.00, "
            "50 % more.",
            "Only one checkpoint follows it: that says little of the course after it.",
        ]),
        ([30.0, 30, 10], [
            "Of 3 checkpoints, FID is lowest at epoch 30, the last (10.00; 30.00 at epoch 10).",
            "It did not fall at every step on the way.",
        ]),
        ([30.0, 10, 10], [
            "Of 3 checkpoints, FID is lowest at epoch 20 (10.00); the last, epoch 30, has 10.00.",
            "Only one checkpoint follows it: that says little of the course after it.",
        ]),
        ([7.0], ["The one checkpoint is of epoch 10: FID 7.00."]),
    ],
)  # fmt: skip
def test_the_course_of_fid_is_told_as_it_was(fids, sentences):
    assert checkpoint_facts(table(fids)) == sentences


def test_both_copies_are_told_apart():
    both = pd.concat([table([30.0, 10, 15]), table([20.0, 11, 9], "average")])
    first, _, copy = checkpoint_facts(both)
    assert "FID of the plain weights is lowest at epoch 20 (10.00)" in first
    assert copy == (
        "FID of the averaged copy is lowest at epoch 30 (9.00); it is below that of the plain "
        "weights at 2 of 3 checkpoints."
    )


def test_a_kept_averaged_copy_alone_needs_no_name():
    assert checkpoint_facts(table([7.0, 6.0], "average")) == checkpoint_facts(table([7.0, 6.0]))


def test_other_scores_are_told_where_they_are():
    scores = table([3.0, 1, 2], inception_score=[8.0, 8.5, 8.25], label_match=[0.5, 0.75, 0.875],
                   fid_inception=[9.0, 8, 7])  # fmt: skip
    facts = checkpoint_facts(scores)
    assert facts[2:] == [
        "Inception score is highest at epoch 20 (8.50; 8.25 at the last).",
        "Label match is highest at epoch 30 (87.5%).",
        "On InceptionV3's features FID is lowest at epoch 30 (7.00).",
    ]
    bare = checkpoint_facts(scores.drop(columns=["label_match", "fid_inception"]))
    assert bare == facts[:3]
    assert checkpoint_facts(scores.assign(label_match=np.nan, fid_inception=np.nan)) == facts[:3]


@pytest.mark.parametrize(
    "empty",
    [
        pd.DataFrame(),
        pd.DataFrame({"epoch": [], "weights": []}),
        pd.DataFrame({"epoch": [1], "weights": ["plain"], "fid_examiner": [np.nan]}),
    ],
)
def test_nothing_is_said_of_nothing(empty):
    assert checkpoint_facts(empty) == []


@given(st.lists(st.integers(0, 99_999).map(lambda n: n / 100), min_size=2, max_size=9), st.data())
def test_whatever_the_scores_the_best_and_the_last_are_theirs(fids, data):
    scores = table(fids)
    shuffled = scores.iloc[data.draw(st.permutations(range(len(fids))))]
    facts = checkpoint_facts(shuffled)
    assert facts == checkpoint_facts(scores)
    best = int(scores.loc[scores["fid_examiner"].idxmin(), "epoch"])
    assert f"lowest at epoch {best}" in facts[0]
    assert f"({min(fids):.2f}" in facts[0]
    assert not re.search("nan|inf", " ".join(facts))
    if fids[-1] > min(fids) > 0:
        share = re.search(r"([\d.]+) % more", facts[0])
        assert share
        assert float(share[1]) == pytest.approx(100 * (fids[-1] / min(fids) - 1), abs=0.51)
    rose_after = any(b > a for a, b in pairwise(fids))
    assert ("still rising" in facts[1]) <= (not rose_after)


def neighbours(generated, test=(), names="abc"):
    """A row a class of each group: share, most and training images."""
    rows = [
        {"class_name": name, "group": group, "n_queries": 50, "n_train": n_train,
         "share": share, "most": most}
        for group, values in (("generated", generated), ("test", test))
        for name, (share, most, n_train) in zip(names, values, strict=False)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_neighbours_are_counted_over_all_classes_and_told_for_the_worst():
    generated = [(0.02, 0.1, 100), (0.05, 0.4, 300), (0.0, np.nan, 0)]
    test = [(0.03, 0.05, 100), (0.06, 0.025, 300)]
    variety, most = coverage_facts(neighbours(generated, test))
    assert variety == (
        "150 generated images have 17 different nearest training images; 100 test images have 21."
    )
    assert most == (
        "In the worst class (b), 40.0% of the generated images have the same nearest training "
        "image; of its test images it is 2.5%."
    )


def test_collapse_is_called_so_over_all_classes_and_in_one():
    test = [(0.3, 0.05, 100), (0.3, 0.05, 100)]
    everywhere = coverage_facts(neighbours([(0.14, 0.2, 100), (0.15, 0.2, 100)], test))
    assert everywhere[0].endswith("have 60: the generator has collapsed onto few different images.")
    assert "collapsed" not in everywhere[1]
    in_one = coverage_facts(neighbours([(0.3, 0.1, 100), (0.1, 0.5, 100)], test))
    assert "collapsed" not in in_one[0]
    assert in_one[1].startswith("In the worst class (b), 50.0%")
    assert in_one[1].endswith("it is 5.0%: there the generator has collapsed.")
    usual = [(0.3, 0.3, 100), (0.3, 0.3, 100)]
    assert "collapsed" not in " ".join(coverage_facts(neighbours([(0.3, 0.55, 100)] * 2, usual)))


def test_coverage_without_test_images_is_told_alone():
    variety, most = coverage_facts(neighbours([(0.02, 0.1, 100)]))
    assert "test" not in variety
    assert "test" not in most
    (only,) = coverage_facts(neighbours([(0.02, np.nan, 100)], [(0.5, 0.1, 100)]))
    assert "50 test images have 50" in only


COUNTS = {
    "n_generated": 1000, "n_test": 500, "n_identical_test": 0, "rank": 1, "n_near": 0,
    "n_identical": 0, "found": False, "n_pool": 1000, "shift": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"n_generated": 0}, []),
        ({"n_test": 0, "n_identical_test": 9}, [
            "Whether generated images are copies cannot be told: every test image that they could "
            "be compared with is identical to a training image.",
        ]),
        ({}, [
            "None of 1,000 generated images is nearer to a training image than any of 500 test "
            "images is (distance of pixels, moved by up to 2): no copies found.",
        ]),
        ({"n_near": 1}, [
            "1 of 1,000 generated images (0.1%) is nearer to a training image than any of 500 test "
            "images is (distance of pixels, moved by up to 2): no more than chance gives without "
            "copies.",
        ]),
        ({"n_near": 25, "n_identical": 20, "found": True, "rank": 2, "n_identical_test": 1,
          "n_pool": 2500}, [
            "25 of 1,000 generated images (2.5%) are nearer to a training image than all but 1 of "
            "500 test images are (distance of pixels, moved by up to 2): copies.",
            "20 of them are identical to one, moved or not.",
            "1 more test image is identical to a training image and did not count.",
            "Of 2,500 generated images 1,000, drawn at random, were looked at.",
        ]),
    ],
)  # fmt: skip
def test_copies_are_told(changes, sentences):
    assert copy_facts(COUNTS | changes) == sentences


@pytest.mark.parametrize(
    "empty",
    [
        neighbours([], [(0.5, 0.1, 100)]),
        neighbours([(np.nan, np.nan, 0)]),
    ],
)
def test_nothing_is_said_of_no_neighbours(empty):
    assert coverage_facts(empty) == []


def scored(epoch, **above):
    """Of 1,000 scores of each group so many above a half."""
    return pd.concat(
        [
            pd.DataFrame({"epoch": epoch, "group": group, "score": [0.75] * n + [0.5] * (1000 - n)})
            for group, n in above.items()
        ]
    )


def test_shares_above_a_half_are_told_for_the_last_two_epochs():
    tables = [scored(k, generated=10 * k, training=700, test=690) for k in (1, 2, 3)]
    facts = discriminator_facts(pd.concat(tables))
    assert facts[0] == (
        "At epoch 2, 2.0% of 1,000 generated, 70.0% of 1,000 training and 69.0% of 1,000 test "
        "images score above 0.5."
    )
    assert facts[2].startswith("At epoch 3, 3.0%")
    assert len(facts) == 4


@pytest.mark.parametrize(
    ("training", "test", "words"),
    [
        (700, 600, "More of the training images than of the test images score above 0.5 (95 %"),
        (600, 700, "Fewer of the training images than of the test images score above 0.5 (95 %"),
        (700, 690, "Training and test images do not differ in this beyond chance (95 %"),
        (1000, 1000, "Training and test images do not differ in this beyond chance (95 %"),
    ],
)
def test_memory_is_told_where_the_interval_excludes_0(training, test, words):
    _, memory = discriminator_facts(scored(5, training=training, test=test, generated=1))
    assert memory.startswith(words)


def test_the_interval_of_two_shares_is_agresti_and_caffos():
    """Their added right and wrong answers, by hand: 71 of 102 and 51 of 102."""
    table = pd.concat([
        pd.DataFrame({"epoch": 1, "group": group, "score": [0.9] * n + [0.1] * (100 - n)})
        for group, n in (("training", 70), ("test", 50))
    ])  # fmt: skip
    p, q = 71 / 102, 51 / 102
    half = 1.959964 * ((p * (1 - p) + q * (1 - q)) / 102) ** 0.5
    _, memory = discriminator_facts(table)
    assert f"{100 * (p - q - half):+.1f} to {100 * (p - q + half):+.1f} points" in memory


def test_groups_without_scores_are_not_told():
    assert discriminator_facts(scored(4, test=1)[:0]) == []
    (only,) = discriminator_facts(scored(4, generated=20))
    assert only == "At epoch 4, 2.0% of 1,000 generated images score above 0.5."
