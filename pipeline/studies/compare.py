"""`augment compare`: the studies' figures and claims beside the runs recorded under studies/."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from augment.files import write_csv
from pipeline.errors import PipelineError
from pipeline.paths import refuse_outputs
from pipeline.studies.claims import judge_claims
from pipeline.studies.comparison import Figure, Measurement, comparison_table
from pipeline.studies.figures import compare_figures
from pipeline.studies.findings import Finding, claims_table
from pipeline.studies.records import read_records
from pipeline.study_files import Study, StudyError, load_study, published_studies


def tables(root: Path, studies: Sequence[Study]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the comparison and the claims of published studies.

    Args:
        root: the project's folder.
        studies: from :func:`studies_of` or :func:`named_studies`.

    Returns:
        The tables of `comparison_table` and `claims_table`.

    Raises:
        StudyError: a record under studies/ that is not valid; one line.
    """
    pairs: list[tuple[Figure, Measurement | None]] = []
    findings: list[tuple[str, str, Finding]] = []
    for study in studies:
        records = read_records(root, study.name)
        pairs += compare_figures(study, records)
        findings += judge_claims(study, records)
    return comparison_table(pairs), claims_table(findings)


def named_studies(root: Path, name: str | None = None) -> list[Study]:
    """Return the published study of a name, or without one every published study.

    Raises:
        StudyError: there is no such study, nothing is published of it, or a file is not valid.
    """
    if name is None:
        return published_studies(root)
    study = load_study(root, name)
    if study.protocol is None:
        raise StudyError(f"study {name} is this project's own; nothing is published of it")
    return [study]


def studies_of(root: Path, source: str) -> list[Study]:
    """Return the published studies of a kind of images; none where ``root`` holds no studies.

    Args:
        root: the project's folder.
        source: data.source of params.yaml; the embedded digits count as MNIST.
    """
    if not (root / "studies").is_dir():
        return []
    kind = "mnist" if source == "mnist5k" else source
    return [study for study in published_studies(root) if study.source == kind]


def write_csvs(root: Path, path: Path, tables: Sequence[pd.DataFrame]) -> list[str]:
    """Write the comparison and, where it is there, the table of claims beside it, as CSV.

    Args:
        root: the project's folder.
        path: the comparison's file; the claims' is that of :func:`claims_path`.
        tables: one or both of :func:`tables`.

    Returns:
        A line for each file.

    Raises:
        PipelineError: a place is taken, or is the pipeline's; nothing is written then.
    """
    if not path.name:
        raise PipelineError(f"--csv {path} is a folder; allowed: a file that is not there yet")
    written = list(zip((path, claims_path(path)), tables, strict=False))
    for place, _ in written:
        refuse_outputs(place, root, "--csv")
        if os.path.lexists(place):
            raise PipelineError(f"--csv {place} is there already; give another file, or remove it")
    for place, table in written:
        write_csv(place, table, float_format=None)
    return [f"{place} holds {len(table)} rows" for place, table in written]


def claims_path(path: Path) -> Path:
    """Return the file beside a comparison's CSV that holds the claims."""
    return path.with_name(f"{path.stem}-claims{path.suffix}")
