"""The sections of params.yaml as frozen typed models: each key with its range and meaning.

Only pydantic is imported here, to keep the commands quick to start.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
)
from pydantic_core import PydanticCustomError

from pipeline.parameters.text import join_or

TransformName = Literal["affine", "elastic", "crop", "flip"]

_MOST_IMAGES = 10**9
_MOST_SYNTHETIC_SHARE = 1000.0
_MOST_ENTRIES = 100
_LARGEST_SEED = 2**32 - 1


Count = int | float | dict[str, int]
"""As `augment.mixing.counts.Count`; class names in mix.synthetic only."""


class Exponent(float):
    """A number that the file writes with an exponent, which makes it none of images."""

    written = ""

    def __repr__(self) -> str:
        return self.written


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
    if isinstance(value, bool | Exponent):  # 1e2 is 100.0, a share, to YAML
        raise _refuse()
    # DVC takes 1 and 1.0 for equal, so a correction from one to the other would rerun nothing.
    if isinstance(value, int) and 0 <= value <= _MOST_IMAGES and value != 1:
        return value
    if isinstance(value, float) and 0 <= value <= largest_share:  # false for NaN
        return value
    raise _refuse()


def _real_count(value: object) -> int | float:
    return _number(value, 1.0)


def _pool_count(value: object) -> int | float:
    if value == 0:
        raise _refuse()
    return _number(value, _MOST_SYNTHETIC_SHARE)


def _synthetic_count(value: object) -> Count:
    if not isinstance(value, dict):
        return _number(value, _MOST_SYNTHETIC_SHARE)
    counts: dict[str, int] = {}
    for name, count in value.items():
        # YAML reads the class name 7 as a number.
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise _refuse()
        if isinstance(count, bool) or not isinstance(count, int):
            raise _refuse()
        if not 0 <= count <= _MOST_IMAGES:
            raise _refuse()
        counts[str(name)] = count
    # Class names are compared in NFC, so an accent written in two ways would lose a count.
    if len({unicodedata.normalize("NFC", name) for name in counts}) < len(value):
        raise _refuse()
    if sum(counts.values()) == 0:
        raise _refuse()
    return counts


def _strategy_names() -> list[str]:
    # Looked up late: at the top it would make every stage depend on the strategies.
    from augment.mixing.strategies import STRATEGIES

    return [name for name in STRATEGIES if name != "none"]


def _known_strategy(value: str) -> str:
    if value not in _strategy_names():
        raise _refuse()
    return value


StrategyName = Annotated[str, AfterValidator(_known_strategy)]
"""A name of `augment.mixing.strategies.STRATEGIES` but ``none``, which is part of every grid."""


def _list_field(
    entry: str, description: str, choices: Callable[[], list[str]] | None = None
) -> Any:
    """Return a field of a list; an error names the ``choices`` of an entry where there are any."""
    words: dict[str, Any] = {
        "allowed": f"a list of distinct entries, each {entry}",
        "entry": entry if choices is None else lambda: join_or(choices()),
    }
    return Field(
        min_length=1, max_length=_MOST_ENTRIES, description=description, json_schema_extra=words
    )


def _exact_whole(value: object) -> object:
    """Refuse 28.0 and true, which equal a whole number in Python, where a choice of numbers is."""
    if type(value) is not int:
        raise _refuse()
    return value


_Whole = BeforeValidator(_exact_whole)
_Unique = AfterValidator(_no_repeats)
_FromList = BeforeValidator(_list_to_tuple)


class Section(BaseModel):
    """A section of params.yaml: known keys only, values of the exact type, never changed."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class StudyParameters(Section):
    """How honest the study is, and how often everything is repeated."""

    protocol: Literal["strict", "published"] = Field(
        description="strict: whatever makes or chooses images sees its unit's images alone; "
        "published: all training images, as in the published studies, which is optimistic at "
        "smaller real counts"
    )
    repeats: int = Field(
        ge=1,
        le=100,
        description="units at the largest real count, each with a subset, judge, generator and "
        "classifiers of its own; below 3 there is no verdict",
    )
    repeats_below: int = Field(
        ge=1, le=100, description="units at each smaller real count; published has none"
    )
    confirm_seeds: int = Field(
        ge=1, le=100, description="fresh classifiers of each arm of the verdict in each unit"
    )
    margin: float | None = Field(
        gt=0,
        le=100,
        description="percentage points below which a gain does not matter; null = a fifth of the "
        "best control's error on validation images",
    )


class DataParameters(Section):
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
    duplicates: Literal["keep", "drop", "group"] = Field(
        description="what is done with identical images: keep treats them as any others, drop "
        "leaves one of them, group never puts them in two of train, validation and test"
    )
    groups: str | None = Field(
        min_length=1,
        description="images that belong together, such as a patient's, are never in two of train, "
        "validation and test: a pattern of file names whose parentheses are the group, such as "
        "'^(patient[0-9]+)_', or a .csv file with the columns file and group",
        json_schema_extra={"allowed": "a regular expression, the name of a .csv file or null"},
    )
    nested: bool = Field(description="whether folders inside class folders are searched too")
    follow_links: bool = Field(description="whether links may lead out of the folder")


class ClassifierParameters(Section):
    """The classifier that judges, examines and is trained in every cell."""

    model: str = Field(
        min_length=1,
        max_length=200,
        description="lenet, a classification model of torchvision, or your own: a function that "
        "returns a network",
        json_schema_extra={"allowed": "lenet, a name such as resnet18, or package.module:function"},
    )
    pretrained: bool = Field(
        description="whether a model of torchvision starts from its ImageNet weights"
    )
    input_size: Annotated[Literal[32, 64, 128], _Whole] = Field(
        description="side in pixels that it sees; smaller images are padded, larger ones reduced"
    )
    batch_size: int = Field(ge=2, le=4096, description="images a step")
    learning_rate: float = Field(gt=0, le=1, description="peak of Adam's one-cycle schedule")


class FitParameters(Section):
    """How long one classifier is trained: exactly one of steps and epochs is set."""

    steps: int | None = Field(ge=1, le=10_000_000, description="training steps; this or epochs")
    epochs: int | None = Field(
        ge=1, le=100_000, description="passes over its training images; this or steps"
    )


class GanParameters(Section):
    """The generator's training: exactly one of images and epochs is set."""

    system: str = Field(
        description="networks, losses and settings, by name; `augment systems` lists them",
        json_schema_extra={"allowed": "a system's name"},
    )
    options: dict[str, Any] = Field(
        description="what differs from the system; `augment systems NAME` lists what can",
        json_schema_extra={"allowed": "a mapping such as {loss: hinge}, or {} for nothing"},
    )
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
    checkpoints: int = Field(
        ge=1, le=200, description="evenly spaced epochs whose generator is kept and scored"
    )
    keep: Literal["best", "last"] = Field(
        description="which epoch's generator is used: the best on validation images, or the last"
    )
    evaluate: int = Field(
        ge=100, le=50_000, description="images drawn for the scores after every epoch"
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        description="arithmetic; auto goes by what the processor can do"
    )
    processes: int = Field(ge=1, le=64, description="training processes")


PerClass = Annotated[int | float, PlainValidator(_pool_count)]
"""Images of each class, or with a decimal point a share of the unit's training images."""


def _per_class_field(description: str) -> Any:
    allowed = (
        "a whole number from 2, or with a decimal point a share of the unit's training images "
        f"above 0.0 to {_MOST_SYNTHETIC_SHARE}"
    )
    return Field(description=description, json_schema_extra={"allowed": allowed})


class GenerateParameters(Section):
    """The pool of generated images."""

    source: Literal["model", "folder"] = Field(
        description="what makes them: the generator of train_gan, or anything that wrote a folder"
    )
    path: str | None = Field(
        min_length=1,
        description="folder of the images, one folder a class or an image set",
        json_schema_extra={"allowed": "a path (source folder needs one) or null"},
    )
    per_class: PerClass = _per_class_field("images generated of each class, or taken at the most")
    max_draws: int = Field(
        ge=1,
        le=1000,
        description="for a generator without labels: gives up after this many times per_class "
        "draws for each class",
    )


class FilterParameters(Section):
    """The pool of generated images that the judge agrees with; null where no strategy uses it."""

    threshold: float = Field(
        ge=0, le=1, description="least confidence of the judge in the asked label"
    )
    per_class: PerClass = _per_class_field("images kept of each class")
    max_draws: int = Field(
        ge=1, le=1000, description="gives up on a class after this many times per_class draws"
    )


class MixParameters(Section):
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
        f"{_MOST_SYNTHETIC_SHARE}, or a mapping {{class name: images}} that names no class twice, "
        "with a sum above 0",
        "generated training images",
    )
    strategies: Annotated[tuple[StrategyName, ...], _FromList, _Unique] = _list_field(
        "the name of a strategy, such as mix, filtered, duplicated or classical",
        "what is done with generated images, and the controls without them; docs/guide.md has them",
        _strategy_names,
    )
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, le=_LARGEST_SEED)], ...], _FromList, _Unique
    ] = _list_field(
        f"a whole number from 0 to {_LARGEST_SEED}",
        "seeds of the classifiers: every recipe is trained once with each",
    )


class ClassicalParameters(Section):
    """Transforms of the strategies with classical in their name; null where none is used."""

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


PLACE = {"compute": {"backend", "address", "processes"}}
"""Keys that say where the work runs: no result depends on them. To exclude from a dump."""


class ComputeParameters(Section):
    """Where the work runs: units of a stage, and cells, are done side by side."""

    backend: Literal["local", "dask"] = Field(
        description="processes of this machine, or the workers of a Dask cluster"
    )
    address: str | None = Field(
        min_length=1,
        description="the cluster's scheduler, such as tcp://host:8786",
        json_schema_extra={"allowed": "an address (backend dask needs one) or null"},
    )
    processes: int | None = Field(
        ge=1,
        le=1024,
        description="units or cells side by side, never changes results; null = as many as there "
        "are cores that no other stage of yours uses, or all that a cluster takes; 1 on a GPU",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        description="where everything is computed; auto takes a GPU when there is one"
    )
    threads: int = Field(
        ge=1, le=256, description="threads of one unit, part of what its result is; a cell has one"
    )


class ScoreParameters(Section):
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


class Parameters(Section):
    """All of params.yaml.

    Built by :func:`load_parameters` or :func:`parse_parameters`; lists are tuples.
    """

    seed: int = Field(ge=0, le=_LARGEST_SEED, description="every random stream comes from it")
    study: StudyParameters
    data: DataParameters
    classifier: ClassifierParameters
    train_examiner: FitParameters
    train_judge: FitParameters
    train_gan: GanParameters
    generate: GenerateParameters
    # Optional sections are null, never left out: DVC stops at a key that is not there.
    filter: FilterParameters | None
    mix: MixParameters
    classical: ClassicalParameters | None
    train_classifiers: FitParameters
    score: ScoreParameters
    compute: ComputeParameters
