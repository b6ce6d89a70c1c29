"""One generator in two processes, one of which ends: all end, with one line."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

SCRIPT = Path(__file__).with_name("failing_process.py")
KILLED = "training process 2 of 2 was killed by SIGKILL; all were ended"


@pytest.fixture
def project(study: Any, tmp_path: Path, parameters: Any) -> Path:
    """The finished study before train-gan, whose generator trains in two processes."""
    root = tmp_path / "project"
    for part in ("data/subsets", "data/real", "models/judges"):
        shutil.copytree(study.root / part, root / part)
    shutil.copy(study.root / "params.yaml", root)
    parameters(root, {"train_gan.images": 12 * 20, "train_gan.processes": 2})
    return root


def run(project: Path, rank: int, how: str) -> tuple[int, str, str]:
    environment = os.environ | {
        "AUGMENT_CACHE_DIR": str(project.parent / "cache"),
        "FAIL_AS": how,
        "FAIL_RANK": str(rank),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(SCRIPT.parents[3]),
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "train-gan"],
        cwd=project, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert (done.stdout == "") == (done.returncode != 0)
    return done.returncode, *done.stderr.rstrip().rpartition("\n")[::2]


def left(project: Path) -> list[int]:
    """Return the training processes that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(SCRIPT) in process.cmdline() and process.cwd() == str(project):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "how", "code", "line"),
    [
        (1, "killed", 2, f"error: {KILLED}"),
        (1, "unnoticed", 2, f"error: {KILLED}"),
        (1, "error", 2, "error: training process 2 of 2 failed: "
         "[rank1]: ZeroDivisionError: division by zero"),
        (0, "error", 2, "error: training process 1 of 2 failed: "
         "ZeroDivisionError: division by zero"),
        (0, "killed", -9, None),
    ],
)  # fmt: skip
def test_all_end_with_one_line(
    project: Path, rank: int, how: str, code: int, line: str | None
) -> None:
    ended, before, last = run(project, rank, how)
    assert ended == code
    if line is not None:
        assert last == line
        assert all(each.startswith("train-gan all-0: ") for each in before.splitlines())
    until = time.monotonic() + 30
    while left(project) and time.monotonic() < until:
        time.sleep(0.1)
    assert left(project) == []
    assert not (project / "models/generators").exists()


@pytest.mark.slow
def test_where_none_fails_nothing_is_said_of_it(project: Path) -> None:
    code, _, last = run(project, 9, "killed")
    assert (code, "error" in last) == (0, False)
    assert (project / "models/generators/all-0/weights.safetensors").exists()
