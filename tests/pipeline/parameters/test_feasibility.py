import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from augment.images.splits import scored_per_class
from augment.mixing.counts import resolve_count
from pipeline.parameters.errors import ParameterError
from pipeline.parameters.feasibility import check_feasible, infeasible
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import parse_parameters

ROOT = Path(__file__).parents[3]
DEFAULTS: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
DEFAULTS["study"] |= {"protocol": "published", "repeats": 1}
DEFAULTS["mix"]["strategies"] = ["mix", "filtered", "classical"]
DEFAULTS["mix"]["synthetic"] = [0, 0.5, 1.0, 2.0]
DEFAULTS["generate"]["per_class"] = DEFAULTS["filter"]["per_class"] = 2000
DIGITS = [str(digit) for digit in range(10)]


def changed(**values: Any) -> Parameters:
    """The default parameters with values put at dotted keys, written with __ for the dot."""
    result = copy.deepcopy(DEFAULTS)
    for key, value in values.items():
        *sections, name = key.split("__")
        place = result
        for section in sections:
            place = place[section]
        place[name] = value
    return parse_parameters(result)


def grid(**values: Any) -> Parameters:
    """A small grid over ten classes of 50 training images."""
    base = {
        "mix__real": [0, 1.0],
        "mix__synthetic": [0, 1000],
        "generate__per_class": 100,
        "filter__per_class": 100,
        "score__n": 100,
    }
    return changed(**(base | values))


def problems(
    parameters: Parameters,
    real: list[int] | None = None,
    names: list[str] | None = None,
    test: list[int] | None = None,
) -> list[str]:
    """What is infeasible; ten classes of 50 training and 100 test images unless told otherwise."""
    real = [50] * 10 if real is None else real
    test = [100] * len(real) if test is None else test
    names = DIGITS[: len(real)] if names is None else names
    found = infeasible(parameters, np.array(real), np.array(test), names)
    assert all("\n" not in each for each in found)
    if found:
        with pytest.raises(ParameterError) as caught:
            check_feasible(parameters, np.array(real), np.array(test), names)
        assert caught.value.problems == tuple(f"params.yaml: {each}" for each in found)
    else:
        check_feasible(parameters, np.array(real), np.array(test), names)
    return found


def refused(parameters: Parameters, *images: Any, **more: Any) -> str:
    (problem,) = problems(parameters, *images, **more)
    return problem


def test_the_default_study_is_feasible() -> None:
    assert problems(changed(), [360] * 10) == []


ONE_OF_EACH = {"generate__per_class": 10, "filter__per_class": 2, "mix__strategies": ["classical"]}
"""Controls take no generated images, which are scored all the same."""
BATCH_OF_FOUR = {"train_gan__options__batch_size": 4, "train_gan__processes": 4}
NO_NORM = {
    "train_gan__options__generator_norm": "none",
    "train_gan__options__discriminator_norm": "none",
}
MIX = {"mix__strategies": ["mix"]}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mix__synthetic": [1001], "generate__per_class": 101, "filter__per_class": 101},
        MIX | {"filter__per_class": 99},
        {"generate__per_class": 99, "mix__strategies": ["filtered"]},
        {"filter": None, "mix__strategies": ["mix", "classical"]},
        ONE_OF_EACH,
        {"mix__real": [500]},
        BATCH_OF_FOUR | NO_NORM,
        BATCH_OF_FOUR | {"train_gan__processes": 2},
        {"train_gan__options__batch_size": 500},
    ],
)
def test_what_can_be_had(changes: dict[str, Any]) -> None:
    assert problems(grid(**changes)) == []


BATCH = "train_gan.options.batch_size is"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # What asks most of a pool is named, and the others counted.
        (
            MIX | {"mix__synthetic": [1001, 1500, 1200]},
            "generate.per_class is 100, and mix.synthetic[1] is 1500, which takes 150 images of "
            "class '0' (and 2 more ask too much); allowed: generate.per_class of at least 150, or "
            "fewer asked for",
        ),
        # One more image than fits: the first class gets it.
        (
            {"mix__synthetic": [1001], "generate__per_class": 101},
            "filter.per_class is 100, and mix.synthetic[0] is 1001, which takes 101 images of "
            "class '0'; allowed: filter.per_class of at least 101, or fewer asked for",
        ),
        (
            ONE_OF_EACH | {"generate__per_class": 9},
            "generate.per_class is 9, and score.n is 100, which takes 10 images of class '0'; "
            "allowed: generate.per_class of at least 10, or fewer asked for",
        ),
        ({"mix__real": [0, 501]}, "mix.real[1] is 501; allowed: at most the 500 training images"),
        (
            {"mix__real": [0, 500, 1.0]},
            "mix.real[1] and mix.real[2] are both 500 images of 500; allowed: every number once",
        ),
        (
            BATCH_OF_FOUR,
            f"{BATCH} 4; allowed: at least 2 images for each of the 4 processes, for batch norm "
            "has no spread of one image",
        ),
        (
            {"train_gan__options__batch_size": 501},
            f"{BATCH} 501; allowed: at most the 500 training images",
        ),
        (
            {"train_gan__options__batch_size": 9, "train_gan__processes": 2},
            f"{BATCH} 9; allowed: a multiple of train_gan.processes, 2",
        ),
    ],
)
def test_what_cannot_be_had_is_one_line(changes: dict[str, Any], said: str) -> None:
    assert refused(grid(**changes)) == said


@pytest.mark.parametrize(
    ("changes", "real", "names", "said"),
    [
        ({}, [5, 0], ["a", "b"], "class 'b' has no training image; allowed: at least 1 of each"),
        (
            MIX | {"mix__synthetic": [0, {"cat": 101, "dog": 1}]},
            [50, 50],
            ["cat", "dog"],
            "generate.per_class is 100, and mix.synthetic[1] is {'cat': 101, 'dog': 1}, which "
            "takes 101 images of class 'cat'; allowed: generate.per_class of at least 101, or "
            "fewer asked for",
        ),
        (
            {"mix__synthetic": [{"Trousers": 60}]},
            [50, 50],
            ["T-shirt/top", "Trouser"],
            "mix.synthetic[0] names the class 'Trousers'; did you mean 'Trouser'? allowed: "
            "'T-shirt/top', 'Trouser'",
        ),
        (
            {"mix__synthetic": [0, 60]},
            [9, 9],
            ["a", "b"],
            f"{BATCH} 100 (cdcgan-projection's own); allowed: at most the 18 training images",
        ),
    ],
)
def test_classes_of_other_sizes_and_names(
    changes: dict[str, Any], real: list[int], names: list[str], said: str
) -> None:
    assert refused(grid(**changes), real, names) == said


def test_a_class_that_is_not_known_does_not_hide_what_the_others_ask() -> None:
    more = grid(mix__synthetic=[0, {"cat": 1}, 300], **MIX)
    assert problems(more, [50, 50], ["fox", "dog"]) == [
        "mix.synthetic[1] names the class 'cat'; allowed: 'fox', 'dog'",
        "generate.per_class is 100, and mix.synthetic[2] is 300, which takes 150 images of class "
        "'fox'; allowed: generate.per_class of at least 150, or fewer asked for",
    ]


@given(n_train=st.integers(2, 20_000))
def test_a_share_of_no_image_and_the_least_that_is_one(n_train: int) -> None:
    real = np.array([(n_train + 1) // 2, n_train // 2])
    share = 0.4 / n_train
    parameters = grid(
        mix__real=[0.0, share], train_gan__options__batch_size=2, mix__synthetic=[0, 2]
    )
    (said,) = infeasible(parameters, real, np.array([2, 2]), ["a", "b"])
    assert said.startswith(f"mix.real[1] is {share!r}, less than one of the {n_train} training")
    least = float(said.split("at least ")[1])
    assert resolve_count(least, n_train) >= 1


def test_only_images_that_can_be_scored_are_asked_of_the_pool() -> None:
    # Half of 200 test images of each class.
    mix = {"mix__strategies": ["mix"]}
    assert refused(grid(score__n=1001, **mix), test=[220] * 10) == (
        "generate.per_class is 100, and score.n is 1001, which takes 101 images of class '0'; "
        "allowed: generate.per_class of at least 101, or fewer asked for"
    )
    assert problems(grid(score__n=100_000), test=[200] * 10) == []
    # Two classes of 90 pictures: 36 are for test, and 9 of each class are scored.
    small = {
        "generate__per_class": 400,
        "score__n": 1000,
        "train_gan__options__batch_size": 20,
        "mix__synthetic": [0, 100],
        "mix__strategies": ["mix"],
    }
    assert scored_per_class(np.array([18, 18]), 1000).tolist() == [9, 9]
    assert problems(grid(**small), [65, 65], ["bar", "ring"], [18, 18]) == []


def test_all_problems_at_once_and_each_value_that_fits_fits() -> None:
    """Fashion-MNIST with the grid that comes with the project."""
    images = {"real": [5400] * 10, "test": [1000] * 10}
    found = problems(changed(data__source="fashion-mnist"), **images)
    assert found == [
        f"{pool}.per_class is 2000, and mix.synthetic[3] is 2.0, which takes 10800 images of class "
        f"'0' (and 2 more ask too much); allowed: {pool}.per_class of at least 10800, or fewer "
        "asked for"
        for pool in ("generate", "filter")
    ]
    fits = {"generate__per_class": 10_800, "filter__per_class": 10_800}
    assert problems(changed(data__source="fashion-mnist", **fits), **images) == []
    for key in fits:
        less = fits | {key: 10_799}
        assert len(problems(changed(data__source="fashion-mnist", **less), **images)) == 1


def test_a_share_of_generated_images_is_one_of_the_units_images() -> None:
    def study(per_class: int) -> Parameters:
        return changed(
            study=DEFAULTS["study"] | {"protocol": "strict", "repeats": 2, "repeats_below": 1},
            mix__real=[0, 50],
            mix__synthetic=[0, 10.0],
            score__n=100,
            generate__per_class=per_class,
            filter__per_class=per_class,
            train_gan__options__batch_size=10,
        )

    assert problems(study(50)) == []  # ten times 5 images of each class
    few, _ = problems(study(49))
    assert "takes 50 images of class '0'" in few
    assert "generate.per_class of at least 50" in few


def test_the_smallest_unit_has_a_generated_image() -> None:
    def study(*synthetic: float, strategies: tuple[str, ...] = ("mix",)) -> list[str]:
        parameters = changed(
            study=DEFAULTS["study"] | {"protocol": "strict", "repeats": 2, "repeats_below": 1},
            mix__real=[100, 1.0],
            mix__synthetic=[0, *synthetic],
            mix__strategies=list(strategies),
            generate__per_class=100,
            train_gan__options__batch_size=50,
            score__n=100,
        )
        return problems(parameters, [360] * 10)

    # Of 3,600 images this is 14, of the unit's hundred none.
    assert study(0.004) == [
        "mix.synthetic has no generated image for unit 100-0, which has 100 training images, and "
        "mix.strategies[0] is mix; allowed: a share of at least 0.005, or a number of images"
    ]
    assert study(0.004, strategies=("classical", "fine-tune"))[0].count("mix.strategies[1] is fine")
    assert study(0.005) == study(0.004, 10) == study(0.004, strategies=("classical",)) == []
    # What is less than one image of all is said once.
    assert len(study(0.0001)) == 1


def test_a_pool_by_share_is_as_large_as_each_unit_needs() -> None:
    units = {"study__repeats": 3, "study__repeats_below": 2, "mix__real": [0.2, 1.0]}
    share = {"generate__per_class": 2.0, "mix__synthetic": [0, 2.0], "mix__strategies": ["mix"]}
    assert problems(grid(**units, **share, score__n=100), [300, 200], ["a", "b"]) == []
    said = problems(grid(**units, **share | {"mix__synthetic": [2.5]}), [300, 200], ["a", "b"])
    assert said == [
        "generate.per_class is 2.0, which is 600 images of each class, and mix.synthetic[0] is "
        "2.5, which takes 750 images of class 'a'; allowed: generate.per_class of at least 750, "
        "or fewer asked for"
    ]
