"""Progress of long work: a bar with time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_LINE_SECONDS = 15.0


class Progress:
    """Use as a context manager; call ``update`` as often as you like."""

    def __init__(self, title: str, unit: str) -> None:
        self.title = title
        self.unit = unit
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._began = self._printed_at = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(self.unit, markup=False),
                TimeRemainingColumn(),
                # A class may be called [/b].
                TextColumn("{task.fields[note]}", markup=False),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(self.title, total=None, note="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int, note: str | None = None) -> None:
        """Say that ``done`` of ``total`` are done; ``note`` stays until the next one."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
            if note is not None:
                self._bar.update(self._task, note=note)
            return
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = done, now
        if now - self._printed_at < _LINE_SECONDS and done < total:
            return
        self._printed_at = now
        rate = (done - self._first) / (now - self._began) if now > self._began else 0.0
        left = f", {_duration((total - done) / rate)} left" if rate and done < total else ""
        text = f"{self.title}: {done} of {total} {self.unit}{left}"
        print(f"{text}, {note}" if note else text, file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Print a line of its own without disturbing the bar."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, emoji=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
