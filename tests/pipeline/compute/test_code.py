"""The code in the key of the cache is that on which the stage depends in dvc.yaml."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

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
    # Which systems there are: the settings of the one in use are in the key.
    "augment/generators/family.py",
    "augment/generators/flow",
    "augment/generators/gan",
}


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
