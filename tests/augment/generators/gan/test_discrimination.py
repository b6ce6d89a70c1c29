from pathlib import Path

import numpy as np
import pytest
import torch

from augment.checkpoints import CheckpointError, save_checkpoint
from augment.generators.gan.discrimination import discriminator_scores, load_discriminator
from augment.generators.gan.networks import Discriminator
from augment.generators.gan.systems import SYSTEMS


def network(name: str = "cdcgan-smooth") -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(SYSTEMS[name].architecture(3, 1, 28, width=0.05))


def pixels(n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 28, 28, 1), dtype=np.uint8), rng.integers(0, 3, n)


def save(folder: Path, discriminator: Discriminator, kind: str = "discriminator") -> None:
    meta = {"architecture": discriminator.architecture.to_dict()}
    save_checkpoint(folder, kind, discriminator.state_dict(), meta)


@pytest.mark.parametrize("name", ["cdcgan-smooth", "cdcgan-projection", "cgan-dense", "fau-cdcgan"])
def test_a_saved_discriminator_says_the_same(tmp_path: Path, name: str) -> None:
    saved = network(name)
    save(tmp_path / "d", saved)
    loaded, meta = load_discriminator(tmp_path / "d")
    assert meta["kind"] == "discriminator"
    first, second = (discriminator_scores(d, *pixels(), batch_size=10) for d in (saved, loaded))
    assert np.array_equal(first, second)
    assert first.shape == (20,)
    assert first.dtype == np.float32
    assert ((first > 0) & (first < 1)).all()


def test_another_kind_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "d", network(), kind="generator")
    with pytest.raises(CheckpointError, match="holds a 'generator'; a 'discriminator' is needed"):
        load_discriminator(tmp_path / "d")


def test_batch_norm_sees_each_batch_as_training_does() -> None:
    discriminator = network()
    images, labels = pixels()
    scores = discriminator_scores(discriminator, images, labels, batch_size=10)
    discriminator.train()
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        expected = [
            discriminator(tensors[k : k + 10], torch.from_numpy(labels[k : k + 10])).sigmoid()
            for k in (0, 10)
        ]
    np.testing.assert_allclose(scores, torch.cat(expected).numpy(), atol=1e-6)
    # Running statistics play no part.
    again = discriminator_scores(discriminator, images, labels, batch_size=10)
    assert np.array_equal(scores, again)


def test_dropout_is_off() -> None:
    discriminator = network("fau-cdcgan")
    first, second = (
        discriminator_scores(discriminator, *pixels(), batch_size=20) for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_a_part_of_a_batch_is_left_out() -> None:
    images, labels = pixels(25)
    scores = discriminator_scores(network(), images, labels, batch_size=10)
    assert len(scores) == 20
    assert np.array_equal(scores, discriminator_scores(network(), images[:20], labels[:20], 10))
    assert len(discriminator_scores(network(), images, labels, batch_size=26)) == 0
