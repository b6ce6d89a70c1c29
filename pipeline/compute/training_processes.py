"""Several processes that train one generator: where one of them ends, all do, with one line.

Lightning Fabric starts the further ones as the same command again. Left to itself, it kills the
first one without a word where another one ended, and leaves the others to themselves where the
first one did.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

# Fabric takes seconds to import, and every stage over units reads this file.
if TYPE_CHECKING:
    from lightning_fabric import Fabric

_FOLDER = "AUGMENT_TRAINING_PROCESSES"
"""Variable of the environment: where what the further processes say on standard error goes."""

_POLL_SECONDS = 0.2
_SECONDS = 5.0
"""For an end to be seen by the processes that wait for the one that ended."""


class _Others:
    """The processes beside the first one."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
        self.processes = processes
        self.folder = folder
        self.telling = threading.Lock()  # held by who tells the user: once is enough
        atexit.register(self.end)
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """End those that still run."""
        for process in self.processes:
            process.kill()

    def failed(self) -> int | None:
        """Return the rank of the first that failed, or None."""
        ranks = (rank for rank, process in enumerate(self.processes, start=1) if process.poll())
        return next(ranks, None)

    def line(self, rank: int) -> str:
        """Return in one line what became of a process that failed."""
        who = f"training process {rank + 1} of {len(self.processes) + 1}"
        code = self.processes[rank - 1].returncode
        if code < 0:
            return f"{who} was killed by {signal.Signals(-code).name}; all were ended"
        output = (self.folder / str(rank)).read_text(errors="replace").split("\n")
        last = next((line for line in reversed(output) if line.strip()), f"code {code}")
        return f"{who} failed: {last.removeprefix('error: ')}"

    def _watch(self) -> None:
        while (rank := self.failed()) is None:
            time.sleep(_POLL_SECONDS)
        time.sleep(_SECONDS)
        # The main thread waits for the one that failed, and does not notice.
        if self.telling.acquire(blocking=False):
            self.end()
            print(f"error: {self.line(rank)}", file=sys.stderr, flush=True)
            os._exit(2)


_others: _Others | None = None


def launch(fabric: Fabric) -> None:
    """Launch Fabric; its further processes end with the first one, and the other way round."""
    global _others
    if fabric.world_size == 1:
        fabric.launch()
        return
    if os.environ.get("LOCAL_RANK", "0") != "0":
        # The first one speaks for all.
        report = Path(os.environ[_FOLDER]) / os.environ["LOCAL_RANK"]
        with report.open("wb") as file:
            os.dup2(file.fileno(), sys.stderr.fileno())
        threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
        fabric.launch()
        return
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    os.environ[_FOLDER] = folder.name
    fabric.launch()
    from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

    launcher = fabric.strategy.launcher
    assert isinstance(launcher, _SubprocessScriptLauncher)
    _others = _Others(list(launcher.procs), Path(folder.name))
    launcher.procs.clear()  # Fabric's own watcher kills without a word: it has none to watch


def failed_process(error: Exception) -> str | None:
    """Return a line on the process that failed; None where there is one, or all was said.

    Args:
        error: of the first process, which may only have noticed that another one failed.
    """
    if _others is None:
        return None
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        rank = _others.failed()
        if rank is not None:
            return _others.line(rank) if _others.telling.acquire(blocking=False) else None
        time.sleep(_POLL_SECONDS)
    who = f"training process 1 of {len(_others.processes) + 1}"
    return f"{who} failed: {type(error).__name__}: {error}"


def _end_with(first: int) -> None:
    while os.getppid() == first:
        time.sleep(_POLL_SECONDS)
    os._exit(1)
