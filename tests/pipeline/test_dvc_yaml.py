"""dvc.yaml against the code: a stage runs again when, and only when, its own files change."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline.parameters.models import Parameters

ROOT = Path(__file__).parents[2]
ROOMS = ("augment", "classifiers", "pipeline", "reports")
DOOR = {
    "pipeline/paths.py": "which paths are refused",
    "pipeline/project.py": "where artefacts stand",
    "pipeline/compute/cache.py": "finished work, kept and found again as it was",
    "pipeline/compute/cluster.py": "other machines, which must run the same code",
    "pipeline/compute/code.py": "the cache's key",
    "pipeline/compute/executor.py": "units side by side; how they compute is in device.py",
    "pipeline/compute/interrupt.py": "stops",
    "pipeline/compute/progress.py": "what a terminal shows",
    "pipeline/compute/resume.py": "a training's state, kept and found again as it was",
    "pipeline/compute/training_processes.py": "processes of one training: their ends",
    "pipeline/compute/workers.py": "how many tasks at once",
    "pipeline/parameters/feasibility.py": "refusals",
    "pipeline/parameters/models.py": "values, as they are written, and which are allowed",
    "pipeline/parameters/reading.py": "values, as they are written",
    "pipeline/parameters/rules.py": "refusals",
    "pipeline/parameters/text.py": "words of refusals",
}
"""Files that a stage reaches and need not list, for they decide no artefact's content: with what
they hold instead."""

STAGES: dict[str, dict[str, Any]] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PARAMS: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")

# Third-party modules are loaded once; each stage's own imports then happen in a fork.
LIST_IMPORTS = """
import json, os, sys
import joblib, lightning_fabric, pandas, PIL.Image, pydantic, scipy.linalg, torch
import matplotlib.figure, rich.progress, ruamel.yaml, safetensors.torch
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    read, write = os.pipe()
    if os.fork() == 0:
        __import__(f"pipeline.stages.{name}")
        if "augment.generators.family" in sys.modules:
            # Found by name, for whichever system is trained.
            for family in sys.modules["augment.generators.family"].FAMILIES:
                __import__(f"augment.generators.{family}.systems")
                __import__(f"augment.generators.{family}.model")
        files = {getattr(m, "__file__", None) for m in list(sys.modules.values())}
        with os.fdopen(write, "w") as out:
            json.dump(sorted(f for f in files if f and f.startswith(sys.argv[1] + os.sep)), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        print(answer.read())
    os.wait()
"""


def module_of(stage: str) -> str:
    return stage.replace("-", "_")


def code_deps(stage: str) -> set[str]:
    return {dep for dep in STAGES[stage]["deps"] if dep.split("/")[0] in ROOMS}


def file_of(stage: str) -> str:
    return f"pipeline/stages/{module_of(stage)}.py"


def decides(file: str) -> bool:
    """Return whether a source file decides what an artefact holds."""
    if file.split("/")[0] not in ROOMS or file in DOOR:
        return False
    return Path(file).name not in ("__init__.py", "errors.py")


def covers(dep: str, file: str) -> bool:
    return file == dep or file.startswith(f"{dep}/")


def rerun_by(file: str) -> set[str]:
    """Return the stages that run again when a file changes, before their outputs do."""
    return {stage for stage in STAGES if any(covers(dep, file) for dep in code_deps(stage))}


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """What importing each stage's module imports, in a process of its own."""
    command = [sys.executable, "-c", LIST_IMPORTS, str(ROOT), *map(module_of, STAGES)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(STAGES)
    return {
        stage: {str(Path(file).relative_to(ROOT)) for file in answer}
        for stage, answer in zip(STAGES, answers, strict=True)
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_the_code_that_it_reaches_and_no_other(
    stage: str, imported: dict[str, set[str]]
) -> None:
    reached = {file for file in imported[stage] if decides(file)}
    assert file_of(stage) in reached
    assert {f for f in reached if not any(covers(dep, f) for dep in code_deps(stage))} == set()
    assert {d for d in code_deps(stage) if not any(covers(d, f) for f in reached)} == set()
    others = {file_of(other) for other in STAGES if other != stage}
    assert not imported[stage] & others, "a stage imports another"


def test_no_file_is_exempt_that_no_stage_reaches(imported: dict[str, set[str]]) -> None:
    late = {"pipeline/compute/cluster.py", "pipeline/parameters/reading.py"}
    late.add("pipeline/parameters/rules.py")  # by reading.py
    assert set(DOOR) - late <= set().union(*imported.values())
    assert all((ROOT / file).is_file() for file in DOOR)


def imports_of(file: str, *, inside_functions: bool) -> set[str]:
    """Return the project files that a file's import statements name, for types only left out."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not inside_functions:
            return
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = Path(*name.split("."))
            for candidate in (path.with_suffix(".py"), path / "__init__.py"):
                if (ROOT / candidate).is_file():
                    found.add(str(candidate))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse((ROOT / file).read_text()))
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_imports_inside_functions_are_dependencies_too(stage: str) -> None:
    """Such as a network built by a function: importing the module would not show it."""
    seen: set[str] = set()
    open_files = {file_of(stage)}
    while open_files:
        file = open_files.pop()
        seen.add(file)
        # What the door looks up late serves its checks, not a stage's artefact.
        late = file not in DOOR
        open_files |= imports_of(file, inside_functions=late) - seen
    missing = {f for f in seen if decides(f) and not any(covers(d, f) for d in code_deps(stage))}
    assert missing == set()


def test_every_stage_is_a_command_and_the_other_way_round() -> None:
    import typer.main

    from pipeline.cli import app

    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert set(STAGES) <= commands
    assert commands - set(STAGES) == {
        "cache",
        "check",
        "compare",
        "plan",
        "preset",
        "record",
        "systems",
    }
    for stage, content in STAGES.items():
        assert content["cmd"] == f"augment {stage}"


LATER = {"mix", "train-classifiers", "score", "report"}
TRAINING = {"train-examiner", "train-judge", "train-gan"}


@pytest.mark.parametrize(
    ("edited", "again", "never"),
    [
        # The report looks whether pictures changed since fetch.
        ("augment/sources/folder.py", {"fetch", "report"}, TRAINING | {"mix", "score"}),
        ("augment/sources/partition.py", {"fetch"}, TRAINING | {"mix", "score"}),
        ("pipeline/data/same_pictures.py", {"fetch"}, TRAINING),
        ("augment/images/splits.py", {"fetch", "subset", "train-gan"}, set()),
        ("augment/streams.py", {"fetch", "train-gan", "generate", "train-classifiers"}, set()),
        ("augment/generators/training.py", {"train-gan"}, {"generate", "train-examiner"} | LATER),
        ("augment/generators/gan/losses.py", {"train-gan"}, {"train-judge", "train-classifiers"}),
        ("augment/generators/gan/systems.py", {"train-gan"}, {"train-judge", "train-classifiers"}),
        ("augment/generators/another/network.py", set(), set(STAGES)),
        ("augment/pools/filtering.py", {"generate", "filter"}, TRAINING | {"mix", "report"}),
        ("augment/mixing/recipes.py", {"mix", "train-classifiers"}, TRAINING | {"generate"}),
        ("augment/mixing/another_strategy.py", {"mix"}, TRAINING | {"generate", "filter"}),
        ("classifiers/grid.py", {"train-classifiers"}, TRAINING | {"generate", "filter", "score"}),
        ("classifiers/models/another.py", TRAINING | {"train-classifiers"}, {"fetch", "mix"}),
        ("classifiers/classical.py", {"train-classifiers"}, TRAINING | {"score"}),
        ("classifiers/fitting.py", {"train-examiner", "train-judge"}, {"train-gan", "score"}),
        ("reports/scores/another_score.py", {"score"}, TRAINING | {"generate", "filter"}),
        ("reports/scores/kid.py", {"score"}, TRAINING | {"generate", "filter"}),
        ("reports/verdict/statistics.py", {"report"}, set(STAGES) - {"report"}),
        ("reports/page/answer.py", {"report"}, set(STAGES) - {"report"}),
        ("reports/figures/accuracy.py", {"report"}, set(STAGES) - {"report"}),
        ("pipeline/evidence.py", {"report"}, set(STAGES) - {"report"}),
        ("pipeline/studies/claims.py", {"report"}, set(STAGES) - {"report"}),
        ("pipeline/units.py", {"subset", "train-classifiers"}, TRAINING),
        ("pipeline/compute/device.py", TRAINING | {"generate", "score"}, {"fetch", "mix"}),
        ("pipeline/compute/fabric.py", {"train-gan"}, set(STAGES) - {"train-gan"}),
        ("pipeline/compute/progress.py", set(), set(STAGES)),
        ("pipeline/parameters/models.py", set(), set(STAGES)),
        ("pipeline/commands/check.py", set(), set(STAGES)),
    ],
)
def test_what_runs_again_after_an_edit(edited: str, again: set[str], never: set[str]) -> None:
    assert again <= rerun_by(edited)
    assert not never & rerun_by(edited)


def outs_of(stage: str) -> set[str]:
    return {out if isinstance(out, str) else next(iter(out)) for out in STAGES[stage]["outs"]}


def test_every_dependency_is_code_or_another_stages_output() -> None:
    made = {out: stage for stage in STAGES for out in outs_of(stage)}
    for stage in STAGES:
        # Records of finished runs are kept in git.
        for dep in set(STAGES[stage]["deps"]) - code_deps(stage) - {"studies"}:
            makers = {made[out] for out in made if out == dep or out.startswith(f"{dep}/")} - {
                stage
            }
            assert makers, f"{stage} depends on {dep}, which no other stage makes"
        for dep in code_deps(stage):
            assert (ROOT / dep).exists(), dep


def test_every_parameter_is_some_stages_dependency() -> None:
    used = {dep for stage in STAGES.values() for dep in stage.get("params", [])}
    for section, field in Parameters.model_fields.items():
        keys = PARAMS[section] if isinstance(PARAMS[section], dict) else {}
        covered = section in used or {f"{section}.{key}" for key in keys} & used
        assert covered, f"{section} ({field.description}) makes no stage run again"
    # Named key by key: all keys that can change a result.
    places = {f"compute.{key}" for key in ("backend", "address", "processes")}
    for section, without in (("train_classifiers", set()), ("compute", places)):
        named = {key for key in used if key.startswith(f"{section}.")}
        assert {f"{section}.{key}" for key in PARAMS[section]} - named == without


def test_every_parameter_dependency_exists() -> None:
    for stage, content in STAGES.items():
        for dep in content.get("params", []):
            value: Any = PARAMS
            for key in dep.split("."):
                assert key in value, f"{stage} depends on {dep}, which params.yaml has not"
                value = value[key]


@pytest.mark.parametrize(
    ("parameter", "stages"),
    [
        ("mix", {"mix", "report"}),
        ("classifier", {"train-examiner", "train-judge", "train-classifiers", "confirm", "report"}),
        ("train_classifiers.steps", {"train-classifiers", "confirm", "report"}),
        ("train_gan", {"train-gan", "report"}),
        ("filter", {"filter", "mix", "report"}),
        ("data", {"fetch", "report"}),
        ("score", {"score", "report"}),
    ],
)
def test_a_section_reruns_its_own_stage_and_the_report(parameter: str, stages: set[str]) -> None:
    users = {s for s in STAGES if parameter in STAGES[s].get("params", [])}
    assert users == stages


def columns_plotted(end: str) -> set[str]:
    """Return the columns that dvc.yaml plots of the table whose path ends so."""
    found: set[str] = set()
    for entry in YAML(typ="safe").load(ROOT / "dvc.yaml")["plots"]:
        for content in entry.values() if isinstance(entry, dict) else ():
            for file, columns in content["y"].items():
                if file.endswith(end):
                    found |= {columns} if isinstance(columns, str) else set(columns)
    return found


def test_every_curve_that_is_plotted_is_a_column(study) -> None:
    for table in ("training/summary.csv", "checkpoints/summary.csv"):
        plotted = columns_plotted(table)
        assert plotted
        assert plotted <= set(pd.read_csv(study.root / "results" / table))
