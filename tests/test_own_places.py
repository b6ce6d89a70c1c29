"""Any path of the user's, in any option: a command refuses it or leaves every other file alone."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
MODELS = ("models/generators/all-0", "models/judges/all-0")
PLACES = ("new", "own", "own/pictures", "own/set", "link", "data", "data/real", "models", *MODELS)
FILES = ("own/1.png", "own/pictures/0000001.png", "own/set/images.npy", "own/set/meta.json")
MORE = ("data/real/train/cat/1.png", "results/report.html", "notes.txt", "table.csv")


@pytest.fixture
def project(study, bare: Path) -> Path:
    """A project with a trained generator, published facts, and files of the user's all over."""
    for model in MODELS:
        shutil.copytree(study.root / model, bare / model)
    shutil.copytree(ROOT / "studies", bare / "studies")
    for name in (*FILES, *MORE):
        (bare / name).parent.mkdir(parents=True, exist_ok=True)
        (bare / name).write_text("mine")
    (bare / "link").symlink_to("own/pictures")
    return bare


def spellings(project: Path) -> st.SearchStrategy[str]:
    """Draw a place in one of the ways in which it may be written."""
    places = st.sampled_from([*PLACES, *FILES, *MORE, ".", "..", "/dev/null", "~nobody/x", "$HOME"])
    forms = st.sampled_from(["{}", "./{}", "own/../{}", f"{project}/{{}}", "{}/", "{}/x"])
    return st.builds(lambda form, place: form.format(place), forms, places)


@pytest.mark.slow
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_option_costs_a_file(project: Path, augment, files_of, data: st.DataObject) -> None:
    place = spellings(project)
    if data.draw(st.booleans()):
        arguments = ["generate", "--label", "0", "--n", "1", "--out", data.draw(place)]
        for option in ("--model", "--judge"):
            if data.draw(st.integers(0, 3)) == 0:
                arguments += [option, data.draw(place)]
        arguments += data.draw(st.sampled_from([[], ["--force"], ["--format", "png"]]))
    else:
        arguments = ["compare", "--csv", data.draw(place)]
    before = files_of(project)
    run = augment(project, *arguments)
    after = files_of(project)
    event(f"{arguments[0]}: {run.code}")
    assert run.code in (0, 2), run
    written = set(after) - set(before)
    # What it wrote itself is gone before the next try, by hand.
    lost = {name for name in before if after.get(name) != before[name]}
    assert lost == set(), (arguments, lost)
    if run.code == 2:
        assert written == set(), (arguments, written)
    for name in written:
        (project / name).unlink()
    for folder, _, _ in os.walk(project, topdown=False):
        if not any(Path(folder).iterdir()) and folder != str(project):
            Path(folder).rmdir()
