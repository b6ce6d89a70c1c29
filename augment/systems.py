"""The generators that can be trained by name: an architecture and how it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from augment.errors import AugmentError

if TYPE_CHECKING:
    from augment.networks import Architecture


@dataclass(frozen=True)
class System:
    """One generator by name; every option composes with every other."""

    name: str
    description: str  # One line for the user.
    base_channels: int  # Maps of the layer next to an image of 28 or 32 pixels.
    kernel_size: int  # Side of the strided convolutions.
    label: Literal["concatenate", "projection"]  # The discriminator's label path.
    discriminator_norm: Literal["batch", "spectral"]
    discriminator_slope: float  # LeakyReLU's negative slope; 0 is ReLU.
    loss: Literal["bce", "hinge"]
    real_target: float  # Target of real images in the BCE loss (one-sided label smoothing).
    batch_size: int  # Real images a step.
    generator_rate: float  # Adam learning rates.
    discriminator_rate: float
    betas: tuple[float, float] = (0.5, 0.999)
    ema_decay: float = 0.0  # Per step; 0 keeps no average.
    decay_start: float = 1.0  # Share of the training after which both rates fall linearly to 0.

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    def architecture(
        self, n_classes: int, channels: int, image_size: int, base_channels: int | None = None
    ) -> Architecture:
        """Return the networks' architecture for an image set.

        Larger images have more layers. With ``base_channels`` None they start narrower, so that
        the widest layer, which costs most, stays as wide as for 28 pixels.
        """
        from augment.networks import UPSAMPLINGS, Architecture

        if base_channels is None:
            extra_layers = UPSAMPLINGS[image_size] - UPSAMPLINGS[28]
            base_channels = max(1, self.base_channels // 2**extra_layers)
        return Architecture(
            n_classes=n_classes,
            channels=channels,
            image_size=image_size,
            base_channels=base_channels,
            kernel_size=self.kernel_size,
            label=self.label,
            discriminator_norm=self.discriminator_norm,
            discriminator_slope=self.discriminator_slope,
        )


SYSTEMS = {
    system.name: system
    for system in (
        System(
            name="cdcgan-projection",
            description="conditional DCGAN with hinge loss, spectral norm, projection and EMA",
            base_channels=48,
            kernel_size=5,
            label="projection",
            discriminator_norm="spectral",
            discriminator_slope=0.1,
            loss="hinge",
            real_target=1.0,
            batch_size=100,
            generator_rate=4e-4,
            discriminator_rate=8e-4,
            ema_decay=0.999,
            decay_start=0.5,
        ),
        System(
            name="cdcgan-smooth",
            description="Streli & Horvath's best: conditional DCGAN, one-sided label smoothing",
            base_channels=128,
            kernel_size=5,
            label="concatenate",
            discriminator_norm="batch",
            discriminator_slope=0.0,
            loss="bce",
            real_target=0.9,
            batch_size=100,
            generator_rate=2e-4,
            discriminator_rate=2e-4,
        ),
    )
}


def get_system(name: str, **overrides: Any) -> System:
    """Return the system ``name`` with every override that is not None in place.

    Raises:
        AugmentError: for an unknown name; the line lists the known ones.
    """
    if name not in SYSTEMS:
        raise AugmentError(f"generator {name!r} is unknown; allowed: {', '.join(SYSTEMS)}")
    given = {key: value for key, value in overrides.items() if value is not None}
    return replace(SYSTEMS[name], **given)
