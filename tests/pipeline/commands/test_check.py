import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from ruamel.yaml import YAML

from pipeline.commands import check_machine
from pipeline.commands.check import run_check
from pipeline.commands.check_lines import CheckLine

ROOT = Path(__file__).parents[3]
Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project folder whose params.yaml has values changed at dotted keys (__)."""

    def make(**values: Any) -> Path:
        yaml = YAML(typ="safe", pure=True)
        content = yaml.load((ROOT / "params.yaml").read_text())
        # What the tests below count with, whatever the default study uses.
        content["train_gan"]["images"] = 400_000
        content["generate"]["per_class"] = content["filter"]["per_class"] = 1000
        content["study"] |= {"protocol": "published", "repeats": 1}
        content["mix"] |= {"synthetic": [0, 0.5, 1.0, 2.0], "seeds": [0, 1, 2]}
        content["mix"]["strategies"] = ["mix", "filtered", "classical"]
        content["train_judge"]["steps"] = 1200
        for key, value in values.items():
            *sections, name = key.split("__")
            place = content
            for section in sections:
                place = place[section]
            place[name] = value
        with (tmp_path / "params.yaml").open("w") as file:
            yaml.dump(content, file)
        return tmp_path

    return make


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUGMENT_DATA_DIR", "TORCH_HOME", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def line(lines: list[CheckLine], topic: str) -> CheckLine:
    found = [entry for entry in lines if entry.topic == topic]
    assert found, f"no line about {topic} in {lines}"
    return found[0]


def test_the_default_study_can_run(project: Project) -> None:
    root = project()
    lines = run_check(root)
    assert [entry.topic for entry in lines if entry.status == "error"] == []
    topics = ["parameters", "data", "device", "grid", "disk", "memory", "time"]
    assert list(dict.fromkeys(entry.topic for entry in lines)) == topics
    assert all(entry.text.isprintable() for entry in lines)
    assert "3600 training images in 10 classes" in line(lines, "grid").text
    assert "estimate" in line(lines, "time").text


def test_wrong_parameters_leave_the_data_to_be_looked_at(project: Project) -> None:
    lines = run_check(project(seed="x", classifier__batch_size=1))
    assert lines[0] == CheckLine(
        "error",
        "parameters",
        "params.yaml: seed is 'x'; allowed: a whole number from 0 to 4294967295",
    )
    assert lines[1].text == (
        "params.yaml: classifier.batch_size is 1; allowed: a whole number from 2 to 4096"
    )
    assert [(entry.status, entry.topic) for entry in lines[2:]] == [("ok", "data")]


def test_no_params_file(tmp_path: Path) -> None:
    (only,) = run_check(tmp_path)
    assert only.status == "error"
    assert "cannot be read" in only.text


def test_a_grid_that_asks_for_too_much(project: Project) -> None:
    found = line(run_check(project(mix__synthetic=[0, 10_001])), "grid")
    assert found.status == "error"
    assert found.text.startswith(
        "params.yaml: generate.per_class is 1000, and mix.synthetic[1] is 10001, which takes 1001 "
    )


def test_idx_files_given_found_or_to_be_downloaded(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte.gz").touch()
        (folder / f"{part}-labels-idx1-ubyte").touch()
    root = project(data__source="fashion-mnist")
    assert line(run_check(root), "data").status == "warning"
    monkeypatch.setenv("AUGMENT_DATA_DIR", str(tmp_path / "sets"))
    found = line(run_check(root), "data")
    assert found.status == "ok"
    assert str(folder) in found.text
    monkeypatch.setenv("AUGMENT_DATA_DIR", str(folder))
    assert line(run_check(root), "data").status == "warning"
    monkeypatch.delenv("AUGMENT_DATA_DIR")
    root = project(data__source="fashion-mnist", data__path="sets/fashion-mnist")
    assert line(run_check(root), "data").status == "ok"
    (folder / "t10k-labels-idx1-ubyte").unlink()
    found = line(run_check(root), "data")
    assert found.status == "error"
    assert "t10k-labels" in found.text


def test_a_folder_of_pictures_is_counted(
    project: Project, tmp_path: Path, draw_noise: Callable[..., Path]
) -> None:
    draw_noise(tmp_path / "pictures", {"cat": 50, "dog": 100})
    root = project(
        data__source="folder", data__path="pictures", mix__real=[0, 108], mix__synthetic=[0, 1500]
    )
    lines = run_check(root)
    assert [entry.text for entry in lines if entry.status == "error"] == []
    assert "150 files in 2 classes, no test folder" in line(lines, "data").text
    assert any(
        each.startswith("looked at the first bytes of all files; none is decoded")
        for each in texts(lines, "data")
    )
    # Test takes a fifth and validation a tenth of the rest: 36 cats, 72 dogs.
    assert "108 training images in 2 classes" in line(lines, "grid").text
    root = project(
        data__source="folder", data__path="pictures", mix__real=[0], mix__synthetic=[1502]
    )
    assert "1001 images of class 'dog'" in line(run_check(root), "grid").text


def texts(lines: list[CheckLine], topic: str, *status: str) -> list[str]:
    return [
        entry.text for entry in lines
        if entry.topic == topic and (not status or entry.status in status)
    ]  # fmt: skip


def test_official_parts_are_not_split_again(
    project: Project, tmp_path: Path, draw_noise: Callable[..., Path]
) -> None:
    draw_noise(tmp_path / "pictures" / "train", {"cat": 50, "dog": 50})
    draw_noise(tmp_path / "pictures" / "test", {"cat": 5, "dog": 5})
    changes: dict[str, Any] = {
        "data__source": "folder",
        "data__path": "pictures",
        "mix__real": [0, 80],
        "mix__synthetic": [0, 90],
        "train_gan__options__batch_size": 64,
        "train_gan__keep": "last",
    }
    root = project(**changes)
    lines = run_check(root)
    assert "100 files for train, 10 files for test" in line(lines, "data").text
    assert "up to 90 training images" in line(lines, "grid").text
    draw_noise(tmp_path / "pictures" / "val", {"cat": 3, "dog": 3})
    lines = run_check(root)
    assert (
        "100 files for train, 6 files for validation, 10 files for test" in line(lines, "data").text
    )
    assert "up to 100 training images" in line(lines, "grid").text
    lines = run_check(project(**changes, data__validation=0))
    assert texts(lines, "data", "warning") == [
        "the images for validation are not used, because data.validation is 0"
    ]
    assert "up to 100 training images" in line(lines, "grid").text


def test_folders_that_are_no_source(
    project: Project, tmp_path: Path, draw_noise: Callable[..., Path]
) -> None:
    root = project(data__source="folder", data__path="pictures")
    assert line(run_check(root), "data").status == "error"
    draw_noise(tmp_path / "pictures", {"cat": 2, "dog": 2})
    lines = run_check(root)
    assert line(lines, "data").status == "ok"
    assert line(lines, "grid") == CheckLine(
        "error",
        "grid",
        "class 'cat' has too few images to split (2 images); allowed: at least 3, one each for "
        "train, test, validation; class 'dog' has too few images to split (2 images); allowed: at "
        "least 3, one each for train, test, validation",
    )


def test_of_many_files_a_sample_is_looked_at(
    project: Project, tmp_path: Path, draw_noise: Callable[..., Path]
) -> None:
    draw_noise(tmp_path / "pictures", {"cat": 500, "dog": 500}, ".bmp", 8)
    # Every file that could be looked at is a loss, or beside the point.
    cats = list((tmp_path / "pictures" / "cat").iterdir())
    for file in cats[::5]:
        file.write_bytes(b"x")
    for index in range(100):
        (tmp_path / "pictures" / "dog" / f"p{index:03}.json").write_text("{}")
    root = project(data__source="folder", data__path="pictures")
    lines = run_check(root)
    notes = texts(lines, "data", "warning")
    assert len(notes) == 4
    assert re.match(r"in the sample: class 'cat': \d+ of \d+ pictures in pictures/ could", notes[0])
    assert re.match(r"in the sample: \d+ files in pictures/ are no pictures", notes[1])
    assert re.match(r"in the sample: \d+ of \d+ pictures are smaller than 28 pixels", notes[2])
    assert re.match(r"\d+ files have a copy", notes[3])  # those that are no pictures are alike
    (found,) = [each for each in texts(lines, "data") if each.startswith("looked")]
    assert found.startswith(
        "looked at the first bytes of a sample of 500 of the 1,100 files; none is decoded"
    )
    # A class that is mostly lost in a sample is no error: the other files may be better ones.
    for file in cats[:350]:
        file.write_bytes(b"x")
    lines = run_check(root)
    assert texts(lines, "data", "error") == []
    assert any("pictures of class 'cat' cannot be read" in each for each in
               texts(lines, "data", "warning"))  # fmt: skip


def test_a_gpu_that_is_not_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)  # of a container that may use no more
    found = line(run_check(project(compute__device="cuda")), "device")
    assert found.status == "error"
    found = line(run_check(project()), "device")
    assert (found.status, found.text) == ("ok", "everything is computed on 3 cores")


def test_a_gpu_that_is_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_machine, "_gpu_visible", lambda: True)
    found = line(run_check(project()), "device")
    assert found.status == "ok"
    assert found.text.startswith("networks train, draw and predict on the GPU")
    found = line(run_check(project(compute__device="cpu")), "device")
    assert found.text.startswith("everything is computed on")


def test_more_processes_than_cores(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    root = project(train_gan__processes=3, compute__processes=2)
    warned = [entry.text for entry in run_check(root) if entry.status == "warning"]
    assert warned == ["train_gan.processes is 3, more than the 2 cores"]


def test_inception_weights(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(score__inception=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert line(run_check(root), "inception").status == "warning"
    file = tmp_path / "torch/hub/checkpoints/pt_inception-2015-12-05-6726825d.pth"
    file.parent.mkdir(parents=True)
    file.touch()
    assert line(run_check(root), "inception").status == "ok"
    root = project(score__inception=True, score__inception_weights="weights.pth")
    assert line(run_check(root), "inception").status == "error"
    (tmp_path / "weights.pth").touch()
    assert line(run_check(root), "inception").status == "ok"


def test_little_disk_and_memory(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_machine, "_available_memory", lambda: 10**6)
    monkeypatch.setattr(check_machine, "_free_disk", lambda folder: 10**6)
    lines = run_check(project())
    assert line(lines, "disk").status == "error"
    assert line(lines, "disk").text.startswith("1 MB free, the study writes about ")
    assert line(lines, "memory").status == "warning"


def test_a_clusters_workers_are_counted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def minutes(n: int) -> str:
        monkeypatch.setattr("pipeline.compute.cluster.cluster_workers", lambda address: n)
        root = project(compute__backend="dask", compute__address="tcp://host:8786")
        lines = run_check(root)
        assert line(lines, "cluster").status == ("ok" if n else "warning")
        return line(lines, "time").text

    assert minutes(64) != minutes(2)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    assert minutes(0) == minutes(2)


def test_a_gpu_is_not_guessed_at(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cores = line(run_check(project()), "time").text
    monkeypatch.setattr(check_machine, "_gpu_visible", lambda: True)
    found = line(run_check(project()), "time").text
    assert found == f"{with_cores}, the GPU too, which is not counted here"
    assert line(run_check(project(compute__device="cpu")), "time").text == with_cores
