"""The studies' claims, judged by our recorded runs.

Claims of classifiers were measured where their predictions were at hand (see `contrasts`), claims
of generators are measured from the scores of their checkpoints (see `generator_claims`). Which runs
decide a claim is settled by budget and name, never by what they reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.studies.findings import Finding, claim_verdict
from pipeline.studies.generator_claims import one_generator, two_generators
from pipeline.studies.records import (
    GeneratorRecord,
    Grid,
    Record,
    RecordedContrast,
    grids_of_generators,
)
from pipeline.study_files import (
    CellsTest,
    Claim,
    GeneratorsTest,
    OscillationTest,
    StrategiesTest,
    Study,
)

_MOST_NAMED = 3


def judge_claims(study: Study, records: Sequence[Record]) -> Iterator[tuple[str, str, Finding]]:
    """Yield the study's name, the text of each of its claims, and what our runs say of it."""
    of_generators = [
        record
        for record in records
        if isinstance(record, GeneratorRecord) and record.data.source == study.source
    ]
    grids = grids_of_generators(records)
    for claim in study.claims:
        match claim.test:
            case CellsTest() | StrategiesTest() as test:
                found = _of_classifiers(study, claim, test, grids)
            case GeneratorsTest() | OscillationTest() as test:
                found = two_generators(test, of_generators)
            case test:
                found = one_generator(test, of_generators)
        yield study.name, claim.text, found


def _of_classifiers(
    study: Study,
    claim: Claim,
    test: CellsTest | StrategiesTest,
    grids: Sequence[Grid],
) -> Finding:
    """Judge a claim by the contrast that a grid of the study's generator and data recorded."""
    pool = study.published.pool
    candidates = [
        (record, generator, contrast)
        for record, generator in grids
        if pool is not None
        and generator.system == pool.system
        and not record.options
        and record.data.source == study.source
        for contrast in record.contrasts
        if contrast.claim == claim.id
    ]
    if not candidates:
        name = "the study's generator" if pool is None else pool.system
        why = f"no grid of {study.images.name} with images of {name} in its own settings"
        return Finding("points", why)
    current = [each for each in candidates if each[2].test == claim.measured]
    if not current:
        names = ", ".join(record.name for record, _, _ in candidates)
        why = f"{names}: measured for another test; `augment record --cells` measures it again"
        return Finding("points", why)
    record, generator, contrast = max(
        current, key=lambda item: (bool(item[2].pairs), *item[1].nearness)
    )
    if contrast.difference is None:
        return Finding("points", f"{record.name}: not trained: {_named(contrast.missing)}")
    # With one seed the interval covers the choice of test images alone.
    low, high = (contrast.low, contrast.high) if contrast.n_seeds > 1 else (None, None)
    margin = test.margin if isinstance(test, CellsTest) else None
    details = [f"{record.name} ({generator.budget_text})", _pairs_text(test, contrast)]
    if contrast.missing:
        details.append(f"not trained: {_named(contrast.missing)}")
    if contrast.optimistic_counts:
        details.append(_optimistic_text(contrast.optimistic_counts))
    if contrast.n_seeds < 2:
        details.append("n = 1")
    return Finding(
        unit="points",
        based_on="; ".join(details),
        verdict=claim_verdict(low, high, test.expects, margin or 0.0),
        difference=contrast.difference,
        low=low,
        high=high,
        n=str(contrast.n_seeds),
    )


def _optimistic_text(counts: Sequence[int]) -> str:
    fewest, most = (f"{count:,}" for count in (min(counts), max(counts)))
    return f"optimistic at {fewest if fewest == most else f'{fewest} to {most}'} real images"


def _pairs_text(test: CellsTest | StrategiesTest, contrast: RecordedContrast) -> str:
    n = len(contrast.pairs)
    if test.kind == "roughness":
        return f"{n} lines of the grid" if n > 1 else "1 line of the grid"
    if contrast.chosen_by == "validation":
        return f"chosen on validation: {contrast.pairs[0]}"
    pairs = f"{n} pairs" if n > 1 else contrast.pairs[0]
    return f"{pairs} at the {contrast.chosen_by}" if contrast.chosen_by else pairs


def _named(names: Sequence[str]) -> str:
    """Return names as one text, the first ones and how many more."""
    more = len(names) - _MOST_NAMED
    text = ", ".join(names[:_MOST_NAMED])
    return f"{text} and {more} more" if more > 0 else text
