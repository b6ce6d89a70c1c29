import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from augment.errors import AugmentError
from augment.sources.partition import Given, partition
from pipeline.data.real_images import divide, file_groups, part_counts, source_path
from pipeline.errors import PipelineError
from pipeline.parameters.models import DataParameters
from pipeline.parameters.reading import parse_parameters

ROOT = Path(__file__).parents[3]
DEFAULTS: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())


def data_of(**values: Any) -> DataParameters:
    folder = {"source": "folder", "path": "pictures"}
    return DataParameters.model_validate(DEFAULTS["data"] | folder | values)


FILES = {
    "train": [("train/a/p1_0.png", "p1_0.png"), ("train/a/p2_0.png", "p2_0.png"),
              ("train/b/p1_1.png", "p1_1.png"), ("train/b/x.png", "x.png")],
    "test": [("test/a/p1_2.png", "p1_2.png"), ("test/b/p3_0.png", "p3_0.png")],
}  # fmt: skip


def test_where_the_images_are(tmp_path: Path) -> None:
    assert source_path(data_of(), tmp_path) == tmp_path / "pictures"
    assert source_path(data_of(source="mnist5k", path=None), tmp_path) is None
    with pytest.raises(PipelineError, match=r"data\.path is .* lies in models of"):
        source_path(data_of(path="models/x"), tmp_path)


def test_without_a_rule_there_are_no_groups(tmp_path: Path) -> None:
    assert file_groups(data_of(), tmp_path, FILES) == (None, [])


def test_groups_by_a_pattern_go_over_classes_and_parts(tmp_path: Path) -> None:
    groups, notes = file_groups(data_of(groups="^(p[0-9]+)_"), tmp_path, FILES)
    assert groups is not None
    assert {part: each.tolist() for part, each in groups.items()} == {
        "train": [0, 1, 0, 2],
        "test": [0, 3],
    }
    assert notes == [
        "4 groups by data.groups",
        "1 of 6 files are in no group by data.groups, and each is a group by itself, such as "
        "train/b/x.png",
    ]


@pytest.mark.parametrize("whole", [True, False])
def test_groups_by_a_table_of_whole_or_short_names(tmp_path: Path, whole: bool) -> None:
    rows = [
        (names[0] if whole else names[1], "odd" if "1" in names[1] else "even")
        for part in FILES.values()
        for names in part
    ]
    (tmp_path / "groups.csv").write_text(
        "file,group\n" + "".join(f"{name},{group}\n" for name, group in rows)
    )
    groups, notes = file_groups(data_of(groups="groups.csv"), tmp_path, FILES)
    assert groups is not None
    assert {part: each.tolist() for part, each in groups.items()} == {
        "train": [0, 1, 0, 1],
        "test": [0, 1],
    }
    assert notes == ["2 groups by data.groups"]


def test_names_of_a_table_that_stand_for_none_or_several_are_counted(tmp_path: Path) -> None:
    files = {"train": [("a/x.png", "x.png"), ("b/x.png", "x.png"), ("b/y.png", "y.png")]}
    (tmp_path / "G.CSV").write_text("file,group\nx.png,1\nb/y.png,2\nc/q.png,3\nr.png,3\n")
    groups, notes = file_groups(data_of(groups="G.CSV"), tmp_path, files)
    assert groups is not None
    assert groups["train"].tolist() == [0, 0, 1]
    assert notes == [
        "2 groups by data.groups",
        "2 of 4 names in G.CSV stand for no picture that is read, such as c/q.png",
        "1 of 4 names in G.CSV stand for several pictures of the same name, such as x.png",
    ]


def test_a_rule_that_no_file_follows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("file,group\nelsewhere.png,one\n")
    for rule in ("^scene", "g.csv"):
        with pytest.raises(PipelineError) as caught:
            file_groups(data_of(groups=rule), tmp_path, FILES)
        assert str(caught.value).startswith(
            f"data.groups is {rule!r}, and none of the 6 files is in a group, such as p1_0.png; "
        )


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("none.csv", "none.csv: cannot be read"),
        ("results/g.csv", "lies in results of"),
        ("$HOME/g.csv", "data.groups is '$HOME/g.csv', and there is no such path"),
    ],
)
def test_a_table_that_cannot_be_had(tmp_path: Path, rule: str, said: str) -> None:
    with pytest.raises((PipelineError, AugmentError)) as caught:
        file_groups(data_of(groups=rule), tmp_path, FILES)
    assert said in str(caught.value)


def test_the_images_are_divided_by_the_parameters() -> None:
    values = copy.deepcopy(DEFAULTS)
    values["data"] |= {"test": 0.3, "validation": 0.25, "duplicates": "keep"}
    values["seed"] = 5
    given = {"train": Given(np.repeat([0, 1], [40, 20]))}
    found = divide(parse_parameters(values), given, ["a", "b"])
    same = partition(
        given, ["a", "b"], test=0.3, validation=0.25, duplicates="keep", seed=5
    )  # fmt: skip
    for part, rows in same.parts.items():
        np.testing.assert_array_equal(found.parts[part].index, rows.index)
    counts = part_counts(found, given, 3)
    assert {part: each.tolist() for part, each in counts.items()} == {
        "test": [12, 6, 0],
        "validation": [7, 3, 0],  # of 14 a quarter is 3.5, and the tie is train's
        "train": [21, 11, 0],
    }
