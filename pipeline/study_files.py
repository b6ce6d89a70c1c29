"""What is known of a study: ``studies/<study>/study.yaml``, validated.

A published study's text, systems, figures and claims, and its parameters; or the project's own, for
any images, which has no figures. The files are read as data from outside: of limited size, plain
YAML, every key known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import PipelineError
from pipeline.parameters.models import StrategyName
from pipeline.parameters.reading import describe_parameters
from pipeline.parameters.text import allowed_names, dotted, shown

FILE = "study.yaml"
_LARGEST_FILE = 1 << 20
_ID = r"^[a-z0-9][a-z0-9-]{0,60}$"
PARAMETER_KEYS = tuple(entry.key for entry in describe_parameters())
"""Every key of params.yaml, dotted, in its order."""

_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"

SystemName = Annotated[str, Field(pattern=_ID)]
Score = Literal[
    "fid_inception",
    "inception_score",
    "inception_score_inception",
    "label_match",
    "seconds_per_epoch",
    "training_minutes",
]
"""``inception_score`` and ``label_match`` are by a LeNet, the others' networks are in the name."""

_Text = Annotated[str, Field(min_length=1, max_length=300, pattern=_PRINTABLE)]
_Paragraph = Annotated[str, Field(min_length=1, max_length=2000)]
_Counts = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=100)]
_Strategy = StrategyName | Literal["none"]
_Direction = Literal["higher", "lower"]


class StudyError(PipelineError):
    """A study or a record that is missing or not valid; the text is one line."""


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of nested sections; a key may be dotted already."""
    for key, value in values.items():
        whole = f"{prefix}{key}"
        if isinstance(value, dict) and whole not in PARAMETER_KEYS:
            yield from flat(value, f"{whole}.")
        else:
            yield whole, value


def _overlay(values: object) -> object:
    if not isinstance(values, dict):
        return values
    found = dict(flat(values))
    for key in found:
        if key not in PARAMETER_KEYS:
            raise PydanticCustomError("overlay", "{key} is no key of params.yaml", {"key": key})
    return found


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class StudyImages(_Part):
    """The images of a study."""

    name: _Text
    train: int = Field(ge=1, description="images outside an official test set")
    test: int = Field(ge=0, description="images of the official test set; 0 without one")
    classes: int = Field(ge=2, description="classes; our own choice where the study has none")
    image_size: int | None = Field(None, ge=1, description="pixels a side; null where not given")


class Pool(_Part):
    """The generator whose images are mixed in."""

    system: SystemName
    epochs: int = Field(ge=1, description="passes that it was trained for")


class PublishedProtocol(_Part):
    """How the study got its figures; null is not given, or of no consequence."""

    batch_size: int | None = Field(None, ge=1, description="of the generators")
    lenet_epochs: int | None = Field(None, ge=1, description="of the LeNet that scores")
    best_epoch: bool = Field(False, description="scores are each the best over the epochs")
    classifier_epochs: int | None = Field(None, ge=1, description="of the augmentation's LeNets")
    pool: Pool | None = None
    machine: _Text | None = None


class PublishedFigure(_Part):
    """One score of a generator."""

    score: Score
    value: float
    epoch: float | None = Field(None, gt=0, description="it is of; null as best_epoch says")
    note: _Text | None = None

    @model_validator(mode="after")
    def _match_is_a_fraction(self) -> PublishedFigure:
        if self.score == "label_match" and not 0 <= self.value <= 1:
            raise PydanticCustomError("fraction", "allowed: a fraction from 0 to 1")
        return self

    def __str__(self) -> str:
        value = 100 * self.value if self.score == "label_match" else self.value
        text = {
            "fid_inception": "FID {:.6g}",
            "inception_score": "Inception Score {:.6g}",
            "inception_score_inception": "Inception Score {:.6g}",
            "label_match": "label match {:.6g} %",
            "seconds_per_epoch": "{:.6g} s an epoch",
            "training_minutes": "{:.6g} minutes",
        }[self.score].format(value)
        if self.note:
            return f"{text} ({self.note})"
        return text if self.epoch is None else f"{text} after epoch {self.epoch:g}"


class StudySystem(_Part):
    """One generator of a study."""

    says: str = Field("", description="what the study says of it beside its figures")
    epochs: int | None = Field(None, ge=1, description="passes over the images")
    batch_size: int | None = Field(None, ge=1, description="where not the study's usual one")
    image_size: int | None = Field(None, ge=1, description="likewise, pixels a side")
    figures: list[PublishedFigure] = Field([], description="its scores")
    params: dict[str, Any] = Field({}, description="keys of params.yaml that only it changes")

    _flatten = field_validator("params", mode="before")(_overlay)

    def __str__(self) -> str:
        figures = ", ".join(map(str, self.figures))
        return "; ".join(filter(None, (figures, self.says)))

    @property
    def overlay(self) -> dict[str, Any]:
        """Keys of params.yaml that only this system changes, dotted, with their values."""
        own = {"train_gan.epochs": self.epochs, "data.image_size": self.image_size}
        return {key: value for key, value in own.items() if value is not None} | self.params


class PublishedAccuracy(_Part):
    """Test accuracy of one cell; a count that the study does not give is null."""

    strategy: _Strategy
    n_real: int | None = Field(ge=0, description="real images")
    n_synthetic: int | None = Field(ge=0, description="generated images")
    accuracy: float = Field(ge=0, le=1, description="a fraction")
    best: bool = Field(False, description="the highest of several cells on the test images")

    @property
    def counts(self) -> str:
        """Real and generated images, as text."""
        if self.n_real is None and self.n_synthetic is None:
            return "best cell"
        counts = (self.n_real, self.n_synthetic)
        return " + ".join("any" if n is None else f"{n:,}" for n in counts)


class Side(_Part):
    """Cells on one side of a claim: lists run together with those of the other side."""

    strategy: _Strategy
    n_real: _Counts
    n_synthetic: _Counts


class CellsTest(_Part):
    """Cells compared pair by pair, averaged over the pairs."""

    kind: Literal["cells"]
    a: Side
    b: Side
    expects: Literal["higher", "lower", "equal"]
    margin: float | None = Field(None, gt=0, lt=1, description="largest difference that is none")

    @model_validator(mode="after")
    def _counts_fit(self) -> CellsTest:
        for name in ("n_real", "n_synthetic"):
            n, m = (len(getattr(side, name)) for side in (self.a, self.b))
            if n != m and 1 not in (n, m):
                raise PydanticCustomError(
                    "lists", "allowed: as many {name} in a and b, or 1", {"name": name}
                )
        if (self.margin is None) == (self.expects == "equal"):
            raise PydanticCustomError("margin", "allowed: a margin with equal, and only there")
        return self


class StrategiesTest(_Part):
    """One strategy against another.

    With ``best`` the best mix of each, chosen on validation images; with ``roughness`` how uneven
    accuracy is over the synthetic count.
    """

    kind: Literal["best", "roughness"]
    a: _Strategy
    b: _Strategy
    expects: _Direction


class GeneratorsTest(_Part):
    """A score of the last checkpoint of two generators at one budget."""

    kind: Literal["generators"]
    score: Literal["fid_examiner", "label_match", "inception_score"]
    a: SystemName
    b: SystemName
    expects: _Direction


class OscillationTest(_Part):
    """How much FID goes up and down over the checkpoints of two generators at one budget."""

    kind: Literal["oscillation"]
    a: SystemName
    b: SystemName
    expects: _Direction


class CourseTest(_Part):
    """Whether quality is lost again: the last checkpoint against the best one before it."""

    kind: Literal["course"]
    system: SystemName


class NeighboursTest(_Part):
    """Whether images that look right are near fewer training images than test images are.

    Decided by the share of training images that are the nearest one of a generated image, minus
    that of as many test images (`augment inspect`), where label match is at least ``label_match``.
    """

    kind: Literal["neighbours"]
    system: SystemName
    label_match: float = Field(ge=0, le=1, description="from which on images look right")


ClaimTest = (
    CellsTest | StrategiesTest | GeneratorsTest | OscillationTest | CourseTest | NeighboursTest
)


class Claim(_Part):
    """One claim of a study and what decides it."""

    id: str = Field(pattern=_ID)
    text: _Text
    test: ClaimTest = Field(discriminator="kind")

    @property
    def measured(self) -> dict[str, Any]:
        """What is measured, without what is expected of it: plain JSON values."""
        return self.test.model_dump(mode="json", exclude={"expects", "margin"})


Form = Literal["full", "quick", "thorough"]


class Study(_Part):
    """One study. Its ``params`` and its other forms are flat: dotted key to value."""

    name: str = Field(pattern=_ID)
    title: _Text = Field(description="who, where, what")
    data: _Paragraph = Field(description="the images that it needs")
    images: StudyImages
    says: _Paragraph = Field(description="what the study found, beside figures")
    open: _Paragraph = Field(description="what it leaves open, and what was chosen")
    protocol: PublishedProtocol | None = Field(
        None, description="null where it is no published one"
    )
    systems: dict[SystemName, StudySystem] = Field(min_length=1)
    params: dict[str, Any] = Field(description="keys of params.yaml, as the study has them")
    quick: dict[str, Any] = Field(description="keys that make it run in minutes")
    thorough: dict[str, Any] = Field({}, description="keys that give it large budgets")
    accuracies: list[PublishedAccuracy] = []
    claims: list[Claim] = []

    _flatten = field_validator("params", "quick", "thorough", mode="before")(_overlay)

    def form(self, name: Form) -> dict[str, Any]:
        """The keys of another form than the full one, and their values."""
        return {"full": {}, "quick": self.quick, "thorough": self.thorough}[name]

    @property
    def source(self) -> str | None:
        """The value of data.source; None where the study is of any images."""
        return self.params.get("data.source")

    @property
    def system(self) -> str:
        """The system that is trained unless another one is chosen."""
        return str(self.params["train_gan.system"])

    @property
    def published(self) -> PublishedProtocol:
        """The protocol of a published study."""
        assert self.protocol is not None
        return self.protocol

    @model_validator(mode="after")
    def _whole(self) -> Study:
        """Check that the full form gives every key of the others: their values must not stay."""
        if self.params.get("train_gan.system") not in self.systems:
            raise PydanticCustomError("study", "params.train_gan.system is none of systems")
        others = [self.quick, self.thorough, *(system.overlay for system in self.systems.values())]
        for key in (key for overlay in others for key in overlay if key not in self.params):
            if key not in UNLESS_GIVEN:
                raise PydanticCustomError("study", "{key} is not in params", {"key": key})
        for name, count in Counter(claim.id for claim in self.claims).items():
            if count > 1:
                raise PydanticCustomError("study", "claim {id} is given twice", {"id": name})
        if self.accuracies and (self.protocol is None or self.protocol.pool is None):
            raise PydanticCustomError("study", "protocol.pool is missing; accuracies need it")
        return self


UNLESS_GIVEN: dict[str, Any] = {
    "train_gan.options": {},
    "train_gan.width": None,
    "generate.source": "model",
    "generate.path": None,
}
"""What these keys become where a study does not give them: other values change its systems."""


def study_names(root: Path) -> list[str]:
    """Return the studies that ``root/studies`` holds, sorted; raise ``StudyError`` without one."""
    names = sorted(path.parent.name for path in (root / "studies").glob(f"*/{FILE}"))
    if not names:
        raise StudyError(f"{root / 'studies'} holds no {FILE}; run the command in a checkout")
    return names


def load_study(root: Path, name: str, aliases: Sequence[str] = ()) -> Study:
    """Read one study.

    Args:
        root: the folder that holds ``studies``.
        name: of the study.
        aliases: further names that are allowed, for the error.

    Raises:
        StudyError: there is no such study, or its file is not valid.
    """
    names = study_names(root)
    if name not in names:
        allowed = allowed_names(name, [*names, *aliases])
        raise StudyError(f"study {shown(name)} is unknown; {allowed}")
    file = f"studies/{name}/{FILE}"
    values = read_file(root / file, file, YAML(typ="safe", pure=True).load, _LARGEST_FILE)
    try:
        return Study.model_validate(values | {"name": name} if isinstance(values, dict) else values)
    except ValidationError as error:
        raise StudyError(f"{file}: {first_problem(error)}") from None


def read_file(path: Path, file: str, load: Callable[[str], Any], largest: int) -> Any:
    """Return the values of a file from outside.

    Args:
        path: the file.
        file: what it is called in an error.
        load: makes values of its text.
        largest: bytes that are read at most.

    Raises:
        StudyError: it is too large or cannot be read.
    """
    try:
        if path.stat().st_size > largest:
            raise StudyError(f"{file}: larger than {largest} bytes")
        return load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise StudyError(f"{file}: cannot be read: {reason[:200]}") from None


def published_studies(root: Path) -> list[Study]:
    """Return the studies that somebody else published, by name."""
    found = (load_study(root, name) for name in study_names(root))
    return [study for study in found if study.protocol is not None]


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a validation in one line, unknown keys first."""

    def lines() -> Iterator[str]:
        details = error.errors(include_url=False)
        for detail in details:
            if detail["type"] == "extra_forbidden":
                *parents, name = detail["loc"]
                yield f"{dotted([*parents, shown(str(name))[1:-1]])} is not a known key"
        for detail in details:
            key = dotted(detail["loc"])
            if detail["type"] == "missing":
                yield f"{key} is missing"
            elif not key or detail["type"] in ("overlay", "study"):
                yield detail["msg"]
            else:
                allowed = re.sub(r"^Input should be ", "allowed: ", detail["msg"])
                yield f"{key} is {shown(detail['input'])}; {allowed}"

    return " ".join(next(lines()).split())
