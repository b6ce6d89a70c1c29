import ctypes
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from augment.errors import AugmentError
from classifiers.errors import ClassifierError
from pipeline.errors import Interrupted, PipelineError
from reports.errors import ReportError

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *(path.stem.replace("_", "-") for path in (ROOT / "pipeline/stages").glob("[a-z]*.py")),
    *("record", "compare", "cache", "check", "plan", "systems", "preset"),
)


def test_help_loads_nothing_slow() -> None:
    code = (
        "import sys; from pipeline.cli import main; sys.argv = ['augment', '--help']\n"
        "try: main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "slow = {'torch', 'pandas', 'matplotlib', 'dvc', 'lightning_fabric', 'scipy',\n"
        "        'sklearn', 'numpy', 'PIL', 'joblib', 'pyarrow', 'torchvision'}\n"
        "print(code, sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "0 []"
    for command in COMMANDS:
        assert command in done.stdout


def test_a_study_of_given_images_need_not_wait_for_fabric() -> None:
    code = "import sys, pipeline.stages.train_gan; print('lightning_fabric' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_command_itself_prints_one_line_and_exits_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "mix"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert "is not inside a project" in done.stderr


STEPS_OF_A_TRAINING = """
import ctypes, resource, sys
from pipeline.cli import main
sys.argv = ["augment", "--help"]
try: main()
except SystemExit: pass
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
for step in range(6):
    if step == 1: before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [libc.malloc(1 << 24) for _ in range(8)]
    for block in blocks: libc.memset(block, 1, 1 << 24)
    for block in blocks: libc.free(block)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults * resource.getpagesize() / (5 * 8 * (1 << 24)), file=sys.stderr)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
@pytest.mark.parametrize(
    ("environment", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "0"}, False)]
)
def test_the_memory_of_a_step_is_kept_unless_the_user_says_otherwise(
    environment: dict[str, str], kept: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEPS_OF_A_TRAINING],
        capture_output=True,
        text=True,
        check=True,
        env={key: os.environ[key] for key in os.environ if not key.startswith("MALLOC_")}
        | environment,
    )
    taken_anew = float(done.stderr.splitlines()[-1])
    assert taken_anew < 0.05 if kept else taken_anew > 0.5


def test_without_a_command_the_help_is_shown(augment, bare: Path) -> None:
    run = augment(bare)
    assert run.code == 0
    assert "train-classifiers" in run.out
    assert run.err == ""


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_has_help_of_its_own(augment, bare: Path, command: list[str]) -> None:
    run = augment(bare, *command, "-h")
    assert run.code == 0
    assert run.out == augment(bare, *command, "--help").out
    assert run.out.startswith(" ".join(["Usage: augment", *command, "["]))


def test_the_version_is_that_of_the_distribution(augment, bare: Path) -> None:
    run = augment(bare, "--version")
    assert (run.code, run.out) == (0, f"synthaug {importlib.metadata.version('synthaug')}\n")
    assert augment(bare.parent, "--version") == run  # needs no project


def test_another_checkouts_own_code_has_the_same_name(bare: Path) -> None:
    (bare / ".dvc").mkdir()
    shutil.copytree(ROOT / "pipeline", bare / "pipeline")
    text = (bare / "pipeline/cli.py").read_text()
    mark = "Train the classifier that only reports"
    (bare / "pipeline/cli.py").write_text(text.replace(mark, "This checkout's own code"))
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", "-h"],
        capture_output=True,
        text=True,
        cwd=bare,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        check=False,
    )
    assert "This checkout's own code" in done.stdout, done.stderr
    assert done.stdout.startswith("Usage: augment [OPTIONS] COMMAND")
    assert "pipeline.cli" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "No such command 'nope'"),
        (["--bogus"], "--bogus"),
        (["fetch", "--bogus"], "--bogus"),
        (["fetch", "extra"], "extra"),
        (["subset", "--unit"], "--unit"),
        (
            ["train-judge", "--unit", "600-1"],
            "unit '600-1' is not one of this study; allowed: all-0",
        ),
        (["train-gan", "--unit", "../x"], "is not one of this study"),
        (["fetch"], "pictures"),  # data.path: there is no such folder
    ],
)
def test_wrong_commands_are_one_line(
    augment, bare: Path, files_of, arguments: list[str], said: str
) -> None:
    run = augment(bare, *arguments)
    assert said in run.error
    assert run.out == ""
    assert run.err.count("\n") == 1
    assert set(files_of(bare)) == {"params.yaml", "data/subsets/units.json"}


@pytest.mark.parametrize(
    ("stage", "first"),
    [
        ("train-examiner", "data/real/train is missing; `dvc repro fetch`"),
        ("subset", "data/real/train is missing; `dvc repro fetch`"),
        ("train-judge", "data/real/train is missing; `dvc repro fetch`"),
        ("train-gan", "data/real/train is missing; `dvc repro fetch`"),
        ("score-checkpoints", "data/real/test is missing; `dvc repro fetch`"),
        ("generate", "models/generators/all-0 is missing; `dvc repro train-gan`"),
        ("filter", "models/judges/all-0 is missing; `dvc repro train-judge`"),
        ("mix", "data/real/train is missing; `dvc repro fetch`"),
        ("train-classifiers", "data/recipes.parquet is missing; `dvc repro mix`"),
        ("score", "is missing; `dvc repro"),
        ("report", "results/cells.parquet is missing; `dvc repro train-classifiers`"),
    ],
)
def test_a_stage_without_its_inputs_names_the_stage_to_run(
    augment, bare: Path, files_of, stage: str, first: str
) -> None:
    run = augment(bare, *stage.split())
    assert first in run.error
    assert run.err.count("\n") == 1
    assert set(files_of(bare)) == {"params.yaml", "data/subsets/units.json"}


def test_a_broken_params_yaml_is_one_line(augment, bare: Path, parameters) -> None:
    parameters(bare, {"data.image_size": 30})
    for command in (["fetch"], ["generate", "--label", "1"], ["subset"]):
        run = augment(bare, *command)
        assert run.error == "error: params.yaml: data.image_size is 30; allowed: 28, 32, 64 or 128"
        assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        AugmentError("a\nb"),
        ClassifierError("a  b"),
        PipelineError("a\u2028b"),
        ReportError("a\r\n\tb"),
        OSError("a b"),
        OSError(28, "a", "b"),
    ],
)
def test_what_a_user_can_act_on_is_one_line(
    augment, bare: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(project: object) -> list[str]:
        raise error

    monkeypatch.setattr("pipeline.stages.fetch.run", fail)
    run = augment(bare, "fetch")
    assert run.error in ("error: a b", "error: a (b)")
    assert run.err.count("\n") == 1


def test_a_bug_is_not_hidden(augment, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(project: object) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr("pipeline.stages.fetch.run", fail)
    with pytest.raises(ZeroDivisionError):
        augment(bare, "fetch")


@pytest.mark.parametrize(
    ("stop", "code"), [(KeyboardInterrupt(), 130), (Interrupted("it stopped; go on", 143), 143)]
)
def test_stopping_is_no_error(
    augment, bare: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, code: int
) -> None:
    def fail(project: object) -> list[str]:
        raise stop

    monkeypatch.setattr("pipeline.stages.fetch.run", fail)
    run = augment(bare, "fetch")
    assert run.code == code
    (line,) = run.err.strip().splitlines()
    assert "go on" in line
    assert "error" not in line


@pytest.mark.parametrize("place", ["file", "file/below"])
@pytest.mark.parametrize("stage", ["train-gan", "train-classifiers"])
def test_a_cache_that_cannot_be_written_is_one_line(
    augment, study, tmp_path: Path, place: str, stage: str
) -> None:
    (tmp_path / "file").write_text("")
    run = augment(study.root, stage, cache=tmp_path / place)
    assert "AUGMENT_CACHE_DIR" in run.error
    assert str(tmp_path / place) in run.error


def test_a_finished_stage_logs_its_time(study) -> None:
    rows = [json.loads(line) for line in (study.root / "logs/stages.jsonl").open()]
    assert [row["stage"].split()[0] for row in rows] == [
        "fetch", "train-examiner", "subset", "train-judge", "train-gan", "score-checkpoints",
        "generate", "filter", "inspect", "mix", "train-classifiers", "choose",
        "confirm", "score", "report",
    ]  # fmt: skip
    assert all(row["seconds"] >= 0 for row in rows)


def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path, bare: Path) -> None:
    code = (
        "import sys; from pipeline import cli\n"
        "cli._stage = lambda name: print('\\u65e5\\udcff')\n"
        "sys.argv = ['augment', 'fetch']; cli.main()"
    )
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=bare, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"\\u65e5\\udcff\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"), 2),
        (MemoryError(), 2),
        (RuntimeError("a bug"), None),
    ],
)
def test_full_memory_is_one_line_and_a_bug_is_not_hidden(
    augment, bare: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int | None
) -> None:
    from pipeline.commands import check

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(check, "run_check", fail)
    if code is None:
        with pytest.raises(RuntimeError, match="a bug"):
            augment(bare, "check")
    else:
        assert "memory was full" in (said := augment(bare, "check").error) or "is full" in said
