"""The code in the key of the cache is that on which the stage depends in dvc.yaml."""

import ast
from importlib import import_module
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from augment.generators.family import FAMILIES
from pipeline.compute import code
from pipeline.compute.code import GENERATOR, JUDGE, code_digest

ROOT = Path(__file__).parents[3]
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]

NOT_OF_A_RESULT = {
    # What the classifier is, by its own files only; how files are read and written.
    "augment/checkpoints.py",
    "pipeline/unit_images.py",
    "augment/files.py",
    "classifiers/checkpoints.py",
    "classifiers/models",
    # Contracts and names; the folder and the settings of the system in use are in the key.
    "augment/generators/family.py",
    "augment/generators/flow",
    "augment/generators/gan",
}

DECIDES_NO_WEIGHT = {
    "Feedback",
    # Find by name what the key spells out.
    "build_trainer",
    "system_of",
    "FAMILIES",
    # Say which options and architectures are allowed.
    "options_model",
    "read_architecture",
    "read_strictly",
    "refuse_large_map",
}
"""What code in the key may take of files that are not, beside classes, which are contracts."""


@pytest.mark.parametrize(("stage", "places"), [("train-judge", JUDGE), ("train-gan", GENERATOR)])
def test_the_key_covers_the_stages_code(stage: str, places: tuple[str, ...]) -> None:
    listed = {
        dep
        for dep in STAGES[stage]["deps"]
        if dep.split("/")[0] in ("augment", "classifiers", "pipeline", "reports")
    }
    own = f"pipeline/stages/{stage.replace('-', '_')}.py"
    assert listed - NOT_OF_A_RESULT - {own} == set(places) - NOT_OF_A_RESULT - {own}
    assert all((ROOT / place).exists() for place in places)


def taken(file: Path, modules: set[str]) -> set[tuple[str, str]]:
    """Return what a file uses of modules: their names and the names in them."""
    found, called = set(), {}
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if node.module in modules:
                    found.add((node.module, alias.name))
                elif f"{node.module}.{alias.name}" in modules:
                    called[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        name = getattr(getattr(node, "value", None), "id", None)
        if isinstance(node, ast.Attribute) and name in called:
            found.add((called[name], node.attr))
    return found


def test_what_decides_weights_stands_in_a_file_of_the_key() -> None:
    without = {f"augment.generators.{family}.systems" for family in FAMILIES}
    without.add("augment.generators.family")
    used: set[tuple[str, str]] = set()
    for place in (*GENERATOR, *(f"augment/generators/{family}" for family in FAMILIES)):
        files = [ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py")
        for file in files:
            if file.name != "systems.py":
                used |= taken(file, without)
    assert ("augment.generators.family", "Setup") in used
    functions = {
        name for module, name in used if not isinstance(getattr(import_module(module), name), type)
    }
    assert functions <= DECIDES_NO_WEIGHT


def test_an_edit_changes_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "family").mkdir()
    for name in ("one.py", "family/networks.py", "family/systems.py", "family/notes.txt"):
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(code, "_ROOT", tmp_path)
    before = code_digest("lenet", "one.py", "family")
    for name, counts in (
        ("family/systems.py", False),
        ("family/notes.txt", False),
        ("family/networks.py", True),
        ("one.py", True),
    ):
        (tmp_path / name).write_text("2")
        assert (code_digest("lenet", "one.py", "family") != before) == counts, name
        (tmp_path / name).write_text("1")
    assert code_digest("resnet18", "one.py", "family") != before
