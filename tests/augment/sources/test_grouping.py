from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.sources import grouping
from augment.sources.grouping import (
    GroupingError,
    groups_by_pattern,
    join_groups,
    look_up,
    names_table,
    number_groups,
    read_group_table,
)


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"^(p[0-9]+)_", ["p1", "p1", "p12", None]),
        (r"^p[0-9]+", ["p1", "p1", "p12", None]),
        (r"[0-9]", ["1", "1", "1", "7"]),
        (r"^(p[0-9]+)_(\w)", ["p1\x1fa", "p1\x1fb", "p12\x1fa", None]),
        (r"^(?:p)([0-9])|(x)", ["1\x1f", "1\x1f", "1\x1f", "\x1fx"]),
        (r"(q)?", ["", "", "", ""]),
    ],
)
def test_the_group_is_what_the_parentheses_match(pattern: str, groups: list[str | None]) -> None:
    assert groups_by_pattern(["p1_a.png", "p1_b.png", "p12_a.png", "x7.png"], pattern) == groups


def test_a_pattern_may_name_folders_of_nested_pictures() -> None:
    files = ["ward1/p1.png", "ward1/p2.png", "ward2/p1.png"]
    assert groups_by_pattern(files, "^([^/]+)/") == ["ward1", "ward1", "ward2"]


@pytest.mark.parametrize(
    "pattern",
    ["(", "[", "*", "(?P<a>x)(?P<a>y)", "(?<x", "a{99999999999}", "(" * 3000 + ")" * 3000],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(GroupingError) as caught:
        groups_by_pattern(["a"], pattern)
    assert "which is no regular expression" in str(caught.value)
    assert "allowed: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_pattern_that_python_warns_of_is_taken_quietly() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert groups_by_pattern(["[", "a", "b"], "[[a]") == ["[", "a", None]
    assert said == []


@pytest.mark.parametrize(
    ("rule", "table"),
    [("g.csv", True), ("~/sets/G.CSV", True), ("^(a)_.csv", True), ("^(a).csv$", False),
     ("^p", False)],
)  # fmt: skip
def test_a_table_is_told_from_a_pattern_by_its_ending(rule: str, table: bool) -> None:
    assert names_table(rule) is table


def test_patterns_are_compared_composed() -> None:
    composed, decomposed = (unicodedata.normalize(form, "zoé") for form in ("NFC", "NFD"))
    for pattern in (f"^({composed})_", f"^({decomposed})_"):
        assert groups_by_pattern([f"{composed}_1", f"{decomposed}_2"], pattern) == [composed] * 2


def table(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "groups.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "file,group\na/1.png,x\nb/2.png,y\n",
        "\ufefffile,group\r\na/1.png,x\r\nb/2.png,y\r\n",
        "group,age,file\nx,30,./a/1.png\ny,,b\\2.png\n",
        'file,group\n"a/1.png","x"\n\nb/2.png,y\na/1.png,x\n',
    ],
)
def test_a_table_of_files_and_groups(tmp_path: Path, content: str) -> None:
    assert read_group_table(table(tmp_path, content)) == {"a/1.png": "x", "b/2.png": "y"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has the columns none; allowed: file and group, named in its first line"),
        ("a/1.png,x\n", "has the columns a/1.png, x; allowed: file and group"),
        ("file;group\na;x\n", "has the columns file;group; allowed"),
        ("file,group\na\n", "line 2: a file or a group is empty; allowed: both"),
        ("file,group\na,x\n,x\n", "line 3: a file or a group is empty"),
        ("file,group\na,x\na,y\n", "line 3: a is in two groups; allowed: one"),
        (b"file,group\n\xff\xfe,x\n", "is no CSV file in UTF-8"),
        ("file,group\n" + "a" * 200_000 + ",x\n", "is no CSV file in UTF-8 (field larger than"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = table(tmp_path, content)
    with pytest.raises(GroupingError) as caught:
        read_group_table(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there_or_beyond_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(GroupingError, match="cannot be read"):
            read_group_table(path)
    monkeypatch.setattr(grouping, "_LARGEST_TABLE", 1 << 20)
    large = table(tmp_path, b"file,group\n" + b"a,x\n" * (1 << 18) + b"a")
    with pytest.raises(GroupingError, match="larger than 1 MiB"):
        read_group_table(large)


def test_names_are_looked_up_whole_and_then_short() -> None:
    table = {"a/x.png": "1", "x.png": "2", "y/x.png": "3"}
    files = [("a/x.png", "x.png"), ("b/x.png", "x.png"), ("b/y/x.png", "y/x.png"), ("c/z", "z")]
    assert look_up(files, table) == ["a/x.png", "x.png", "y/x.png", None]


def test_names_of_a_table_are_compared_composed(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "zoé") for form in ("NFC", "NFD"))
    assert composed != decomposed
    for one, other in ((composed, decomposed), (decomposed, composed)):
        path = table(tmp_path, f"file,group\n{one}.png,{one}\n1.png,{other}\n")
        groups = read_group_table(path)
        assert groups == {f"{composed}.png": composed, "1.png": composed}
        assert look_up([(f"a/{other}.png", f"{other}.png")], groups) == [f"{composed}.png"]
    with pytest.raises(GroupingError, match=r"line 3: .* is in two groups"):
        read_group_table(table(tmp_path, f"file,group\n{composed},1\n{decomposed},2\n"))


def test_a_file_without_a_group_is_one_by_itself() -> None:
    numbers = number_groups(["x", None, "y", "x", None])
    assert numbers.tolist() == [0, 1, 2, 0, 3]
    assert numbers.dtype == np.int64
    # A name is never taken for a file's place.
    assert len(set(number_groups(["1", None]).tolist())) == 2
    assert number_groups([]).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30))
def test_joined_groups_are_the_chains_of_both(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array([pair[i] for pair in pairs], dtype=np.int64) for i in (0, 1))
    joined = join_groups(first, second)
    assert joined.dtype == np.int64
    # By hand: links are followed until nothing changes.
    reach = (first[:, None] == first) | (second[:, None] == second)
    for _ in pairs:
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    np.testing.assert_array_equal(joined[:, None] == joined, reach)
