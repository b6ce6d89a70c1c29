import copy
import inspect
import math
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from augment.generators.family import system_of
from augment.mixing.strategies import STRATEGIES
from pipeline.errors import PipelineError
from pipeline.parameters import models as parameters
from pipeline.parameters.errors import ParameterError
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import (
    describe_parameters,
    load_parameters,
    parse_data,
    parse_parameters,
)
from pipeline.parameters.text import shown
from pipeline.units import Unit, parse_unit, unit_names

ROOT = Path(__file__).parents[3]
DEFAULTS: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())


def changed(**values: Any) -> dict[str, Any]:
    """The default parameters with values put at dotted keys, written with __ for the dot."""
    result = copy.deepcopy(DEFAULTS)
    for key, value in values.items():
        *sections, name = key.split("__")
        place = result
        for section in sections:
            place = place[section]
        place[name] = value
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
    assert parameters.filter is not None
    assert parameters.filter.threshold == DEFAULTS["filter"]["threshold"]


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


def test_yaml_numbers(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("learning_rate: 3.0e-3", "learning_rate: 1e-4"))
    assert load_parameters(path).classifier.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        (
            "images: 36000",
            "images: 1e5",
            "train_gan.images is 1e5; allowed: a whole number from 1 to 10000000000 or null "
            "(written 100000)",
        ),
        ("real: [0, 0.1,", "real: [0, 1e2,", "mix.real[1] is 1e2; allowed: a whole number of"),
        ("synthetic: [0, 1.0,", "synthetic: [0, 1e5,", "mix.synthetic[1] is 1e5; allowed: a whole"),
        ("n: 1000\n", "n: 5e2\n", "(written 500)"),
        ("n: 1000\n", "n: 1.5e3\n", "score.n is 1.5e3; allowed"),
        ("seed: 0\n", "seed: 1e400\n", "seed is inf; allowed"),
    ],
)
def test_exponents_are_no_counts(tmp_path: Path, line: str, instead: str, said: str) -> None:
    text = (ROOT / "params.yaml").read_text()
    assert line in text
    assert said in file_error(tmp_path, text.replace(line, instead, 1))


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

SEED = "a whole number from 0 to 4294967295"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data__image_size", 28.0, "data.image_size is 28.0; allowed: 28, 32, 64 or 128"),
        ("data__channels", True, "data.channels is true; allowed: 1 or 3"),
        ("seed", True, f"seed is true; allowed: {SEED}"),
        ("seed", -1, f"seed is -1; allowed: {SEED}"),
        ("seed", 1.0, f"seed is 1.0; allowed: {SEED} (written 1)"),
        ("data__duplicates", "none", "data.duplicates is 'none'; allowed: keep, drop or group"),
        ("data__nested", 1, "data.nested is 1; allowed: true or false"),
        ("data__test", 0, "data.test is 0; allowed: a number above 0 to 0.5"),
        ("filter__threshold", math.nan, "filter.threshold is nan; allowed: a number from 0 to 1"),
        ("filter__threshold", "0.9", "filter.threshold is '0.9'; allowed: a number from 0 to 1"),
        ("study__margin", 0, "study.margin is 0; allowed: a number above 0 to 100 or null"),
        (
            "train_gan__evaluate",
            None,
            "train_gan.evaluate is null; allowed: a whole number from 100 to 50000",
        ),
        ("score__inception_weights", "", "score.inception_weights is ''; allowed: a path or null"),
        (
            "mix__strategies",
            ["mix", "none"],
            "mix.strategies[1] is 'none'; allowed: mix, filtered, fine-tune, source-channel, "
            "mix-classical, mix-classical-half, duplicated, classical or classical-half",
        ),
        ("mix__seeds", [0, -1], f"mix.seeds[1] is -1; allowed: {SEED}"),
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
            "generate is [1]; allowed: a section with the keys source, path, per_class, max_draws",
        ),
        # Unknown keys.
        (
            "data__image_sise",
            1,
            "data.image_sise is not a known key; did you mean data.image_size?",
        ),
        ("image_size", 1, "image_size is not a known key; did you mean data.image_size?"),
        ("mixx", 1, "mixx is not a known key; did you mean mix?"),
        (
            "generate__a\nb",
            1,
            "generate.a\\nb is not a known key; allowed: source, path, per_class, max_draws",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(key: str, value: object, said: str) -> None:
    assert error_of(changed(**{key: value})) == said


COUNTS = [1.5, True, "300", math.nan, math.inf, None, {"0": 3}, [1], 1]  # DVC takes 1 for 1.0
MAPPINGS = [{}, {"0": 0}, {"0": -1}, {"0": 0.5}, {"0": True}, {True: 1}, {0.5: 1}, {7: 1, "7": 1}]
MAPPINGS += [{"caf\u00e9": 3, "cafe\u0301": 4}]  # One name to Unicode, written in two ways.
RATES = [1, -0.1, True, "0.3", math.nan, [0.3, 1], [[0.3]], [0.1] * 101, 10**400]
PHASES = [
    0.5, [0, 1, 0.2], [[0, 1]], [[0, 1, True]], [[0.1, 1, 0.2]], [[0, 0, 0.2]], [[0, 1, 1]],
    [[0, 1, 0.2], [0, 0.5, 0.1]], [[0, 1, 0.2], [0.6, 1, 0.2], [0.5, 1, 0.2]], [[0, 1, 10**400]],
    [[i / 200, 1, 0.2] for i in range(101)],
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("mix__real", [[0, each] for each in COUNTS], r"mix\.real\[1\] is "),
        ("mix__synthetic", [[0, each] for each in [*MAPPINGS, 1000.5]], r"mix\.synthetic\[1\] is "),
        ("mix__seeds", [[], list(range(101)), 0], r"mix\.seeds is .*; allowed: a list"),
        (
            "train_gan__options__dropout",
            RATES,
            r"train_gan\.options\.dropout(\[\d\])* is .*(a number from 0 to below 1|with the)",
        ),
        (
            "train_gan__options__phases",
            PHASES,
            r"train_gan\.options\.phases(\[\d\])* is .*; allowed: (a list of \[start, factor, "
            r"slope\], starts rising from 0 to below 1|a number)",
        ),
    ],
)
def test_what_is_no_entry_of_a_list(key: str, values: list[object], said: str) -> None:
    for value in values:
        assert re.match(said, problems_of(changed(**{key: value}))[0]), value


NO_MODEL = (
    "allowed: lenet, a classification model of torchvision that ends with a linear layer, or "
    "package.module:function"
)
FOLDER = {"data__source": "folder", "data__path": "x"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"train_judge__steps": None},
            "train_judge.steps is null and train_judge.epochs is null; allowed: a number for "
            "exactly one of them, null for the other",
        ),
        (
            {"train_gan__images": 10, "train_gan__epochs": 2},
            "train_gan.images is 10 and train_gan.epochs is 2; allowed: a number for exactly one",
        ),
        (
            {"data__validation": 0},
            "train_gan.keep is best; allowed: last, because data.validation is 0",
        ),
        ({"data__source": "folder"}, "data.path is null; allowed: a path, because data.source"),
        ({"data__path": "pictures"}, "data.path is 'pictures'; allowed: null, because data.source"),
        ({"generate__path": "x"}, "generate.path is 'x'; allowed: null, because generate.source"),
        ({"generate__source": "folder"}, "generate.path is null; allowed: a path, because"),
        (
            {"data__groups": "x"},
            "data.groups is 'x'; allowed: null, because data.source mnist5k has no files of single "
            "images",
        ),
        (
            FOLDER | {"data__groups": "^(p"},
            "data.groups is '^(p', which is no regular expression (missing ), unterminated "
            "subpattern at position 1); allowed: one such as '^(patient[0-9]+)_', or the name of",
        ),
        (
            {"mix__strategies": ["mix", "filtered"], "filter": None},
            "mix.strategies[1] is filtered; allowed: mix, as there is no section filter",
        ),
        *(
            (
                {"mix__strategies": ["mix", name], "classical": None},
                f"mix.strategies[1] is {name} and there is no section classical",
            )
            for name, strategy in STRATEGIES.items()
            if strategy.classical
        ),
        *(
            (
                {"mix__strategies": ["classical", name], "mix__real": r, "mix__synthetic": s},
                f"mix.strategies[1] is {name}, which has no cell in mix.real x mix.synthetic; "
                f"allowed: with {needs}",
            )
            for name, r, s, needs in (
                ("fine-tune", [0], [0, 60], "a real and a synthetic count above 0"),
                ("fine-tune", [0, 30], [0], "a real and a synthetic count above 0"),
                ("source-channel", [30], [0], "a synthetic count above 0"),
            )
        ),
        ({"mix__real": [0, 0.0], "mix__synthetic": [0]}, "mix.real and mix.synthetic hold only 0"),
        # Classifiers.
        *(
            ({"classifier__model": model}, f"classifier.model is {model!r}{said}")
            for model, said in (
                ("resnet81", f"; did you mean resnet18? {NO_MODEL}"),
                ("???", f"; {NO_MODEL}"),
                # Of torchvision, but it ends with a convolution.
                ("squeezenet1_0", f"; did you mean mnasnet1_0? {NO_MODEL}"),
                ("own.py:build()", "; allowed: package.module:function, each a name of Python"),
                ("typed_in:build", ", and there is no module typed_in; allowed: one beside"),
                ("no_such.place:build", ", and there is no module no_such.place; allowed: one"),
            )
        ),
        *(
            (
                {"classifier__model": model, "classifier__pretrained": True},
                f"classifier.pretrained is true; allowed: false, because {why}",
            )
            for model, why in (
                ("lenet", "lenet has no such weights"),
                ("classifiers.own:build", "'classifiers.own:build' loads its weights itself"),
            )
        ),
        # Generators.
        (
            {"train_gan__system": "cdcgn"},
            "train_gan.system is 'cdcgn'; did you mean cdcgan? allowed: cdcgan-projection, ",
        ),
        *(
            ({"train_gan__options": options}, f"train_gan.options.{said}")
            for options, said in (
                ({"los": "hinge"}, "los is not a known key; did you mean loss?"),
                ({"loss": None}, "loss is null; allowed: bce or hinge"),
                ({"batch_size": 2.0}, "batch_size is 2.0; allowed: a whole number from 2 to 4096"),
                (
                    {"weights": "average", "ema_decay": 0.0},
                    "weights is 'average' and ema_decay is 0; allowed: a decay above 0",
                ),
            )
        ),
        *(
            (
                {"train_gan__system": "cdcgan", "train_gan__options__dropout": rates},
                f"train_gan.options.dropout is {shown(rates)}; allowed with the 2 discriminator "
                "layers of cdcgan at 28 pixels: 3 rates, the last one before the score",
            )
            for rates in ([0.5], [0.1] * 4)
        ),
    ],
)
def test_keys_that_do_not_go_together(
    changes: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It comes from no file, as __main__ does in the command itself.
    monkeypatch.setitem(sys.modules, "typed_in", types.ModuleType("typed_in"))
    (told,) = problems_of(changed(**changes))
    assert told.startswith(said)


@pytest.mark.parametrize(
    "changes",
    [
        {"train_judge__steps": None, "train_judge__epochs": 2},
        {"data__validation": 0, "train_gan__keep": "last"},
        {"filter": None, "classical": None, "mix__strategies": ["mix"]},
        FOLDER | {"data__groups": "^(p[0-9]+)_"},
        FOLDER | {"data__groups": "~/sets/groups.csv"},
        {"mix__strategies": [name for name in STRATEGIES if name != "none"]},
        {"mix__real": [0], "mix__strategies": ["mix", "classical"]},  # a control without a cell
        {"mix__real": [0, 2, 1.0]},
        {"classifier__model": "mobilenet_v3_small"},
        {"classifier__model": "classifiers.own:build"},
    ],
)
def test_keys_that_go_together(changes: dict[str, object]) -> None:
    parse_parameters(changed(**changes))


def test_dropout_after_every_layer_or_a_rate_a_layer() -> None:
    small = {"train_gan__system": "cdcgan"}  # two layers
    for value, rates in (
        (0.3, (0.3, 0.0)),  # none before the score
        (0, (0.0, 0.0)),
        ([0.3, 0.4, 0], (0.3, 0.4, 0.0)),
    ):
        gan = parse_parameters(changed(**small, train_gan__options__dropout=value)).train_gan
        assert system_of(gan.system, gan.options).networks.dropout == rates


def test_layers_are_those_at_the_size_of_the_images() -> None:
    larger = {"data__image_size": 64, "data__source": "folder", "data__path": "photos"}
    more = changed(train_gan__system="cdcgan", train_gan__options__dropout=[0.1] * 4, **larger)
    assert parse_parameters(more).train_gan.options == {"dropout": [0.1] * 4}


def test_an_older_file_is_told_how_to_write_its_options() -> None:
    values = changed(train_gan__batch_size=64, train_gan__loss=None, train_gan__weights="plain")
    del values["train_gan"]["options"]
    (said,) = problems_of(values)
    assert said == (
        "train_gan.batch_size (and 2 more) is an option now, and only what differs from the system "
        "is written; replace what stands there by options: {batch_size: 64, weights: 'plain'}"
    )


def test_an_old_device_is_told_where_it_stands_now() -> None:
    values = copy.deepcopy(DEFAULTS)
    values["train_gan"]["device"] = values["compute"].pop("device")
    told = (
        "train_gan.device is called compute.device now, for everything is computed there; "
        "write in section compute device: 'auto'"
    )
    assert error_of(values) == told
    values["compute"]["device"] = "cpu"  # the new key counts
    assert error_of(values) == told.replace("'auto'", "'cpu'")


def test_an_older_file_is_told_how_to_write_its_classifier() -> None:
    values = changed()
    values["lenet"] = values.pop("classifier")
    del values["lenet"]["model"], values["lenet"]["pretrained"]
    told = (
        "lenet is called classifier now, and says which model it is; write the section as "
        "classifier: {model: 'lenet', pretrained: false, input_size: 32, batch_size: 128, "
        "learning_rate: 0.003}"
    )
    assert problems_of(values) == [told]
    values["lenet"]["batch_size"] = 1
    told = told.replace("batch_size: 128", "batch_size: 1")
    assert problems_of(values) == [
        told,
        "classifier.batch_size is 1; allowed: a whole number from 2 to 4096",
    ]
    both = changed(lenet={"input_size": 32})
    assert problems_of(both)[0].startswith("lenet is not a known key; ")


def test_dvc_sets_an_option(tmp_path: Path) -> None:
    """As the README says: `dvc exp run -S '+train_gan.options.loss=bce'`."""
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    apply_overrides(path, ["+train_gan.options.loss=bce", "+train_gan.options.dropout=[0.1,0.2,0]"])
    options = {"loss": "bce", "dropout": [0.1, 0.2, 0]}
    assert load_parameters(path).train_gan.options == options
    (first, *_) = re.findall(r"-S '(\+train_gan[^']*)'", (ROOT / "README.md").read_text())
    assert first == "+train_gan.options.loss=bce"


def test_phases_replace_the_systems_own() -> None:
    def phases(value: object, system: str = "padova-dcgan") -> object:
        given = changed(train_gan__system=system, train_gan__options__phases=value)
        gan = parse_parameters(given).train_gan
        return system_of(gan.system, gan.options).phases

    assert phases([]) == ()
    mine = ((0.0, 1.0, 0.2), (0.5, 0.1, 0.0))
    assert phases([[0, 1, 0.2], [0.5, 0.1, 0]]) == mine
    assert phases([list(phase) for phase in mine], "cdcgan-smooth") == mine


def test_class_names_that_yaml_reads_as_numbers() -> None:
    parameters = parse_parameters(changed(mix__synthetic=[0, {7: 300, "cat": 2}]))
    assert parameters.mix.synthetic == (0, {"7": 300, "cat": 2})


def test_a_misspelt_key_is_one_problem_and_others_are_counted() -> None:
    values = changed()
    values["data"]["image_sise"] = values["data"].pop("image_size")
    said = "data.image_sise is not a known key; did you mean data.image_size?"
    assert error_of(values) == said
    values["seed"] = values["classifier"]["batch_size"] = "x"
    assert error_of(values) == f"{said} (and 2 more: `augment check` shows all)"


def test_every_problem_has_its_line() -> None:
    values = changed(data__source="folder", data__image_size=30, seed="x", mix__seeds=[0, 0])
    values["data"]["chanels"] = values["data"].pop("channels")
    with pytest.raises(ParameterError) as caught:
        parse_parameters(values, "other.yaml")
    assert caught.value.problems == (
        "other.yaml: data.chanels is not a known key; did you mean data.channels?",
        "other.yaml: seed is 'x'; allowed: a whole number from 0 to 4294967295",
        "other.yaml: data.image_size is 30; allowed: 28, 32, 64 or 128",
        "other.yaml: mix.seeds[1] is 0 again; allowed: every entry once",
        "other.yaml: data.path is null; allowed: a path, because data.source is folder",
    )
    assert (
        str(caught.value) == f"{caught.value.problems[0]} (and 4 more: `augment check` shows all)"
    )
    assert ParameterError("one").problems == ("one",)


RULES_OF_KEYS = {
    "train_gan.processes": {"study.repeats", "study.protocol", "mix.real", "train_gan.processes"},
    "compute.address": {"compute.backend", "compute.address"},
    "data.path": {"data.source", "data.path"},
    "data.groups": {"data.groups"},
    "generate.path": {"generate.source", "generate.path"},
    "train_examiner.steps": {"train_examiner.steps", "train_examiner.epochs"},
    "train_judge.steps": {"train_judge.steps", "train_judge.epochs"},
    "train_classifiers.steps": {"train_classifiers.steps", "train_classifiers.epochs"},
    "train_gan.images": {"train_gan.images", "train_gan.epochs"},
    "classifier.pretrained": {"classifier.model", "classifier.pretrained"},
    "train_gan.options.dropout": {"data.image_size", "train_gan.system", "train_gan.options"},
    "train_gan.keep": {"train_gan.keep", "data.validation"},
    "mix.strategies[1]": {"mix.strategies", "filter"},
    "mix.strategies[2]": {"mix.strategies", "classical"},
    "mix.strategies[0]": {"mix.strategies", "mix.real", "mix.synthetic"},
}
"""What is wrong where many rules are broken, in order, and the keys that each rule asks for."""


def with_broken_rules() -> dict[str, Any]:
    values = changed(
        data__source="folder", data__groups="(", data__validation=0,
        generate__path="pool", train_gan__processes=2, compute__address="tcp://host:8786",
        train_examiner__steps=None, train_judge__epochs=1, train_classifiers__steps=None,
        train_gan__epochs=1, train_gan__system="cdcgan", train_gan__options__dropout=[0.1],
        classifier__pretrained=True,
        filter=None, classical=None, mix__strategies=["fine-tune", "filtered", "classical"],
        mix__real=[0],
    )  # fmt: skip
    assert values["train_gan"]["keep"] == "best"
    return values


def problems_of(values: object) -> list[str]:
    with pytest.raises(ParameterError) as caught:
        parse_parameters(values)
    return [each.removeprefix("params.yaml: ") for each in caught.value.problems]


def asks_for(rule: str, key: str) -> bool:
    return key in RULES_OF_KEYS[rule]


@pytest.mark.parametrize("gone", [False, True])
def test_a_wrong_key_hides_only_the_rules_that_ask_for_it(gone: bool) -> None:
    assert [each.split(" is ")[0] for each in problems_of(with_broken_rules())] == [*RULES_OF_KEYS]
    for known in describe_parameters():
        section, _, name = known.key.rpartition(".")
        values = with_broken_rules()
        if (values[section] if section else values) is None:
            continue
        if gone:
            del (values[section] if section else values)[name]
        else:
            wrong = ["no"] if name == "options" else {"no": ["value"]}
            (values[section] if section else values)[name] = wrong
        first, *others = problems_of(values)
        assert re.match(rf"{re.escape(known.key)} is {'missing' if gone else '[{[]'}", first)
        assert [each.split(" is ")[0] for each in others] == [
            rule for rule in RULES_OF_KEYS if not asks_for(rule, known.key)
        ], known.key


def test_a_cluster_has_an_address_and_says_how_many() -> None:
    host = "tcp://host:8786"
    parse_parameters(changed(compute__backend="dask", compute__address=host))
    values = changed(compute__backend="dask", compute__processes=2, train_gan__processes=2,
                     study__repeats=1, mix__real=[1.0])  # fmt: skip
    assert problems_of(values) == [
        "train_gan.processes is 2; allowed: 1, because compute.backend is dask, where a unit has "
        "one worker",
        "compute.address is null; allowed: an address, because compute.backend is dask",
        "compute.processes is 2; allowed: null, because compute.backend is dask, where workers "
        "say how many",
    ]
    assert error_of(changed(compute__address=host)) == (
        "compute.address is 'tcp://host:8786'; allowed: null, because compute.backend is local"
    )


@pytest.mark.parametrize("value", [None, 5, [], {}])
def test_a_section_that_is_none_hides_only_the_rules_that_ask_for_it(value: object) -> None:
    values = with_broken_rules() | {"data": value}
    found = [each.split(" is ")[0] for each in problems_of(values)]
    rules = [
        "train_gan.processes", "compute.address", "generate.path",
        "train_examiner.steps", "train_judge.steps", "train_classifiers.steps",
        "train_gan.images", "classifier.pretrained",
        "mix.strategies[1]", "mix.strategies[2]", "mix.strategies[0]",
    ]  # fmt: skip
    keys = [f"data.{key}" for key in DEFAULTS["data"]] if value == {} else ["data"]
    assert found == [*keys, *rules]


def test_keys_of_data_that_are_wrong_are_as_shipped_to_look_at_the_images() -> None:
    folder = {"source": "folder", "path": "x"}
    shipped = parse_parameters(DEFAULTS).data
    wrong = {"no": ["value"]}
    for key in DEFAULTS["data"].keys() - folder.keys():
        for values in ({key: wrong}, {}):
            section = {name: each for name, each in DEFAULTS["data"].items() if name != key}
            assert parse_data({"data": section | folder | values}) == shipped.model_copy(
                update=folder
            )
    kept = {"image_size": 64, "channels": 3, "nested": True}
    data = parse_data(changed(data=folder | kept | {"groups": "(", "test": 2, "chanels": 1}))
    assert data == shipped.model_copy(update=folder | kept)


def test_the_section_data_of_a_file_that_is_wrong_elsewhere() -> None:
    folder = {"data__source": "folder", "data__path": "x"}
    data = parse_data(changed(seed="x", **folder))
    assert data is not None
    assert data.path == "x"
    for wrong in (
        changed(data__source="folder"),
        changed(data__path="x"),
        changed(data__source="folders"),
        changed(data__source="folder", data__path=""),
        changed(data={"source": "folder"}),
        changed(data={"path": "x"}),
        changed(data=None),
        {},
        [],
        None,
        1,
    ):
        assert parse_data(wrong) is None


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
    st.sampled_from(["generate.max_draws", "filter.max_draws", "score.n"]),
)
def test_ranges_in_words_are_the_ranges_in_force(value: int, key: str) -> None:
    words = {known.key: known.allowed for known in describe_parameters()}[key]
    low, high = (int(word) for word in re.findall(r"\d+", words))
    values = changed(**{key.replace(".", "__"): value})
    if low <= value <= high:
        parse_parameters(values)
    else:
        assert error_of(values) == f"{key} is {value}; allowed: {words}"


@pytest.mark.parametrize("value", [0, 1, 0.0, -2, 1000.5, "2", None, True])
def test_a_pool_is_a_number_or_a_share(value: object) -> None:
    assert parse_parameters(changed(generate__per_class=2)).generate.per_class == 2
    assert parse_parameters(changed(generate__per_class=0.5)).generate.per_class == 0.5
    assert error_of(changed(generate__per_class=value)).startswith("generate.per_class is ")


@pytest.mark.parametrize("section", ["filter", "classical"])
def test_an_optional_section_is_null_and_never_left_out(section: str) -> None:
    # DVC stops at a stage whose parameter is not in the file.
    values = changed(mix__strategies=["mix"])
    values[section] = None
    parse_parameters(values)
    del values[section]
    keys = ", ".join(DEFAULTS[section])
    assert (
        error_of(values)
        == f"{section} is missing; allowed: a section with the keys {keys}, or null"
    )


# Units


@given(st.none() | st.integers(1, 10**9), st.integers(0, 10**9))
def test_units_by_name(n_real: int | None, seed: int) -> None:
    name = f"{'all' if n_real is None else n_real}-{seed}"
    assert parse_unit(name) == Unit(n_real, seed)


STUDY = {"repeats": 3, "repeats_below": 2, "confirm_seeds": 2, "margin": None}


def units_of(protocol: str, real: list[int | float], n_train: int = 1000) -> list[str]:
    values = changed(study=STUDY | {"protocol": protocol}, mix__real=real, mix__strategies=["mix"])
    return list(unit_names(parse_parameters(values), n_train))


def test_strict_units_are_subsets_of_every_real_count_the_largest_first() -> None:
    real = [0, 0.1, 1.0, 50]
    assert units_of("strict", real) == [
        "all-0", "all-1", "all-2", "100-0", "100-1", "50-0", "50-1",
    ]  # fmt: skip
    # 1000 images are all of them, and no larger count makes a larger unit.
    assert units_of("strict", [1000, 50]) == ["all-0", "all-1", "all-2", "50-0", "50-1"]
    assert units_of("strict", [400, 0]) == ["400-0", "400-1", "400-2"]
    assert units_of("strict", [0]) == ["all-0", "all-1", "all-2"]


def test_published_units_see_all_images_whatever_the_counts() -> None:
    values = changed(study=STUDY | {"protocol": "published"}, mix__real=[0, 0.1])
    for n_train in (10, 1000):
        names = unit_names(parse_parameters(values), n_train)
        assert names == ("all-0", "all-1", "all-2")


def test_a_list_of_units_is_told_how_to_write_it_now() -> None:
    values = changed(units=["all-0"])
    del values["study"]
    line = error_of(values)
    assert line.startswith("units follow from the section study and mix.real now; write instead")
    written = re.search(r"study: ({.*?})", line)[1]
    study = YAML(typ="safe", pure=True).load(written)
    parse_parameters(changed(study=study))


# What the models are


def test_the_models_only_hold_what_was_parsed() -> None:
    """No stage depends on this file: what decides an artefact's content stands elsewhere."""
    models = [
        model
        for _, model in inspect.getmembers(parameters, inspect.isclass)
        if issubclass(model, parameters.Section)
    ]
    assert Parameters in models
    behaviour = property | classmethod | staticmethod
    for model in models:
        own = [name for name, v in vars(model).items() if callable(v) or isinstance(v, behaviour)]
        assert [name for name in own if not name.startswith(("_", "model_"))] == [], model


# Weight


def test_importing_parameters_is_light() -> None:
    code = (
        "import sys, pipeline.parameters.models; "
        "print([m for m in ('torch', 'pandas', 'numpy', 'dvc') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
