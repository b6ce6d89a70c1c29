"""What the page says of checkpoints, neighbours and discriminators, computed from their numbers."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.page.facts import (
    checkpoint_facts,
    copy_facts,
    coverage_facts,
    discriminator_facts,
    inspection_notes,
)


def table(fids, weights="plain", **columns):
    epochs = [10 * k for k in range(1, len(fids) + 1)]
    rows = {"epoch": epochs, "weights": weights, "fid_examiner": fids}
    return pd.DataFrame(rows | columns)


@pytest.mark.parametrize(
    ("fids", "sentence"),
    [
        ([30.0, 20, 10], "Of 3 checkpoints, FID is lowest at epoch 30, the last (10.00)."),
        (
            [30.0, 10, 12, 15],
            "Of 4 checkpoints, FID is lowest at epoch 20 (10.00); the last, epoch 40, has 15.00.",
        ),
        (
            [30.0, 10, 10],
            "Of 3 checkpoints, FID is lowest at epoch 20 (10.00); the last, epoch 30, has 10.00.",
        ),
        ([7.0], "The one checkpoint is of epoch 10: FID 7.00."),
    ],
)
def test_the_best_and_the_last_fid_are_told_and_no_course(fids, sentence):
    assert checkpoint_facts(table(fids)) == [sentence]


def test_both_copies_are_told_apart():
    both = pd.concat([table([30.0, 10, 15]), table([20.0, 11, 9], "average")])
    first, copy = checkpoint_facts(both)
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
    assert facts[1:] == [
        "Inception score is highest at epoch 20 (8.50; 8.25 at the last).",
        "Label match is highest at epoch 30 (87.5%).",
        "On InceptionV3's features FID is lowest at epoch 30 (7.00).",
    ]
    bare = checkpoint_facts(scores.drop(columns=["label_match", "fid_inception"]))
    assert bare == facts[:2]
    assert checkpoint_facts(scores.assign(label_match=np.nan, fid_inception=np.nan)) == facts[:2]


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
    assert len(facts) == 1


def neighbours(generated, test, names="abc", n_queries=50):
    """A row a class of each group: share, most and training images."""
    rows = [
        {"class_name": name, "group": group, "n_queries": n_queries, "n_train": n_train,
         "share": share, "most": most}
        for group, values in (("generated", generated), ("test", test))
        for name, (share, most, n_train) in zip(names, values, strict=False)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_neighbours_are_counted_over_all_classes_and_told_for_the_worst():
    generated = [(0.02, 0.1, 100), (0.05, 0.4, 300), (np.nan, 0.9, 0)]
    test = [(0.03, 0.05, 100), (0.06, 0.025, 300), (np.nan, 0.9, 0)]
    variety, most = coverage_facts(neighbours(generated, test))
    assert variety == (
        "100 generated images have 17 different nearest training images; 100 test images have 21."
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


def test_few_images_show_no_collapse():
    """Of two or three images all may have one neighbour by chance; of 20 they do not."""
    table = neighbours([(0.01, 1.0, 100)], [(0.5, 0.05, 100)], n_queries=19)
    (variety,) = coverage_facts(table)
    assert "collapsed" not in variety
    assert not inspection_notes(COUNTS, table)
    for group in ("generated", "test"):
        enough = table.assign(n_queries=[20 if name == group else 19 for name in table["group"]])
        assert not inspection_notes(COUNTS, enough)
    assert len(inspection_notes(COUNTS, table.assign(n_queries=20))) == 2


def test_a_class_of_few_images_does_not_hide_one_that_collapsed():
    table = neighbours([(0.01, 1.0, 100), (0.05, 0.6, 100)], [(0.3, 0.05, 100)] * 2)
    table.loc[table["class_name"] == "a", "n_queries"] = 2
    assert "In the worst class (b), 60.0%" in coverage_facts(table)[1]
    (note,) = inspection_notes(COUNTS, table[table["class_name"] == "b"])[1:]
    assert note.endswith("there the generator has collapsed.")


def test_a_class_that_is_called_collapsed_is_no_collapse():
    same = [(0.3, 0.1, 100)]
    table = neighbours(same, same, names=["collapsed lung"])
    assert "In the worst class (collapsed lung)" in coverage_facts(table)[1]
    assert inspection_notes(COUNTS, table) == []


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
