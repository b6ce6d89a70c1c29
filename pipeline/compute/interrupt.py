"""Stopping on request: Ctrl-C and SIGTERM let the loop finish its step and save its state."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether the process was asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Return whether a signal came."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells expect."""
        return 128 + (self.signal or signal.SIGINT)


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; a second one ends the process at once."""
    request = StopRequest()
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = number
        for each, handler in old.items():
            signal.signal(each, handler)

    for number in old:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
