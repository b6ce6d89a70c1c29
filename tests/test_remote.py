"""A finished study pushed to a DVC remote and pulled into a clone: nothing is trained again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("augment", "classifiers", "pipeline", "reports", "studies")


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {
        **{f"GIT_{who}_NAME": "a" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "a@example.org" for who in ("AUTHOR", "COMMITTER")},
    }
    program = [sys.executable, "-m", "dvc"] if command[0] == "dvc" else [command[0]]
    done = subprocess.run(
        [*program, *command[1:]], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.slow
def test_a_clone_pulls_what_was_pushed(
    study: Any, tmp_path: Path, files_of: Callable[[Path], dict[str, bytes]]
) -> None:
    root, clone = tmp_path / "project", tmp_path / "clone"
    shutil.copytree(study.root, root)
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root)
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "init", "--quiet")
    run(root, "dvc", "commit", "--force")
    run(root, "dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    run(root, "git", "add", ".")
    run(root, "git", "commit", "--quiet", "-m", "finished")
    run(root, "dvc", "push")

    run(tmp_path, "git", "clone", "--quiet", str(root), str(clone))
    assert not (clone / "models").exists()
    run(clone, "dvc", "pull")
    for folder in ("data", "models", "results"):
        # What DVC keeps beside an output says that git leaves it alone.
        there, here = (
            {name: content for name, content in files_of(where / folder).items()
             if not name.endswith(".gitignore")}
            for where in (clone, root)
        )  # fmt: skip
        assert there
        assert there == here, folder
    assert "up to date" in run(clone, "dvc", "status")
