"""Where everything is: the project's folder, its artefacts, and the user's cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.parameters import Parameters


_MADE_BY = {
    "real": "fetch",
    "examiner": "train-examiner",
    "subset.npy": "subset",
    "judge": "train-judge",
    "generator": "train-gan",
    "training": "train-gan",
    "generated": "generate",
    "filtered": "filter",
    "filtering": "filter",
    "recipes.parquet": "mix",
    "cells.parquet": "train-classifiers",
    "predictions.npy": "train-classifiers",
    "scores.json": "score",
}
"""The stage that makes an artefact, by its name."""


@dataclass(frozen=True)
class UnitPaths:
    """The artefacts of one unit."""

    subset: Path
    judge: Path
    generator: Path
    training: Path  # curves and grids of the generator's training
    generated: Path
    filtered: Path
    filtering: Path  # tables of acceptance and confidence


@dataclass(frozen=True)
class Project:
    """A checkout: the folder that holds params.yaml."""

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
        from pipeline.parameters import load_parameters

        return load_parameters(self.root / "params.yaml")

    @property
    def data_dir(self) -> Path | None:
        """Folder of data sets, from the environment variable AUGMENT_DATA_DIR."""
        value = os.environ.get("AUGMENT_DATA_DIR")
        return self.root / value if value else None

    @property
    def cache(self) -> Path:
        """Folder shared by all projects of the user: resume states and finished cells.

        The environment variable AUGMENT_CACHE_DIR moves it.
        """
        value = os.environ.get("AUGMENT_CACHE_DIR")
        if value:
            return self.root / value
        import platformdirs

        return Path(platformdirs.user_cache_dir("synthaug"))

    @property
    def train(self) -> Path:
        """The real training images."""
        return self.root / "data" / "real" / "train"

    @property
    def validation(self) -> Path:
        """The real images for choices; absent where data.validation is 0."""
        return self.root / "data" / "real" / "validation"

    @property
    def test(self) -> Path:
        """The real images that only the last evaluation reads."""
        return self.root / "data" / "real" / "test"

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

    def require(self, *artefacts: Path) -> None:
        """Refuse to go on without what earlier stages make.

        Raises:
            PipelineError: naming the first missing one and the stage that makes it.
        """
        for path in artefacts:
            if not path.exists():
                inside = path.relative_to(self.root)
                stage = next(s for name, s in _MADE_BY.items() if name in inside.parts)
                raise PipelineError(f"{inside} is missing; `dvc repro {stage}` makes it")

    def unit(self, name: str) -> UnitPaths:
        """Return the paths of a unit.

        Raises:
            PipelineError: when params.yaml does not list it.
        """
        units = self.parameters.units
        if name not in units:
            raise PipelineError(f"unit {name!r} is not in params.yaml; allowed: {', '.join(units)}")
        data = self.root / "data" / "units" / name
        models = self.root / "models" / "units" / name
        results = self.results / "units" / name
        return UnitPaths(
            subset=data / "subset.npy",
            judge=models / "judge",
            generator=models / "generator",
            training=results / "training",
            generated=data / "generated",
            filtered=data / "filtered",
            filtering=results / "filtering",
        )
