"""The Makefile on a copy of the files that it needs; a pretended Python installs nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.data.fingerprint import OWN_FILES

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")

PYTHON = r"""#!/bin/sh
# Stands for python3: makes environments whose commands write down how they were called.
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin"
    echo "command = /usr/bin/python3 -m venv $PWD/$3" > "$3/pyvenv.cfg"
    cp "$0" "$3/bin/python"
elif [ "$1 $2" = "-m pip" ]; then
    echo "pip" "$@" >> calls
    for name in augment dvc pytest ruff mypy pre-commit; do
        { echo '#!/bin/sh'; echo "echo '$PWD:' $name \"\$@\" >> calls"; } > ".venv/bin/$name"
        chmod +x ".venv/bin/$name"
    done
    {
        echo '#!/bin/sh'; echo "echo '$PWD:' dvc \"\$@\" >> calls"
        echo 'case "$*" in'
        echo '*--unset*) : > .dvc/config.local ;;'
        echo '*no_scm*) echo "    no_scm = true" > .dvc/config.local ;;'
        echo 'esac'
    } > .venv/bin/dvc
fi
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a space and a quote in its path, outside of any repository."""
    folder = tmp_path / "a b" / "it's"
    (folder / ".dvc").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    python = tmp_path / "python"
    python.write_text(PYTHON.replace("'$PWD:'", '\\"$PWD:\\"'))
    python.chmod(0o755)
    return folder


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def make(folder: Path, *arguments: str) -> list[str]:
    """Run make; return the calls that the pretended commands wrote down."""
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    python = next(each / "python" for each in folder.parents if (each / "python").is_file())
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("MAKE")}
    # No repository above the test's own folder counts.
    environment["GIT_CEILING_DIRECTORIES"] = str(python.parents[1])
    done = subprocess.run(
        ["make", f"PYTHON={python}", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return calls.read_text().splitlines() if calls.exists() else []


def installs(calls: list[str]) -> list[str]:
    return [call for call in calls if call.startswith("pip ")]


def test_a_path_may_hold_spaces(checkout: Path) -> None:
    calls = make(checkout, "study")
    assert len(installs(calls)) == 1
    assert calls[-1] == f"{checkout}: dvc repro"
    assert installs(make(checkout, "study")) == []
    assert make(checkout, "test")[-1] == f"{checkout}: pytest --numprocesses auto"
    assert make(checkout, "lint", "types")[-1] == f"{checkout}: mypy"


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_a_checkout_that_was_moved_or_copied_installs_again(checkout: Path, how) -> None:
    make(checkout, "types")
    (checkout / ".venv/stale").touch()
    other = checkout.with_name("other place")
    how(checkout, other)
    calls = make(other, "study")
    assert len(installs(calls)) == 1
    assert calls[-1] == f"{other}: dvc repro"
    assert not (other / ".venv/stale").exists()
    assert installs(make(other, "study")) == []
    assert len(installs(make(other, "types"))) == 1
    # Back where it was made, nothing is to be done.
    assert not checkout.exists() or installs(make(checkout, "types")) == []


def test_an_environment_of_the_users_own_is_left_alone(checkout: Path, tmp_path: Path) -> None:
    make(checkout, "study")
    (checkout / ".venv").rename(tmp_path / "mine")
    (checkout / ".venv").symlink_to(tmp_path / "mine")
    config = tmp_path / "mine/pyvenv.cfg"
    for command in (f"/usr/bin/python3 -m venv --system-site-packages {tmp_path}/mine", None):
        config.write_text("" if command is None else f"command = {command}\n")
        make(checkout, "study")
        assert (checkout / ".venv").is_symlink()


def test_pip_gets_the_users_options(checkout: Path) -> None:
    options = "--extra-index-url 'https://x/a b' --prefer-binary"
    (call,) = installs(make(checkout, "study", f"PIP_ARGS={options}"))
    assert "--extra-index-url https://x/a b --prefer-binary" in call
    (call,) = installs(make(checkout, "lint", f"PIP_ARGS={options}"))
    assert "--prefer-binary" in call


def test_dvc_needs_no_repository_and_takes_its_own_when_there_is_one(
    checkout: Path, tmp_path: Path
) -> None:
    def without() -> bool:
        calls = make(checkout, "check")
        assert calls[-1] == f"{checkout}: augment check"
        config = checkout / ".dvc/config.local"
        # Said once, not at every call.
        assert not [call for call in make(checkout, "check") if "config" in call]
        return config.exists() and "no_scm = true" in config.read_text()

    assert without()
    git(tmp_path, "init")  # somebody else's, above
    assert without()
    git(checkout, "init")
    assert not without()
    shutil.rmtree(checkout / ".git")
    assert without()
    git(tmp_path, "add", "a b/it's/dvc.yaml")
    git(tmp_path, "commit", "-m", "the project as a part of another one")
    assert not without()


def test_clean_removes_what_the_pipeline_writes_and_nothing_else(checkout: Path, files_of) -> None:
    make(checkout, "study")
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    outs = [out if isinstance(out, str) else next(iter(out)) for s in stages.values()
            for out in s["outs"]]  # fmt: skip
    written = [out for out in outs if out != "data/real"]
    written += [f"data/real/{name}" for name in OWN_FILES]
    written += [
        "logs/stages.jsonl",
        "logs/cells.csv",
        "logs/train-gan-all-0.csv",
        "logs/train-gan-600-12.csv",
    ]
    written += ["synthaug.egg-info"]
    for name in written:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    before = set(files_of(checkout))
    mine = ["models/mine.pth", "logs/train-gan-mine.csv",
            "data/pictures/a.png", "results/table.csv", "my.egg-info",
            "data/real/train/cat/1.png", "data/real/cat/1.png"]  # fmt: skip
    for name in mine:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("mine")
    make(checkout, "clean")
    after = set(files_of(checkout))
    kept = {"results/metrics.json", "calls", "Makefile", "pyproject.toml", "constraints.txt"}
    assert after - {"calls"} == {*mine, *kept, "dvc.yaml", ".dvc/config.local"} - {"calls"}
    assert not (checkout / ".venv").exists()
    assert before >= set(written)
    for name in mine:
        (checkout / name).unlink()
    (checkout / "results/metrics.json").unlink()
    for name in ("data/pictures", "data/real/train/cat", "data/real/cat"):
        (checkout / name).rmdir()
    make(checkout, "clean")
    left = {path.name for path in checkout.iterdir()}
    assert not left & {"models", "logs", "data", ".venv"}


def test_help_lists_every_target_in_a_line(checkout: Path) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert {line.split()[1] for line in lines} >= {"study", "test", "lint", "types", "clean"}
    assert max(map(len, lines)) <= 100
