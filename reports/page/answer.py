"""The report's answer: what was found, what it rests on, and how sure one can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.scores.table import HEADLINES

_ACCURACIES = (
    *("accuracy_real", "accuracy_best_mix", "gain"),
    *("accuracy_classical", "accuracy_synthetic_only"),
)

CAS_TITLE = "CAS (classification accuracy score)"
"""Test accuracy with generated images only: Ravuri and Vinyals, 2019."""


def percent(fraction: float | None, n_test: int = 0) -> str:
    """A fraction as a percentage, with two decimals where 5,000 test images or more carry them."""
    if fraction is None or fraction != fraction:
        return "\N{EN DASH}"
    return f"{100 * fraction:.{2 if n_test >= 5000 else 1}f}%"


def points(fraction: float, decimals: int) -> str:
    """A difference of accuracies in percentage points, with a sign that is not a hyphen."""
    text = f"{100 * fraction:+.{decimals}f}"
    if float(text) == 0:
        text = text[1:]
    return text.replace("-", "\N{MINUS SIGN}")


def point_decimals(headline: Mapping[str, Any], gain: str = "gain") -> int:
    """Decimals that keep a bound next to 0 from reading as 0.

    Args:
        headline: from `reports.verdict.statistics.headline`.
        gain: name of the gain in it: 'gain', 'gain_over_classical' or 'classical_gain'.

    Returns:
        1 to 3.
    """
    decimals = 2 if headline["n_test"] >= 5000 else 1
    bounds = [100 * abs(headline[f"{gain}_{side}"]) for side in ("low", "high")]
    while decimals < 3 and any(0 < bound < 0.5 * 10**-decimals for bound in bounds):
        decimals += 1
    return decimals


def answer(headline: Mapping[str, Any]) -> tuple[str, str]:
    """The answer of the study: a word or two, and some plain sentences.

    Args:
        headline: from `reports.verdict.statistics.headline`.

    Returns:
        The short answer and the sentences.
    """
    best, real = headline["best_mix_cell"], headline["real_cell"]
    if headline["gain"] is None:
        missing = "no cell with real images alone was trained"
        if real is not None:
            missing = (
                f"no cell with generated images beside {real['n_real']:,} real ones was trained"
            )
        return "No comparison", f"This study cannot say whether generated images help: {missing}."
    n_test = headline["n_test"]
    size, interval = _size(headline, "gain"), _interval(headline, "gain")
    added = (
        f"Adding {best['n_synthetic']:,} generated images (strategy {best['strategy']}) to the "
        f"{real['n_real']:,} real ones"
    )
    rates = (
        f"({interval}), from {percent(headline['accuracy_real'], n_test)} to "
        f"{percent(headline['accuracy_best_mix'], n_test)}."
    )
    verdict = headline["verdict"]
    if verdict == "helps":
        return "It helps", f"{added} raises test accuracy by {size} percentage points {rates}"
    if verdict == "hurts":
        return "It hurts", f"{added} lowers test accuracy by {size} percentage points {rates}"
    change = f"{added} changes test accuracy by {_signed(headline, 'gain')} percentage points"
    if verdict == "cannot tell":
        return "Cannot tell", f"{change}, {_why_unsure(headline)} {rates}"
    return "No verdict", (
        f"The generator saw all {headline['unit_real']:,} training images, the classifiers at most "
        f"{real['n_real']:,} of them: what generated images add is then optimistic. Add 1.0, all "
        f"training images, to mix.real for a verdict. {change} {rates}"
    )


def verdict_text(verdict: str, n_seeds: int) -> str:
    """A verdict, with the reason where that is the seeds."""
    one = verdict == "cannot tell" and n_seeds == 1
    return f"{verdict}: one classifier seed" if one else verdict


def below_full_note(summary: pd.DataFrame) -> str:
    """What a reader must know of cells with fewer real images than the generator saw.

    Args:
        summary: from `reports.verdict.statistics.summarise_cells`, of the units of one size or of
            several.

    Returns:
        Sentences; empty where there is no such cell.
    """
    sizes = [int(size) for size in summary["unit_real"].unique()]
    notes = []
    for unit_real in sizes:
        cells = summary[(summary["unit_real"] == unit_real) & (summary["n_real"] > 0)]
        small = cells[cells["n_real"] < unit_real]
        if small.empty:
            continue
        if len(sizes) > 1:
            notes.append(f"Units that see {unit_real:,} training images.")
        marked = sorted({int(n) for n in small.loc[small["optimistic"], "n_real"]})
        counts = " to ".join(f"{n:,}" for n in dict.fromkeys((*marked[:1], *marked[-1:])))
        if marked:
            notes.append(
                "Optimistic means: the generator, the judge and the choice of the epoch saw all "
                f"{unit_real:,} training images, the classifier only {counts} of them. So the "
                "generated images can tell it something of the images that it was not given; those "
                f"of a generator trained on the same {counts} images could not."
            )
        notes.append(f"Below {unit_real:,} real images, all that there are, no verdict is given.")
        if marked:
            notes.append(
                "Cells of generated images alone are not marked: they stand for all "
                f"{unit_real:,} images, and should be compared with these."
            )
    return " ".join(notes)


def classical_answer(headline: Mapping[str, Any]) -> str:
    """What the best mix is worth beside classical augmentation without generated images.

    Where classical augmentation is itself below the plain real images, to beat it means little,
    and a sentence says so.

    Args:
        headline: from `reports.verdict.statistics.headline`.

    Returns:
        Sentences; empty where there is no such comparison.
    """
    if headline.get("gain_over_classical") is None:
        return ""
    verdict = headline["verdict_over_classical"]
    size = _size(headline, "gain_over_classical")
    interval = _interval(headline, "gain_over_classical", " of the mix's gain")
    classical = (
        f"classical augmentation of the {headline['classical_cell']['n_real']:,} real images, "
        "without any generated one,"
    )
    mix, other = (
        percent(headline[f"accuracy_{of}"], headline["n_test"]) for of in ("best_mix", "classical")
    )
    if verdict == "helps":
        compared = (
            f"The best mix beats {classical} by {size} percentage points ({interval}): {mix} "
            f"against {other}"
        )
    elif verdict == "hurts":
        compared = (
            f"{classical[0].upper()}{classical[1:]} beats the best mix by {size} percentage points "
            f"({interval}): {other} against {mix}"
        )
    else:
        chance = f", {_why_unsure(headline)}" if verdict == "cannot tell" else ""
        compared = (
            f"Against {classical} the best mix changes test accuracy by "
            f"{_signed(headline, 'gain_over_classical')} percentage points{chance} ({interval}): "
            f"{mix} against {other}"
        )
    if (headline["classical_gain"] or 0) >= 0:
        return f"{compared}."
    first = ""
    if headline["gain"] < 0:
        unsure = "" if headline["verdict"] == "hurts" else f" ({headline['verdict']})"
        first = (
            f"The best mix is {_size(headline, 'gain')} percentage points below the real images "
            f"alone{unsure}. "
        )
    interval = _interval(headline, "classical_gain", " of its own gain")
    if headline["classical_verdict"] != "hurts":
        interval += f": {headline['classical_verdict']}"
    size = _size(headline, "classical_gain")
    return (
        f"{first}{compared}. But classical augmentation is itself {size} percentage points below "
        f"the real images alone ({interval}), so to beat it means little."
    )


def _size(headline: Mapping[str, Any], gain: str) -> str:
    """A gain without its sign."""
    return points(abs(headline[gain]), point_decimals(headline, gain)).lstrip("+")


def _signed(headline: Mapping[str, Any], gain: str) -> str:
    return points(headline[gain], point_decimals(headline, gain))


def _interval(headline: Mapping[str, Any], gain: str, of: str = "") -> str:
    decimals = point_decimals(headline, gain)
    low, high = (points(headline[f"{gain}_{side}"], decimals) for side in ("low", "high"))
    return f"{100 * headline['confidence']:g} % interval{of} {low} to {high}"


def _why_unsure(headline: Mapping[str, Any]) -> str:
    """Why a gain cannot be told from none."""
    if headline["n_seeds"] == 1:
        return "which one classifier seed cannot tell from chance"
    return "too little to tell from chance"


def basis(headline: Mapping[str, Any]) -> list[str]:
    """What the answer rests on, and what its interval covers and leaves out.

    Args:
        headline: from `reports.verdict.statistics.headline`.

    Returns:
        Sentences; empty when there is no comparison.
    """
    if headline["gain"] is None:
        return []
    seeds, units, n_test = headline["n_seeds"], headline["n_units"], headline["n_test"]
    n_mixes = headline["n_candidates"]
    words = f"{seeds} classifier {'seed' if seeds == 1 else 'seeds'}"
    if units > 1:
        words = f"{units} generators and {words} ({headline['n_replicates']} replicates)"
    measured = f"Measured on {n_test:,} test images with {words}, pair by pair."
    if headline["chosen_by"] == "validation":
        beside = f"with {headline['real_cell']['n_real']:,} real images"
        mixes = f"the best of {n_mixes} mixes {beside} by validation accuracy"
        if n_mixes == 1:
            mixes = f"the only one {beside}"
        chosen = f"The mix is {mixes}; the test images had no part in the choice."
    else:
        chosen = (
            "Without validation images no best mix can be chosen: that with the most generated "
            "images stands in. The test images had no part in the choice."
        )
    sentences = [measured, chosen, _coverage(seeds, units)]
    if headline["n_replicates"] == 2:
        sentences.append(
            f"With two {'seeds' if units == 1 else 'replicates'} it can be too narrow: in "
            "simulated studies in which seeds varied four times as much as test images did, it "
            "held the true gain in 92 % of the studies, not in 95 %."
        )
    return sentences


def _coverage(seeds: int, units: int) -> str:
    """What chance the interval of the gain covers, and what it leaves out."""
    images = "in which test images were drawn"
    if units > 1:
        seed = ", in the classifier's seed" if seeds > 1 else ""
        return (
            f"The interval covers chance {images}{seed} and, in part, in training the generator. "
            "It counts every pair of a generator and a classifier seed as an independent "
            "replicate, so it is too narrow where generators differ more than seeds do. It does "
            "not cover drawing other training images, or other data."
        )
    covers = (
        f"The interval covers chance in the classifier's seed and {images}."
        if seeds > 1
        else "With one seed, the interval covers only chance in which test images were drawn, "
        "not in the classifier's seed."
    )
    return (
        f"{covers} It does not cover training the generator again, drawing other training images, "
        "or other data."
    )


def key_scores(scores: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The rows of the scores that stand on top of the report: one unit's generated images.

    Args:
        scores: as in `reports.page.render.PageContent`; or empty.
        unit: whose generator.
    """
    if scores.empty:
        return scores
    mine = scores[(scores["unit"] == unit) & (scores["pool"] == "generated")]
    return mine[mine["value"].notna() & mine["score"].isin(HEADLINES)]


def metrics(headline: Mapping[str, Any], scores: pd.DataFrame, unit: str) -> dict[str, float]:
    """The headline's numbers, rounded to six digits; what could not be measured is left out."""
    found = {name: headline[name] for name in _ACCURACIES if headline[name] is not None}
    rows = key_scores(scores, unit)
    if len(rows):
        found |= dict(zip(rows["score"], rows["value"], strict=True))
    return {name: round(float(value), 6) for name, value in found.items()}
