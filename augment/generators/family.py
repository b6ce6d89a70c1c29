"""What a family of generators gives to the rest: the contracts, and which families there are.

A family is a folder of its own with two modules. ``systems`` names what can be trained, in a table
``SYSTEMS``, and imports no torch. ``model`` trains it and draws from it: ``build_trainer``, the
class ``Generator`` of the network that draws, and ``read_architecture``, from which a checkpoint's
is built. Nothing outside of the folder knows its networks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from importlib import import_module
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Protocol,
    Self,
    TypeVar,
    get_type_hints,
)

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
)

if TYPE_CHECKING:
    import numpy as np
    from lightning_fabric import Fabric
    from torch import Tensor, nn

FAMILIES = ("gan", "flow")
"""Folders beside this file, in the order in which their systems are listed."""

IMAGE_SIZES = (28, 32, 64, 128)
"""Sides of images, in pixels, that every family is made for."""

LARGEST_MAP = 1 << 22
"""Most values in a map of one image, twice the widest published system's at four times its width:
weights show the memory that a network takes, but not what its maps do."""


def _exact_whole(value: object) -> object:
    """Refuse 28.0 and true, which equal a whole number in Python, where a choice of numbers is."""
    if type(value) is not int:
        raise ValueError("a whole number")
    return value


# What an architecture says of its images, as bounds on what a stranger's checkpoint may hold.
ClassCount = Annotated[int, Field(ge=1, le=10_000)]
ChannelCount = Annotated[Literal[1, 3], BeforeValidator(_exact_whole)]  # gray, colour
ImageSide = Annotated[Literal[28, 32, 64, 128], BeforeValidator(_exact_whole)]


@dataclass(frozen=True)
class Architecture:
    """What rebuilds a family's networks for one kind of images; a family adds its own arguments."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    n_classes: ClassCount
    channels: ChannelCount  # 1 gray, 3 colour
    image_size: ImageSide  # side in pixels

    @property
    def conditional(self) -> bool:
        """Whether it can be asked for a label."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return every argument as plain JSON values."""
        values: dict[str, Any] = plain(asdict(self))
        return values


def plain(value: Any) -> Any:
    """Return values that JSON has as they are: tuples become lists."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Cost:
    """What an image takes, in multiplications."""

    training: float  # of one real image, all updates of its step counted
    drawing: float  # of one generated image
    updates: int = 1  # updates a step


class System(Protocol):
    """One generator by name, with all its settings; a frozen dataclass in every family."""

    family: ClassVar[str]
    Options: ClassVar[type[BaseModel]] = BaseModel
    """What of a system a user can replace: params.yaml's train_gan.options."""

    name: str
    description: str  # One line for the user.
    chosen: str  # What its study leaves open, and what was taken.
    batch_size: int  # Real images a step.
    ema_decay: float  # Decay a step of the averaged copy; 0 keeps none.
    weights: Literal["plain", "average"]  # Which copy is kept and draws.
    feedback: float  # Weight of the judge's score in the loss; 0 needs no judge.

    @property
    def batch_norm(self) -> bool:
        """Whether a process needs two images at least, for one has no spread."""
        return False

    def option(self, name: str) -> Any:
        """Return an option's value."""
        return getattr(self, name)

    def replaced(self, options: Mapping[str, Any]) -> Self:
        """Return this system with validated options in place.

        Raises:
            AugmentError: options that cannot go together.
        """
        return replace(self, **options)  # type: ignore[type-var]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without the networks."""
        values: dict[str, Any] = plain(asdict(self))  # type: ignore[call-overload]
        return values

    def architecture(
        self, n_classes: int, channels: int, image_size: int, width: float = 1.0
    ) -> Architecture:
        """Return the networks for an image set.

        Args:
            n_classes: classes of the labels.
            channels: 1 or 3.
            image_size: side in pixels.
            width: share of the system's own number of channels.
        """

    def check_images(self, options: Mapping[str, Any], image_size: int) -> None:
        """Refuse options, as they stand in params.yaml, that do not fit images of a size.

        Raises:
            AugmentError: naming the option.
        """
        return

    def cost(self, architecture: Any) -> Cost:
        """Return what an image takes with the networks of `architecture`."""


Feedback = Callable[["Tensor", "Tensor"], "Tensor"]
"""(float images N x C x H x W in [-1, 1], int64 labels N) -> one differentiable score, higher is
better."""


@dataclass(frozen=True)
class Setup:
    """What a trainer is built with, beside its system and its architecture."""

    seed: int  # Root of all streams.
    steps: int  # Of the whole training; schedules go by it.
    fabric: Fabric  # Launched; device, precision and processes are its own.
    feedback: Feedback | None = None  # The judge's score, where the system's weight is not 0.


class Trainer(Protocol):
    """What the training loop trains: networks, their losses, and their schedule."""

    system: Any
    architecture: Any

    network: nn.Module
    """The plain module whose weights draw images."""

    loss_names: tuple[str, ...]
    """What `update` returns, in order; each ends in ``_loss`` and says whose it is."""

    parts: dict[str, Any]
    """Everything with a state dict."""

    further: Mapping[str, nn.Module] = MappingProxyType({})
    """Networks that are kept beside the last checkpoints, by name; often none."""

    def update(self, real: Tensor, labels: Tensor, step: int) -> Tensor:
        """Make one step, under the rates that the schedule gives it.

        Args:
            real: float N x C x H x W in [-1, 1], this process's images on its device.
            labels: int64 N, theirs.
            step: from 0; names the step's noise.

        Returns:
            The losses, float, one a name; detached.
        """

    def draw(self, network: nn.Module, labels: Tensor, stream: str) -> np.ndarray:
        """Draw images with the weights of ``network`` or an averaged copy of it.

        Args:
            network: in any mode, which it is left in.
            labels: int64 N; ignored where the architecture has no labels.
            stream: names the noise, which is the same at every call.

        Returns:
            uint8 N x H x W x C.
        """

    def reconstruct(self, real: Tensor) -> Tensor | None:
        """Return what an autoencoder makes of images, as ``real``; None for all others."""
        return None

    def changed(self) -> dict[str, Any]:
        """Return what of the architecture the schedule has changed in the further networks."""
        return {}


def options_model(*models: type) -> type[BaseModel]:
    """Return a model of the fields that have a meaning, of dataclasses: each may be absent."""
    found: dict[str, Any] = {}
    for model in models:
        assert is_dataclass(model)
        hints = get_type_hints(model, include_extras=True)
        for field in fields(model):
            metadata = getattr(hints[field.name], "__metadata__", ())
            if any(getattr(each, "description", None) for each in metadata):
                found[field.name] = (hints[field.name], None)
    config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    return create_model("Options", __config__=config, **found)


ArchitectureT = TypeVar("ArchitectureT")


def read_strictly(kind: type[ArchitectureT], values: object) -> ArchitectureT:
    """Return an architecture of JSON values from anywhere, such as a checkpoint of a stranger's.

    Args:
        kind: a dataclass whose annotations say the bounds, and that forbids further keys.
        values: what was read.

    Raises:
        ValueError: in one line, for what is unknown, missing or out of bounds.
    """
    # JSON, because strict Python values would have to be tuples.
    try:
        text = json.dumps(values)
    except (RecursionError, TypeError) as error:
        raise ValueError(f"not JSON: {error}") from None
    try:
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise ValueError(_first_problem(error)) from None


def refuse_large_map(values: int) -> None:
    """Refuse a network whose largest map of one image has more values than `LARGEST_MAP`."""
    if values > LARGEST_MAP:
        raise ValueError(f"a map of an image has {values:,} values; allowed: {LARGEST_MAP:,}")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"]) or "the architecture"
    if problem["type"].startswith("missing"):
        return f"{place} is missing"
    if problem["type"] == "unexpected_keyword_argument":
        return f"{place!r:.80} is unknown"
    allowed = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{place} is {problem['input']!r:.80}; allowed: {allowed:.200}"


def systems() -> dict[str, System]:
    """Return every system that can be trained, by name."""
    found: dict[str, System] = {}
    for family in FAMILIES:
        found |= import_module(f"augment.generators.{family}.systems").SYSTEMS
    return found


def system_of(name: str, options: Mapping[str, Any]) -> System:
    """Return the system of a name with what differs from it.

    Args:
        name: one that `systems` has.
        options: plain values, as they stand in params.yaml.

    Raises:
        AugmentError: options that cannot go together.
        pydantic.ValidationError: an option is unknown, or its value is not allowed.
    """
    system = systems()[name]
    given = {key: _tuples(value) for key, value in options.items()}
    parsed = system.Options.model_validate(given)
    return system.replaced({key: getattr(parsed, key) for key in parsed.model_fields_set})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def build_trainer(system: System, architecture: Architecture, setup: Setup) -> Trainer:
    """Return a system's networks with fresh weights, on the fabric's device."""
    model = import_module(f"augment.generators.{system.family}.model")
    trainer: Trainer = model.build_trainer(system, architecture, setup)
    return trainer
