"""Stopping the generator's training, in every way, and running it again."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock
import pytest
import torch

from pipeline.compute.cache import make_cache
from pipeline.compute.progress import Progress
from pipeline.compute.resume import ResumeStore, digest_of, locked_store
from pipeline.errors import Interrupted, PipelineError

Augment = Callable[..., Any]  # runs the command; see conftest.py
Parameters = Callable[..., None]
FilesOf = Callable[[Path], dict[str, bytes]]

STATE = {"step": 3, "weights": {"a": torch.arange(5.0)}, "history": [{"fid": 1.5}], "why": None}

# `augment train-gan` in a process of its own, which gets a signal after a given step. States are
# saved after every epoch instead of every 20 seconds.
KILLED = """
import os, signal, sys
from functools import partial
import pipeline.compute.executor as executor
import pipeline.generators.plan as plan
from pipeline.cli import main
name, last = sys.argv[1:]
plan.Budget = partial(plan.Budget, save_seconds=0.0)
update = executor.Progress.update
def update_and_stop(self, done, total, note=None):
    update(self, done, total, note)
    if done == int(last):
        os.kill(os.getpid(), getattr(signal, name))
executor.Progress.update = update_and_stop
sys.argv = ["augment", "train-gan"]
main()
"""
TOTAL = 30


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Bytes depend on the number of threads."""


def copy_inputs(source: Path, root: Path, parameters: Parameters) -> Path:
    """Make a project that is ready for train-gan, with a training of 30 steps."""
    unit = "data/subsets"
    shutil.copytree(source / unit, root / unit)
    shutil.copy(source / "params.yaml", root)
    for part in ("data/real", "models/judges/all-0"):
        shutil.copytree(source / part, root / part)
    parameters(root, {"train_gan.images": 12 * TOTAL})
    return root


@pytest.fixture
def project(study: Any, tmp_path: Path, parameters: Parameters) -> Path:
    return copy_inputs(study.root, tmp_path / "project", parameters)


OUTPUTS = (
    "models/generators/all-0",
    "models/checkpoints/all-0",
    "results/training/all-0",
    "results/grids/all-0",
)


@pytest.fixture(scope="module")
def uninterrupted(
    study: Any,
    augment: Augment,
    parameters: Parameters,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The same training, never stopped: a project with its outputs."""
    root = tmp_path_factory.mktemp("uninterrupted") / "project"
    copy_inputs(study.root, root, parameters)
    torch.set_num_threads(1)
    assert augment(root, "train-gan").code == 0
    return root


def assert_same_outputs(project: Path, uninterrupted: Path, files_of: FilesOf) -> None:
    for output in OUTPUTS:
        expected, found = files_of(uninterrupted / output), files_of(project / output)
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name] != expected[name]] == []


def kill(project: Path, signal_name: str, step: int) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "AUGMENT_CACHE_DIR": str(project.parent / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    command = [sys.executable, "-c", KILLED, signal_name, str(step)]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )


def states(project: Path) -> list[Path]:
    return list((project.parent / "cache").rglob("state.pt"))


@pytest.fixture(scope="module")
def after_sigterm(
    study: Any, parameters: Parameters, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A project, its cache beside it, whose training SIGTERM stopped; how the process ended."""
    root = tmp_path_factory.mktemp("stopped") / "project"
    copy_inputs(study.root, root, parameters)
    return root, kill(root, "SIGTERM", 13)


@pytest.fixture
def stopped(after_sigterm: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / "stopped"
    shutil.copytree(after_sigterm[0].parent, copy)
    return copy / "project"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps that a run in this process really does."""
    done: list[int] = []
    monkeypatch.setattr(Progress, "update", lambda self, step, total, note=None: done.append(step))
    return done


@pytest.mark.parametrize(
    ("signal_name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGKILL", -9)]
)
def test_a_stopped_training_goes_on_and_ends_with_the_same_bytes(
    augment: Augment, request: pytest.FixtureRequest, uninterrupted: Path, files_of: FilesOf,
    steps: list[int], signal_name: str, code: int
) -> None:  # fmt: skip
    if signal_name == "SIGTERM":
        project, (_, killed) = (request.getfixturevalue(n) for n in ("stopped", "after_sigterm"))
    else:
        project = request.getfixturevalue("project")
        killed = kill(project, signal_name, 13)
    assert killed.returncode == code, killed.stderr
    if code > 0:
        *epochs, last = killed.stderr.splitlines()
        assert last == "training stopped at step 13 of 30; run it again to go on from there"
        assert all(line.startswith(("epoch ", "train-gan ")) for line in epochs)
    assert not (project / OUTPUTS[0]).exists()
    assert len(states(project)) == 1

    run = augment(project, "train-gan")
    assert run.code == 0, run.err
    # Asked to stop, it saved at once; killed, it goes on after the last state that was saved.
    assert steps == list(range(steps[0], TOTAL + 1))
    assert steps[0] == 14 if code > 0 else 1 < steps[0] <= 13
    assert_same_outputs(project, uninterrupted, files_of)
    # Nothing is left of its state but the lock file.
    left = [path for path in (project.parent / "cache/training").rglob("*") if path.is_file()]
    assert {path.suffix for path in left} <= {".lock"}
    assert not [path for path in project.rglob(".*") if path.is_file()]


def test_a_damaged_state_starts_over(
    augment: Augment, stopped: Path, uninterrupted: Path, files_of: FilesOf, steps: list[int]
) -> None:
    (path,) = states(stopped)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert augment(stopped, "train-gan").code == 0
    assert steps == list(range(1, TOTAL + 1))
    assert_same_outputs(stopped, uninterrupted, files_of)


def test_other_parameters_do_not_go_on_from_there(
    augment: Augment, stopped: Path, parameters: Parameters, steps: list[int]
) -> None:
    parameters(stopped, {"train_gan.options.ema_decay": 0.8, "train_gan.images": 12 * 4})
    assert augment(stopped, "train-gan").code == 0
    assert steps == [1, 2, 3, 4]
    assert len(states(stopped)) == 1  # the other training's, still there to go on from


def test_a_second_process_waits_and_takes_the_finished_model(
    augment: Augment, project: Path, uninterrupted: Path, files_of: FilesOf, steps: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    meta = json.loads((uninterrupted / OUTPUTS[0] / "meta.json").read_text())
    training = project.parent / "cache" / "training"
    training.mkdir(parents=True)
    other = filelock.FileLock(training / f"{meta['key']}.lock")
    other.acquire()
    (training / f"{meta['key']}.pid").write_text("4711")
    said: list[str] = []

    def finish(self: Progress, line: str) -> None:
        """Be the other process, which ends as soon as this one waits."""
        said.append(line)
        if not other.is_locked:
            return
        models = uninterrupted.parent / "cache/models"
        shutil.copytree(models, project.parent / "cache/models")
        other.release()

    monkeypatch.setattr(Progress, "say", finish)
    run = augment(project, "train-gan")
    assert run.code == 0
    assert said == ["process 4711 is training this very model; waiting for it to end"]
    assert "comes from the cache" in run.out
    assert steps == []
    assert_same_outputs(project, uninterrupted, files_of)


def test_a_damaged_model_in_the_cache_is_trained_again(
    augment: Augment, project: Path, uninterrupted: Path, files_of: FilesOf, steps: list[int]
) -> None:
    models = project.parent / "cache/models"
    shutil.copytree(uninterrupted.parent / "cache/models", models)
    (entry,) = models.iterdir()
    shutil.rmtree(entry / "grids")
    assert augment(project, "train-gan").code == 0
    assert len(steps) == TOTAL
    assert_same_outputs(project, uninterrupted, files_of)
    # Now it is whole.
    steps.clear()
    shutil.rmtree(project / "models/generators")
    assert "comes from the cache" in augment(project, "train-gan").out
    assert steps == []
    assert_same_outputs(project, uninterrupted, files_of)


def equal(a: dict[str, Any] | None, b: dict[str, Any]) -> bool:
    return (
        a is not None
        and a.keys() == b.keys()
        and all(torch.equal(a[k]["a"], b[k]["a"]) if k == "weights" else a[k] == b[k] for k in a)
    )


def test_a_state_comes_back(tmp_path: Path) -> None:
    store = ResumeStore(tmp_path / "key")
    assert store.load() is None
    store.save(STATE)
    store.save(STATE | {"step": 4})
    assert equal(ResumeStore(tmp_path / "key").load(), STATE | {"step": 4})
    assert [path.name for path in (tmp_path / "key").iterdir()] == ["state.pt"]
    store.clear()
    assert store.load() is None
    assert list(tmp_path.iterdir()) == []
    store.clear()


def test_no_damage_to_a_state_goes_unnoticed(tmp_path: Path) -> None:
    store = ResumeStore(tmp_path)
    store.save(STATE)
    good = store.path.read_bytes()
    for position in range(0, len(good), 7):
        for damaged in (
            good[:position],
            good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :],
        ):
            store.path.write_bytes(damaged)
            assert store.load() is None
            assert not store.path.exists()


def test_a_state_is_never_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "evil"),))

    store = ResumeStore(tmp_path / "key")
    store.save({"step": Evil()})
    assert store.load() is None
    assert not (tmp_path / "evil").exists()


def test_a_failed_save_keeps_the_last_state(tmp_path: Path) -> None:
    store = ResumeStore(tmp_path)
    store.save(STATE)
    with pytest.raises(Exception, match="pickle"):
        store.save({"step": lambda: None})
    assert equal(store.load(), STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


WEIGHTS = {
    "layer.weight": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    "layer.half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "norm.num_batches_tracked": torch.tensor(7),
}


def same_weights(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(a[key], b[key]) and a[key].dtype == b[key].dtype for key in a
    )


def test_kept_weights_come_back_by_name(tmp_path: Path) -> None:
    store = ResumeStore(tmp_path / "key")
    assert list(store.kept()) == []
    for name in ("epoch-0010", "epoch-0002-average", "epoch-0002"):
        store.keep(name, {key: value + len(name) for key, value in WEIGHTS.items()})
    # By epoch, whatever else is there: the state, and what a killed process left half-written.
    store.save(STATE)
    (store.folder / ".epoch-0003.safetensors.x1y2z3").write_bytes(b"half")
    kept = dict(ResumeStore(tmp_path / "key").kept())
    assert kept.keys() == {"epoch-0002", "epoch-0002-average", "epoch-0010"}
    assert list(kept)[2] == "epoch-0010"
    for name, weights in kept.items():
        assert same_weights(weights, {key: value + len(name) for key, value in WEIGHTS.items()})
    assert equal(store.load(), STATE)


def test_weights_kept_again_replace_those_of_before(tmp_path: Path) -> None:
    store = ResumeStore(tmp_path)
    store.keep("epoch-0001", {"a": torch.zeros(1000)})
    store.keep("epoch-0001", WEIGHTS)
    ((name, weights),) = store.kept()
    assert name == "epoch-0001"
    assert same_weights(weights, WEIGHTS)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001.safetensors"]


@pytest.mark.parametrize("before", [None, WEIGHTS])
@pytest.mark.parametrize("at", ["write", "replace"])
def test_kept_weights_are_whole_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, torch.Tensor] | None, at: str
) -> None:
    store = ResumeStore(tmp_path)
    if before is not None:
        store.keep("epoch-0001", before)

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        if at == "write":
            patch.setattr("os.fsync", fail)  # What a full disk says when all is flushed.
        else:
            patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="no space left"):
            store.keep("epoch-0001", {"a": torch.zeros(1000)})
    kept = dict(store.kept())
    assert kept.keys() == (set() if before is None else {"epoch-0001"})
    assert before is None or same_weights(kept["epoch-0001"], before)
    assert len(list(tmp_path.iterdir())) == len(kept)


def test_what_is_kept_goes_with_the_state(tmp_path: Path) -> None:
    store = ResumeStore(tmp_path / "key")
    store.keep("epoch-0001", WEIGHTS)
    store.save(STATE)
    other = ResumeStore(tmp_path / "other")
    other.keep("epoch-0001", WEIGHTS)
    store.clear()
    assert list(store.kept()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert [name for name, _ in other.kept()] == ["epoch-0001"]


def test_a_damaged_state_leaves_what_is_kept(tmp_path: Path) -> None:
    # The training starts over and keeps the same weights again.
    store = ResumeStore(tmp_path)
    store.keep("epoch-0001", WEIGHTS)
    store.save(STATE)
    store.path.write_bytes(b"damaged")
    assert store.load() is None
    assert [name for name, _ in store.kept()] == ["epoch-0001"]


def test_one_process_at_a_time_holds_the_store(tmp_path: Path) -> None:
    said: list[str] = []
    waiting, order = threading.Event(), []

    def wait(line: str) -> None:
        said.append(line)
        waiting.set()

    def second() -> None:
        with locked_store(tmp_path, "key", wait):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked_store(tmp_path, "key", said.append) as store:
        assert store.folder == tmp_path / "key"
        thread.start()
        assert waiting.wait(timeout=60)
        order.append("first")
    thread.join(timeout=60)
    assert order == ["first", "second"]
    assert said == [f"process {os.getpid()} is training this very model; waiting for it to end"]
    assert not (tmp_path / "key.pid").exists()


def test_a_stop_ends_the_wait_for_another_process(tmp_path: Path) -> None:
    with (
        filelock.FileLock(tmp_path / "key.lock"),
        pytest.raises(Interrupted, match="stopped; run the same command again"),
        locked_store(tmp_path, "key", print, lambda: True),
    ):
        pass


def test_other_trainings_do_not_wait(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        locked_store(tmp_path, "a", said.append) as a,
        locked_store(tmp_path, "b", said.append) as b,
    ):
        assert a.folder != b.folder
    assert said == []


def test_an_error_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked_store(tmp_path, "key", print):
        raise ZeroDivisionError
    filelock.FileLock(tmp_path / "key.lock").acquire(blocking=False)
    assert not (tmp_path / "key.pid").exists()


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(PipelineError, match="set AUGMENT_CACHE_DIR"):
            make_cache(place)
    make_cache(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_digests() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])
