from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.checkpoints import save_checkpoint
from augment.errors import AugmentError
from augment.generators.gan.networks import Generator
from augment.generators.gan.systems import SYSTEMS
from augment.generators.sampling import CHUNK, Sampler, load_sampler, to_uint8

SEED = 11
MOST = 3 * CHUNK


def make_generator(name: str = "cdcgan-projection") -> Sampler:
    architecture = SYSTEMS[name].architecture(3, 1, 28, width=0.08)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        generator = Generator(architecture)
        # Statistics as after training, so that evaluation mode gives images with contrast.
        for _ in range(5):
            generator(torch.randn(64, 100), torch.arange(64) % 3)
    return Sampler(generator.eval())


GENERATOR = make_generator()


@pytest.fixture(scope="module")
def whole() -> dict[int, np.ndarray]:
    """The first images of every label."""
    return {label: GENERATOR.draw(label, 0, MOST, SEED) for label in range(3)}


def test_what_is_drawn(whole: dict[int, np.ndarray]) -> None:
    images = whole[1]
    assert images.dtype == np.uint8
    assert images.shape == (MOST, 28, 28, 1)
    assert len({image.tobytes() for image in images}) == MOST
    assert not np.array_equal(images, whole[0])
    assert not np.array_equal(images[:9], GENERATOR.draw(1, 0, 9, SEED + 1))


@settings(max_examples=25, deadline=None)
@given(
    label=st.integers(0, 2),
    ends=st.tuples(st.integers(0, MOST), st.integers(0, MOST)).map(sorted),
)
def test_image_i_is_the_same_bytes_in_every_range(
    whole: dict[int, np.ndarray], label: int, ends: list[int]
) -> None:
    start, stop = ends
    np.testing.assert_array_equal(
        GENERATOR.draw(label, start, stop, SEED), whole[label][start:stop]
    )


@pytest.mark.parametrize(
    "ends",
    [(0, 1), (0, CHUNK), (CHUNK - 1, CHUNK + 1), (CHUNK, CHUNK + 1), (2 * CHUNK - 1, 3 * CHUNK)],
)
def test_the_edges_of_a_chunk(whole: dict[int, np.ndarray], ends: tuple[int, int]) -> None:
    np.testing.assert_array_equal(GENERATOR.draw(2, *ends, SEED), whole[2][slice(*ends)])


@pytest.mark.parametrize("at", [0, 7, CHUNK])
def test_no_images_at_all(at: int) -> None:
    assert GENERATOR.draw(0, at, at, SEED).shape == (0, 28, 28, 1)


def test_neither_other_labels_nor_global_state_matter() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = GENERATOR.draw(2, 40, 50, SEED)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    GENERATOR.draw(0, 0, 300, SEED)
    np.testing.assert_array_equal(GENERATOR.draw(2, 40, 50, SEED), first)


@settings(max_examples=10, deadline=None)
@given(start=st.integers(0, 300), n=st.integers(0, 300), block=st.integers(40, 700))
def test_blocks_join_to_the_whole(
    whole: dict[int, np.ndarray], start: int, n: int, block: int
) -> None:
    blocks = list(GENERATOR.blocks(0, start, start + n, SEED, block))
    assert all(len(b) == block for b in blocks[:-1])
    joined = np.concatenate([whole[0][:0], *blocks])
    np.testing.assert_array_equal(joined, whole[0][start : start + n])


def test_images_that_are_no_numbers_are_refused() -> None:
    network = Generator(SYSTEMS["cdcgan"].architecture(3, 1, 28, 0.05))
    for name, values in network.named_buffers():
        if name.endswith("running_var"):
            values.fill_(-1)
    with pytest.raises(AugmentError, match="images of label 1 hold values that are no finite"):
        Sampler(network.eval()).draw(1, 0, 3, seed=0)


def test_to_uint8_by_hand() -> None:
    values = torch.tensor([-1.0, 1.0, 0.0, -1.5, 1.5, -1 + 1 / 127.5, 1 - 0.51 / 127.5])
    pixels = to_uint8(values.reshape(1, 1, 1, 7))
    assert pixels.flatten().tolist() == [0, 255, 128, 0, 255, 1, 254]


def test_to_uint8_moves_channels_last_and_undoes_the_scaling() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    pixels.flat[:120] = np.arange(120)
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    scaled.requires_grad_()
    back = to_uint8(scaled)
    np.testing.assert_array_equal(back, pixels)
    assert back.flags.c_contiguous
    all_values = torch.arange(256).reshape(1, 1, 16, 16).float().div(127.5).sub(1)
    assert to_uint8(all_values).flatten().tolist() == list(range(256))


def test_a_generator_without_labels_has_one_stream_of_images_a_label_asked_for() -> None:
    generator = make_generator(name="dcgan-compact")
    images = generator.draw(0, 0, 12, SEED)
    assert len({image.tobytes() for image in images}) == 12
    np.testing.assert_array_equal(images[5:], generator.draw(0, 5, 12, SEED))


def test_noise_is_drawn_by_the_architectures_law() -> None:
    generator = make_generator(name="cdcgan")
    uniform = Generator(replace(generator.architecture, latent="uniform"))
    uniform.load_state_dict(generator.network.state_dict())
    seen: list[torch.Tensor] = []
    for network in (generator.network, uniform):
        network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        Sampler(network.eval()).draw(1, 0, 2, SEED)
    normal, flat = seen
    assert normal.shape == flat.shape == (CHUNK, 100)
    assert normal.abs().max() > 3
    assert 0.99 < float(flat.abs().max()) <= 1


def test_what_only_training_needs_does_not_matter_to_a_checkpoint(tmp_path: Path) -> None:
    a = GENERATOR.architecture
    others = (
        replace(a, discriminator=((9,),)),
        replace(a, dropout=(0.5,), discriminator_norm="none"),
        replace(a, discriminator_slope=0.3, code_discriminator=(8,)),
    )
    for other in others:
        meta = {"architecture": other.to_dict()}
        save_checkpoint(tmp_path / "generator", "generator", GENERATOR.network.state_dict(), meta)
        loaded, _ = load_sampler(tmp_path / "generator")
        assert loaded.architecture == other
        np.testing.assert_array_equal(loaded.draw(0, 0, 2, SEED), GENERATOR.draw(0, 0, 2, SEED))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_systems_checkpoint_is_the_same_generator(tmp_path: Path, name: str) -> None:
    architecture = SYSTEMS[name].architecture(3, 1, 28, width=0.02)
    generator = Generator(architecture)
    meta = {"architecture": architecture.to_dict()}
    save_checkpoint(tmp_path / "generator", "generator", generator.state_dict(), meta)
    loaded, _ = load_sampler(tmp_path / "generator")
    assert loaded.architecture == architecture
    expected = Sampler(generator.eval()).draw(2, 0, 3, SEED)
    np.testing.assert_array_equal(loaded.draw(2, 0, 3, SEED), expected)
