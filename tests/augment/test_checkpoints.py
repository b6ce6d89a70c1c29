from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn

from augment.checkpoints import (
    FORMAT,
    CheckpointError,
    check_size,
    load_weights,
    read_meta,
    save_checkpoint,
)
from augment.errors import AugmentError
from augment.generators.gan.networks import Generator
from augment.generators.gan.systems import SYSTEMS
from augment.generators.sampling import Sampler, load_sampler

ARCHITECTURE = SYSTEMS["cdcgan-smooth"].architecture(3, 1, 28, width=1 / 32)  # 8 and 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = Generator(ARCHITECTURE)
    meta = {"architecture": ARCHITECTURE.to_dict(), "seed": 1}
    save_checkpoint(tmp_path / "model", "generator", generator.state_dict(), meta)
    return tmp_path / "model"


def refused(folder: Path) -> str:
    """The one line with which loading is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_sampler(folder)
    assert isinstance(caught.value, AugmentError)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1000
    return message


def change(folder: Path, **values: Any) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | values))


def change_architecture(folder: Path, **values: Any) -> None:
    change(folder, architecture=ARCHITECTURE.to_dict() | values)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    generator = Generator(ARCHITECTURE).to(memory_format=torch.channels_last)
    meta = {"architecture": ARCHITECTURE.to_dict(), "class_names": ["a", "<b>", "é"]}
    save_checkpoint(tmp_path / "new" / "model", "generator", generator.state_dict(), meta)
    loaded, read = load_sampler(tmp_path / "new" / "model")
    assert read == meta | {"format": FORMAT, "kind": "generator"}
    assert isinstance(loaded, Sampler)
    assert loaded.architecture == ARCHITECTURE
    assert not loaded.network.training
    expected = generator.state_dict()
    assert loaded.network.state_dict().keys() == expected.keys()
    for name, tensor in loaded.network.state_dict().items():
        assert torch.equal(tensor, expected[name])


def test_one_network_gives_one_set_of_bytes(tmp_path: Path) -> None:
    state = Generator(ARCHITECTURE).state_dict()
    save_checkpoint(tmp_path / "a", "generator", state, {"x": 1, "y": 2})
    save_checkpoint(tmp_path / "b", "generator", dict(reversed(state.items())), {"y": 2, "x": 1})
    for name in ("weights.safetensors", "meta.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_failing_save_keeps_the_old_checkpoint(folder: Path) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(TypeError):
        save_checkpoint(folder, "generator", {}, {"architecture": object()})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["meta.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"{name} is missing" in refused(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert "holds no generator" in refused(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "file" in refused(tmp_path / "file")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"NaN",
        b"[1, 2]",
        b'"generator"',
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 10_000,
        pickle.dumps({"kind": "generator", "format": FORMAT}),
    ],
    ids=lambda content: repr(content[:8]),
)
def test_bad_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / "meta.json").write_bytes(content)
    assert "model" in refused(folder)


def test_a_huge_meta_is_refused_unread(folder: Path) -> None:
    with (folder / "meta.json").open("wb") as file:
        file.truncate(1 << 40)  # A sparse file.
    assert "larger than 64 MiB" in refused(folder)


def test_a_folder_in_place_of_a_file(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    (folder / "weights.safetensors").mkdir()
    assert "weights.safetensors" in refused(folder)


@pytest.mark.parametrize(
    "kind", ["lenet", None, 3, ["generator"], "gen\nerator", {"a": "\x1b[2J"}, "x" * 10**6]
)
def test_another_kind_is_refused(folder: Path, kind: Any) -> None:
    change(folder, kind=kind)
    message = refused(folder)
    assert "'generator' is needed" in message
    assert message.isprintable()


@pytest.mark.parametrize("version", [0, 2, "1", None, [1], "x" * 10**6])
def test_another_format_is_refused(folder: Path, version: Any) -> None:
    change(folder, format=version)
    assert f"this version reads {FORMAT}" in refused(folder)


@pytest.mark.parametrize(
    "architecture", [None, 3, "text", [], [1, 2], {}, {"n_classes": 3}, {"a\nb\x1b": 1}]
)
def test_no_architecture(folder: Path, architecture: Any) -> None:
    change(folder, architecture=architecture)
    message = refused(folder)
    assert "no valid architecture" in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # JSON has no limit on integers; Python refuses to read or print those of 4,300 digits only.
        ({"generator": [[10**400], [4]]}, "allowed"),
        ({"image_size": 28.0}, "image_size is 28.0; allowed"),
        ({"generator": [[8], [4], [4]]}, "the generator's table makes 56 pixels, not 28"),
        ({"a\nb\x1b": 3}, "is unknown"),
        ({"x" * 10**6: 3}, "is unknown"),
    ],
    ids=range(5),
)
def test_an_architecture_out_of_bounds_is_refused(
    folder: Path, changes: dict[str, Any], said: str
) -> None:
    change_architecture(folder, **changes)
    message = refused(folder)
    assert "no valid architecture" in message
    assert said in message
    assert message.isprintable()


@pytest.mark.parametrize("depth", [150, 400, 600, 900, 100_000])
@pytest.mark.parametrize("place", ["architecture", "dropout"])
def test_a_nested_architecture_is_refused(folder: Path, depth: int, place: str) -> None:
    change_architecture(folder, dropout=0) if place == "dropout" else change(folder, architecture=0)
    meta = (folder / "meta.json").read_text()
    assert f'"{place}": 0' in meta
    nested = "[" * depth + "]" * depth
    (folder / "meta.json").write_text(meta.replace(f'"{place}": 0', f'"{place}": {nested}'))
    message = refused(folder)
    assert "no valid architecture" in message or "cannot be read" in message


def test_a_huge_architecture_within_bounds_takes_no_memory(folder: Path) -> None:
    """Terabytes of weights would be made before they are found not to fit the file."""
    change_architecture(
        folder,
        generator=[[4096] * 8, [4096] * 8],
        generator_kernel=17,
        latent_dim=4096,
        n_classes=10_000,
    )
    message = refused(folder)
    assert "weights.safetensors has" in message
    assert "values" in message


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 1000, -1])
def test_truncated_weights_are_refused(folder: Path, keep: int) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "weights.safetensors" in refused(folder)


def test_damaged_weights_are_refused(folder: Path) -> None:
    path = folder / "weights.safetensors"
    whole = path.read_bytes()
    damaged = [b"\xff" * 8 + whole[8:], whole + b"more", pickle.dumps({"a": 1}) + whole]
    damaged.append(whole[:8] + whole[8:].replace(b'"F32"', b'"F99"', 1))
    for content in damaged:
        path.write_bytes(content)
        assert "weights.safetensors" in refused(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    path = folder / "weights.safetensors"
    weights = load_file(path)
    name = sorted(weights)[0]
    weights[name].flatten()[0] = value
    path.write_bytes(save(weights))
    assert refused(folder) == f"{path}: {name} holds values that are no finite numbers"


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float8_e4m3fn, torch.int64])
def test_weights_of_another_type_are_refused(folder: Path, kind: torch.dtype) -> None:
    path = folder / "weights.safetensors"
    weights = load_file(path)
    name = sorted(weights)[0]
    path.write_bytes(save(weights | {name: weights[name].to(kind)}))
    assert refused(folder) == f"{path}: {name} is of {kind}; allowed: torch.float32"


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    for change_to in (
        {"generator": [[8], [5]]},
        {"generator": [[8], [4, 4]]},
        {"n_classes": 2},
        {"channels": 3},
        {"output_kernel": 3},
        {"output": "grow"},
        {"label": "none"},
        {"label": "convolution"},
        {"generator_norm": "none"},
        {"first_layer": "dense"},
        {"kind": "dense"},
        {"image_size": 32, "first_side": 8},
    ):
        change_architecture(folder, **change_to)
        message = refused(folder)
        assert "weights.safetensors" in message
    # A projection of the error says which layer.
    assert "first.weight" in message


def test_read_meta_and_load_weights_work_for_any_network(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    save_checkpoint(tmp_path / "m", "linear", network.state_dict(), {})
    assert read_meta(tmp_path / "m", "linear")["kind"] == "linear"
    other = nn.Linear(3, 2)
    check_size(tmp_path / "m", other)
    load_weights(tmp_path / "m", other)
    assert torch.equal(other.weight, network.weight)
    with pytest.raises(CheckpointError, match="does not fit"):
        load_weights(tmp_path / "m", nn.Linear(2, 2))
    with pytest.raises(CheckpointError, match="has 1,001,000 values"):
        check_size(tmp_path / "m", nn.Linear(1000, 1000, device="meta"))
