"""Where everything is: the project's folder, its artefacts, and the user's cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import PipelineError
from pipeline.paths import refuse_outputs, user_path

if TYPE_CHECKING:
    import numpy as np

    from pipeline.parameters.models import Parameters


_MADE_BY = {
    "real": "fetch",
    "examiner": "train-examiner",
    "subsets": "subset",
    "judges": "train-judge",
    "generators": "train-gan",
    "training": "train-gan",
    "grids": "train-gan",
    ("models", "checkpoints"): "train-gan",
    ("results", "checkpoints"): "score-checkpoints",
    "generated": "generate",
    "filtered": "filter",
    "filtering": "filter",
    "inspection": "inspect",
    "recipes.parquet": "mix",
    "cells.parquet": "train-classifiers",
    "predictions.npy": "train-classifiers",
    "scores.json": "score",
    "choices.json": "choose",
    "confirmed.parquet": "confirm",
    "confirmed.npy": "confirm",
}
"""The stage that makes an artefact, by its name below data, models or results."""

T = TypeVar("T")


def read_array(path: Path) -> np.ndarray:
    """Read a .npy file, never an object array."""
    import numpy as np

    array: np.ndarray = np.load(path, allow_pickle=False)
    return array


def _stage_of(artefact: Path) -> str:
    top, name = artefact.parts[:2]
    return _MADE_BY.get(name) or _MADE_BY[top, name]


@dataclass(frozen=True)
class UnitPaths:
    """The artefacts of one unit."""

    subset: Path  # rows of the training set
    validation: Path  # rows of the validation set; absent where that is
    judge: Path
    generator: Path
    checkpoints: Path  # generators of kept epochs
    training: Path  # curves of the generator's training
    grids: Path  # images of every epoch
    checkpoint_scores: Path
    generated: Path
    filtered: Path
    filtering: Path  # tables of acceptance and confidence
    inspection: Path  # tables of neighbours, projections and the discriminator's scores

    @property
    def trained(self) -> dict[str, Path]:
        """What the training of the generator leaves."""
        names = ("generator", "checkpoints", "training", "grids")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Project:
    """A checkout: the folder that holds params.yaml.

    Sent to another process it takes along what was read of it.
    """

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the project that holds ``start`` (by default the working directory).

        Raises:
            PipelineError: when neither it nor a parent holds params.yaml.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "params.yaml").is_file():
                return cls(folder)
        raise PipelineError(
            f"{here} is not inside a project: no params.yaml here or above; "
            "run the command in a checkout"
        )

    @cached_property
    def parameters(self) -> Parameters:
        """The whole of params.yaml, parsed and checked; raises ``ParameterError``."""
        from pipeline.parameters.reading import load_parameters

        return load_parameters(self.root / "params.yaml")

    @cached_property
    def units(self) -> tuple[str, ...]:
        """The units of the study, those of the largest real count first.

        Raises:
            PipelineError: before stage subset has drawn them.
        """
        from augment.files import read_json

        return tuple(self.read(self.unit_list, read_json))

    @property
    def unit_list(self) -> Path:
        """The names of the units, as stage subset drew them."""
        return self.root / "data" / "subsets" / "units.json"

    def data_dir(self, source: str) -> Path | None:
        """Return the folder of data sets that AUGMENT_DATA_DIR names; None where none is needed.

        Args:
            source: the data set that will be looked for in it; others have no files there.

        Raises:
            PipelineError: it cannot be a path, or the data set's folder in it lies in an output.
        """
        name = "AUGMENT_DATA_DIR"
        value = os.environ.get(name)
        if not value or source not in ("mnist", "fashion-mnist"):
            return None
        folder = user_path(value, self.root, name)
        refuse_outputs(folder / source, self.root, name, above=False)
        return folder

    @property
    def inception_weights(self) -> Path | None:
        """The file that score.inception_weights names.

        Raises:
            PipelineError: it cannot be a path, or lies in an output.
        """
        name, text = "score.inception_weights", self.parameters.score.inception_weights
        if text is None:
            return None
        path = user_path(text, self.root, name)
        refuse_outputs(path, self.root, name, above=False)
        return path

    @property
    def cache(self) -> Path:
        """Folder shared by all projects of the user: resume states and finished cells.

        The environment variable AUGMENT_CACHE_DIR moves it.

        Raises:
            PipelineError: it cannot be a path, or lies in an output, which DVC deletes.
        """
        name = "AUGMENT_CACHE_DIR"
        value = os.environ.get(name)
        if value:
            folder = user_path(value, self.root, name)
            refuse_outputs(folder, self.root, name, above=False)
            return folder
        import platformdirs

        return Path(platformdirs.user_cache_dir("synthaug"))

    @property
    def real(self) -> Path:
        """The real images of every part, and what is known of them."""
        return self.root / "data" / "real"

    @property
    def train(self) -> Path:
        """The real training images."""
        return self.real / "train"

    @property
    def validation(self) -> Path:
        """The real images for choices; absent where data.validation is 0."""
        return self.real / "validation"

    @property
    def test(self) -> Path:
        """The real images that only the last evaluation reads."""
        return self.real / "test"

    @property
    def examiner(self) -> Path:
        """The classifier that only reports."""
        return self.root / "models" / "examiner"

    @property
    def recipes(self) -> Path:
        """The manifest of cells."""
        return self.root / "data" / "recipes.parquet"

    @property
    def results(self) -> Path:
        """Tables, scores, figures and the report."""
        return self.root / "results"

    @property
    def log(self) -> Path:
        """Times of stages, outside the tracked artefacts."""
        return self.root / "logs" / "stages.jsonl"

    def training_times(self, unit: str) -> Path:
        """Seconds of every epoch of a unit's generator, outside the tracked artefacts."""
        return self.log.parent / f"train-gan-{unit}.csv"

    @property
    def cell_times(self) -> Path:
        """Seconds that every cell of the grid took, outside the tracked artefacts."""
        return self.log.parent / "cells.csv"

    def require(self, *artefacts: Path) -> None:
        """Refuse to go on without what earlier stages make.

        Raises:
            PipelineError: naming the first missing one and the stage that makes it.
        """
        for path in artefacts:
            if not path.exists():
                inside = path.relative_to(self.root)
                raise PipelineError(
                    f"{inside} is missing; `dvc repro {_stage_of(inside)}` makes it"
                )

    def read(self, path: Path, reader: Callable[[Path], T]) -> T:
        """Return what ``reader`` makes of an artefact of an earlier stage.

        Raises:
            PipelineError: when it is missing or damaged, naming the stage that makes it.
        """
        self.require(path)
        try:
            return reader(path)
        except (OSError, ValueError, EOFError) as error:
            inside = path.relative_to(self.root)
            raise PipelineError(
                f"{inside} cannot be read ({error}); remove it, and "
                f"`dvc repro {_stage_of(inside)}` makes it again"
            ) from None

    def unit(self, name: str) -> UnitPaths:
        """Return the paths of a unit.

        Raises:
            PipelineError: when the study has no such unit.
        """
        if name not in self.units:
            raise PipelineError(
                f"unit {name!r} is not one of this study; allowed: {', '.join(self.units)}"
            )
        data, models, results = self.root / "data", self.root / "models", self.results
        return UnitPaths(
            subset=data / "subsets" / name / "train.npy",
            validation=data / "subsets" / name / "validation.npy",
            judge=models / "judges" / name,
            generator=models / "generators" / name,
            checkpoints=models / "checkpoints" / name,
            training=results / "training" / name,
            grids=results / "grids" / name,
            checkpoint_scores=results / "checkpoints" / f"{name}.csv",
            generated=data / "generated" / name,
            filtered=data / "filtered" / name,
            filtering=results / "filtering" / name,
            inspection=results / "inspection" / name,
        )
