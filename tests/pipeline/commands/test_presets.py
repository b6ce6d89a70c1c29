import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from augment.generators.gan.systems import SYSTEMS
from pipeline.commands import presets
from pipeline.commands.check import run_check
from pipeline.commands.presets import (
    Choice,
    edit_parameters,
    find_preset,
    overlay_of,
    parameters_of,
    preset_names,
    write_edit,
)
from pipeline.commands.study_text import expected_minutes
from pipeline.errors import PipelineError
from pipeline.parameters.feasibility import check_feasible
from pipeline.parameters.reading import load_parameters, parse_parameters
from pipeline.study_files import PARAMETER_KEYS, flat, load_study

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "params.yaml").read_text()
VALUES: dict[str, Any] = YAML(typ="safe", pure=True).load(TEXT)
MNIST_PER_CLASS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
NAMES = (
    "fau-mnist", "gehu-celeba", "imperial-mnist", "padova-anime", "tribhuvan-faces",
    "tribhuvan-fashion",
)  # fmt: skip
FOLDER_NAMES = ("gehu-celeba", "padova-anime", "tribhuvan-faces")
FORMS = [
    (name, system, quick)
    for name in NAMES
    for system in load_study(ROOT, name).systems
    for quick in (False, True)
]


def choice_of(name: str, system: str | None = None, quick: bool = False) -> Choice:
    return Choice(system, "quick" if quick else "full", "faces" if name in FOLDER_NAMES else None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the default params.yaml and nothing else."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "params.yaml").write_text(TEXT)
    return root


def put(root: Path, name: str, choice: Choice) -> list[str]:
    """Write a preset; return the keys that changed."""
    edit = edit_parameters(root / "params.yaml", load_study(ROOT, name), choice)
    write_edit(root / "params.yaml", edit)
    return [change.key for change in edit.changes]


def edit_text(tmp_path: Path, text: str, name: str = "imperial-mnist", **choice: Any) -> str:
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode())
    edit = edit_parameters(path, load_study(ROOT, name), Choice(**choice))
    assert path.read_bytes() == text.encode()
    return edit.content.decode()


# The files


def test_every_published_system_is_in_one_preset() -> None:
    assert tuple(preset_names()) == ("default", *NAMES)
    listed = [system for name in NAMES for system in load_study(ROOT, name).systems]
    assert sorted(listed) == sorted(set(SYSTEMS) - {"cdcgan-projection"})


@pytest.mark.parametrize(("name", "system", "quick"), FORMS)
def test_every_form_is_a_study_that_can_be_run(name: str, system: str, quick: bool) -> None:
    study, choice = load_study(ROOT, name), choice_of(name, system, quick)
    p = parameters_of(study, choice, VALUES)
    assert p.train_gan.system == system
    assert (p.study.protocol, p.study.repeats) == ("published", 1)
    assert (p.data.validation, p.train_gan.keep) == (0.0, "last")
    if name in FOLDER_NAMES:
        assert (p.data.source, p.data.image_size, p.data.channels) == ("folder", 64, 3)
        for per_class in ([664] * 4, [80_000, 82_079]):  # drawn faces, CelebA by an attribute
            counts = np.array(per_class)
            check_feasible(p, counts, counts // 4, [str(label) for label in range(len(counts))])
    else:
        fashion = name == "tribhuvan-fashion"
        assert p.data.source == ("fashion-mnist" if fashion else "mnist")
        assert p.data.image_size == (64 if system == "dcgan-reference" else 28)
        counts = np.array([6000] * 10 if fashion else MNIST_PER_CLASS)
        check_feasible(p, counts, np.full(10, 1000), [str(label) for label in range(10)])
    minutes = expected_minutes(study, choice, VALUES, 2)
    # Two of them are of stage fetch where there are 200,000 pictures.
    assert minutes < 7 if quick else minutes > 30
    assert not quick or p.train_gan.width == 0.125


@pytest.mark.parametrize(
    ("name", "system", "epochs"),
    [
        ("imperial-mnist", "cdcgan-smooth", 30),
        ("imperial-mnist", "cdcgan", 50),
        ("imperial-mnist", "cgan-dense", 100),
        ("imperial-mnist", "dcgan-compact", 25),
        ("fau-mnist", "fau-cdcgan", 100),
        ("fau-mnist", "fau-gan", 100),
        ("tribhuvan-fashion", "tribhuvan-fashion", 20),
        ("tribhuvan-faces", "tribhuvan-faces", 200),
        ("padova-anime", "padova-dcgan", 400),
        ("padova-anime", "padova-aae", 10),
    ],
)
def test_epochs_are_those_of_the_study(name: str, system: str, epochs: int) -> None:
    gan = parameters_of(load_study(ROOT, name), choice_of(name, system), VALUES).train_gan
    assert (gan.epochs, gan.images) == (epochs, None)


def test_the_imperial_study_is_as_published() -> None:
    p = parameters_of(load_study(ROOT, "imperial-mnist"), Choice(), VALUES)
    assert p.train_gan.system == "cdcgan-smooth"
    counts = (0, 600, 6000, 12000, 30000, 60000)
    assert (p.mix.real, p.mix.synthetic) == (counts, counts)
    assert p.mix.strategies == ("mix", "filtered", "fine-tune", "source-channel")
    assert p.filter is not None
    assert p.filter.threshold == 0.0
    for fit in (p.train_examiner, p.train_judge, p.train_classifiers):
        assert (fit.epochs, fit.steps) == (30, None)


def test_code_without_its_checkout_says_so(
    augment, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "ROOT", tmp_path / "nowhere")
    error = augment(project, "preset", "--list").error
    assert "holds no study.yaml; run the command in a checkout" in error


# What is changed


@pytest.mark.parametrize("name", NAMES)
def test_only_the_keys_of_the_overlay_change(project: Path, name: str) -> None:
    mine = copy.deepcopy(VALUES)
    mine["seed"] = 7
    mine["classifier"]["batch_size"] = 64
    mine["train_gan"] |= {"processes": 2}
    mine["compute"] |= {"device": "cpu"}
    mine["compute"]["processes"] = 3
    mine["score"]["inception"] = True
    text = TEXT.replace("seed: 0", "seed: 7   # mine").replace("batch_size: 128", "batch_size: 64")
    text = text.replace("device: auto", "device: cpu").replace(
        "inception: false", "inception: true"
    )
    text = text.replace("processes: 1", "processes: 2").replace("processes: null", "processes: 3")
    (project / "params.yaml").write_text(text)
    preset, choice = load_study(ROOT, name), choice_of(name)
    keys = put(project, name, choice)
    after = (project / "params.yaml").read_text()
    lines = [
        (old, new)
        for old, new in zip(text.splitlines(), after.splitlines(), strict=True)
        if old != new
    ]
    assert len(lines) == len(keys) > 10
    for (_, new), key in zip(lines, keys, strict=True):
        assert new.split(":")[0].strip() == key.rpartition(".")[2]
    assert not {"seed", "classifier.batch_size", "score.inception"} & set(keys)
    assert load_parameters(project / "params.yaml") == parameters_of(preset, choice, mine)
    assert put(project, name, choice) == []


def test_the_full_form_undoes_the_quick_one_and_other_systems(project: Path) -> None:
    for name, system, quick in FORMS:
        preset = load_study(ROOT, name)
        default, other = (
            overlay_of(preset, choice, VALUES)
            for choice in (choice_of(name), choice_of(name, system, quick))
        )
        assert set(default) == set(other)
    put(project, "imperial-mnist", Choice())
    full = (project / "params.yaml").read_bytes()
    put(project, "imperial-mnist", Choice("dcgan-reference", "quick"))
    put(project, "imperial-mnist", Choice())
    assert (project / "params.yaml").read_bytes() == full


def test_settings_of_another_system_are_taken_back() -> None:
    values = copy.deepcopy(VALUES)
    values["train_gan"]["options"] = {"loss": "hinge", "dropout": 0.3, "ema_decay": 0.9}
    study = load_study(ROOT, "imperial-mnist")
    p = parameters_of(study, Choice(), values)
    assert p == parameters_of(study, Choice(), VALUES)
    assert p.train_gan.options == {}


def test_a_file_that_is_not_valid_is_mended_where_the_preset_says_how(tmp_path: Path) -> None:
    both = TEXT.replace("  epochs: null", "  epochs: 3")
    with pytest.raises(PipelineError):
        parse_parameters(YAML(typ="safe", pure=True).load(both))
    assert edit_text(tmp_path, both) == edit_text(tmp_path, TEXT)


@pytest.mark.parametrize(
    ("source", "path", "name", "given", "result"),
    [
        ("mnist5k", None, "imperial-mnist", None, None),
        ("mnist5k", None, "imperial-mnist", "idx", "idx"),
        ("mnist", "idx", "imperial-mnist", None, "idx"),
        ("mnist", "idx", "tribhuvan-fashion", None, None),
        ("folder", "faces", "fau-mnist", None, None),
        ("folder", "faces", "padova-anime", None, "faces"),
        ("folder", "faces", "padova-anime", "~/other", "~/other"),
    ],
)
def test_a_path_belongs_to_its_source(
    source: str, path: str | None, name: str, given: str | None, result: str | None
) -> None:
    values = copy.deepcopy(VALUES)
    values["data"] |= {"source": source, "path": path}
    if source == "folder":
        values["data"]["groups"] = "^(a+)_"
    data = parameters_of(load_study(ROOT, name), Choice(data_path=given), values).data
    assert data.path == result
    # Of file names, which the other sources do not have.
    assert data.groups == ("^(a+)_" if name == "padova-anime" else None)


@pytest.mark.parametrize("name", FOLDER_NAMES)
def test_a_folder_has_to_be_named(name: str) -> None:
    for source, path in (("mnist5k", None), ("mnist", "idx"), ("folder", None)):
        values = copy.deepcopy(VALUES)
        values["data"] |= {"source": source, "path": path}
        with pytest.raises(PipelineError, match="one sub-folder a class; name it with --data-path"):
            overlay_of(load_study(ROOT, name), Choice(), values)


# The default study, for any images


def test_the_default_is_the_params_yaml_that_comes_with_the_project() -> None:
    default = load_study(ROOT, "default")
    left_alone = {key for key in PARAMETER_KEYS if key.startswith("data.")} | {"seed"}
    left_alone -= {"data.test", "data.validation"}
    shipped = dict(flat(VALUES))
    assert default.params == {k: v for k, v in shipped.items() if k not in left_alone}
    assert edit_parameters(ROOT / "params.yaml", default, Choice()).changes == ()


def test_quick_is_the_small_form_of_the_default() -> None:
    default = load_study(ROOT, "default")
    assert find_preset("quick") == find_preset("quick", quick=True) == (default, "quick")
    assert find_preset("default", quick=True) == (default, "quick")
    assert find_preset("default") == (default, "full")
    p = parameters_of(default, Choice(form="quick"), VALUES)
    assert p.data == load_parameters(ROOT / "params.yaml").data
    assert p.train_gan.system == "cdcgan-projection"
    assert p.train_gan.options == {"batch_size": 32}
    assert (p.study.protocol, p.study.repeats) == ("strict", 1)  # too few for a verdict


def test_thorough_has_larger_budgets_than_the_default() -> None:
    study, form = find_preset("thorough")
    assert (study.name, form) == ("default", "thorough")
    small, large = (parameters_of(study, Choice(form=each), VALUES) for each in ("full", form))
    assert large.data == small.data
    assert large.study.repeats > small.study.repeats
    assert large.train_gan.images > 10 * small.train_gan.images
    assert large.train_classifiers.steps >= 10 * small.train_classifiers.steps


def test_thorough_takes_hours_and_check_says_so(project: Path) -> None:
    put(project, "default", Choice(form="thorough"))
    (time,) = (line.text for line in run_check(project) if line.topic == "time")
    assert re.match(r"about \d+ hours, a rough estimate", time)


@pytest.mark.parametrize(
    "per_class",
    [[25, 25], [1, 49], [3] * 17, [17, 17, 16], [360] * 10, MNIST_PER_CLASS, [80_000, 82_079],
     [50] * 120],
)  # fmt: skip
def test_quick_can_be_had_of_any_fifty_images(per_class: Sequence[int]) -> None:
    p = parameters_of(load_study(ROOT, "default"), Choice(form="quick"), VALUES)
    counts = np.array(per_class)
    names = [str(label) for label in range(len(counts))]
    check_feasible(p, counts, np.maximum(1, counts // 4), names)


def test_default_leads_back_from_every_preset(project: Path) -> None:
    for name, system, quick in FORMS[::5]:
        (project / "params.yaml").write_text(TEXT)
        put(project, name, choice_of(name, system, quick))
        kept = load_parameters(project / "params.yaml").data
        put(project, "default", Choice())
        after = load_parameters(project / "params.yaml")
        shipped = load_parameters(ROOT / "params.yaml")
        shares = {"test": shipped.data.test, "validation": shipped.data.validation}
        assert after.data == kept.model_copy(update=shares)
        assert after.model_copy(update={"data": shipped.data}) == shipped


@pytest.mark.parametrize("also", [[], ["--data-path", "birds"]])
def test_default_leads_back_from_quick(augment, project: Path, also: list[str]) -> None:
    mine = TEXT.replace("seed: 0", "seed: 7").replace("channels: 1", "channels: 3")
    (project / "params.yaml").write_text(mine)
    run = augment(project, "preset", "quick", *also, "--dry-run")
    assert run.out.splitlines()[-1].startswith("quick: 1")
    assert (project / "params.yaml").read_text() == mine
    assert augment(project, "preset", "quick", *also).code == 0
    quick = (project / "params.yaml").read_text()
    data = load_parameters(project / "params.yaml").data
    assert (data.source, data.path) == (("folder", "birds") if also else ("mnist5k", None))
    assert data.channels == 3
    unchanged = "quick: params.yaml has these parameters already; nothing changes\n"
    assert augment(project, "preset", "quick").out == unchanged
    augment(project, "preset", "default")
    assert augment(project, "preset", "default", "--quick").code == 0
    assert (project / "params.yaml").read_text() == quick
    augment(project, "preset", "default")
    back = (project / "params.yaml").read_text()
    if also:
        back = back.replace("source: folder", "source: mnist5k").replace(
            "path: birds", "path: null"
        )
    assert back == mine


@pytest.mark.parametrize("section", ["filter", "classical"])
def test_default_brings_back_a_section_that_was_left_out(tmp_path: Path, section: str) -> None:
    start = TEXT.index(f"\n{section}:\n") + 1
    end = TEXT.index("\n\n", start)
    without = TEXT[:start] + f"{section}: null   # none" + TEXT[end:]
    without = without.replace(
        "strategies: [mix, mix-classical, classical, classical-half]", "strategies: [mix]"
    )
    path = tmp_path / "params.yaml"
    path.write_text(without)
    edit = edit_parameters(path, load_study(ROOT, "default"), Choice())
    path.write_bytes(edit.content)
    assert load_parameters(path) == load_parameters(ROOT / "params.yaml")
    assert "# none" in path.read_text()
    assert comments_of(path.read_text()) == comments_of(without)


# How the text is kept


def comments_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]


def test_comments_of_any_style_stay(tmp_path: Path) -> None:
    lists = TEXT.replace(
        "real: [0, 0.1, 0.3, 1.0]", "real:   # counts\n    - 0\n    - {a: 1}\n\n    - 1.0"
    ).replace(
        "strategies: [mix, mix-classical, classical, classical-half]",
        "strategies:\n  - mix\n  - filtered",
    )
    text = lists.replace("  path: null", "  path:   # nowhere", 1).replace(
        "  width: null", "  width:"
    )
    text = text.replace("source: mnist5k", '"source":   "mnist5k"  # where').replace(
        "seeds: [0]", "seeds: [0,\n    1,\n    2, 3]"
    )
    result = edit_text(tmp_path, text, form="quick")
    values = YAML(typ="safe", pure=True).load(result)
    assert values["mix"]["real"] == [0, 600]
    assert values["mix"]["strategies"] == ["mix"]
    assert (values["data"]["source"], values["data"]["path"]) == ("mnist", None)
    for comment in ("# nowhere", "# where", "# counts"):
        assert comment in result
    assert comments_of(result) == comments_of(TEXT)
    for above, key in (("sum above 0", "synthetic"), ("0 to 4294967295", "seeds")):
        assert f"{above}\n  {key}: " in result
    assert edit_text(tmp_path, result, form="quick") == result


def test_comments_that_go_are_said(augment, project: Path) -> None:
    mine = TEXT.replace(
        "real: [0, 0.1, 0.3, 1.0]", "real:\n    - 0   # none\n    # all of them\n    - 1.0"
    )
    mine = mine.replace("options: {}", "options:\n    loss: hinge  # mine")
    (project / "params.yaml").write_text(mine)
    run = augment(project, "preset", "imperial-mnist")
    lost = [line.partition(": ")[2] for line in run.out.splitlines()[:3]]
    assert sorted(lost) == ["# all of them", "# mine", "# none"]
    assert run.out.count("this comment goes") == 3
    assert comments_of((project / "params.yaml").read_text()) == comments_of(TEXT)


def test_other_ends_of_lines_and_a_mark_stay(tmp_path: Path) -> None:
    edited = edit_text(tmp_path, TEXT)
    assert edit_text(tmp_path, TEXT.replace("\n", "\r\n")) == edited.replace("\n", "\r\n")
    assert edit_text(tmp_path, f"\ufeff{TEXT}") == f"\ufeff{edited}"


def test_what_is_missing_is_added(tmp_path: Path) -> None:
    without = TEXT.replace("  width: null\n", "")
    assert edit_text(tmp_path, without).count("\n  width: null\n") == 1
    start, end = TEXT.index("# The pool of generated images that the"), TEXT.index("# The grid")
    result = edit_text(tmp_path, TEXT[:start] + TEXT[end:])
    assert result.endswith("\nfilter:\n  threshold: 0.0\n  per_class: 6800\n  max_draws: 100\n")
    assert result.count("filter:") == 1


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("seed: 0", "seed: -1", "params.yaml: seed is -1; allowed: a whole number"),
        ("seed: 0", "sead: 0", "sead is not a known key; did you mean seed?"),
        ("seed: 0", "seed: [", "params.yaml: cannot be read in line"),
        ("seed: 0", "seed: 0\nseed: 1", 'duplicate key "seed"'),
        ("seed: 0", "seed: 0\n- 1", "params.yaml: cannot be read"),
        (TEXT, "", "params.yaml: the content is null"),
        (TEXT, "- 1", "params.yaml: the content is"),
    ],
)
def test_nothing_is_written_where_the_result_is_not_valid(
    augment, project: Path, files_of, old: str, new: str, problem: str
) -> None:
    assert old in TEXT
    (project / "params.yaml").write_text(TEXT.replace(old, new))
    before = files_of(project)
    run = augment(project, "preset", "imperial-mnist")
    assert problem in run.error
    assert run.err.count("\n") == 1
    assert files_of(project) == before


def test_shared_values_are_refused(tmp_path: Path) -> None:
    at = TEXT.index("train_classifiers:\n")
    shared = TEXT.replace("train_judge:\n", "train_judge: &fit\n")[: at + len(" &fit")]
    shared += "train_classifiers: *fit\n" + TEXT[TEXT.index("\n# The scores") :]
    with pytest.raises(PipelineError, match="write out what anchors"):
        edit_text(tmp_path, shared, "default", form="quick")


# The command


def test_the_command_shows_and_writes(augment, project: Path, files_of) -> None:
    run = augment(project, "preset", "imperial-mnist", "--dry-run")
    assert run.code == 0
    *lines, last = run.out.splitlines()
    assert lines[0] == "study.protocol: strict -> published"
    assert "data.source: mnist5k -> mnist" in lines
    assert "train_gan.epochs: null -> 30" in lines
    assert "mix.real: [0, 0.1, 0.3, 1.0] -> [0, 600, 6000, 12000, 30000, 60000]" in lines
    assert last == f"imperial-mnist: {len(lines)} keys would change; nothing is written"
    assert files_of(project) == {"params.yaml": TEXT.encode()}

    done = augment(project, "preset", "imperial-mnist")
    assert done.out.splitlines()[:-1] == lines
    assert list(files_of(project)) == ["params.yaml"]
    written = (project / "params.yaml").read_text()
    assert load_parameters(project / "params.yaml").train_gan.system == "cdcgan-smooth"

    again = augment(project, "preset", "imperial-mnist")
    unchanged = "imperial-mnist: params.yaml has these parameters already; nothing changes\n"
    assert (again.code, again.out) == (0, unchanged)
    assert (project / "params.yaml").read_text() == written


def test_another_system_takes_its_own_keys_along(augment, project: Path) -> None:
    run = augment(project, "preset", "imperial-mnist", "--system", "dcgan-reference")
    assert "data.image_size: 28 -> 64" in run.out
    run = augment(project, "preset", "imperial-mnist", "--quick")
    assert "data.image_size: 64 -> 28" in run.out
    assert "train_gan.width: null -> 0.125" in run.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["imperial-mist"], "study 'imperial-mist' is unknown; did you mean imperial-mnist? "
         "allowed: default, fau-mnist, gehu-celeba, imperial-mnist,"),
        (["nothing"], "study 'nothing' is unknown; allowed: default, fau-mnist,"),
        (["quik"], "study 'quik' is unknown; did you mean quick?"),
        (["quick", "--system", "cdcgan"], "'cdcgan' is not a system of default; allowed: cdcgan"),
        (["quick", "--data-path", "$HOME/x"], "--data-path is '$HOME/x', and there is no such"),
        (["quick", "--data-path", "~nobody-here"], "no home folder of nobody-here is known"),
        (["../params"], "study '../params' is unknown"),
        (["nothing", "--list"], "study 'nothing' is unknown"),
        ([], "which preset? allowed: default, fau-mnist,"),
        (["fau-mnist", "--system", "cdcgan"],
         "'cdcgan' is not a system of fau-mnist; allowed: fau-cdcgan, fau-gan"),
        (["fau-mnist", "--system", "fau-cgan"], "did you mean fau-"),
        (["padova-anime"], "name it with --data-path"),
        (["padova-anime", "--data-path", ""], "--data-path is empty; allowed: a path"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(
    augment, project: Path, files_of, arguments: list[str], problem: str
) -> None:
    run = augment(project, "preset", *arguments)
    assert problem in run.error
    assert run.err.count("\n") == 1
    assert run.out == ""
    assert files_of(project) == {"params.yaml": TEXT.encode()}


def test_a_link_stays_a_link(augment, project: Path) -> None:
    (project / "params.yaml").rename(project / "mine.yaml")
    (project / "params.yaml").symlink_to("mine.yaml")
    assert augment(project, "preset", "imperial-mnist").code == 0
    assert (project / "params.yaml").is_symlink()
    assert load_parameters(project / "mine.yaml").data.source == "mnist"


def test_a_path_is_that_of_the_shell(augment, project: Path) -> None:
    augment(project, "preset", "padova-anime", "--data-path", "faces")
    assert load_parameters(project / "params.yaml").data.path == "faces"
    (project / "below").mkdir()
    augment(project / "below", "preset", "padova-anime", "--data-path", "../faces")
    path = load_parameters(project / "params.yaml").data.path
    assert path == str(project / "below" / "../faces")


def test_the_list_describes_every_study(augment, project: Path) -> None:
    run = augment(project, "preset", "--list")
    assert run.code == 0
    heads = [line.split(":")[0] for line in run.out.splitlines() if line[:1].strip()]
    assert tuple(heads) == ("default", *NAMES)
    assert "`augment preset quick` needs 50 or more training images" in " ".join(run.out.split())
    assert max(map(len, run.out.splitlines())) <= 100
    words = " ".join(run.out.split())
    for name in ("default", *NAMES):
        preset = load_study(ROOT, name)
        for text in (preset.title, preset.data, preset.says, preset.open):
            assert " ".join(text.split()) in words
        for system, about in preset.systems.items():
            assert system in words
            assert str(about) in words
            assert SYSTEMS[system].chosen in words
    assert words.count("on 2 cores; with --quick") == 1 + len(FORMS) // 2
    assert words.count("3,320 drawn faces") == len(FOLDER_NAMES)
    assert (project / "params.yaml").read_text() == TEXT
    run = augment(project, "preset", "gehu-celeba", "--list")
    assert run.out.startswith("gehu-celeba: Joshi")
    assert "tribhuvan" not in run.out
