"""The harness of `make bench`: both ways in turn, checked, a line each."""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks.commands import what_loads
from benchmarks.pairs import Pair, Timed, close, time_pair
from benchmarks.units import same_weights


def a_pair(calls: list[str], theirs: float = 2.0) -> Pair:
    def way(name: str, result: float, seconds: float) -> float:
        calls.append(name)
        time.sleep(seconds)
        return result

    return Pair(
        "a sum",
        "sums",
        10,
        lambda: way("ours", 2.0, 0.01),
        lambda: way("theirs", theirs, 0.05),
        close(1e-6),
        repeats=3,
    )


def test_both_take_turns_after_a_call_that_is_not_timed() -> None:
    calls: list[str] = []
    found = time_pair(a_pair(calls))
    assert calls == ["ours", "theirs"] * 4
    assert len(found.ours) == len(found.theirs) == 3
    assert found.ratio > 1.5
    calls.clear()
    # Sleeping takes no time of the processor.
    assert sum(time_pair(a_pair(calls), 2, of_processor=True).theirs) < 0.05
    assert calls == ["ours", "theirs"] * 3


def test_time_of_the_processor_is_that_of_ended_processes_too() -> None:
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    start = partial(subprocess.run, [sys.executable, "-c", busy], check=True)
    pair = Pair("a start", "starts", 1, lambda: 0, start, lambda ours, theirs: "both ended")
    found = time_pair(pair, 1, of_processor=True)
    assert found.theirs[0] >= 0.4
    assert found.ours[0] < 0.1


def test_a_line_has_medians_and_their_spread() -> None:
    found = Timed("a sum", "sums", 10, [0.01, 0.02, 0.04], [0.08, 0.08, 0.4], "difference 0e+00")
    assert found.line == (
        "a sum: ours 500 (250 to 1,000), theirs 125 (25 to 125) sums/s; ratio 4.00 (4.00 to 10.00);"
        " difference 0e+00"
    )


def test_other_results_are_no_comparison() -> None:
    with pytest.raises(AssertionError, match=r"difference 3\.3e-01, allowed 1e-06"):
        time_pair(a_pair([], theirs=3.0))
    with pytest.raises(AssertionError, match="shapes"):
        close(1.0)([1.0], [1.0, 2.0])
    with pytest.raises(AssertionError, match="difference nan"):
        close(1.0)(float("nan"), 1.0)


def test_the_command_times_the_named_file_and_says_what_is_not_the_same(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    class Frechet:
        def pairs(self):
            yield a_pair([])
            yield a_pair([], theirs=3.0)

    assert "frechet" in bench.files_of_pairs()
    assert not {"pairs", "steps", "verdicts"} & set(bench.files_of_pairs())
    monkeypatch.setattr(bench.importlib, "import_module", {"benchmarks.frechet": Frechet()}.get)
    out = tmp_path / "speed.json"
    monkeypatch.setattr(sys, "argv", ["bench", "frechet", "--repeats", "2", "--json", str(out)])
    assert bench.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("processor ")
    assert lines[1].startswith("a sum: ours ")
    assert lines[2].startswith("a sum: not the same: difference")
    written = json.loads(out.read_text())
    assert {"processor", "cores", "torch"} <= written["machine"].keys()
    (row,) = written["pairs"]
    assert row["file"] == "frechet"
    assert len(row["ours"]) == 2


def test_a_file_without_pairs_is_refused_in_a_line(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "verdicts"])
    with pytest.raises(SystemExit) as caught:
        bench.main()
    assert caught.value.code == 2
    assert "no pairs in verdicts; allowed: allocator" in capsys.readouterr().err


def test_starts_and_units_compare_what_they_did() -> None:
    assert what_loads("pandas torch\n", "torch\n") == "loads pandas, torch"
    assert what_loads("\n", "torch\n") == "loads nothing slow"
    with pytest.raises(AssertionError):
        what_loads("torch\n", "\n")
    assert same_weights(1, [b"a", b"b"], [b"a", b"a"]) == "equal weights"
    assert same_weights(2, [b"a", b"b"], [b"c", b"c"]) == "weights that differ by the threads"
    for threads, theirs in ((1, [b"c", b"c"]), (2, [b"a", b"c"])):
        with pytest.raises(AssertionError, match="other weights"):
            same_weights(threads, [b"a", b"b"], theirs)
