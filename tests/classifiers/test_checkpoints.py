import json
from pathlib import Path

import pytest
import torch

from augment.checkpoints import CheckpointError, read_meta
from classifiers.checkpoints import load_classifier, save_classifier
from classifiers.models.contract import Architecture
from classifiers.models.lenet import LeNet


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_classifier(tmp_path / "judge", LeNet(Architecture(4, 3, 64, 64)), {"role": "judge"})
    return tmp_path / "judge"


def change(folder: Path, **architecture: object) -> None:
    path = folder / "meta.json"
    meta = json.loads(path.read_text())
    meta["architecture"] |= architecture
    path.write_text(json.dumps(meta))


def one_line(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_classifier(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert str(folder) in text
    return text


def test_a_saved_network_comes_back(saved: Path) -> None:
    torch.manual_seed(0)
    expected = LeNet(Architecture(4, 3, 64, 64))
    network = load_classifier(saved)
    assert not network.training
    assert network.architecture == expected.architecture
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name])
    assert read_meta(saved, "classifier")["role"] == "judge"


def test_meta_cannot_hide_the_architecture(tmp_path: Path) -> None:
    network = LeNet(Architecture(4))
    save_classifier(tmp_path / "x", network, {"architecture": {"n_classes": 99}})
    assert load_classifier(tmp_path / "x").architecture.n_classes == 4


def test_saving_twice_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    save_classifier(tmp_path / "again", load_classifier(saved), {"role": "judge"})
    for name in ("meta.json", "weights.safetensors"):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_classes", 0),
        ("n_classes", 10**9),
        ("n_classes", 4.0),
        ("n_classes", True),
        ("n_classes", "4"),
        ("channels", 4),
        ("input_size", 10**6),
        ("input_size", None),
        ("image_size", -1),
        ("source_channel", 0),
        ("source_channel", 200_000),
        ("source_channel", None),
        ("model", 3),
    ],
)
def test_an_architecture_out_of_bounds_is_refused(saved: Path, key: str, value: object) -> None:
    change(saved, **{key: value})
    assert key in one_line(saved)


@pytest.mark.parametrize("key", ["n_classes", "source_channel", "model", "x" * 10**5])
def test_what_a_stranger_wrote_is_cut(saved: Path, key: str) -> None:
    for value in ("x" * 10**5, "x" * 10**5 + ":y", ["x" * 10**5]):
        change(saved, **{key: value})
        assert len(one_line(saved)) < 700


def test_an_unknown_option_is_refused(saved: Path) -> None:
    change(saved, depth=3)
    assert "depth" in one_line(saved)


def test_another_size_than_the_weights_is_refused(saved: Path) -> None:
    change(saved, n_classes=5)
    one_line(saved)


def test_an_input_too_small_for_the_network_is_refused(saved: Path) -> None:
    change(saved, input_size=1)
    one_line(saved)


def test_missing_and_damaged_files_are_refused(saved: Path) -> None:
    weights = saved / "weights.safetensors"
    content = weights.read_bytes()
    for damage in (b"", b"no weights", content[:-1], content[: len(content) // 2]):
        weights.write_bytes(damage)
        one_line(saved)
    weights.unlink()
    assert "weights.safetensors is missing" in one_line(saved)
    (saved / "meta.json").write_text("{")
    one_line(saved)
    (saved / "meta.json").write_text('{"kind": "classifier", "format": 1}')
    one_line(saved)
    (saved / "meta.json").unlink()
    assert "meta.json is missing" in one_line(saved)


def test_a_generator_is_no_judge(saved: Path) -> None:
    path = saved / "meta.json"
    path.write_text(path.read_text().replace('"kind": "classifier"', '"kind": "generator"'))
    assert "'generator'" in one_line(saved)
