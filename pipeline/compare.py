"""`augment compare`: the studies' figures and claims beside the runs recorded under studies/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from augment.files import atomic_file
from pipeline.compare_figures import compare_figures
from pipeline.judge_claims import judge_claims
from pipeline.published import load_published, study_names
from pipeline.records import read_records
from reports.claims import Finding, claims_table
from reports.comparison import Figure, Measurement, comparison_table


def tables(root: Path, studies: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the comparison and the claims of studies.

    Args:
        root: the project's folder.
        studies: names; None is every study.

    Returns:
        The tables of `reports.comparison.comparison_table` and `reports.claims.claims_table`.

    Raises:
        PipelineError: an unknown study, or a file under studies/ that is not valid; one line.
    """
    pairs: list[tuple[Figure, Measurement | None]] = []
    findings: list[Finding] = []
    for name in study_names(root) if studies is None else studies:
        published, records = load_published(root, name), read_records(root, name)
        pairs += compare_figures(published, records)
        findings += judge_claims(published, records)
    return comparison_table(pairs), claims_table(findings)


def studies_of(root: Path, source: str) -> list[str]:
    """Return the studies of a kind of images, sorted; none where ``root`` holds no studies.

    Args:
        root: the project's folder.
        source: data.source of params.yaml; the embedded digits count as MNIST.
    """
    if not (root / "studies").is_dir():
        return []
    kind = "mnist" if source == "mnist5k" else source
    return [name for name in study_names(root) if load_published(root, name).data.source == kind]


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    with atomic_file(path) as file:
        file.write(table.to_csv(index=False, lineterminator="\n").encode())


def claims_path(path: Path) -> Path:
    """Return the file beside a comparison's CSV that holds the claims."""
    return path.with_name(f"{path.stem}-claims{path.suffix}")
