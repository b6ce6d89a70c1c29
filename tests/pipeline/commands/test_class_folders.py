import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commands.class_folders import class_folders


@pytest.mark.parametrize(
    "name",
    ["golden retriever", "Bär & Co", "猫", "$5 <b>bill$", "_background", "-dash", "a,b", "x" * 120,
     "100%", "NULL", "yes", "007", "...", ".hidden", "a.b", "Constance", "CON Air", "COM10", "COM0",
     "NULs", " a ", "x" * 255, "\u00e4" * 127, "a\\b", "8.golden_retriever"],
)  # fmt: skip
def test_a_name_that_a_folder_can_have_stays(name: str) -> None:
    changed = [f"{name}/", "a/b", "CON"]
    assert class_folders([*changed, name, "other", "a_b"])[3] == name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("a/b", "a_b"),
        ("/", "_"),
        ("a\0b", "a_b"),
        ("../x", ".._x"),
        (".", "_"),
        ("..", "__"),
        ("CON", "CON_"),
        ("nul", "nul_"),
        ("Com1.tar.gz", "Com1_.tar.gz"),
        ("aux.txt", "aux_.txt"),
        ("LPT\u00b2", "LPT\u00b2_"),
        ("con ", "con _"),
        ("preview.png", "preview_.png"),
        ("PREVIEW.png", "PREVIEW_.png"),
        (".made", "_.made"),
        ("x" * 256, "x" * 255),
        ("\u00e4" * 128, "\u00e4" * 127),
        ("a" + "\U0001f600" * 64, "a" + "\U0001f600" * 63),
    ],
)
def test_a_name_that_a_folder_cannot_have_is_changed_as_little_as_can_be(
    name: str, folder: str
) -> None:
    assert class_folders([name, "other"], ("preview.png", ".made")) == [folder, "other"]


def test_names_that_fall_together_get_numbers() -> None:
    assert class_folders(["Bird", "bird", "BIRD"]) == ["Bird", "bird_2", "BIRD_3"]
    assert class_folders(["caf\u00e9", "cafe\u0301"]) == ["caf\u00e9", "cafe\u0301_2"]
    assert class_folders(["STRASSE", "stra\u00dfe"]) == ["STRASSE", "stra\u00dfe_2"]
    assert class_folders(["a/b", "bird_2", "Bird", "bird", "a_b"]) == [
        "a_b_2", "bird_2", "Bird", "bird_3", "a_b",
    ]  # fmt: skip
    assert class_folders(["x" * 300, "x" * 301]) == ["x" * 255, "x" * 253 + "_2"]


NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
    | st.sampled_from(
        ["Bird", "bird", "bird_2", "a/b", "a_b", "A_B", "CON", "con_", "preview.png"]
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(NAMES)
def test_folders_are_distinct_everywhere_and_fit(names: list[str]) -> None:
    folders = class_folders(names, ("preview.png",))
    folded = {unicodedata.normalize("NFD", folder).casefold() for folder in folders}
    assert len(folded) == len(names)
    assert "preview.png" not in folded
    for folder in folders:
        assert 0 < len(folder.encode()) <= 255
        assert not {"/", "\0"} & set(folder)
        assert folder not in (".", "..")
