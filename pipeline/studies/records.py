"""The records of ``studies/<study>/*.json``, read back and checked.

`augment record` writes two kinds: what a generator reached, and what a grid of classifiers reached
("kind": "cells"). Only what is compared is read; other keys are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from pipeline.parameters.text import shown
from pipeline.studies.comparison import number_text, width_text
from pipeline.study_files import StudyError, first_problem, read_file

FORMAT = 2
_LARGEST_FILE = 1 << 24

_Text = Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]
# Far above any honest number, and what is computed of them stays finite.
_Count = Annotated[int, Field(ge=0, le=10**12)]
_Positive = Annotated[int, Field(ge=1, le=10**12)]
_Score = Annotated[float, Field(ge=-1e12, le=1e12)]
_Width = Annotated[float, Field(ge=1e-6, le=1e6)]
_Fraction = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class RecordedData(_Part):
    """The real images of a run."""

    source: _Text
    train: _Positive
    test: _Positive


class RecordedArchitecture(_Part):
    """What of a generator's architecture is compared; the rest tells variants apart."""

    model_config = ConfigDict(extra="allow")

    image_size: _Positive


class RecordedSystem(_Part):
    """A generator's name and settings; all of them tell variants apart."""

    model_config = ConfigDict(extra="allow")

    name: _Text
    batch_size: _Positive


class Machine(_Part):
    """The machine of a run."""

    processor: _Text
    cores: _Count | None = None
    device: _Text | None = None
    precision: _Text | None = None  # of the generator's training


class Checkpoint(_Part):
    """The scores of one kept generator; those that were not measured are None."""

    epoch: _Positive
    weights: _Text
    fid_examiner: _Score
    inception_score: _Score
    label_match: _Fraction | None = None
    fid_inception: _Score | None = None
    inception_score_inception: _Score | None = None


class Neighbours(_Part):
    """Share of training images that are the nearest one of a query, for two kinds of queries."""

    generated: _Fraction
    test: _Fraction


class _Record(_Part):
    name: _Text = ""  # Of the file, below studies/.
    format: Literal[2]
    data: RecordedData
    parameters: dict[str, dict[str, Any] | int | None]  # Of params.yaml, what it depends on.
    machine: Machine

    def setting(self, section: str, key: str) -> Any:
        """Return a value of its parameters; None where they have none."""
        found = self.parameters.get(section)
        return found.get(key) if isinstance(found, dict) else None

    @cached_property
    def options(self) -> str:
        """Options of the system that are not its own, as one text; empty without one."""
        options = self.setting("train_gan", "options")
        pairs = options.items() if isinstance(options, dict) else ()
        return ", ".join(f"{key} {shown(value)}" for key, value in pairs)


class Budget(_Part):
    """How wide a generator's networks are, and how long it was trained."""

    width: _Width  # share of the published number of channels
    images_seen: _Positive

    @property
    def nearness(self) -> tuple[float, int]:
        """The larger, the nearer to a study's budget."""
        return self.width, self.images_seen

    @property
    def budget_text(self) -> str:
        """The budget as ``width 1/8, 300,000 images``."""
        return f"width {width_text(self.width)}, {number_text(self.images_seen)} images"


class GeneratorRecord(_Record, Budget):
    """What one training of a generator reached."""

    kind: Literal["generator"] = "generator"
    system: RecordedSystem
    architecture: RecordedArchitecture
    epochs: _Positive
    collapsed_epochs: _Count = 0
    seed: _Count
    seconds_per_epoch: _Score | None = None
    checkpoints: list[Checkpoint]
    neighbours: Neighbours | None = None

    @cached_property
    def plain(self) -> list[Checkpoint]:
        """The checkpoints of the plain weights, by epoch."""
        rows = [row for row in self.checkpoints if row.weights == "plain"]
        return sorted(rows, key=lambda row: row.epoch)

    @property
    def examiner_model(self) -> str:
        """The classifier that scored; LeNet was the only one until a record named it."""
        model = self.setting("classifier", "model") or "lenet"
        return "LeNet" if model == "lenet" else str(model)

    @property
    def examiner_epochs(self) -> float | None:
        """Passes over the training images of the LeNet that scored; None where not known."""
        steps, epochs = (_whole(self.setting("train_examiner", key)) for key in ("steps", "epochs"))
        batch = _whole(self.setting("classifier", "batch_size"))
        if epochs is not None:
            return epochs
        return None if steps is None or batch is None else steps * batch / self.data.train

    @property
    def budget(self) -> tuple[object, ...]:
        """What two generators must share to be compared."""
        scored_by = round(self.examiner_epochs or 0, 2)
        data = (self.data.source, self.data.train, self.architecture.image_size)
        return (self.width, self.images_seen, *data, scored_by)

    @property
    def variant(self) -> str:
        """What beside the budget two runs of one generator must share to differ by seed alone."""
        about = self.system.model_dump(exclude={"description", "chosen"})
        parts = [self.options, about, self.architecture.model_dump()]
        return json.dumps(parts, sort_keys=True)


class RecordedGenerator(Budget):
    """The generator whose images a grid mixed in."""

    system: _Text
    batch_size: _Positive
    image_size: _Positive


class Classifiers(_Part):
    """How long each classifier was trained."""

    epochs: _Positive | None = None
    steps: _Positive | None = None


class CellRow(_Part):
    """All classifiers of one recipe."""

    strategy: _Text
    n_real: _Count
    n_synthetic: _Count
    test_accuracy: list[_Fraction] = Field(min_length=1, max_length=10_000)
    validation: _Fraction | None = None


class Contrast(_Part):
    """Accuracy of one side of a claim minus that of the other, as a fraction, and its basis."""

    difference: _Score | None  # None where no pair of cells was trained
    low: _Score | None  # None with one seed where the interval is over seeds
    high: _Score | None
    n_seeds: _Count
    n_images: _Count | None  # None where the interval is over seeds alone
    pairs: list[_Text]  # what was compared
    missing: list[_Text] = []  # cells that the claim names and that were not trained
    chosen_by: Literal["validation", "largest real count"] | None = None
    optimistic_counts: list[_Count] = Field(default=[], max_length=10_000)
    """Real counts of its cells that are `reports.verdict.statistics.optimistic`."""

    @model_validator(mode="after")
    def _interval_holds_its_difference(self) -> Contrast:
        found = [x for x in (self.low, self.difference, self.high) if x is not None]
        if found != sorted(found):
            raise PydanticCustomError("interval", "allowed: low <= difference <= high")
        return self


class RecordedContrast(Contrast):
    """A claim's difference, and the test that it was measured for."""

    claim: _Text
    test: dict[str, Any]


class CellsRecord(_Record):
    """What a grid of classifiers reached."""

    kind: Literal["cells"]
    generator: RecordedGenerator | None  # None where another tool made the images
    classifier: Classifiers
    cells: list[CellRow] = Field(min_length=1)
    contrasts: list[RecordedContrast]


Record = GeneratorRecord | CellsRecord

Grid = tuple[CellsRecord, RecordedGenerator]
"""A grid of classifiers whose images a generator of this project made, and that generator."""


def grids_of_generators(records: Iterable[Record]) -> list[Grid]:
    """Return the grids among records, without those whose images another tool made."""
    return [
        (record, record.generator)
        for record in records
        if isinstance(record, CellsRecord) and record.generator is not None
    ]


def read_records(root: Path, study: str) -> list[Record]:
    """Read every record of a study, by name.

    Raises:
        StudyError: a record that is damaged or of another format.
    """
    paths = sorted((root / "studies" / study).glob("*.json"))
    return [read_record(path, f"{study}/{path.stem}") for path in paths]


def read_record(path: Path, name: str) -> Record:
    """Read one record.

    Args:
        path: the file.
        name: of the record, below studies/.

    Raises:
        StudyError: it cannot be read, or is no record; one line that names the file.
    """
    file = f"studies/{name}.json"
    values = read_file(path, file, json.loads, _LARGEST_FILE)
    if not isinstance(values, dict):
        raise StudyError(f"{file}: holds no record")
    kind = values.get("kind", "generator")
    if kind not in ("generator", "cells"):
        raise StudyError(f"{file}: kind is {kind!r:.60}; allowed: generator, cells")
    model: type[Record] = CellsRecord if kind == "cells" else GeneratorRecord
    try:
        return model.model_validate(values | {"name": name})
    except ValidationError as error:
        raise StudyError(f"{file}: {first_problem(error)}") from None


class Runs(NamedTuple):
    """Trainings of one generator that differ by seed alone."""

    records: tuple[GeneratorRecord, ...]  # one a seed, by seed

    @property
    def first(self) -> GeneratorRecord:
        """Any of them, for what they share."""
        return self.records[0]

    def __str__(self) -> str:
        seeds = ", ".join(str(record.seed) for record in self.records)
        collapsed = sum(record.collapsed_epochs > 0 for record in self.records)
        details = f"; {collapsed} collapsed" if collapsed else ""
        details += f"; {self.first.options}" if self.first.options else ""
        return f"{self.first.system.name} (seed{'s' * (len(self.records) > 1)} {seeds}{details})"


def runs_by_budget(
    records: Iterable[GeneratorRecord],
    system: str,
    key: Callable[[GeneratorRecord], Hashable] = lambda record: record.budget,
    *,
    changed: bool = False,
) -> dict[Hashable, Runs]:
    """Return for each budget the runs of a system with its own settings, nearest budget first.

    With ``changed`` the runs with settings of ours instead; those that share them are one group.
    Where code or tables changed between runs of one budget, the runs that are most in number count.
    """
    by_variant: dict[tuple[Hashable, str], dict[int, GeneratorRecord]] = {}
    for record in records:  # by name: of two records with one seed the first one counts
        if record.system.name == system and bool(record.options) == changed and record.plain:
            seeds = by_variant.setdefault((key(record), record.variant), {})
            seeds.setdefault(record.seed, record)
    found: dict[Hashable, Runs] = {}
    for (budget, _), by_seed in by_variant.items():
        runs = Runs(tuple(by_seed[seed] for seed in sorted(by_seed)))
        if budget not in found or len(runs.records) > len(found[budget].records):
            found[budget] = runs
    nearest = sorted(found.items(), key=lambda item: item[1].first.nearness, reverse=True)
    return dict(nearest)


def _whole(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 10**12 else None
