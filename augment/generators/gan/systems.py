"""The generators that can be trained by name: published tables, and how they are trained.

Every system is another one with some options replaced; none has networks of its own. What a study
does not say is chosen here, and `chosen` says so.
"""

from __future__ import annotations

from dataclasses import replace

from augment.generators.gan.architectures import Architecture
from augment.generators.gan.settings import System

# A. Streli & Horvath, Imperial College London: MNIST.
_REFERENCE = System(
    "dcgan-reference",
    "Streli & Horvath's unconditional DCGAN on 64x64 images",
    Architecture(
        n_classes=10,
        channels=1,
        image_size=64,
        generator=((1024,), (512,), (256,), (128,)),
        discriminator=((128,), (256,), (512,), (1024,)),
        first_side=4,
        generator_kernel=4,
        output_kernel=4,
        discriminator_kernel=4,
        label="none",
    ),
    chosen="betas 0.5 and 0.999",
)
_COMPACT = replace(
    _REFERENCE,
    name="dcgan-compact",
    description="the reference without its fourth layers and with half the channels, 28x28",
    networks=replace(
        _REFERENCE.networks,
        image_size=28,
        generator=((512,), (256,), (128,)),
        discriminator=((128,), (256,), (512,)),
        output="grow",
    ),
    chosen="betas 0.5 and 0.999; the discriminator's last convolution covers its 3x3 map",
)
_CDCGAN = System(
    "cdcgan",
    "Streli & Horvath's conditional DCGAN: label beside the noise and as planes",
    Architecture(
        n_classes=10,
        channels=1,
        image_size=28,
        generator=((256,), (128,)),
        discriminator=((128,), (256,)),
        first_side=7,
    ),
    chosen="noise of length 100; betas 0.5 and 0.999",
)
_EXTENDED = replace(
    _CDCGAN,
    name="cdcgan-extended",
    description="cdcgan with two more convolutions in each network",
    networks=replace(
        _CDCGAN.networks,
        generator=((256, 256), (128, 128)),
        discriminator=((128, 128), (256, 256)),
    ),
    chosen="the further convolutions have stride 1, one on each inner map, as wide as the map",
)
_SMOOTH = replace(
    _CDCGAN,
    name="cdcgan-smooth",
    description="cdcgan with real target 0.9, Streli & Horvath's best",
    real_target=0.9,
)
_DENSE = replace(
    _CDCGAN,
    name="cgan-dense",
    description="cdcgan with dense layers instead of convolutions",
    networks=replace(
        _CDCGAN.networks,
        kind="dense",
        generator=((512,), (1024,)),
        discriminator=((1024,), (512,)),
    ),
    chosen="hidden layers of 512 and 1024 units",
)


def _without_norm(system: System, name: str) -> System:
    return replace(
        system,
        name=name,
        description=f"{system.name} without batch norm",
        networks=replace(system.networks, generator_norm="none", discriminator_norm="none"),
    )


_STUDY_A = (
    _REFERENCE,
    _COMPACT,
    _without_norm(_COMPACT, "dcgan-no-bn"),
    replace(
        _COMPACT,
        name="dcgan-d3",
        description="dcgan-compact with three discriminator updates a generator update",
        discriminator_updates=3,
        chosen=f"{_COMPACT.chosen}; the updates share a step's real images, with fresh noise each",
    ),
    replace(
        _COMPACT,
        name="dcgan-lr",
        description="dcgan-compact with learning rate 0.002",
        generator_rate=2e-3,
        discriminator_rate=2e-3,
    ),
    _CDCGAN,
    _EXTENDED,
    replace(
        _EXTENDED,
        name="cdcgan-balance",
        description="cdcgan-extended with the balance moved toward the discriminator",
        discriminator_updates=2,
        chosen=f"{_EXTENDED.chosen}; two discriminator updates a generator update",
    ),
    _without_norm(_CDCGAN, "cdcgan-no-bn"),
    _SMOOTH,
    replace(
        _CDCGAN,
        name="cdcgan-label-conv",
        description="cdcgan whose labels pass a convolution of their own first",
        networks=replace(_CDCGAN.networks, label="convolution"),
        chosen="noise or image and label get half the first layer's channels each",
    ),
    replace(
        _SMOOTH,
        name="cdcgan-feedback",
        description="cdcgan-smooth with the judge's score in the generator's loss",
        feedback=1.0,
        chosen="the score is the judge's log-likelihood of the asked label",
    ),
    _DENSE,
    _without_norm(_DENSE, "cgan-dense-no-bn"),
)

# B. Bohnstedt, FAU Erlangen-Nuernberg: MNIST.
_STUDY_B = (
    System(
        "fau-cdcgan",
        "Bohnstedt's conditional DCGAN: noise and label each through a dense layer",
        Architecture(
            n_classes=10,
            channels=1,
            image_size=28,
            generator=((128,), (64,)),
            discriminator=((64,), (128,)),
            first_side=7,
            first_layer="dense",
            generator_kernel=4,
            output_kernel=4,
            discriminator_kernel=4,
            label="dense",
            discriminator_norm="none",
            generator_slope=0.2,
            discriminator_slope=0.2,
            dropout=(0.0, 0.4),
        ),
        discriminator_rate=1e-4,
        generator_updates=2,
        chosen="all widths and kernels; the labels' dense layers start from N(0, 1), as an "
        "embedding does; batch norm in the generator only (without any it went black in one "
        "epoch), LeakyReLU 0.2, dropout 0.4 before the score; two generator updates a step, the "
        "discriminator's rate 0.0001; betas 0.5 and 0.999",
    ),
    System(
        "fau-gan",
        "Bohnstedt's plain GAN: dense layers, no labels",
        Architecture(
            n_classes=10,
            channels=1,
            image_size=28,
            kind="dense",
            generator=((256,), (512,), (1024,)),
            discriminator=((512,), (256,)),
            first_side=7,
            label="none",
            discriminator_norm="none",
            generator_slope=0.2,
            discriminator_slope=0.2,
        ),
        chosen="dense layers (3.3 s an epoch allow no convolutions), all widths, batch norm in the "
        "generator, LeakyReLU 0.2; betas 0.5 and 0.999",
    ),
)

# C. Sharma, Tribhuvan University: Fashion-MNIST and faces.
_STUDY_C = (
    System(
        "tribhuvan-fashion",
        "Sharma's unconditional DCGAN on garments: ReLU before batch norm, dropout",
        Architecture(
            n_classes=10,
            channels=1,
            image_size=28,
            generator=((128,), (256,), (128, 64)),
            discriminator=((64,), (128,), (256,)),
            first_side=7,
            output="same",
            first_layer="dense",
            first_activation=False,
            label="none",
            generator_norm="batch-after",
            discriminator_norm="none",
            discriminator_slope=0.2,
            dropout=(0.3, 0.3, 0.4, 0.0),
        ),
        real_target=0.9,
        batch_size=32,
        generator_rate=1e-3,
        discriminator_rate=1e-3,
        chosen="kernels of 5; standard normal noise; beta2 0.999",
    ),
    System(
        "tribhuvan-faces",
        "Sharma's unconditional DCGAN on faces: 64x64 colour, exponential decay",
        Architecture(
            n_classes=1,
            channels=3,
            image_size=64,
            generator=((1024,), (1024,), (512, 512), (256, 256), (128, 64)),
            discriminator=((64,), (128,), (256,), (512,), (1024,)),
            first_side=4,
            output="same",
            first_layer="dense",
            first_activation=False,
            generator_kernel=4,
            output_kernel=3,
            label="none",
            generator_norm="batch-after",
            discriminator_norms_first=True,
            discriminator_slope=0.2,
            dropout=(0.3, 0.3, 0.3, 0.3, 0.3, 0.4),
        ),
        real_target=0.9,
        batch_size=128,
        generator_rate=2e-3,
        discriminator_rate=2e-3,
        decay_factor=0.96,
        decay_steps=40_000,
        chosen="factor 0.96 of the decay, smooth; standard normal noise; beta2 0.999",
    ),
)

# Published at 64 pixels: the DCGAN's four doublings of a map that is 4 wide, in colour.
_DCGAN_64 = Architecture(
    n_classes=1,
    channels=3,
    image_size=64,
    generator=((512,), (256,), (128,), (64,)),
    discriminator=((64,), (128,), (256,), (512,)),
    first_side=4,
    generator_kernel=4,
    output_kernel=4,
    discriminator_kernel=4,
    label="none",
    discriminator_slope=0.2,
)

# D. Joshi, Graphic Era Hill University: CelebA.
_STUDY_D = (
    System(
        "gehu-celeba",
        "Joshi's unconditional DCGAN on faces: no batch norm, uniform noise, N(0, 0.02)",
        replace(
            _DCGAN_64,
            first_layer="dense",
            latent="uniform",
            generator_norm="none",
            discriminator_norm="none",
        ),
        real_target=0.9,
        batch_size=128,
        init_std=0.02,
        chosen="a first map of 4x4, since 2x2 as written ends at 32x32; no batch norm, fake target "
        "0 and uniform noise, where the text contradicts itself; 64 first channels; batch 128",
    ),
)

# E. Aksoy & Tabar, University of Padova: anime faces.
_PADOVA = System(
    "padova-dcgan",
    "Aksoy & Tabar's unconditional DCGAN: six phases, each with a lower rate and slope",
    _DCGAN_64,
    batch_size=64,
    generator_rate=1e-3,
    discriminator_rate=1e-3,
    phases=(
        (0.0, 1.0, 0.2),
        (1 / 6, 0.2, 0.18),
        (2 / 6, 0.15, 0.16),
        (3 / 6, 0.1, 0.14),
        (4 / 6, 0.07, 0.12),
        (5 / 6, 0.05, 0.1),
    ),
    init_std=0.02,
    chosen="64x64 pixels; channels 512-256-128-64, batch norm and a start from N(0, 0.02) as in "
    "the DCGAN; six phases of equal length, the second at the DCGAN's rate of 0.0002, the others' "
    "rates and slopes; betas 0.5 and 0.999",
)
_STUDY_E = (
    _PADOVA,
    replace(
        _PADOVA,
        name="padova-aae",
        description="Aksoy & Tabar's adversarial autoencoder",
        networks=replace(
            _PADOVA.networks,
            generator_slope=0.2,
            code_discriminator=(512, 256),
        ),
        batch_size=128,
        generator_rate=2e-4,
        discriminator_rate=2e-4,
        phases=(),
        init_std=0.0,
        chosen="64x64 pixels; channels as the DCGAN's; a code of 100 numbers, standard normal; "
        "absolute error for the reconstruction, 0.05 for the adversarial term; "
        "Adam 0.0002, betas 0.5 and 0.999",
    ),
)

SYSTEMS = {
    system.name: system
    for system in (
        System(
            "cdcgan-projection",
            "conditional DCGAN with hinge loss, spectral norm, projection and averaged weights",
            Architecture(
                n_classes=10,
                channels=1,
                image_size=28,
                generator=((96,), (48,)),
                discriminator=((48,), (96,)),
                first_side=7,
                label="projection",
                discriminator_norm="spectral",
                discriminator_slope=0.1,
            ),
            loss="hinge",
            generator_rate=4e-4,
            discriminator_rate=8e-4,
            weights="average",
            decay_start=0.5,
        ),
        *_STUDY_A,
        *_STUDY_B,
        *_STUDY_C,
        *_STUDY_D,
        *_STUDY_E,
    )
}
