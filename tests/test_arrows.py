"""Which room may import which: read from the source, so that no import can hide in a function."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("augment", "classifiers", "pipeline", "reports")
FROM_AUGMENT = {"checkpoints", "files", "images", "placing", "streams"}


def room_files(room: str) -> list[Path]:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room} is empty"
    return files


def imported(source: str, package: str = "") -> set[str]:
    """Every module that a source imports, at whatever depth, as dotted names.

    ``from a import b`` gives ``a.b``: b may be a module. Relative imports are resolved.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base]).strip(".")
            names |= {f"{base}.{alias.name}" for alias in node.names}
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", ""))
            in ("import_module", "__import__", "find_spec")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            names.add(str(node.args[0].value))
    return names


def environment_uses(source: str) -> Iterator[str]:
    """Every way in which a source reads the environment."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
            yield f"line {node.lineno}: {node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            for alias in node.names:
                if alias.name in ("environ", "environb", "getenv"):
                    yield f"line {node.lineno}: {alias.name}"


def imports_of(file: Path) -> set[str]:
    package = ".".join(file.relative_to(ROOT).parent.parts)
    return imported(file.read_text(encoding="utf-8"), package)


def test_the_reader_sees_every_kind_of_import() -> None:
    source = """
import os.path, pipeline.cli
from augment.mixing import recipes as m
if TYPE_CHECKING:
    from classifiers.models.lenet import LeNet
def f():
    from . import near
    from ..reports import scores
    import_module("ruamel.yaml")
"""
    assert imported(source, "augment.sources") == {
        "os.path",
        "pipeline.cli",
        "augment.mixing.recipes",
        "classifiers.models.lenet.LeNet",
        "augment.sources.near",
        "augment.reports.scores",
        "ruamel.yaml",
    }
    assert sorted(environment_uses("import os\nos.environ['A']\nfrom os import getenv")) == [
        "line 2: environ",
        "line 3: getenv",
    ]


@pytest.mark.parametrize("room", ["augment", "classifiers", "reports"])
def test_no_arrow_runs_the_wrong_way(room: str) -> None:
    wrong = []
    for file in room_files(room):
        for name in sorted(imports_of(file)):
            target, *rest = name.split(".")
            if target not in ROOMS or target == room:
                continue
            if room == "classifiers" and target == "augment" and rest and rest[0] in FROM_AUGMENT:
                continue
            wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert not wrong


@pytest.mark.parametrize("room", ["augment", "classifiers", "reports"])
def test_only_the_pipeline_reads_yaml_and_the_environment(room: str) -> None:
    wrong = []
    for file in room_files(room):
        wrong += [
            f"{file.relative_to(ROOT)} imports {name}"
            for name in sorted(imports_of(file))
            if name.split(".")[0] in ("yaml", "ruamel", "dotenv", "dvc", "typer")
        ]
        source = file.read_text(encoding="utf-8")
        wrong += [f"{file.relative_to(ROOT)} {use}" for use in environment_uses(source)]
    assert not wrong


def test_the_pipeline_imports_every_room() -> None:
    """The reader would notice nothing at all if it looked in the wrong place."""
    seen = {name.split(".")[0] for file in room_files("pipeline") for name in imports_of(file)}
    assert set(ROOMS) <= seen


def test_only_scores_of_inception_use_pytorch_fid() -> None:
    users = {
        file.relative_to(ROOT).as_posix()
        for room in ROOMS
        for file in room_files(room)
        if any(name.split(".")[0] == "pytorch_fid" for name in imports_of(file))
    }
    assert users == {"reports/scores/inception_network.py"}


LAYERS = {
    "pipeline/stages": {"pipeline/commands"},
    "pipeline/parameters": {"pipeline/stages", "pipeline/commands", "pipeline/studies"},
    "pipeline/compute": {"pipeline/stages", "pipeline/commands", "pipeline/studies"},
    "pipeline/data": {"pipeline/stages", "pipeline/commands", "pipeline/studies"},
    "pipeline/pools": {"pipeline/stages", "pipeline/commands", "pipeline/studies"},
    "pipeline/generators": {"pipeline/stages", "pipeline/commands", "pipeline/studies"},
    "pipeline/cells": {"pipeline/stages", "pipeline/commands", "pipeline/studies"},
    "pipeline/scoring": {"pipeline/stages", "pipeline/commands", "pipeline/studies"},
    "pipeline/studies": {"pipeline/commands"},
    "augment/images": {"augment/sources", "augment/generators", "augment/pools", "augment/mixing"},
    "augment/sources": {"augment/generators", "augment/pools", "augment/mixing"},
    "augment/generators": {"augment/sources", "augment/pools", "augment/mixing"},
    "augment/mixing": {"augment/sources", "augment/generators", "augment/pools"},
    "augment/pools": {"augment/sources", "augment/generators", "augment/mixing"},
    "reports/scores": {"reports/verdict", "reports/figures", "reports/page"},
    "reports/verdict": {"reports/scores", "reports/figures", "reports/page"},
    "reports/inspection": {"reports/scores", "reports/verdict", "reports/figures", "reports/page"},
    "reports/figures": {"reports/page"},
}
"""Folders, and those that they must not import."""


@pytest.mark.parametrize("folder", LAYERS)
def test_a_folder_imports_none_above_it(folder: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in room_files(folder)
        for name in sorted(imports_of(file))
        if any(name.replace(".", "/").startswith(f"{above}/") for above in LAYERS[folder])
    ]
    assert not wrong


def test_no_two_files_import_each_other_in_a_circle() -> None:
    files = {file for room in ROOMS for file in room_files(room)}
    modules = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in files}
    graph = graphlib.TopologicalSorter[Path]()
    for file in files:
        for name in imports_of(file):
            for module in (name, name.rpartition(".")[0]):
                if module in modules and modules[module] != file:
                    graph.add(file, modules[module])
    graph.prepare()  # raises CycleError, which names the files


def test_every_folder_says_what_it_is_for() -> None:
    for room in ROOMS:
        for folder in {file.parent for file in room_files(room)}:
            first = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
            assert ast.get_docstring(first), folder


def test_nothing_shipped_imports_the_tests() -> None:
    for room in ROOMS:
        for file in room_files(room):
            tops = {name.split(".")[0] for name in imports_of(file)}
            assert not tops & {"tests", "benchmarks", "pytest", "hypothesis"}, file
