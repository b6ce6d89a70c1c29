"""What the page says of the checkpoints, computed from their scores."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.wording import checkpoint_facts


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
            "That is the last but one: one more point says little of the course after it.",
        ]),
        ([30.0, 30, 10], [
            "Of 3 checkpoints, FID is lowest at epoch 30, the last (10.00; 30.00 at epoch 10).",
            "It did not fall at every step on the way.",
        ]),
        ([30.0, 10, 10], [
            "Of 3 checkpoints, FID is lowest at epoch 20 (10.00); the last, epoch 30, has 10.00.",
            "That is the last but one: one more point says little of the course after it.",
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
