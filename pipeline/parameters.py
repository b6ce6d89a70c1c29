"""params.yaml, parsed once into frozen typed models.

Each section of the file is a model; each key carries its range and what it is for. Every problem
is a :class:`ParameterError` whose text is one line that names the key, the value and what is
allowed. Only pydantic and ruamel.yaml are imported here, to keep the commands quick to start.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import PipelineError
from pipeline.parameter_text import (
    ParameterHelp,
    allowed_text,
    describe,
    join_or,
    problems,
    shown,
)

if TYPE_CHECKING:
    import numpy as np

    from augment.systems import System

SystemName = Literal[
    "cdcgan-projection",
    "dcgan-reference",
    "dcgan-compact",
    "dcgan-no-bn",
    "dcgan-d3",
    "dcgan-lr",
    "cdcgan",
    "cdcgan-extended",
    "cdcgan-balance",
    "cdcgan-no-bn",
    "cdcgan-smooth",
    "cdcgan-label-conv",
    "cdcgan-feedback",
    "cgan-dense",
    "cgan-dense-no-bn",
    "fau-cdcgan",
    "fau-gan",
    "tribhuvan-fashion",
    "tribhuvan-faces",
    "gehu-celeba",
    "padova-dcgan",
    "padova-aae",
]
StrategyName = Literal["mix", "filtered", "fine-tune", "source-channel", "duplicated", "classical"]
TransformName = Literal["affine", "elastic", "crop", "flip"]
SYSTEM_NAMES: tuple[str, ...] = get_args(SystemName)
STRATEGY_NAMES: tuple[str, ...] = get_args(StrategyName)
_SYSTEM_OPTIONS = {
    "batch_size",
    "generator_rate",
    "discriminator_rate",
    "generator_updates",
    "discriminator_updates",
    "loss",
    "real_target",
    "feedback",
    "decay_factor",
    "decay_steps",
    "init_std",
    "latent",
    "latent_dim",
    "label",
    "generator_norm",
    "discriminator_norm",
    "ema_decay",
    "weights",
    "phases",
}
"""Keys of train_gan that replace a setting of the system, by the setting's own name."""

SUPPORTED_UNITS = ("all-0",)

_MOST_IMAGES = 10**9
_MOST_SYNTHETIC_SHARE = 1000.0
_MOST_ENTRIES = 100
_LARGEST_FILE = 1 << 20
_LARGEST_SEED = 2**32 - 1
_UNIT = re.compile(r"(all|[1-9][0-9]{0,9})-(0|[1-9][0-9]{0,9})")

Count = int | float | dict[str, int]
"""An entry of mix.real or mix.synthetic: images, a share of the training images, or images by
class name (mix.synthetic only)."""


class ParameterError(PipelineError):
    """Something in params.yaml is not allowed; the text is one line."""


def _list_to_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _no_repeats(values: tuple[Any, ...]) -> tuple[Any, ...]:
    seen = set()
    for index, value in enumerate(values):
        # 1 (one image) and 1.0 (all of them) are equal in Python and different here.
        entry = tuple(sorted(value.items())) if isinstance(value, dict) else value
        if (type(value), entry) in seen:
            raise PydanticCustomError("repeated", "repeated entry", {"index": index})
        seen.add((type(value), entry))
    return values


def _refuse() -> PydanticCustomError:
    return PydanticCustomError("entry", "not an allowed entry")


def _number(value: object, largest_share: float) -> int | float:
    if isinstance(value, bool):
        raise _refuse()
    # DVC takes 1 and 1.0 for equal, so a correction from one to the other would rerun nothing.
    if isinstance(value, int) and 0 <= value <= _MOST_IMAGES and value != 1:
        return value
    if isinstance(value, float) and 0 <= value <= largest_share:  # false for NaN
        return value
    raise _refuse()


def _real_count(value: object) -> int | float:
    return _number(value, 1.0)


def _synthetic_count(value: object) -> Count:
    if not isinstance(value, dict):
        return _number(value, _MOST_SYNTHETIC_SHARE)
    counts: dict[str, int] = {}
    for name, count in value.items():
        # YAML reads the class name 7 as a number.
        if isinstance(name, bool) or not isinstance(name, str | int) or str(name) in counts:
            raise _refuse()
        if isinstance(count, bool) or not isinstance(count, int):
            raise _refuse()
        if not 0 <= count <= _MOST_IMAGES:
            raise _refuse()
        counts[str(name)] = count
    if sum(counts.values()) == 0:
        raise _refuse()
    return counts


def _numbers(value: object) -> list[float] | None:
    """Return the numbers of a list, or None where it is no list or holds anything else."""
    if not isinstance(value, list | tuple):
        return None
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in value):
        return None
    try:
        return [float(each) for each in value]
    except OverflowError:  # a whole number beyond any float
        return None


def _dropout_rates(value: object) -> float | tuple[float, ...] | None:
    if value is None:
        return None
    listed = isinstance(value, list | tuple)
    rates = _numbers(value if listed else [value])
    if not rates or len(rates) > _MOST_ENTRIES or not all(0 <= rate < 1 for rate in rates):
        raise _refuse()
    return tuple(rates) if listed else rates[0]


_Phases = tuple[tuple[float, float, float], ...]


def _phases(value: object) -> _Phases | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) > _MOST_ENTRIES:
        raise _refuse()
    phases: list[tuple[float, float, float]] = []
    for phase in value:
        numbers = _numbers(phase)
        if numbers is None or len(numbers) != 3:
            raise _refuse()
        start, factor, slope = numbers
        rises = start > phases[-1][0] if phases else start == 0
        if not (rises and start < 1 and 0 < factor <= 1 and 0 <= slope < 1):
            raise _refuse()
        phases.append((start, factor, slope))
    return tuple(phases)


def _list_field(entry: str, description: str) -> Any:
    return Field(
        min_length=1,
        max_length=_MOST_ENTRIES,
        description=description,
        json_schema_extra={
            "allowed": f"a list of distinct entries, each {entry}",
            "entry": entry,
        },
    )


def _exact_whole(value: object) -> object:
    """Refuse 28.0 and true, which equal a whole number in Python, where a choice of numbers is."""
    if type(value) is not int:
        raise _refuse()
    return value


_Whole = BeforeValidator(_exact_whole)
_Unique = AfterValidator(_no_repeats)
_FromList = BeforeValidator(_list_to_tuple)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class DataParameters(_Section):
    """Which images are studied, and how they are split."""

    source: Literal["mnist5k", "mnist", "fashion-mnist", "folder"] = Field(
        description="where the images come from"
    )
    path: str | None = Field(
        min_length=1,
        description="folder of the images",
        json_schema_extra={"allowed": "a path (source folder needs one) or null"},
    )
    image_size: Annotated[Literal[28, 32, 64, 128], _Whole] = Field(
        description="side of the square images in pixels"
    )
    channels: Annotated[Literal[1, 3], _Whole] = Field(description="1 for gray, 3 for colour")
    test: float = Field(
        gt=0, le=0.5, description="share held out for test where there is no official test set"
    )
    validation: float = Field(
        ge=0, le=0.5, description="share of the remaining images held out for choices"
    )


class LeNetParameters(_Section):
    """The classifier that judges, examines and is trained in every cell."""

    input_size: Annotated[Literal[32, 64, 128], _Whole] = Field(
        description="side in pixels that it sees; smaller images are padded, larger ones reduced"
    )
    batch_size: int = Field(ge=2, le=4096, description="images a step")
    learning_rate: float = Field(gt=0, le=1, description="peak of Adam's one-cycle schedule")


class FitParameters(_Section):
    """How long one classifier is trained: exactly one of steps and epochs is set."""

    steps: int | None = Field(ge=1, le=10_000_000, description="training steps; this or epochs")
    epochs: int | None = Field(
        ge=1, le=100_000, description="passes over its training images; this or steps"
    )


class GanParameters(_Section):
    """The generator's training: exactly one of images and epochs is set."""

    system: SystemName = Field(description="networks, losses and settings, by name")
    images: int | None = Field(
        ge=1,
        le=10**10,
        description="real images shown to the discriminator; this or epochs",
    )
    epochs: int | None = Field(
        ge=1, le=100_000, description="passes over the training images; this or images"
    )
    width: float | None = Field(
        gt=0, le=4, description="share of the system's own number of channels; null = 1.0"
    )
    batch_size: int | None = Field(
        ge=2, le=4096, description="images a step; null = the system's own"
    )
    generator_rate: float | None = Field(
        gt=0, le=1, description="Adam's learning rate; null = the system's own"
    )
    discriminator_rate: float | None = Field(
        gt=0, le=1, description="Adam's learning rate; null = the system's own"
    )
    generator_updates: int | None = Field(
        ge=1, le=100, description="updates a step; null = the system's own"
    )
    discriminator_updates: int | None = Field(
        ge=1, le=100, description="updates a step; null = the system's own"
    )
    loss: Literal["bce", "hinge"] | None = Field(description="null = the system's own")
    real_target: float | None = Field(
        gt=0, le=1, description="bce's target of real images; null = the system's own"
    )
    feedback: float | None = Field(
        ge=0,
        le=1000,
        description="weight of the judge's score in the generator's loss; null = the system's own",
    )
    decay_factor: float | None = Field(
        gt=0,
        le=1,
        description="exponential decay of both rates over decay_steps; null = the system's own",
    )
    decay_steps: int | None = Field(
        ge=1, le=10**9, description="steps of that decay; null = the system's own"
    )
    init_std: float | None = Field(
        ge=0,
        le=1,
        description="weights start from N(0, this); 0 is PyTorch's start; null = the system's own",
    )
    latent: Literal["normal", "uniform"] | None = Field(
        description="law of the noise, uniform is in (-1, 1); null = the system's own"
    )
    latent_dim: int | None = Field(
        ge=1, le=4096, description="length of the noise; null = the system's own"
    )
    label: Literal["none", "concatenate", "convolution", "dense", "projection"] | None = Field(
        description="how the label joins both networks; null = the system's own"
    )
    generator_norm: Literal["none", "batch", "batch-after"] | None = Field(
        description="batch norm before or after the activation; null = the system's own"
    )
    discriminator_norm: Literal["none", "batch", "batch-after", "spectral"] | None = Field(
        description="batch norm before or after the activation; null = the system's own"
    )
    dropout: Annotated[float | tuple[float, ...] | None, PlainValidator(_dropout_rates)] = Field(
        description="after every discriminator layer, or a list: one rate a layer and one before "
        "the score; null = the system's own",
        json_schema_extra={
            "allowed": "a number from 0 to below 1, a list of such numbers, or null",
        },
    )
    phases: Annotated[_Phases | None, PlainValidator(_phases)] = Field(
        description="training in phases, each [share of the training at which it starts, factor "
        "on both rates, the discriminator's slope]; [] = one phase; null = the system's own",
        json_schema_extra={
            "allowed": "a list of [start, factor, slope], starts rising from 0 to below 1, factors "
            "above 0 to 1, slopes from 0 to below 1, or null",
        },
    )
    ema_decay: float | None = Field(
        ge=0,
        lt=1,
        description="decay a step of the generator's averaged weights; null = the system's own",
    )
    weights: Literal["plain", "average"] | None = Field(
        description="which copy of the generator is kept and draws; null = the system's own"
    )
    checkpoints: int = Field(
        ge=1, le=200, description="evenly spaced epochs whose generator is kept and scored"
    )
    keep: Literal["best", "last"] = Field(
        description="which checkpoint; best on validation images, or the last"
    )
    evaluate: int = Field(
        ge=100, le=50_000, description="images drawn for the scores after every epoch"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        description="where it trains; auto takes a GPU when there is one"
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        description="arithmetic; auto goes by what the processor can do"
    )
    processes: int = Field(ge=1, le=64, description="training processes")


class GenerateParameters(_Section):
    """The pool of generated images."""

    per_class: int = Field(ge=1, le=10_000_000, description="images generated of each class")
    max_draws: int = Field(
        ge=1,
        le=1000,
        description="generators without labels: give up after this many times per_class draws "
        "a class",
    )


class FilterParameters(_Section):
    """The pool of generated images that the judge agrees with."""

    threshold: float = Field(
        ge=0, le=1, description="least confidence of the judge in the asked label"
    )
    per_class: int = Field(ge=1, le=10_000_000, description="images kept of each class")
    max_draws: int = Field(
        ge=1, le=1000, description="gives up on a class after this many times per_class draws"
    )


class MixParameters(_Section):
    """The grid of training sets: real counts x synthetic counts x strategies x seeds."""

    real: Annotated[
        tuple[Annotated[int | float, PlainValidator(_real_count)], ...], _FromList, _Unique
    ] = _list_field(
        "a whole number of images, 0 or from 2, or a share with a decimal point from 0.0 to 1.0",
        "real training images",
    )
    synthetic: Annotated[
        tuple[Annotated[Count, PlainValidator(_synthetic_count)], ...], _FromList, _Unique
    ] = _list_field(
        "a whole number of images, 0 or from 2, a share with a decimal point from 0.0 to "
        f"{_MOST_SYNTHETIC_SHARE}, or a mapping {{class name: images}} with a sum above 0",
        "generated training images",
    )
    strategies: Annotated[tuple[StrategyName, ...], _FromList, _Unique] = _list_field(
        join_or(STRATEGY_NAMES),
        "what is done with generated images (mix, filtered, fine-tune, source-channel), and the "
        "controls without them (duplicated, classical)",
    )
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, le=_LARGEST_SEED)], ...], _FromList, _Unique
    ] = _list_field(
        f"a whole number from 0 to {_LARGEST_SEED}", "one classifier a cell for each seed"
    )


class ClassicalParameters(_Section):
    """The transforms of strategy classical: each image anew at every step."""

    transforms: (
        Annotated[tuple[TransformName, ...], _FromList, Field(min_length=1), _Unique] | None
    ) = Field(
        description="in order; null = what suits the data: affine for digits, crop and flip for "
        "everything else",
        json_schema_extra={
            "allowed": "a list of distinct entries, each affine, elastic, crop or flip, or null",
            "entry": "affine, elastic, crop or flip",
        },
    )
    rotation: float = Field(ge=0, le=180, description="affine: degrees, either way")
    shift: float = Field(ge=0, le=1, description="affine: share of the side, either way")
    scale: float = Field(ge=0, lt=1, description="affine: share of the size, either way")
    shear: float = Field(ge=0, le=80, description="affine: degrees, either way")
    elastic_strength: float = Field(
        ge=0, le=1000, description="elastic: torchvision's alpha, the larger the stronger"
    )
    elastic_smoothness: float = Field(
        gt=0, le=100, description="elastic: torchvision's sigma, in pixels"
    )
    crop_padding: float = Field(
        gt=0, le=0.5, description="crop: share of the side that is added on every edge"
    )
    flip: float = Field(ge=0, le=1, description="flip: probability of a mirror image")


class ClassifiersParameters(FitParameters):
    """The training of the cells' classifiers: exactly one of steps and epochs is set."""

    processes: int | None = Field(
        ge=1, le=1024, description="parallel processes, never changes results; null = one a core"
    )


class ScoreParameters(_Section):
    """The scores of the generated images against the test images."""

    n: int = Field(
        ge=100, le=100_000, description="generated images scored, at most half the test images"
    )
    inception: bool = Field(description="whether to compute FID on InceptionV3 features too")
    inception_weights: str | None = Field(
        min_length=1,
        description="file of the InceptionV3 weights; null = cache, then download",
        json_schema_extra={"allowed": "a path or null"},
    )


class Parameters(_Section):
    """All of params.yaml.

    Built by :func:`load_parameters` or :func:`parse_parameters`; lists are tuples.
    """

    seed: int = Field(ge=0, le=_LARGEST_SEED, description="every random stream comes from it")
    units: Annotated[tuple[str, ...], _FromList, _Unique] = _list_field(
        join_or(SUPPORTED_UNITS), "training subsets that get a generator, <count or all>-<seed>"
    )
    data: DataParameters
    lenet: LeNetParameters
    train_examiner: FitParameters
    train_judge: FitParameters
    train_gan: GanParameters
    generate: GenerateParameters
    filter: FilterParameters | None = None
    mix: MixParameters
    classical: ClassicalParameters | None = None
    train_classifiers: ClassifiersParameters
    score: ScoreParameters

    @property
    def required_filter(self) -> FilterParameters:
        """The filter section; raises :class:`ParameterError` where the file has none."""
        if self.filter is None:
            allowed = allowed_text(type(self).model_fields["filter"])
            raise ParameterError(f"params.yaml: filter is missing; allowed: {allowed}")
        return self.filter

    @property
    def classical_transforms(self) -> tuple[str, ...]:
        """The transforms of strategy classical, in order; digits are never mirrored by default."""
        chosen = None if self.classical is None else self.classical.transforms
        if chosen is not None:
            return chosen
        return ("affine",) if self.data.source in ("mnist5k", "mnist") else ("crop", "flip")

    @model_validator(mode="after")
    def _check_rules(self) -> Parameters:
        found = list(_broken_rules(self))
        if found:
            raise PydanticCustomError("rules", "broken rules", {"problems": found})
        return self


def _broken_rules(p: Parameters) -> Iterator[str]:
    """Yield one line for each rule between keys that does not hold."""
    for index, unit in enumerate(p.units):
        if unit not in SUPPORTED_UNITS:
            yield f"units[{index}] is {shown(unit)}; allowed: {join_or(SUPPORTED_UNITS)}"
    if p.data.source == "folder" and p.data.path is None:
        yield "data.path is null; allowed: a path, because data.source is folder"
    if p.data.source == "mnist5k" and p.data.path is not None:
        yield (
            f"data.path is {shown(p.data.path)}; "
            "allowed: null, because data.source mnist5k is not read from a folder"
        )
    either: list[tuple[str, str, object, str, object]] = [
        (name, "steps", section.steps, "epochs", section.epochs)
        for name, section in (
            ("train_examiner", p.train_examiner),
            ("train_judge", p.train_judge),
            ("train_classifiers", p.train_classifiers),
        )
    ]
    either.append(("train_gan", "images", p.train_gan.images, "epochs", p.train_gan.epochs))
    for section, one, first, other, second in either:
        if (first is None) == (second is None):
            yield (
                f"{section}.{one} is {shown(first)} and {section}.{other} is {shown(second)}; "
                "allowed: a number for exactly one of them, null for the other"
            )
    from augment.errors import AugmentError
    from augment.strategies import STRATEGIES

    try:
        system = chosen_system(p.train_gan)
    except AugmentError as error:
        yield f"train_gan.{error}"
    else:
        yield from _wrong_rates(p, system)
    if p.train_gan.keep == "best" and p.data.validation == 0:
        yield "train_gan.keep is best; allowed: last, because data.validation is 0"
    if "filtered" in p.mix.strategies and p.filter is None:
        index = p.mix.strategies.index("filtered")
        yield f"mix.strategies[{index}] is filtered; allowed: mix, as there is no section filter"
    if "classical" in p.mix.strategies and p.classical is None:
        index = p.mix.strategies.index("classical")
        yield (
            f"mix.strategies[{index}] is classical and there is no section classical; "
            "allowed: the section, as in the params.yaml that comes with the project"
        )
    for index, name in enumerate(p.mix.strategies):
        grid = [(bool(r), bool(s)) for r in p.mix.real for s in p.mix.synthetic]
        if any(p.mix.real) or any(p.mix.synthetic):
            strategy = STRATEGIES[name]
            cells = (strategy.takes(int(r), int(s)) for r, s in grid)
            if not strategy.is_control and not any(cells):
                yield (
                    f"mix.strategies[{index}] is {name}, which has no cell in mix.real x "
                    f"mix.synthetic; allowed: with {strategy.needs}"
                )
    if not any(p.mix.real) and not any(p.mix.synthetic):
        yield "mix.real and mix.synthetic hold only 0; allowed: a count above 0 in one of them"


def _wrong_rates(p: Parameters, system: System) -> Iterator[str]:
    """Yield a line where train_gan.dropout lists rates for another number of layers."""
    rates = p.train_gan.dropout
    if not isinstance(rates, tuple):
        return
    networks = system.architecture(2, p.data.channels, p.data.image_size)
    layers = sum(len(stage) for stage in networks.discriminator)
    if len(rates) != layers + 1:
        yield (
            f"train_gan.dropout is {shown(rates)}; allowed with the {layers} discriminator "
            f"layers of {system.name} at {p.data.image_size} pixels: {layers + 1} rates, the "
            "last one before the score"
        )


@dataclass(frozen=True)
class Unit:
    """A training subset: ``n_real`` images drawn with ``seed``; None means all of them."""

    n_real: int | None
    seed: int


def parse_unit(name: str) -> Unit:
    """Return the unit that a name such as ``all-0`` or ``600-1`` stands for.

    Raises:
        ParameterError: the name is not ``all-<seed>`` or ``<count>-<seed>``.
    """
    match = _UNIT.fullmatch(name)
    if match is None:
        raise ParameterError(
            f"unit {shown(name)} is not known; allowed: all-<seed> or <count>-<seed>, such as all-0"
        )
    return Unit(None if match[1] == "all" else int(match[1]), int(match[2]))


def parse_parameters(values: object, name: str = "params.yaml") -> Parameters:
    """Return the parameters that plain values (mappings, lists, numbers, text) stand for.

    Args:
        values: the content of a params.yaml.
        name: what the file is called in an error.

    Raises:
        ParameterError: the first problem in one line, and how many more there are.
    """
    try:
        return Parameters.model_validate(values)
    except ValidationError as error:
        first, *more = problems(error, Parameters)
        also = f" (and {len(more)} more)" if more else ""
        raise ParameterError(f"{name}: {first}{also}") from None


def load_parameters(path: Path) -> Parameters:
    """Read and validate a params.yaml.

    YAML 1.2: ``1e-4`` is a number, ``yes`` is text, a repeated key is refused.

    Raises:
        ParameterError: the file cannot be read, or the first problem in it, in one line.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ParameterError(f"{path}: larger than {_LARGEST_FILE} bytes; is it a params.yaml?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ParameterError(f"{path}: not a text file in UTF-8") from None
    try:
        # The C parser (pure=False) reads YAML 1.1.
        values = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}" if mark is not None else ""
        reason = (error.problem or error.context or "no YAML").splitlines()[0]
        raise ParameterError(f"{path.name}: cannot be read{place}: {reason}") from None
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ParameterError(f"{path.name}: cannot be read as YAML: {reason}") from None
    return parse_parameters(values, path.name)


def describe_parameters() -> list[ParameterHelp]:
    """Return every key of params.yaml with what it is for and which values it takes."""
    return list(describe(Parameters))


def resolve_count(entry: Count, n_train: int) -> int:
    """Return how many images an entry of mix.real or mix.synthetic asks for.

    An int is a number of images, a float a share of the ``n_train`` training images (halves are
    rounded up), a mapping a number of images for each class.
    """
    if isinstance(entry, dict):
        return sum(entry.values())
    return math.floor(entry * n_train + 0.5) if isinstance(entry, float) else entry


def resolve_counts(entries: Sequence[Count], n_train: int) -> list[int]:
    """Return how many images each entry asks for; see :func:`resolve_count`."""
    return [resolve_count(entry, n_train) for entry in entries]


def counts_per_class(
    entry: Count, real_per_class: np.ndarray, class_names: Sequence[str]
) -> np.ndarray:
    """Return how many images of each class an entry of the grid asks for.

    A number or a share is apportioned like the classes of the training set; a class that a mapping
    does not name gets none.

    Args:
        entry: an entry of mix.real or mix.synthetic.
        real_per_class: int64, training images of each class.
        class_names: one name a class, in the same order.

    Returns:
        int64 array, one count a class; the sum is ``resolve_count(entry, real_per_class.sum())``.

    Raises:
        ParameterError: a mapping names a class that does not exist.
    """
    import numpy as np

    from augment.splits import apportion

    real = np.asarray(real_per_class, dtype=np.int64)
    if not isinstance(entry, dict):
        return apportion(resolve_count(entry, int(real.sum())), real)
    for name in entry:
        if name not in class_names:
            raise ParameterError(
                f"params.yaml: mix.synthetic names the class {shown(name)}; "
                f"allowed: {shown(list(class_names))[1:-1]}"
            )
    return np.array([entry.get(name, 0) for name in class_names], dtype=np.int64)


def check_feasible(
    parameters: Parameters,
    real_per_class: np.ndarray,
    class_names: Sequence[str] | None = None,
) -> None:
    """Refuse a study that asks for more images than there will be, before anything is trained.

    Args:
        parameters: the whole of params.yaml.
        real_per_class: int64, training images of each class (after test and validation are taken).
        class_names: one name a class, in the same order; by default "0", "1", ... Mappings in
            mix.synthetic are checked against the names only when they are given.

    Raises:
        ParameterError: the first entry that cannot be had, in one line.
    """
    import numpy as np

    from augment.strategies import STRATEGIES

    real = np.asarray(real_per_class, dtype=np.int64)
    n_train = int(real.sum())
    names = [str(label) for label in range(len(real))] if class_names is None else class_names
    empty = np.flatnonzero(real <= 0)
    if empty.size:
        raise ParameterError(
            f"class {shown(names[empty[0]])} has no training image; allowed: at least 1 of each"
        )
    for key, entries in (("real", parameters.mix.real), ("synthetic", parameters.mix.synthetic)):
        _check_totals(f"params.yaml: mix.{key}", entries, n_train)
    for index, count in enumerate(resolve_counts(parameters.mix.real, n_train)):
        if count > n_train:
            raise ParameterError(
                f"params.yaml: mix.real[{index}] is {count}; "
                f"allowed: at most the {n_train} training images"
            )
    _check_batch(parameters.train_gan, n_train)
    pools = _pools(parameters)
    used = {STRATEGIES[name].pool for name in parameters.mix.strategies}
    for index, entry in enumerate(parameters.mix.synthetic):
        if isinstance(entry, dict) and class_names is None:
            named, counts = list(entry), np.array(list(entry.values()), dtype=np.int64)
        else:
            named, counts = list(names), counts_per_class(entry, real, names)
        most = int(counts.argmax())
        for name, (pool, size) in pools.items():
            if name in used and counts[most] > size:
                raise ParameterError(
                    f"params.yaml: mix.synthetic[{index}] is {shown(entry)}, which takes "
                    f"{counts[most]} images of class {shown(named[most])}; "
                    f"allowed: at most the {size} of {pool}"
                )
    for pool, size in pools.values():
        scored = counts_per_class(parameters.score.n, real, names)
        if scored.max() > size:
            raise ParameterError(
                f"params.yaml: score.n is {parameters.score.n}, which takes {scored.max()} images "
                f"of class {shown(names[int(scored.argmax())])}; allowed: at most the {size} of "
                f"{pool}"
            )


def chosen_system(gan: GanParameters) -> System:
    """Return the system that the section train_gan names, with the options that it changes.

    Raises:
        AugmentError: for options that cannot go together.
    """
    from augment.systems import get_system

    options = gan.model_dump(include=_SYSTEM_OPTIONS)
    if gan.dropout is not None:
        one = isinstance(gan.dropout, float)
        options["dropout"] = (gan.dropout, 0.0) if one else gan.dropout  # none before the score
    return get_system(gan.system, **options)


def _check_batch(gan: GanParameters, n_train: int) -> None:
    """Refuse a batch that the training set cannot fill, or that processes cannot share."""
    system = chosen_system(gan)
    batch, networks = system.batch_size, system.networks
    own = "" if gan.batch_size else f" (null: {gan.system}'s own)"
    if batch > n_train:
        raise ParameterError(
            f"params.yaml: train_gan.batch_size is {batch}{own}; "
            f"allowed: at most the {n_train} training images"
        )
    if batch % gan.processes:
        raise ParameterError(
            f"params.yaml: train_gan.batch_size is {batch}{own}; allowed: a multiple of "
            f"train_gan.processes, {gan.processes}"
        )
    norms = (networks.generator_norm, networks.discriminator_norm)
    if batch == gan.processes and any(norm.startswith("batch") for norm in norms):
        raise ParameterError(
            f"params.yaml: train_gan.batch_size is {batch}{own}; allowed: at least 2 images for "
            f"each of the {gan.processes} processes, for batch norm has no spread of one image"
        )


def _pools(parameters: Parameters) -> Mapping[str, tuple[str, int]]:
    """Return for each pool the key that sizes it, and images of each class in it."""
    pools = {"generated": ("generate.per_class", parameters.generate.per_class)}
    if parameters.filter is not None:
        pools["filtered"] = ("filter.per_class", parameters.filter.per_class)
    return pools


def _check_totals(key: str, entries: Sequence[Count], n_train: int) -> None:
    """Refuse shares of no image, and two entries that come to the same number of images."""
    first_with: dict[int, int] = {}
    for index, (entry, total) in enumerate(
        zip(entries, resolve_counts(entries, n_train), strict=True)
    ):
        if total == 0 and entry != 0:
            raise ParameterError(
                f"{key}[{index}] is {shown(entry)}, less than one of the {n_train} training images;"
                " allowed: 0 or a larger share"
            )
        if total in first_with:
            raise ParameterError(
                f"{key}[{first_with[total]}] and {key.rpartition(' ')[2]}[{index}] are both "
                f"{total} images of {n_train}; allowed: every number once"
            )
        first_with[total] = index
