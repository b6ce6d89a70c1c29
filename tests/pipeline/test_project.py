from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.parameters.errors import ParameterError
from pipeline.project import Project


@pytest.mark.parametrize("inside", [".", "data", "data/generated/all-0"])
def test_a_project_is_found_from_anywhere_inside(bare: Path, inside: str) -> None:
    (bare / inside).mkdir(parents=True, exist_ok=True)
    assert Project.find(bare / inside).root == bare.resolve()


def test_the_nearest_project_is_taken(bare: Path) -> None:
    inner = bare / "inner"
    inner.mkdir()
    (inner / "params.yaml").write_text("")
    assert Project.find(inner).root == inner.resolve()


def test_outside_of_a_project_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").mkdir()  # a folder is no parameter file
    with pytest.raises(PipelineError, match=r"not inside a project: no params\.yaml"):
        Project.find(tmp_path)


def test_parameters_are_read_when_they_are_asked_for(bare: Path) -> None:
    assert Project(bare).parameters.data.source == "folder"
    (bare / "params.yaml").write_text("seed: x\n")
    broken = Project(bare)
    with pytest.raises(ParameterError, match="seed"):
        _ = broken.parameters


def test_the_environment_moves_cache_and_data(
    bare: Path, parameters, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parameters(bare, {"data.source": "mnist", "data.path": None})
    project = Project(bare)
    monkeypatch.setenv("AUGMENT_CACHE_DIR", str(tmp_path / "c"))
    monkeypatch.setenv("AUGMENT_DATA_DIR", "../sets")
    assert project.cache == tmp_path / "c"
    assert project.data_dir("mnist") == bare / "../sets"
    monkeypatch.setenv("AUGMENT_CACHE_DIR", "")
    monkeypatch.setenv("AUGMENT_DATA_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert project.cache.name == "synthaug"
    assert bare not in project.cache.parents
    assert project.data_dir("mnist") is None


def test_a_unit_is_one_that_params_yaml_lists(bare: Path) -> None:
    paths = Project(bare).unit("all-0")
    assert paths.judge == bare / "models/judges/all-0"
    assert paths.filtered == bare / "data/filtered/all-0"
    for name in ("all-1", "", "../all-0", "all-0/"):
        with pytest.raises(PipelineError, match=r"is not one of this study; allowed: all-0"):
            Project(bare).unit(name)


def artefacts(project: Project) -> dict[Path, str]:
    """Every artefact that a stage may ask for, and the stage that makes it."""
    unit = project.unit("all-0")
    results = project.results
    return {
        project.train: "fetch",
        project.validation: "fetch",
        project.test: "fetch",
        project.examiner: "train-examiner",
        unit.subset: "subset",
        unit.judge: "train-judge",
        unit.generator: "train-gan",
        unit.checkpoints: "train-gan",
        unit.training: "train-gan",
        unit.checkpoint_scores: "score-checkpoints",
        unit.generated: "generate",
        unit.filtered: "filter",
        unit.filtering: "filter",
        project.recipes: "mix",
        results / "cells.parquet": "train-classifiers",
        results / "predictions.npy": "train-classifiers",
        results / "scores.json": "score",
    }


@pytest.mark.parametrize("parent", [".", "real/judge/generated/examiner"])
def test_a_missing_artefact_names_its_stage(bare: Path, parent: str) -> None:
    root = bare / parent  # the project's own place is no artefact, whatever it is called
    root.mkdir(parents=True, exist_ok=True)
    for name in ("params.yaml", "data/subsets/units.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text((bare / name).read_text())
    project = Project(root)
    for path, stage in artefacts(project).items():
        with pytest.raises(PipelineError) as caught:
            project.require(path)
        inside = path.relative_to(root)
        assert str(caught.value) == f"{inside} is missing; `dvc repro {stage}` makes it"


def test_what_is_there_is_enough(bare: Path) -> None:
    project = Project(bare)
    project.train.mkdir(parents=True)
    project.require(project.train)
    with pytest.raises(PipelineError, match="data/real/test is missing"):
        project.require(project.train, project.test)


def test_times_are_logged_outside_of_what_is_tracked(bare: Path) -> None:
    log = Project(bare).log.relative_to(bare)
    assert log.parts[0] == "logs"
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().splitlines()
    assert "logs/" in ignored
