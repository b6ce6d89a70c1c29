"""Classifiers fitted at once are those that are fitted one at a time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from augment.images.image_rows import ImageRows
from classifiers import grid, stack
from classifiers.classical import Classical, ClassicalTransform
from classifiers.errors import ClassifierError
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.grid import CellTask, ImageRef, stacks, train_cells
from classifiers.models.contract import Classifier
from classifiers.prediction import predict
from classifiers.stack import fit_stack, stack_limit

SETTINGS = FitSettings(steps=12, epochs=None, batch_size=8, learning_rate=3e-3)
ALL = ("affine", "elastic", "crop", "flip")
WAYS = {
    "plain": {},
    "phases": {"phases": [np.arange(20, 30), np.arange(20)]},
    "source": {"source": np.repeat(np.float32([1, -1]), [20, 10])},
    "classical": {"transform": ClassicalTransform(Classical(ALL), 28)},
}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(autouse=True)
def own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "models")


@pytest.fixture
def fits(make_set) -> Callable[..., list[Fit]]:
    """Return a function that gives three fits of other images, in part the same, and seeds."""
    first, second = make_set("first"), make_set("second", seed=1)

    def make(model: str = "lenet", side: int = 28, **way) -> list[Fit]:
        sets = (first, second) if side == 28 else (make_set("large", side=side),) * 2
        # Rows that stand in another order, and twice.
        own = [np.arange(20), np.arange(25, 5, -1), np.repeat(np.arange(10), 2)]
        return [
            Fit(ImageRows(sets, [rows, np.arange(k, k + 10)]), 3, ModelSettings(model), SETTINGS,
                seed=k, **way)
            for k, rows in enumerate(own)
        ]  # fmt: skip

    return make


def furthest(ours: Classifier, theirs: Classifier) -> float:
    """Return the distance of two networks' weights relative to their length, of the worst layer."""
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    return max(float((a - b).norm() / b.norm()) for a, b in pairs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("way", ["plain", "phases", "source"])
def test_a_stack_is_its_fits_alone(way: str, device: str, fits, make_set) -> None:
    several, there = fits(**WAYS[way]), torch.device(device)
    together = fit_stack(several, there)
    alone = [fit_classifier(fit, there) for fit in several]
    new = make_set("new", seed=2).images
    for ours, theirs in zip(together, alone, strict=True):
        assert not ours.training
        # Adam makes steps of one size of gradients that are nothing but rounding.
        assert furthest(ours, theirs) < 1e-4
        assert np.allclose(*(predict(n, new).probabilities for n in (ours, theirs)), atol=1e-3)
    assert furthest(together[0], together[1]) > 0.1


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("way", WAYS)
def test_in_double_precision_no_difference_grows(way: str, device: str, fits) -> None:
    """In single precision it may: where two pixels of a pool are nearly equal, rounding chooses."""
    several, there = fits("own_models:double", **WAYS[way]), torch.device(device)
    together = fit_stack(several, there)
    for ours, fit in zip(together, several, strict=True):
        assert next(ours.parameters()).dtype == torch.float64
        assert furthest(ours, fit_classifier(fit, there)) < 1e-10


def test_large_images_are_reduced_as_they_are_alone(fits) -> None:
    several = fits("own_models:double", side=64)
    together = fit_stack(several, torch.device("cpu"))
    for ours, fit in zip(together, several, strict=True):
        assert furthest(ours, fit_classifier(fit)) < 1e-10


def test_which_models_can_be_stacked(fits, monkeypatch: pytest.MonkeyPatch) -> None:
    def limit(model: str) -> int:
        return stack_limit(fits(model)[0])

    assert limit("lenet") == stack.MOST
    assert limit("own_models:double") == stack.MOST
    # Running statistics, dropout, and a choice that depends on the numbers.
    assert limit("resnet18") == limit("vgg11") == limit("own_models:choosy") == 1
    monkeypatch.setattr(stack, "MOST_WEIGHTS", 200_000)
    assert 1 < limit("lenet") < stack.MOST


@pytest.mark.parametrize(("most", "tried"), [(2, [3, 1, 2]), (1, [3, 1, 2, 1, 1])])
def test_a_stack_that_is_too_large_for_memory_is_halved(
    most: int, tried: list[int], fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    at_once = stack.stack_module_state

    def stack_some(networks: list[Classifier]):
        sizes.append(len(networks))
        if len(networks) > most:
            raise torch.OutOfMemoryError
        return at_once(networks)

    monkeypatch.setattr(stack, "stack_module_state", stack_some)
    several = fits("own_models:double")
    for ours, fit in zip(fit_stack(several, torch.device("cpu")), several, strict=True):
        assert furthest(ours, fit_classifier(fit)) < 1e-10
    assert sizes == tried
    monkeypatch.setattr(stack, "stack_module_state", lambda networks: stack_some([*networks] * 9))
    with pytest.raises(torch.OutOfMemoryError):
        fit_stack(several[:1], torch.device("cpu"))


def test_weights_that_are_not_finite_are_an_error(fits) -> None:
    several = [replace(f, settings=replace(SETTINGS, learning_rate=1e38)) for f in fits()]
    with pytest.raises(ClassifierError, match=r"lower classifier\.learning_rate"):
        fit_stack(several, torch.device("cpu"))


@pytest.fixture
def tasks(make_set, tmp_path: Path) -> list[CellTask]:
    """Seven cells: four alike, two with transforms, one of other steps."""
    train, test = make_set("train"), make_set("test", n=12, seed=1)
    rows = ImageRef(tmp_path / "train", train.digest, np.arange(40))
    asked = ImageRef(tmp_path / "test", test.digest, np.arange(12))
    longer = FitSettings(14, None, 8, 3e-3)

    def task(seed: int, settings: FitSettings = SETTINGS, classical=None) -> CellTask:
        return CellTask((rows,), (asked,), 3, ModelSettings(), settings, seed, classical=classical)

    transformed = [task(seed, classical=Classical(("affine",))) for seed in (4, 5)]
    return [*map(task, range(4)), *transformed, task(6, longer)]


def test_cells_that_are_alike_are_stacked(
    tasks: list[CellTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stacks(tasks, range(7)) == [[0, 1, 2, 3], [4, 5], [6]]
    assert stacks(tasks, [5, 0, 4]) == [[5, 4], [0]]
    assert stacks(tasks, []) == []
    monkeypatch.setattr(stack, "MOST", 3)
    assert stacks(tasks, range(7)) == [[0, 1], [2, 3], [4, 5], [6]]


@pytest.mark.parametrize("device", ["as if", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_grid_answers_the_same_one_at_a_time_and_stacked(
    tasks: list[CellTask], device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = train_cells(tasks, processes=1, cache=tmp_path / "alone")
    if device == "as if":  # a CPU that is treated as a GPU is
        grouped = stacks(tasks, range(7))
        found = dict(
            pair
            for group in grouped
            for pair in grid._train({i: tasks[i] for i in group}, torch.device("cpu"), None)
        )
        stacked = [found[i] for i in range(7)]
    else:
        there = torch.device(device)
        stacked = train_cells(tasks, processes=1, cache=tmp_path / "stacked", device=there)
        again = train_cells(tasks, processes=1, cache=tmp_path / "stacked", device=there)
        assert all(result.cached for result in again)
    for ours, theirs in zip(stacked, alone, strict=True):
        assert (ours.steps, ours.images_seen) == (theirs.steps, theirs.images_seen)
        assert np.array_equal(ours.predictions[0], theirs.predictions[0])
