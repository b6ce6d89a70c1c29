"""How often a classifier reads the class that was asked for."""

import numpy as np
import pytest

from reports.errors import ReportError
from reports.scores.inputs import ScoreError
from reports.scores.label_match import label_match


def test_label_match_counts_agreement():
    table = np.array([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3], [0.5, 0.5]])
    assert label_match(table, np.array([0, 1, 1, 0])) == 0.75


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: label_match(np.eye(3), [0, 1]), "3 integers"),
        (lambda: label_match(np.eye(3), [0, 1, 3]), "allowed: 0 to 2"),
        (lambda: label_match(np.eye(3), [0.0, 1.0, 2.0]), "float64"),
    ],
)
def test_bad_input_is_one_line_that_says_what_is_wrong(call, words):
    with pytest.raises(ScoreError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ReportError)
