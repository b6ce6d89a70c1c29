import io
import re
import sys

import pytest

from pipeline.compute import progress
from pipeline.compute.progress import Progress


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


class Terminal(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_short_work_says_its_end_only(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("fetch", "images") as bar:
        for done in range(1, 6):
            clock.now += 1
            bar.update(done, 5)
    assert lines(capsys) == ["fetch: 5 of 5 images"]


def test_long_work_says_a_line_now_and_then(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("train-gan", "steps") as bar:
        for done in range(1, 101):
            clock.now += 1
            bar.update(done, 200)
    said = lines(capsys)
    assert 5 <= len(said) <= 7
    # One step a second, so as many seconds are left as steps.
    found = re.fullmatch(r"train-gan: (\d+) of 200 steps, 2 min (\d+) s left", said[2])
    assert found
    assert int(found[1]) + 120 + int(found[2]) == 200


def test_work_that_goes_on_is_timed_from_where_it_went_on(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("train-gan", "steps") as bar:
        bar.update(1000, 1040)  # an earlier run did these
        clock.now += 20
        bar.update(1010, 1040)
    assert lines(capsys) == ["train-gan: 1010 of 1040 steps, 1 min 0 s left"]


def test_a_note_follows(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("generate", "images") as bar:
        bar.update(3, 3, "square & co")
        bar.say("class 3: 50%")
    assert lines(capsys) == ["generate: 3 of 3 images, square & co", "class 3: 50%"]


@pytest.mark.parametrize("note", ["circle", "[/red]", "[bold]x", "{task}", ":smile:"])
def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, note: str) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with Progress("generate", "images") as bar:
        bar.update(3, 10, note)
        bar.update(4, 10)
        bar.say(f"one line {note}")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "4/10" in shown
    assert "images" in shown
    assert f"one line {note}" in shown
    assert shown.count(note) >= 2


def test_a_bar_ends_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(ZeroDivisionError), Progress("fetch", "images"):
        raise ZeroDivisionError
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor is back
