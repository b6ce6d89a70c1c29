import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.errors import PipelineError
from pipeline.paths import OUTPUTS, refuse_outputs, user_path
from pipeline.project import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project below an empty home folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    return folder


# How a path is written


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("pictures", "project/pictures"),
        ("../sets", "project/../sets"),
        ("~", "."),
        ("~/a b", "a b"),
        ("./~x", "project/~x"),
        ("a~b/~", "project/a~b/~"),
        ("$5 <b>bill$", "project/$5 <b>bill$"),
        ("100%/of%", "project/100%/of%"),
        ("$5", "project/$5"),
    ],
)
def test_a_path_is_what_the_user_means(root: Path, text: str, path: str) -> None:
    assert user_path(text, root, "--out") == root.parent / path
    assert user_path(str(root), Path("elsewhere"), "--out") == root


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--out is empty"),
        ("a\0b", "--out holds a NUL byte"),
        ("~nobody-at-all/x", "no home folder of nobody-at-all is known; allowed: the whole path, "
         "or ./~nobody-at-all/x"),
        ("$HOME/birds", "variables are not expanded here; write ~/birds"),
        ("${HOME}", "variables are not expanded here; write ~"),
        ("%USERPROFILE%\\birds", "variables are not expanded here; write ~\\birds"),
        ("/data/$USER/birds", "variables are not expanded here; write the whole path"),
        ("$HOME/$SET", "variables are not expanded here; write the whole path"),
    ],
)  # fmt: skip
def test_a_path_that_cannot_be_meant_is_one_line(root: Path, text: str, said: str) -> None:
    with pytest.raises(PipelineError) as caught:
        user_path(text, root, "--out")
    assert said in str(caught.value)
    assert str(caught.value).startswith("--out ")
    assert "\n" not in str(caught.value)


def test_a_folder_may_be_called_like_a_variable(root: Path) -> None:
    (root / "$HOME").mkdir()
    assert user_path("$HOME", root, "data.path") == root / "$HOME"


# What a path may not touch


def refused(path: Path, root: Path, above: bool = True) -> str | None:
    said = None
    try:
        refuse_outputs(path, root, "data.path", above=above)
    except PipelineError as error:
        said = str(error)
    assert said is None or said.startswith(f"data.path is {path}, which ")
    assert said is None or all(output in said for output in OUTPUTS)
    assert said is None or "\n" not in said
    return said


INSIDE = [
    "data/real", "data/real/ring", "data/generated/all-0", "data/recipes.parquet", "models",
    "models/examiner", "results/figures/x", ".git/hooks", ".dvc", "data/../models/x",
    "pictures/../data/real",
]  # fmt: skip
ABOVE = ["data", ".", "..", "data/x/.."]
ALLOWED = ["data/pictures", "pictures", "data/real2", "data/realm/x", "model", "models.bak",
           "x/data/real", "data/real/../pictures", "studies/x", "generated", "../project2",
           "../data/real"]  # fmt: skip


@pytest.mark.parametrize("made", [False, True])
def test_outputs_are_refused_and_their_neighbours_are_not(
    root: Path, made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if made:
        for output in OUTPUTS:
            (root / output).mkdir(parents=True)
    for base in (root, Path(os.path.relpath(root))):
        for path in INSIDE:
            assert "lies in" in str(refused(base / path, root)), path
            assert "lies in" in str(refused(base / path, root, above=False)), path
        for path in ABOVE:
            assert "holds data/real of this project" in str(refused(base / path, root)), path
            assert refused(base / path, root, above=False) is None, path
        for path in ALLOWED:
            assert refused(base / path, root) is None, path
    monkeypatch.chdir(root)
    assert refused(Path("models"), root)
    assert refused(Path("pictures"), root) is None


def test_links_do_not_lead_around(root: Path, tmp_path: Path) -> None:
    (root / "data/real/ring").mkdir(parents=True)
    (tmp_path / "far").mkdir()
    (root / "link").symlink_to("data/real")
    (root / "way").symlink_to("data")
    (tmp_path / "other").symlink_to(root)
    (root / "data/real/out").symlink_to(tmp_path / "far")
    (root / "far").symlink_to(tmp_path / "far")
    (root / "loop").symlink_to("loop")
    for path in (root / "link", root / "link/ring", root / "way/real", tmp_path / "other/models"):
        assert "lies in" in str(refused(path, root)), path
    assert "holds" in str(refused(root / "way", root))
    # The pictures lie outside, the link to them would be deleted.
    assert "lies in" in str(refused(root / "data/real/out/birds", root))
    assert refused(root / "far", root) is None
    assert refused(root / "loop", root) is None


@pytest.mark.parametrize("output", ["data", "models"])
def test_outputs_may_lie_on_another_disk(root: Path, tmp_path: Path, output: str) -> None:
    (tmp_path / "disk").mkdir()
    (root / output).symlink_to(tmp_path / "disk")
    inside = {"data": "real/ring", "models": "examiner"}[output]
    assert "lies in" in str(refused(tmp_path / "disk" / inside, root))
    assert "holds" in str(refused(tmp_path, root))
    assert refused(tmp_path / "elsewhere", root) is None


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("blind", [False, True])
def test_capitals_count_where_the_file_system_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, made: bool, blind: bool
) -> None:
    if made:
        (root / "data/real/ring").mkdir(parents=True)
    if blind:
        there = {str(path).casefold() for path in (root, *root.parents, *root.rglob("*"))}

        def samefile(one: Path, other: Path) -> bool:
            names = {str(one).casefold(), str(other).casefold()}
            if not names <= there:
                raise FileNotFoundError
            return len(names) == 1

        monkeypatch.setattr(os.path, "samefile", samefile)
    for path in ("Data/REAL/ring", "DATA/real", "MODELS", "Data/Generated/x"):
        assert (refused(root / path, root) is not None) == blind, path
    assert refused(root / "Pictures", root) is None


def test_every_output_of_the_pipeline_is_covered() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    for stage in stages.values():
        for out in stage["outs"]:
            name = out if isinstance(out, str) else next(iter(out))
            assert any(Path(name).is_relative_to(output) for output in OUTPUTS), name


def test_what_the_environment_and_params_say_is_checked(
    bare: Path, parameters, monkeypatch: pytest.MonkeyPatch, augment, files_of
) -> None:
    parameters(bare, {"data.source": "mnist", "data.path": None,
                      "score.inception_weights": "models/w.pth"})  # fmt: skip
    project = Project(bare)
    monkeypatch.setenv("AUGMENT_DATA_DIR", "data")
    assert project.data_dir("mnist") == bare / "data"
    monkeypatch.setenv("AUGMENT_DATA_DIR", "data/real/sets")
    with pytest.raises(PipelineError, match=r"AUGMENT_DATA_DIR is .* lies in data/real of"):
        _ = project.data_dir("mnist")
    with pytest.raises(PipelineError, match=r"score\.inception_weights is .* lies in models of"):
        _ = project.inception_weights
    monkeypatch.setenv("AUGMENT_CACHE_DIR", "data")
    assert project.cache == bare / "data"
    monkeypatch.setenv("AUGMENT_CACHE_DIR", "results/cache")
    with pytest.raises(PipelineError, match=r"AUGMENT_CACHE_DIR is .* lies in results of"):
        _ = project.cache
