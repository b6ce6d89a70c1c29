import copy
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from augment.strategies import STRATEGIES
from augment.systems import SYSTEMS
from pipeline.errors import PipelineError
from pipeline.parameters import (
    STRATEGY_NAMES,
    SYSTEM_NAMES,
    Count,
    ParameterError,
    Parameters,
    Unit,
    check_feasible,
    chosen_system,
    counts_per_class,
    describe_parameters,
    load_parameters,
    parse_parameters,
    parse_unit,
    resolve_counts,
)

ROOT = Path(__file__).parents[2]
DEFAULTS: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
DIGITS = [str(digit) for digit in range(10)]


def changed(**values: Any) -> dict[str, Any]:
    """The default parameters with values put at dotted keys, written with __ for the dot."""
    result = copy.deepcopy(DEFAULTS)
    for key, value in values.items():
        section, _, name = key.rpartition("__")
        (result[section] if section else result)[name] = value
    return result


def error_of(values: object) -> str:
    with pytest.raises(ParameterError) as caught:
        parse_parameters(values)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert text.startswith("params.yaml: ")
    return text.removeprefix("params.yaml: ")


def file_error(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ParameterError) as caught:
        load_parameters(path)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# The file


def test_the_file_of_the_project_loads() -> None:
    parameters = load_parameters(ROOT / "params.yaml")
    assert parameters.data.source == "mnist5k"
    assert parameters.mix.real == tuple(DEFAULTS["mix"]["real"])
    assert [type(entry) for entry in parameters.mix.real] == [
        type(entry) for entry in DEFAULTS["mix"]["real"]
    ]
    assert parameters.required_filter.threshold == DEFAULTS["filter"]["threshold"]


def test_every_comment_says_what_the_models_say() -> None:
    comments: dict[str, str] = {}
    section, words = "", []
    for line in (ROOT / "params.yaml").read_text().splitlines():
        if line.lstrip().startswith("#"):
            words.append(line.strip(" #"))
        elif match := re.fullmatch(r"( *)(\w+):(.*)", line):
            indent, name, value = match.groups()
            if not indent and not value:
                section = f"{name}."
            else:
                comments[section + name if indent else name] = " ".join(words)
            words = []
        else:
            words = []
    assert comments == {
        known.key: f"{known.description}: {known.allowed}" for known in describe_parameters()
    }


def test_every_key_is_required_but_the_filter_section() -> None:
    for known in describe_parameters():
        section, _, name = known.key.rpartition(".")
        values = copy.deepcopy(DEFAULTS)
        del (values[section] if section else values)[name]
        assert error_of(values) == f"{known.key} is missing; allowed: {known.allowed}"


def test_names_are_those_of_the_types() -> None:
    allowed = {known.key: known.allowed for known in describe_parameters()}
    *names, last = SYSTEM_NAMES
    assert allowed["train_gan.system"] == f"{', '.join(names)} or {last}"
    *strategies, control = STRATEGY_NAMES
    assert allowed["mix.strategies"].endswith(f"{', '.join(strategies)} or {control}")
    assert {"none", *STRATEGY_NAMES} == STRATEGIES.keys()


def test_yaml_numbers(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("learning_rate: 3.0e-3", "learning_rate: 1e-4"))
    assert load_parameters(path).lenet.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the content is null"),
        ("[1, 2]", r"the content is \[1, 2\]"),
        ("seed: [", "cannot be read in line 1"),
        ("seed: 0\nseed: 1\n", 'duplicate key "seed"'),
        ("--- 1\n--- 2\n", "another document"),
        ("!!python/object:os.system x", "tag"),
        ("seed: " + "9" * 5000, "cannot be read as YAML"),
        ("[" * 1500, "recursion"),
        ("a: &a [*a]", "a is not a known key"),
        ("a: *b", "undefined alias"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\x01", "cannot be read as YAML"),
        (b"a" * (1 << 21), "larger than"),
    ],
    ids=range(13),
)
def test_a_file_that_is_no_parameters(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert re.search(said, file_error(tmp_path, content))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=re.escape(str(tmp_path / "none.yaml"))):
        load_parameters(tmp_path / "none.yaml")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"{? {a: 1}\n: 2}")
@example(b"a: !!int x")
@example(b"a: !!timestamp 2001-99-99")
def test_no_content_makes_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    # In a folder of its own: a params.yaml above the other tests' folders makes a project of them.
    folder = tmp_path_factory.getbasetemp() / "no-parameters"
    folder.mkdir(exist_ok=True)
    file_error(folder, content)


# One key at a time


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data__image_size", 30, "data.image_size is 30; allowed: 28, 32, 64 or 128"),
        ("data__image_size", 28.0, "data.image_size is 28.0; allowed: 28, 32, 64 or 128"),
        ("data__channels", True, "data.channels is true; allowed: 1 or 3"),
        ("seed", True, "seed is true; allowed: a whole number from 0 to 4294967295"),
        ("seed", -1, "seed is -1; allowed: a whole number from 0 to 4294967295"),
        ("seed", 1.0, "seed is 1.0; allowed: a whole number from 0 to 4294967295"),
        ("data__test", 0, "data.test is 0; allowed: a number above 0 to 0.5"),
        ("data__validation", 0.51, "data.validation is 0.51; allowed: a number from 0 to 0.5"),
        ("filter__threshold", math.nan, "filter.threshold is nan; allowed: a number from 0 to 1"),
        ("filter__threshold", "0.9", "filter.threshold is '0.9'; allowed: a number from 0 to 1"),
        (
            "train_gan__ema_decay",
            1,
            "train_gan.ema_decay is 1; allowed: a number from 0 to below 1 or null",
        ),
        (
            "train_gan__evaluate",
            None,
            "train_gan.evaluate is null; allowed: a whole number from 100 to 50000",
        ),
        ("score__inception", "yes", "score.inception is 'yes'; allowed: true or false"),
        ("score__inception_weights", "", "score.inception_weights is ''; allowed: a path or null"),
        ("units", ["600-1"], "units[0] is '600-1'; allowed: all-0"),
        (
            "mix__strategies",
            ["mix", "none"],
            "mix.strategies[1] is 'none'; allowed: mix, filtered, fine-tune, source-channel, "
            "duplicated or classical",
        ),
        (
            "mix__seeds",
            [0, -1],
            "mix.seeds[1] is -1; allowed: a whole number from 0 to 4294967295",
        ),
        ("mix__seeds", [0, 3, 0], "mix.seeds[2] is 0 again; allowed: every entry once"),
        (
            "mix__real",
            [0, 300, -5],
            "mix.real[2] is -5; allowed: a whole number of images, 0 or from 2, "
            "or a share with a decimal point from 0.0 to 1.0",
        ),
        (
            "generate",
            [1],
            "generate is [1]; allowed: a section with the keys per_class, max_draws",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(key: str, value: object, said: str) -> None:
    assert error_of(changed(**{key: value})) == said


@pytest.mark.parametrize(
    "value",
    [1, 1.0, -0.1, True, "0.3", math.nan, [], [0.3, 1], [0.3, None], [[0.3]], [0.1] * 101, 10**400],
)
def test_what_is_no_dropout(value: object) -> None:
    said = error_of(changed(train_gan__dropout=value))
    assert said.startswith("train_gan.dropout is ")
    assert said.endswith("; allowed: a number from 0 to below 1, a list of such numbers, or null")


def test_dropout_after_every_layer_or_a_rate_a_layer() -> None:
    small = {"train_gan__system": "cdcgan"}  # two layers
    for value, rates in (
        (0.3, (0.3, 0.0)),  # none before the score
        (0, (0.0, 0.0)),
        ([0.3, 0.4, 0], (0.3, 0.4, 0.0)),
    ):
        gan = parse_parameters(changed(**small, train_gan__dropout=value)).train_gan
        assert chosen_system(gan).networks.dropout == rates
        again = parse_parameters(changed(**small, train_gan__dropout=gan.dropout)).train_gan
        assert again.dropout == gan.dropout


@pytest.mark.parametrize("rates", [[0.5], [0.1, 0.2], [0.1] * 4, [0.1] * 80])
def test_dropout_of_another_number_of_layers(rates: list[float]) -> None:
    said = error_of(changed(train_gan__system="cdcgan", train_gan__dropout=rates))
    assert said.startswith("train_gan.dropout is [")
    assert said.endswith(
        "; allowed with the 2 discriminator layers of cdcgan at 28 pixels: 3 rates, the last one "
        "before the score"
    )


def test_layers_are_those_at_the_size_of_the_images() -> None:
    larger = {"data__image_size": 64, "data__source": "folder", "data__path": "photos"}
    more = changed(train_gan__system="cdcgan", train_gan__dropout=[0.1] * 4, **larger)
    assert parse_parameters(more).train_gan.dropout == (0.1,) * 4


@pytest.mark.parametrize(
    "value",
    [
        0.5, {}, "[]", [0, 1, 0.2], [[0, 1]], [[0, 1, 0.2, 0]], [[0, 1, True]], [[0, 1, None]],
        [[0.1, 1, 0.2]], [[0, 1, 0.2], [0, 0.5, 0.1]], [[0, 1, 0.2], [1, 0.5, 0.1]],
        [[0, 1, 0.2], [0.6, 1, 0.2], [0.5, 1, 0.2]], [[0, 0, 0.2]], [[0, 1.1, 0.2]],
        [[0, 1, -0.1]], [[0, 1, 1]], [[0, 1, math.nan]], [[math.nan, 1, 0.2]],
        [[i / 200, 1, 0.2] for i in range(101)], [[0, 1, 10**400]],
    ],
)  # fmt: skip
def test_what_are_no_phases(value: object) -> None:
    said = error_of(changed(train_gan__phases=value))
    assert said.startswith("train_gan.phases is ")
    assert "; allowed: a list of [start, factor, slope], starts rising from 0 to below 1" in said


def test_phases_replace_the_systems_own() -> None:
    def phases(value: object, system: str = "padova-dcgan") -> object:
        given = changed(train_gan__system=system, train_gan__phases=value)
        return chosen_system(parse_parameters(given).train_gan).phases

    assert phases(None) == SYSTEMS["padova-dcgan"].phases
    assert phases([]) == ()
    mine = ((0.0, 1.0, 0.2), (0.5, 0.1, 0.0))
    assert phases([[0, 1, 0.2], [0.5, 0.1, 0]]) == mine
    assert phases([list(phase) for phase in mine], "cdcgan-smooth") == mine


@pytest.mark.parametrize("entry", [1.5, True, "300", math.nan, math.inf, None, {"0": 3}, [1]])
def test_entries_that_are_no_real_count(entry: object) -> None:
    assert error_of(changed(mix__real=[0, entry])).startswith("mix.real[1] is ")


@pytest.mark.parametrize(
    "entry",
    [{}, {"0": 0}, {"0": -1}, {"0": 0.5}, {"0": True}, {True: 1}, {0.5: 1}, {7: 1, "7": 1}, 1000.5],
)
def test_entries_that_are_no_synthetic_count(entry: object) -> None:
    assert error_of(changed(mix__synthetic=[0, entry])).startswith("mix.synthetic[1] is ")


def test_class_names_that_yaml_reads_as_numbers() -> None:
    parameters = parse_parameters(changed(mix__synthetic=[0, {7: 300, "cat": 2}]))
    assert parameters.mix.synthetic == (0, {"7": 300, "cat": 2})


def test_one_image_is_refused_since_dvc_takes_it_for_all_images() -> None:
    assert error_of(changed(mix__real=[0, 1])).startswith("mix.real[1] is 1; allowed: ")
    assert parse_parameters(changed(mix__real=[0, 2, 1.0])).mix.real == (0, 2, 1.0)


def test_lists_of_no_entry_or_too_many() -> None:
    assert error_of(changed(mix__seeds=[])).startswith("mix.seeds is []; allowed: a list")
    assert error_of(changed(mix__seeds=list(range(101)))).startswith("mix.seeds is [0, 1")
    assert error_of(changed(mix__seeds=0)).startswith("mix.seeds is 0; allowed: a list")


@pytest.mark.parametrize(
    ("section", "name", "said"),
    [
        ("data", "image_sise", "data.image_sise is not a known key; did you mean data.image_size?"),
        ("", "image_size", "image_size is not a known key; did you mean data.image_size?"),
        ("", "mixx", "mixx is not a known key; did you mean mix?"),
        ("generate", "zzz", "generate.zzz is not a known key; allowed: per_class, max_draws"),
        (
            "generate",
            "a\nb",
            "generate.a\\nb is not a known key; allowed: per_class, max_draws",
        ),
    ],
)
def test_an_unknown_key(section: str, name: str, said: str) -> None:
    values = copy.deepcopy(DEFAULTS)
    (values[section] if section else values)[name] = 1
    assert error_of(values) == said


def test_a_misspelt_key_is_one_problem_and_others_are_counted() -> None:
    values = changed()
    values["data"]["image_sise"] = values["data"].pop("image_size")
    said = "data.image_sise is not a known key; did you mean data.image_size?"
    assert error_of(values) == said
    values["seed"] = values["lenet"]["batch_size"] = "x"
    assert error_of(values) == f"{said} (and 2 more)"


def test_parameters_are_frozen() -> None:
    parameters = parse_parameters(changed())
    with pytest.raises(ValidationError):
        parameters.seed = 1
    with pytest.raises(ValidationError):
        parameters.data.channels = 3


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from([known.key for known in describe_parameters()]), _PLAIN)
@example("seed", 1 << 100_000)
@example("mix.real", [1 << 100_000])
@example("data.path", "a" * 10_000 + "\n\x1b")
def test_any_value_is_taken_or_refused_in_one_short_line(key: str, value: object) -> None:
    values = changed(**{key.replace(".", "__"): value})
    try:
        parse_parameters(values)
    except ParameterError as error:
        text = str(error)
        assert len(text) < 600
        assert text.isprintable()


@given(
    st.integers(),
    st.sampled_from(["generate.per_class", "generate.max_draws", "filter.max_draws", "score.n"]),
)
def test_ranges_in_words_are_the_ranges_in_force(value: int, key: str) -> None:
    words = {known.key: known.allowed for known in describe_parameters()}[key]
    low, high = (int(word) for word in re.findall(r"\d+", words))
    values = changed(**{key.replace(".", "__"): value})
    if low <= value <= high:
        parse_parameters(values)
    else:
        assert error_of(values) == f"{key} is {value}; allowed: {words}"


# Rules between keys


@pytest.mark.parametrize("section", ["train_examiner", "train_judge", "train_classifiers"])
def test_steps_or_epochs(section: str) -> None:
    for steps, epochs in ((None, None), (3, 4)):
        said = error_of(changed(**{f"{section}__steps": steps, f"{section}__epochs": epochs}))
        assert said.startswith(f"{section}.steps is ")
    parse_parameters(changed(**{f"{section}__steps": None, f"{section}__epochs": 2}))


def test_images_or_epochs() -> None:
    said = error_of(changed(train_gan__images=10, train_gan__epochs=2))
    assert said == (
        "train_gan.images is 10 and train_gan.epochs is 2; "
        "allowed: a number for exactly one of them, null for the other"
    )


def test_the_best_checkpoint_needs_validation_images() -> None:
    said = error_of(changed(data__validation=0, train_gan__keep="best"))
    assert said == "train_gan.keep is best; allowed: last, because data.validation is 0"
    parse_parameters(changed(data__validation=0, train_gan__keep="last"))


def test_a_filtered_strategy_needs_a_filter() -> None:
    values = changed(mix__strategies=["mix", "filtered"])
    del values["filter"]
    assert error_of(values).startswith("mix.strategies[1] is filtered; ")
    values["mix"]["strategies"] = ["mix"]
    with pytest.raises(ParameterError, match="filter is missing"):
        _ = parse_parameters(values).required_filter


def test_paths_of_sources() -> None:
    assert error_of(changed(data__source="folder")).startswith("data.path is null; ")
    assert error_of(changed(data__path="pictures")).startswith("data.path is 'pictures'; ")
    parse_parameters(changed(data__source="folder", data__path="pictures"))


def test_a_grid_without_any_image() -> None:
    assert error_of(changed(mix__real=[0, 0.0], mix__synthetic=[0])).startswith("mix.real and ")


def test_broken_rules_are_counted() -> None:
    said = error_of(changed(data__source="folder", train_judge__steps=None))
    assert said.endswith("(and 1 more)")


# Units


@given(st.none() | st.integers(1, 10**9), st.integers(0, 10**9))
def test_units_by_name(n_real: int | None, seed: int) -> None:
    name = f"{'all' if n_real is None else n_real}-{seed}"
    assert parse_unit(name) == Unit(n_real, seed)


@pytest.mark.parametrize("name", ["", "all", "all-", "all-01", "0-1", "600-1\n", "../x", "all-0-0"])
def test_names_that_are_no_unit(name: str) -> None:
    with pytest.raises(ParameterError, match="all-0"):
        parse_unit(name)


# Counts


def test_counts_are_images_shares_or_sums() -> None:
    entries: list[Count] = [0, 300, 1.0, 0.5, 2.0, {"0": 3, "1": 4}]
    assert resolve_counts(entries, 3601) == [0, 300, 3601, 1801, 7202, 7]


@given(st.floats(0, 1), st.integers(1, 10**7))
def test_a_share_is_the_nearest_count(share: float, n_train: int) -> None:
    (count,) = resolve_counts([share], n_train)
    assert 0 <= count <= n_train
    assert abs(count - share * n_train) <= 0.5 + 1e-6


_CLASS_COUNTS = st.lists(st.integers(1, 500), min_size=2, max_size=8).map(np.array)


@given(_CLASS_COUNTS, st.integers(0, 5000) | st.floats(0, 3))
def test_counts_per_class_follow_the_training_set(real: np.ndarray, entry: int | float) -> None:
    names = [str(label) for label in range(len(real))]
    counts = counts_per_class(entry, real, names)
    (total,) = resolve_counts([entry], int(real.sum()))
    assert counts.sum() == total
    assert (np.abs(counts - total * real / real.sum()) < 1 + 1e-6).all()


def test_counts_per_class_by_name() -> None:
    real = np.array([5, 5, 5])
    assert counts_per_class({"c": 4, "a": 1}, real, ["a", "b", "c"]).tolist() == [1, 0, 4]
    with pytest.raises(ParameterError, match="names the class 'd'; allowed: 'a', 'b', 'c'"):
        counts_per_class({"d": 4}, real, ["a", "b", "c"])


# Feasibility


def grid(**values: Any) -> Parameters:
    base = {
        "mix__real": [0, 1.0],
        "mix__synthetic": [0, 1000],
        "generate__per_class": 100,
        "filter__per_class": 100,
        "score__n": 100,
    }
    return parse_parameters(changed(**(base | values)))


def refused(parameters: Parameters, real: list[int], names: list[str] | None = None) -> str:
    with pytest.raises(ParameterError) as caught:
        check_feasible(parameters, np.array(real), names)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value).removeprefix("params.yaml: ")


def test_the_default_study_is_feasible() -> None:
    check_feasible(parse_parameters(changed()), np.full(10, 360), DIGITS)


def test_pools_at_their_limit() -> None:
    check_feasible(grid(), np.full(10, 50))
    # One more image: the first class gets it.
    assert refused(grid(mix__synthetic=[1001]), [50] * 10) == (
        "mix.synthetic[0] is 1001, which takes 101 images of class '0'; "
        "allowed: at most the 100 of generate.per_class"
    )


def test_the_largest_class_decides() -> None:
    assert "takes 900 images of class 'b'" in refused(grid(), [10, 90], ["a", "b"])


@pytest.mark.parametrize(
    ("strategy", "real", "synthetic", "needs"),
    [
        ("fine-tune", [0], [0, 60], "a real and a synthetic count above 0"),
        ("fine-tune", [0, 30], [0], "a real and a synthetic count above 0"),
        ("source-channel", [30], [0], "a synthetic count above 0"),
    ],
)
def test_a_strategy_with_a_side_empty_is_refused(
    strategy: str, real: list[int], synthetic: list[int], needs: str
) -> None:
    grid = {"mix__real": real, "mix__synthetic": synthetic}
    assert error_of(changed(mix__strategies=["classical", strategy], **grid)) == (
        f"mix.strategies[1] is {strategy}, which has no cell in mix.real x mix.synthetic; "
        f"allowed: with {needs}"
    )


def test_a_control_may_have_no_cell() -> None:
    for control in ("classical", "duplicated"):
        parse_parameters(changed(mix__real=[0], mix__strategies=["mix", control]))


def test_classical_needs_its_section() -> None:
    values = changed(mix__strategies=["mix", "classical"])
    del values["classical"]
    assert "is classical and there is no section classical" in error_of(values)
    values["mix"]["strategies"] = ["mix"]
    parse_parameters(values)


def test_transforms_suit_the_data_and_digits_are_not_mirrored() -> None:
    for source, transforms in (("mnist5k", ("affine",)), ("mnist", ("affine",)),
                               ("fashion-mnist", ("crop", "flip"))):  # fmt: skip
        assert parse_parameters(changed(data__source=source)).classical_transforms == transforms
    chosen = changed(classical__transforms=["elastic", "affine"])
    assert parse_parameters(chosen).classical_transforms == ("elastic", "affine")


def test_each_strategy_has_its_pool() -> None:
    small = grid(filter__per_class=99, score__n=100)
    assert refused(small, [50] * 10).endswith("the 99 of filter.per_class")
    check_feasible(grid(filter__per_class=99, mix__strategies=["mix"]), np.full(10, 50))
    filtered_only = grid(generate__per_class=99, mix__strategies=["filtered"])
    check_feasible(filtered_only, np.full(10, 50))


def test_more_real_images_than_there_are() -> None:
    check_feasible(grid(mix__real=[500]), np.full(10, 50))
    assert refused(grid(mix__real=[0, 501]), [50] * 10) == (
        "mix.real[1] is 501; allowed: at most the 500 training images"
    )


def test_counts_by_class_are_checked_with_and_without_names() -> None:
    parameters = grid(mix__synthetic=[0, {"cat": 101, "dog": 1}])
    for names in (None, ["cat", "dog"]):
        assert "takes 101 images of class 'cat'" in refused(parameters, [50, 50], names)
    assert "names the class 'cat'" in refused(parameters, [50, 50], ["ant", "dog"])


def test_entries_that_come_to_one_number() -> None:
    assert refused(grid(mix__real=[0, 500, 1.0]), [50] * 10) == (
        "mix.real[1] and mix.real[2] are both 500 images of 500; allowed: every number once"
    )


def test_a_share_of_no_image() -> None:
    said = refused(grid(mix__real=[0.0, 0.0009]), [50] * 10)
    assert said.startswith("mix.real[1] is 0.0009, less than one of the 500 training images")


def test_a_class_without_images() -> None:
    with pytest.raises(ParameterError, match="class 'b' has no training image"):
        check_feasible(grid(), np.array([5, 0]), ["a", "b"])


def test_batch_norm_needs_two_images_a_process() -> None:
    one = {"train_gan__batch_size": 4, "train_gan__processes": 4}
    said = refused(grid(**one), [50] * 10)
    assert said == (
        "train_gan.batch_size is 4; allowed: at least 2 images for each of the 4 processes, for "
        "batch norm has no spread of one image"
    )
    none = {"train_gan__generator_norm": "none", "train_gan__discriminator_norm": "none"}
    check_feasible(grid(**one, **none), np.full(10, 50))
    check_feasible(grid(**one | {"train_gan__processes": 2}), np.full(10, 50))


def test_scores_need_enough_images() -> None:
    assert refused(grid(score__n=1001), [50] * 10) == (
        "score.n is 1001, which takes 101 images of class '0'; allowed: at most the 100 of "
        "generate.per_class"
    )


# Weight


def test_importing_parameters_is_light() -> None:
    code = (
        "import sys, pipeline.parameters; "
        "print([m for m in ('torch', 'pandas', 'numpy', 'dvc') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
