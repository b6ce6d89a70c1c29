from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augment.generators.family import IMAGE_SIZES, LARGEST_MAP
from augment.generators.gan.architectures import (
    Architecture,
    largest_map,
    multiply_adds,
    read_architecture,
)
from augment.generators.gan.networks import CodeDiscriminator, Discriminator, Encoder, Generator
from augment.generators.gan.systems import SYSTEMS

CDCGAN = SYSTEMS["cdcgan"].networks
GOOD = CDCGAN.to_dict()
Table = tuple[tuple[int, ...], ...]


def one_each(*channels: int) -> Table:
    return tuple((c,) for c in channels)


# What a family is at each size: first map's side, how the image is made, both tables.
RESIZED: dict[str, dict[int, tuple[int, str, Table, Table]]] = {
    # Its first map is 7 wide: 8 where the image is a power of 2.
    "cdcgan": {
        28: (7, "double", one_each(256, 128), one_each(128, 256)),
        32: (8, "double", one_each(256, 128), one_each(128, 256)),
        64: (8, "double", one_each(256, 128, 64), one_each(64, 128, 256)),
        128: (8, "double", one_each(256, 128, 64, 32), one_each(32, 64, 128, 256)),
    },
    # Published at 64: smaller images lose the deepest stages, larger ones get a narrower one.
    "dcgan-reference": {
        28: (7, "double", one_each(256, 128), one_each(128, 256)),
        32: (4, "double", one_each(512, 256, 128), one_each(128, 256, 512)),
        64: (4, "double", one_each(1024, 512, 256, 128), one_each(128, 256, 512, 1024)),
        128: (4, "double", one_each(1024, 512, 256, 128, 64), one_each(64, 128, 256, 512, 1024)),
    },
    # Grows from 16 to 28; from a power of 2 to another it doubles.
    "dcgan-compact": {
        28: (4, "grow", one_each(512, 256, 128), one_each(128, 256, 512)),
        32: (4, "double", one_each(512, 256, 128), one_each(128, 256, 512)),
        64: (4, "double", one_each(512, 256, 128, 64), one_each(64, 128, 256, 512)),
        128: (4, "double", one_each(512, 256, 128, 64, 32), one_each(32, 64, 128, 256, 512)),
    },
    # Stages of several layers stay as they are.
    "cdcgan-extended": {
        28: (7, "double", ((256, 256), (128, 128)), ((128, 128), (256, 256))),
        64: (8, "double", ((256, 256), (128, 128), (64,)), ((64,), (128, 128), (256, 256))),
    },
    "tribhuvan-fashion": {
        28: (7, "same", ((128,), (256,), (128, 64)), one_each(64, 128, 256)),
        64: (8, "same", ((128,), (256,), (128, 64), (32,)), one_each(32, 64, 128, 256)),
    },
    "tribhuvan-faces": {
        28: (7, "same", ((512, 512), (256, 256), (128, 64)), one_each(64, 128, 256)),
        64: (
            4,
            "same",
            ((1024,), (1024,), (512, 512), (256, 256), (128, 64)),
            one_each(64, 128, 256, 512, 1024),
        ),
        128: (
            4,
            "same",
            ((1024,), (1024,), (512, 512), (256, 256), (128, 64), (32,)),
            one_each(32, 64, 128, 256, 512, 1024),
        ),
    },
    # Halving 32 ends above a channel for each of four pixels: none is narrower than 4.
    "fau-cdcgan": {
        28: (7, "double", one_each(128, 64), one_each(64, 128)),
        128: (8, "double", one_each(128, 64, 32, 16), one_each(16, 32, 64, 128)),
    },
    # Dense layers do not depend on the size.
    "cgan-dense": {
        28: (7, "double", one_each(512, 1024), one_each(1024, 512)),
        128: (8, "double", one_each(512, 1024), one_each(1024, 512)),
    },
}


@pytest.mark.parametrize(
    ("name", "image_size"), [(name, size) for name, sizes in RESIZED.items() for size in sizes]
)
def test_a_family_at_other_sizes(name: str, image_size: int) -> None:
    a = SYSTEMS[name].networks.resized(4, 3, image_size)
    found = (a.first_side, a.output, a.generator, a.discriminator)
    assert found == RESIZED[name][image_size]
    assert (a.n_classes, a.channels, a.image_size) == (4, 3, image_size)


@pytest.mark.parametrize("name", SYSTEMS)
def test_at_its_own_size_a_family_is_as_published(name: str) -> None:
    published = SYSTEMS[name].networks
    a = published.resized(published.n_classes, published.channels, published.image_size)
    assert a == published


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_family_comes_to_every_size_and_back_from_json(name: str, image_size: int) -> None:
    system = SYSTEMS[name]
    for channels, width in ((1, 1.0), (3, 0.03)):
        a = system.architecture(7, channels, image_size, width)
        if a.kind == "convolutional":
            side = a.first_side * 2 ** (len(a.generator) - 1)
            assert {"double": 2 * side, "same": side, "grow": 28}[a.output] == image_size
        assert (a.first_side == 7) == (image_size == 28 and a.output != "grow")
        values = a.to_dict()
        read = read_architecture(json.loads(json.dumps(values)))
        assert read == a
        assert hash(read) == hash(a)  # Lists are tuples again.
        assert values == read.to_dict()
    # What a family is, it is at every size.
    kept = set(values) - {
        "n_classes", "channels", "image_size", "generator", "discriminator", "first_side",
        "output", "code_discriminator",
    }  # fmt: skip
    assert {key: values[key] for key in kept} == {
        key: system.networks.to_dict()[key] for key in kept
    }


def test_new_stages_are_never_narrower_than_four_channels() -> None:
    narrow = replace(CDCGAN, generator=((8,), (6,)), discriminator=((6,), (8,)))
    a = narrow.resized(10, 1, 128)
    assert a.generator == one_each(8, 6, 4, 4)
    assert a.discriminator == one_each(4, 4, 6, 8)


def test_width_multiplies_every_number_of_channels() -> None:
    extended, aae = SYSTEMS["cdcgan-extended"].networks, SYSTEMS["padova-aae"].networks
    half = extended.resized(10, 1, 28, 0.5)
    assert half.generator == ((128, 128), (64, 64))
    assert half.discriminator == ((64, 64), (128, 128))
    double = aae.resized(1, 3, 64, 2.0)
    assert double.generator == one_each(1024, 512, 256, 128)
    assert double.discriminator == one_each(128, 256, 512, 1024)
    assert double.code_discriminator == (1024, 512)
    # 96 x 0.3 = 28.8; the noise stays as long.
    a = SYSTEMS["cdcgan-projection"].networks.resized(10, 1, 28, 0.3)
    assert a.generator == one_each(29, 14)
    assert a.latent_dim == 100
    # A layer keeps four channels, or as many as it has where those are fewer.
    narrow = replace(CDCGAN, generator=((256,), (3,)))
    assert narrow.resized(10, 1, 28, 1e-6).generator == one_each(4, 3)


def weight_uses(*networks: nn.Module) -> list[int]:
    """Count the products of every layer that is called from now on."""
    used: list[int] = []

    def count(layer: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        # Every place of the smaller map meets the whole weight.
        spread = args[0] if isinstance(layer, nn.ConvTranspose2d) else out
        used.append(weight.numel() * (spread[0, 0].numel() if spread.ndim == 4 else 1))

    for network in networks:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                layer.register_forward_hook(count)
    return used


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_multiply_adds_are_those_of_the_layers(name: str, channels: int) -> None:
    published = SYSTEMS[name].networks
    a = published.resized(5, channels, published.image_size, 0.05)
    # Spectral norm is slow to start without numbers.
    with torch.device("cpu" if a.discriminator_norm == "spectral" else "meta"):
        generator = Generator(a)
        opponents = (
            [Encoder(a), CodeDiscriminator(a)] if a.code_discriminator else [Discriminator(a)]
        )
        latent, labels = torch.zeros(2, a.latent_dim), torch.zeros(2, dtype=torch.int64)
    generating, opposing = weight_uses(generator), weight_uses(*opponents)
    images = generator(latent, labels)
    for key in ("first", "first_label"):
        layer = getattr(generator, key, None)
        if isinstance(layer, nn.ConvTranspose2d):  # Runs as a matrix product, without its hook.
            generating.append(layer.weight.numel())
    if a.code_discriminator:
        opponents[1](opponents[0](images))
    else:
        opponents[0](images, labels)
    assert multiply_adds(a) == (sum(generating), sum(opposing))


def cases(key: str, *values: Any) -> list[tuple[str, Any]]:
    return [(key, value) for value in values]


HOSTILE: list[tuple[str, Any]] = [
    *cases("n_classes", True, 0, -1, 10_001, 10**30, 10**400, "10", 10.0, None, [10]),
    *cases("channels", True, 1.0, "1", 0, 2, None),
    *cases("image_size", 28.0, "28", True, 27, 29, 10**20),
    *cases("first_side", 0, -7, 129, 7.0, "7", True),
    *cases("latent_dim", 0, 4097, "100", 100.0, True),
    *cases("generator", [], [[]], [[256], []], [256, 128], [["256"], [128]], "ab", None),
    *cases("generator", [[256.0], [128]], [[True], [128]], [[0], [128]], [[4097], [9]]),
    *cases("generator", {"0": [256]}, [[4] * 9, [4]], [[10**400], [128]]),
    *cases("discriminator", [[4]] * 9, [[-1]]),
    *cases("generator_kernel", 0, 18, 5.0, "5", True),
    *cases("output_kernel", 0, 18, None),
    *cases("discriminator_kernel", 0, 18, 10**9),
    *cases("kind", "recurrent", 1, None, "x" * 300),
    *cases("output", "", "DOUBLE", True),
    *cases("label", "planes", 0, None),
    *cases("latent", "cauchy", 1),
    *cases("first_layer", "Dense", False),
    *cases("first_activation", 1, 0, "true", None),
    *cases("discriminator_norms_first", 1, ""),
    *cases("generator_norm", "spectral", "layer"),
    *cases("discriminator_norm", "instance", True),
    *cases("generator_slope", True, "0.1", -0.1, 1.1, float("nan"), float("inf")),
    *cases("discriminator_slope", True, None, 10**400),
    *cases("dropout", [1.0], [-0.1], [True], ["0.1"], "0.3", [float("nan")], [0.1] * 65),
    *cases("code_discriminator", [0], [4097], [1.0], ["1"], 512, [4] * 9),
]


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_a_hostile_value_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{key}[.\d]* is .+; allowed: .+$") as caught:
        read_architecture(GOOD | {key: value})
    assert len(str(caught.value)) < 300


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "values",
    [
        None, 1, "x", [], {}, [GOOD], json.dumps(GOOD),
        GOOD | {"base_channels": 128}, GOOD | {"": 0}, GOOD | {"__class__": "x"},
        {key: value for key, value in GOOD.items() if key != "generator"},
        {key: value for key, value in GOOD.items() if key != "n_classes"},
        nested(100_000), GOOD | {"generator": nested(100_000)}, GOOD | {"dropout": nested(250)},
        GOOD | {"kind": "\ud800"},
        GOOD | {"label": {"none"}}, GOOD | {"kind": b"dense"},
    ],
)  # fmt: skip
def test_what_is_no_architecture_is_refused(values: object) -> None:
    said = r"^(the architecture is .+; allowed: .+|.+ is (missing|unknown)|not JSON: .+)$"
    with pytest.raises(ValueError, match=said) as caught:
        read_architecture(values)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("changes", "makes"),
    [
        ({"generator": [[256], [128], [64]]}, 56),
        ({"generator": [[256]]}, 14),
        ({"first_side": 8}, 32),
        ({"first_side": 4}, 16),
        ({"image_size": 32}, 28),
        ({"image_size": 128}, 28),
        ({"output": "same"}, 14),
        ({"output": "grow", "generator": [[256], [128], [64]]}, 28),  # Nothing left to grow.
        ({"output": "grow", "first_side": 128, "generator": [[4]] * 8}, 128 * 2**7),
    ],
)
def test_a_table_that_does_not_make_the_image_is_refused(
    changes: dict[str, Any], makes: int
) -> None:
    side = changes.get("image_size", 28)
    with pytest.raises(ValueError, match=f"^the generator's table makes {makes} .*, not {side}$"):
        read_architecture(GOOD | changes)


def test_tables_that_make_the_image_are_taken() -> None:
    for changes in (
        {"output": "same", "generator": [[256], [128], [64, 32]]},
        {"output": "grow"},
        {"output": "grow", "first_side": 13},
        {"image_size": 64, "first_side": 16},
        {"kind": "dense", "generator": [[9]], "first_side": 1},  # Makes the pixels in one layer.
    ):
        a = read_architecture(GOOD | changes)
        assert isinstance(a, Architecture)
        with torch.device("meta"):
            images = Generator(a)(torch.empty(2, a.latent_dim), torch.empty(2, dtype=torch.int64))
        assert images.shape == (2, 1, a.image_size, a.image_size)


def test_the_largest_map_by_hand() -> None:
    assert largest_map(CDCGAN) == 128 * 14**2
    assert largest_map(replace(CDCGAN, discriminator=((512,), (256,)))) == 512 * 14**2
    assert largest_map(replace(CDCGAN, generator=((1024,), (128, 64)))) == 1024 * 7**2
    assert largest_map(replace(CDCGAN, kind="dense", generator=((9,), (700,)))) == 700


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("size", IMAGE_SIZES)
def test_the_widest_that_can_be_trained_can_be_loaded(name: str, size: int) -> None:
    a = SYSTEMS[name].architecture(10, 3, size, width=4.0)
    assert largest_map(a) <= LARGEST_MAP
    assert read_architecture(a.to_dict()) == a


def test_maps_beyond_memory_are_refused() -> None:
    a = SYSTEMS["tribhuvan-faces"].architecture(10, 3, 128)
    huge = replace(a, generator=(*a.generator[:-1], (4096,)))
    with pytest.raises(ValueError, match=r"a map of an image has 67,108,864 values; allowed: 4,1"):
        read_architecture(huge.to_dict())
