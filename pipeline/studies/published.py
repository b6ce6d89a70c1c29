"""What the published studies measured and claim: ``studies/<study>/published.yaml``, validated.

Facts and declarative tests only. The files are read as data from outside: of limited size, plain
YAML, every key known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import PipelineError
from pipeline.parameters.models import StrategyName
from pipeline.parameters.text import dotted, shown

FILE = "published.yaml"
_LARGEST_FILE = 1 << 20
_ID = r"^[a-z0-9][a-z0-9-]{0,60}$"
SystemName = Annotated[str, Field(pattern=_ID)]
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"

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
_Counts = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=100)]
_Strategy = StrategyName | Literal["none"]
_Direction = Literal["higher", "lower"]


class PublishedError(PipelineError):
    """A file of published facts that is missing or not valid; the text is one line."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class PublishedData(_Part):
    """The images of a study."""

    name: _Text
    source: Literal["mnist", "fashion-mnist", "folder"] = Field(description="of data.source")
    train: int | None = Field(None, ge=1, description="training images; null where not said")
    image_size: int | None = Field(None, ge=1, description="pixels a side")


class Pool(_Part):
    """The generator whose images are mixed in."""

    system: SystemName
    epochs: int = Field(ge=1, description="passes that it was trained for")


class PublishedProtocol(_Part):
    """How the study got its figures; null is not said, or of no consequence."""

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


class PublishedSystem(_Part):
    """One generator of a study."""

    epochs: int | None = Field(None, ge=1, description="passes over the images")
    batch_size: int | None = Field(None, ge=1, description="where not the study's usual one")
    image_size: int | None = Field(None, ge=1, description="likewise, pixels a side")
    figures: list[PublishedFigure] = Field([], description="its scores")


class PublishedAccuracy(_Part):
    """Test accuracy of one cell; a count that the study does not give is null."""

    strategy: _Strategy
    n_real: int | None = Field(ge=0, description="real images")
    n_synthetic: int | None = Field(ge=0, description="generated images")
    accuracy: float = Field(ge=0, le=1, description="a fraction")
    best: bool = Field(False, description="the highest of several cells on the test images")


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


class BestTest(_Part):
    """The best mix of one strategy against that of another, chosen on validation images."""

    kind: Literal["best"]
    a: _Strategy
    b: _Strategy
    expects: _Direction


class RoughnessTest(_Part):
    """How uneven accuracy is over the synthetic count, one strategy against another."""

    kind: Literal["roughness"]
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
    CellsTest
    | BestTest
    | RoughnessTest
    | GeneratorsTest
    | OscillationTest
    | CourseTest
    | NeighboursTest
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


class Published(_Part):
    """One published study."""

    study: str = Field(pattern=_ID)
    data: PublishedData
    protocol: PublishedProtocol
    systems: dict[SystemName, PublishedSystem] = Field(min_length=1)
    accuracies: list[PublishedAccuracy] = []
    claims: list[Claim] = []

    @model_validator(mode="after")
    def _distinct_claims(self) -> Published:
        names = [claim.id for claim in self.claims]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError("claims", "claim {id} is given twice", {"id": name})
        if self.accuracies and self.protocol.pool is None:
            raise PydanticCustomError("pool", "protocol.pool is missing; accuracies need it")
        return self


def study_names(root: Path) -> list[str]:
    """Return the studies that ``root/studies`` holds published facts of, sorted.

    Raises:
        PublishedError: there is none.
    """
    names = sorted(path.parent.name for path in (root / "studies").glob(f"*/{FILE}"))
    if not names:
        raise PublishedError(f"studies holds no {FILE}; run the command in a checkout")
    return names


def load_published(root: Path, study: str) -> Published:
    """Read the published facts of one study.

    Raises:
        PublishedError: there is no such study, or its file is not valid.
    """
    names = study_names(root)
    if study not in names:
        raise PublishedError(f"study {shown(study)} is unknown; allowed: {', '.join(names)}")
    path, name = root / "studies" / study / FILE, f"studies/{study}/{FILE}"
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise PublishedError(f"{name}: larger than {_LARGEST_FILE} bytes")
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PublishedError(f"{name}: cannot be read: {reason[:200]}") from None
    try:
        return Published.model_validate(
            values | {"study": study} if isinstance(values, dict) else values
        )
    except ValidationError as error:
        raise PublishedError(f"{name}: {first_problem(error)}") from None


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
            elif not key:
                yield detail["msg"]
            else:
                allowed = re.sub(r"^Input should be ", "allowed: ", detail["msg"])
                yield f"{key} is {shown(detail['input'])}; {allowed}"

    return " ".join(next(lines()).split())
