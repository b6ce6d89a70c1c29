"""The settings of one generator: its losses, rates and schedule beside its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from augment.errors import AugmentError
from augment.generators import family
from augment.generators.family import Cost, options_model
from augment.generators.gan.architectures import Architecture, multiply_adds


def _in_order(phases: tuple[tuple[float, float, float], ...]) -> tuple[Any, ...]:
    """Refuse phases that do not start one after the other, the first at 0."""
    last = None
    for start, factor, slope in phases:
        rises = start == 0 if last is None else start > last
        if not (rises and start < 1 and 0 < factor <= 1 and 0 <= slope < 1):
            raise ValueError("phases in order")
        last = start
    return phases


@dataclass(frozen=True)
class System(family.System):
    """One generator by name; every option composes with every other.

    What a user may replace is a field with a range and a meaning, here or in `Architecture`.
    """

    family: ClassVar[str] = "gan"

    name: str
    description: str  # One line for the user.
    networks: Architecture  # At the published image size.
    chosen: str = ""  # What the study leaves open, and what was taken.
    loss: Annotated[Literal["bce", "hinge"], Field(description="of both networks")] = "bce"
    real_target: Annotated[
        float, Field(gt=0, le=1, description="bce's target of real images (label smoothing)")
    ] = 1.0
    batch_size: Annotated[int, Field(ge=2, le=4096, description="real images a step")] = 100
    generator_rate: Annotated[float, Field(gt=0, le=1, description="Adam's learning rate")] = 2e-4
    discriminator_rate: Annotated[float, Field(gt=0, le=1, description="Adam's learning rate")] = (
        2e-4
    )
    betas: tuple[float, float] = (0.5, 0.999)
    generator_updates: Annotated[
        int, Field(ge=1, le=100, description="updates a step, all on its batch of real images")
    ] = 1
    discriminator_updates: Annotated[
        int, Field(ge=1, le=100, description="updates a step, all on its batch of real images")
    ] = 1
    feedback: Annotated[
        float,
        Field(ge=0, le=1000, description="weight of the judge's score in the generator's loss"),
    ] = 0.0
    init_std: Annotated[
        float, Field(ge=0, le=1, description="weights start from N(0, this); 0 is PyTorch's start")
    ] = 0.0
    ema_decay: Annotated[
        float,
        Field(
            ge=0, lt=1, description="decay a step of the generator's averaged copy; 0 keeps none"
        ),
    ] = 0.999
    weights: Annotated[
        Literal["plain", "average"], Field(description="which copy is kept and draws")
    ] = "plain"
    decay_start: Annotated[
        float,
        Field(ge=0, le=1, description="share of the training after which both rates fall to 0"),
    ] = 1.0
    decay_factor: Annotated[
        float, Field(gt=0, le=1, description="both rates are multiplied by it over decay_steps")
    ] = 1.0
    decay_steps: Annotated[int, Field(ge=1, le=10**9, description="steps of that decay")] = 1000
    phases: Annotated[
        tuple[tuple[float, float, float], ...],
        AfterValidator(_in_order),
        Field(
            max_length=100,
            description="training in phases, each [share of the training at which it starts, "
            "factor on both rates, the discriminator's slope]; [] is one phase",
            json_schema_extra={
                "allowed": "a list of [start, factor, slope], starts rising from 0 to below 1, "
                "factors above 0 to 1, slopes from 0 to below 1",
                "entry": "a number",
            },
        ),
    ] = ()
    # Adversarial autoencoder: weight of the adversarial term beside the reconstruction's.
    adversarial_weight: float = 0.05

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without the networks."""
        values = super().to_dict()
        del values["networks"]
        return values

    def architecture(
        self, n_classes: int, channels: int, image_size: int, width: float = 1.0
    ) -> Architecture:
        """Return the networks for an image set, as `Architecture.resized` makes them."""
        return self.networks.resized(n_classes, channels, image_size, width)

    def check_images(self, options: Mapping[str, Any], image_size: int) -> None:
        """Refuse the option dropout where it lists rates for another number of layers."""
        rates = options.get("dropout")
        networks = self.networks.resized(2, 1, image_size)
        layers = sum(len(stage) for stage in networks.discriminator)
        if isinstance(rates, list) and rates and len(rates) != layers + 1:
            raise AugmentError(
                f"dropout is {rates}; allowed with the {layers} discriminator layers of "
                f"{self.name} at {image_size} pixels: {layers + 1} rates, the last one before the "
                "score"
            )

    @property
    def batch_norm(self) -> bool:
        """Whether a network has batch norm."""
        norms = (self.networks.generator_norm, self.networks.discriminator_norm)
        return any(norm.startswith("batch") for norm in norms)

    def option(self, name: str) -> Any:
        """Return an option's value, here or in the networks."""
        return getattr(self if hasattr(self, name) else self.networks, name)

    def replaced(self, options: Mapping[str, Any]) -> Self:
        """Return this system with fields of its own or of its networks replaced.

        Raises:
            AugmentError: for options that cannot go together.
        """
        of_networks = {field.name for field in fields(Architecture)} & options.keys()
        networks = replace(self.networks, **{name: options[name] for name in of_networks})
        own = {name: value for name, value in options.items() if name not in of_networks}
        system = replace(self, **own, networks=networks)
        _check(system)
        return system

    def cost(self, architecture: Architecture) -> Cost:
        """Return the multiplications of an image's training and drawing."""
        generating, opposing = multiply_adds(architecture)
        g, d = self.generator_updates, self.discriminator_updates
        # Backward costs twice forward; the discriminator sees real and generated images.
        training = generating * (3 * g + d - 1) + opposing * (6 * d + 3 * g)
        if architecture.code_discriminator:  # An encoder in its place sees every image once.
            training = 3 * (generating + opposing)
        return Cost(training, generating, max(g, d))


System.Options = options_model(System, Architecture)


def _check(system: System) -> None:
    a = system.networks
    if a.kind == "dense" and a.label not in ("none", "concatenate"):
        raise AugmentError(
            f"label is {a.label!r}; allowed with dense networks: none or concatenate"
        )
    if a.code_discriminator:
        if a.label != "none":
            raise AugmentError(f"label is {a.label!r}; allowed with an autoencoder: none")
        if system.loss != "bce":
            raise AugmentError(f"loss is {system.loss!r}; allowed with an autoencoder: 'bce'")
        for name in ("generator_updates", "discriminator_updates"):
            if (n := getattr(system, name)) != 1:
                raise AugmentError(f"{name} is {n}; allowed with an autoencoder: 1")
    if system.loss == "hinge" and system.real_target != 1:
        raise AugmentError(
            f"real_target is {system.real_target:g}; allowed with loss 'hinge': 1, which has no "
            "target"
        )
    if system.feedback and not a.conditional:
        raise AugmentError(
            f"feedback is {system.feedback:g}; allowed without labels: 0, for there is no label "
            "that the judge could be asked about"
        )
    if system.weights == "average" and not system.ema_decay:
        raise AugmentError("weights is 'average' and ema_decay is 0; allowed: a decay above 0")
