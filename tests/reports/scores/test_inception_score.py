"""The Inception score against closed forms and an independent library."""

import warnings

import numpy as np
import pytest

from reports.errors import ReportError
from reports.scores.inception_score import inception_score
from reports.scores.inputs import ScoreError


def test_inception_score_of_certain_and_even_predictions_is_the_number_of_classes():
    assert inception_score(np.eye(7)[np.arange(70) % 7]) == pytest.approx(7)


def test_inception_score_of_unrecognisable_images_is_one():
    assert inception_score(np.full((20, 5), 0.2)) == pytest.approx(1)


def test_inception_score_of_two_classes_has_a_closed_form():
    table = np.array([[0.9, 0.1], [0.1, 0.9]])
    divergence = 0.9 * np.log(1.8) + 0.1 * np.log(0.2)
    assert inception_score(table) == pytest.approx(np.exp(divergence))


def test_inception_score_equals_torchmetrics():
    import torch
    from torchmetrics.image.inception import InceptionScore

    class Logits(torch.nn.Module):
        def forward(self, images):
            return images.flatten(1)

    logits = np.random.default_rng(7).normal(0, 2, size=(96, 1, 1, 6))
    metric = InceptionScore(feature=Logits(), splits=1)
    metric.update(torch.from_numpy(logits))
    probabilities = torch.softmax(torch.from_numpy(logits).flatten(1), dim=1).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = float(metric.compute()[0])
    assert inception_score(probabilities) == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: inception_score(np.full((4, 3), 0.5)), "sum to 1"),
        (lambda: inception_score([[1.5, -0.5]]), "0 or more"),
    ],
)
def test_bad_input_is_one_line_that_says_what_is_wrong(call, words):
    with pytest.raises(ScoreError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ReportError)
