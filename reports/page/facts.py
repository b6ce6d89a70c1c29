"""What the numbers of a figure or a pool say, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

from reports.page.answer import percent, points
from reports.scores.table import SCORES
from reports.tables import rows_of

COPY_NAMES = {"plain": "plain weights", "average": "averaged copy"}


_COLLAPSED = 0.5
"""Different neighbours of generated images, as a share of those of as many test images, below which
images are repeated; and the share of a class's images with one neighbour from which they are."""


def figure_facts(
    checkpoints: pd.DataFrame,
    coverage: pd.DataFrame,
    discriminator: pd.DataFrame,
    copies: Mapping[str, Any],
) -> dict[str, list[str]]:
    """What four figures show, by name, in sentences: see the functions below."""
    return {
        "checkpoint_scores": checkpoint_facts(checkpoints),
        "nearest_neighbours": copy_facts(copies),
        "neighbour_coverage": coverage_facts(coverage),
        "discriminator_scores": discriminator_facts(discriminator),
    }


def checkpoint_facts(table: pd.DataFrame) -> list[str]:
    """What the scores of the checkpoints say about the course of the training.

    Args:
        table: one row a generator, as in `reports.figures.checkpoint_scores`.

    Returns:
        Sentences; empty without scores.
    """
    if "fid_examiner" not in table or table["fid_examiner"].isna().all():
        return []
    copies = {name: _series(table, name, "fid_examiner") for name in COPY_NAMES}
    main = "plain" if copies["plain"] else "average"
    fids = copies[main]
    whose = f" of the {COPY_NAMES[main]}" if all(copies.values()) else ""
    facts = _course(fids, whose)
    if all(copies.values()):
        average = copies["average"]
        best = min(average, key=average.__getitem__)
        both = [epoch for epoch in fids if epoch in average]
        better = sum(average[epoch] < fids[epoch] for epoch in both)
        facts.append(
            f"FID of the averaged copy is lowest at epoch {best} ({average[best]:.2f}); it is "
            f"below that of the plain weights at {better} of {len(both)} checkpoints."
        )
    if len(fids) > 1:
        for name in ("inception_score", "label_match"):
            values = _series(table, main, name)
            if values:
                best, last = max(values, key=values.__getitem__), max(values)
                value, at_last = (SCORES[name].text(values[epoch]) for epoch in (best, last))
                rest = "" if best == last else f"; {at_last} at the last"
                facts.append(
                    f"{SCORES[name].title}{whose} is highest at epoch {best} ({value}{rest})."
                )
        values = _series(table, main, "fid_inception")
        if values:
            best = min(values, key=values.__getitem__)
            same = " too" if best == min(fids, key=fids.__getitem__) else ""
            facts.append(
                f"On InceptionV3's features FID{whose} is lowest at epoch {best}{same} "
                f"({values[best]:.2f})."
            )
    return facts


def _course(fids: Mapping[int, float], whose: str) -> list[str]:
    """How FID went from the first checkpoint to the last; epochs in order."""
    epochs = list(fids)
    first, last = epochs[0], epochs[-1]
    best = min(epochs, key=fids.__getitem__)
    if len(epochs) == 1:
        return [f"The one checkpoint is of epoch {last}: FID{whose} {fids[last]:.2f}."]
    start = f"Of {len(epochs)} checkpoints, FID{whose} is lowest at epoch {best}"
    if best == last:
        sentence = f"{start}, the last ({fids[best]:.2f}; {fids[first]:.2f} at epoch {first})."
    else:
        worse = f"; the last, epoch {last}, has {fids[last]:.2f}"
        if fids[last] > fids[best] > 0:
            worse += f", {_share(fids[last] / fids[best] - 1)} more"
        sentence = f"{start} ({fids[best]:.2f}){worse}."
    steps = [fids[b] - fids[a] for a, b in pairwise(epochs)]
    after = steps[epochs.index(best) :]
    if best == last and all(step < 0 for step in steps):
        shape = "It fell from each checkpoint to the next: quality was still rising at the end."
    elif best == last:
        shape = "It did not fall at every step on the way."
    elif len(after) == 1:
        shape = "Only one checkpoint follows it: that says little of the course after it."
    elif all(step > 0 for step in after):
        shape = "From there on it rose from each checkpoint to the next: quality fell."
    else:
        later = [fids[epoch] for epoch in epochs[epochs.index(best) + 1 :]]
        shape = f"From there on it went up and down between {min(later):.2f} and {max(later):.2f}."
    return [sentence, shape]


def _series(table: pd.DataFrame, weights: str, name: str) -> dict[int, float]:
    """Epoch -> score of one copy, in order; unknown scores left out."""
    if name not in table:
        return {}
    rows = table[(table["weights"] == weights) & table[name].notna()].sort_values("epoch")
    return {
        int(epoch): float(value) for epoch, value in zip(rows["epoch"], rows[name], strict=True)
    }


def _share(fraction: float) -> str:
    return f"{100 * fraction:.{0 if fraction >= 0.1 else 1}f} %"


def copy_facts(copies: Mapping[str, Any]) -> list[str]:
    """Whether generated images are copies of training images.

    Args:
        copies: the fields of `reports.inspection.copies.Copies`, found, n_pool and shift.

    Returns:
        Sentences; empty without generated images.
    """
    near, n, n_test = (copies[name] for name in ("n_near", "n_generated", "n_test"))
    if not n:
        return []
    if not n_test:
        return [
            "Whether generated images are copies cannot be told: every test image that they could "
            "be compared with is identical to a training image."
        ]
    spared = copies["rank"] - 1
    than = f"than all but {spared} of" if spared else "than any of"
    than += f" {n_test:,} test images {'are' if spared else 'is'}"
    than += f" (distance of pixels, moved by up to {copies['shift']})"
    if near == 0:
        verdict = f"None of {n:,} generated images is nearer to a training image {than}: no copies."
    else:
        verdict = (
            f"{near:,} of {n:,} generated images ({percent(near / n)}) {_are(near)} nearer to a "
            f"training image {than}: "
        )
        verdict += "copies." if copies["found"] else "no more than chance gives without copies."
    facts = [verdict]
    if copies["n_identical"]:
        same = copies["n_identical"]
        facts.append(f"{same:,} of them {_are(same)} identical to one, moved or not.")
    if copies["n_identical_test"]:
        same = copies["n_identical_test"]
        facts.append(
            f"{same:,} more test {'image' if same == 1 else 'images'} {_are(same)} identical to a "
            "training image and did not count."
        )
    if n < copies["n_pool"]:
        facts.append(f"Looked at were {n:,} of {copies['n_pool']:,} generated images, at random.")
    return facts


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def inspection_notes(copies: Mapping[str, Any], coverage: pd.DataFrame) -> list[str]:
    """What a reader must know of the generated images before any figure: copies and collapse.

    Args:
        copies: as in `copy_facts`.
        coverage: as in `coverage_facts`.
    """
    notes = copy_facts(copies)[:1] if copies["found"] else []
    return notes + [fact for fact in coverage_facts(coverage) if "collapsed" in fact]


def coverage_facts(table: pd.DataFrame) -> list[str]:
    """What the neighbours of generated images say about collapse.

    They say nothing of copies: copied images have as many different neighbours as others.

    Args:
        table: as in `reports.figures.neighbour_coverage`.

    Returns:
        Sentences; empty without generated images whose neighbours are known.
    """
    generated = table[table["group"] == "generated"] if "group" in table else table
    generated = generated[generated["share"].notna()] if len(generated) else generated
    if generated.empty:
        return []
    test = table[(table["group"] == "test") & table["share"].notna()]
    found = _n_neighbours(generated)
    sentence = (
        f"{int(generated['n_queries'].sum()):,} generated images have {found:,} different nearest "
        "training images"
    )
    if len(test):
        reached = _n_neighbours(test)
        sentence += f"; {int(test['n_queries'].sum()):,} test images have {reached:,}"
        if found < _COLLAPSED * reached:
            sentence += ": the generator has collapsed onto few different images"
    facts = [f"{sentence}."]
    crowded = generated[generated["most"].notna()]
    if len(crowded):
        most = crowded.iloc[int(crowded["most"].to_numpy().argmax())]
        name, share = most["class_name"], float(most["most"])
        sentence = (
            f"In the worst class ({name}), {percent(share)} of the generated images have the same "
            "nearest training image"
        )
        same = test[(test["class_name"] == name) & test["most"].notna()]
        if len(same):
            usual = float(same["most"].iloc[0])
            sentence += f"; of its test images it is {percent(usual)}"
            if share >= max(_COLLAPSED, 2 * usual):
                sentence += ": there the generator has collapsed"
        facts.append(f"{sentence}.")
    return facts


def _n_neighbours(table: pd.DataFrame) -> int:
    """Training images that are the nearest of some query, over all classes."""
    return round(float((table["share"] * table["n_train"]).sum()))


def discriminator_facts(table: pd.DataFrame) -> list[str]:
    """What the discriminator's scores say at each kept epoch.

    Whether training and test images are told apart is decided by a 95 % interval of the difference
    of their shares above 0.5 (Agresti and Caffo, 2000, The American Statistician 54).

    Args:
        table: as in `reports.figures.discriminator_scores`.

    Returns:
        Sentences on the last two epochs; empty without scores.
    """
    facts = []
    for epoch in sorted(table["epoch"].unique())[-2:] if len(table) else ():
        counts = {}
        for group in ("generated", "training", "test"):
            scores = table.loc[(table["epoch"] == epoch) & (table["group"] == group), "score"]
            if len(scores):
                counts[group] = int((scores > 0.5).sum()), len(scores)
        shares = [f"{percent(above / n)} of {n:,} {name}" for name, (above, n) in counts.items()]
        if shares:
            facts.append(f"At epoch {epoch}, {_listed(shares)} images score above 0.5.")
        if {"training", "test"} <= counts.keys():
            low, high = _difference_of_shares(*counts["test"], *counts["training"])
            interval = f"(95 % interval {points(low, 1)} to {points(high, 1)} points)"
            if low <= 0 <= high:
                fact = f"Training and test images do not differ in this beyond chance {interval}."
            elif low > 0:
                fact = (
                    "More of the training images than of the test images score above 0.5 "
                    f"{interval}: the discriminator remembers training images."
                )
            else:
                fact = (
                    "Fewer of the training images than of the test images score above 0.5 "
                    f"{interval}, which memory cannot explain."
                )
            facts.append(fact)
    return facts


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _difference_of_shares(a: int, n_a: int, b: int, n_b: int) -> tuple[float, float]:
    """95 % interval of b / n_b - a / n_a: one more right and one more wrong in each."""
    share_a, share_b = (a + 1) / (n_a + 2), (b + 1) / (n_b + 2)
    variance = share_a * (1 - share_a) / (n_a + 2) + share_b * (1 - share_b) / (n_b + 2)
    half = 1.959964 * variance**0.5
    return share_b - share_a - half, share_b - share_a + half


def is_above_real(score: Any) -> bool:
    """Whether a row of the scores is a label match above that of real images."""
    # As written: what reads as equal is not above.
    text = SCORES["label_match"].text
    return bool(
        score.score == "label_match"
        and score.value > score.floor
        and text(float(score.value)) != text(float(score.floor))
    )


def label_match_facts(scores: pd.DataFrame) -> list[str]:
    """What a label match above that of real images means.

    Args:
        scores: as in `reports.page.render.PageContent`.

    Returns:
        A sentence for each pool in which it is so.
    """
    text = SCORES["label_match"].text
    return [
        f"Label match of unit {row.unit} ({row.pool}), {text(float(row.value))}, is above that of "
        f"real images, {text(float(row.floor))}: its images are easy, not good; what is hard among "
        "real images is missing."
        for row in rows_of(scores)
        if is_above_real(row)
    ]


def generator_notes(meta: Mapping[str, Any]) -> list[str]:
    """What a reader must know of how the generator was trained.

    Args:
        meta: of its checkpoint: system (name, weights), labelled, epoch, stopped,
            device, precision, and collapse where it collapsed.

    Returns:
        Sentences, warnings first.
    """
    notes = []
    if meta["stopped"]:
        notes.append(
            f"The generator's training ended early ({meta['stopped']}); "
            f"epoch {meta['epoch']} is kept."
        )
    if meta.get("collapse"):
        notes.append(f"The generator collapsed: {meta['collapse']}.")
    system = meta["system"]
    notes.append(
        f"Generator {system['name']}, epoch {meta['epoch']} kept "
        f"({COPY_NAMES[system['weights']]}), trained on {meta['device']} in {meta['precision']}."
    )
    if not meta["labelled"]:
        notes.append(
            "The generator has no labels: the class of each of its images is the judge's "
            "prediction. So label match is not defined."
        )
    return notes


def pool_notes(
    short: Mapping[str, tuple[int, str]], threshold: float | None, n_filtered: int
) -> list[str]:
    """What a reader must know of the pools of generated images.

    Args:
        short: pool that lacks images of some classes -> images of each class that it should have,
            and the classes in words.
        threshold: of the filter; None where there is none.
        n_filtered: images in the filtered pool.
    """
    if threshold is None:
        filtered = ["There is no filtered pool: params.yaml has no section filter."]
    elif not n_filtered:
        filtered = [
            f"No image passed the judge at confidence {threshold:g}: the filtered pool is empty, "
            "and recipes that need it are left out."
        ]
    else:
        filtered = []
    lacking = [
        f"The generator gave fewer than {per_class:,} {name} images of {classes}; recipes that "
        "need more are left out."
        for name, (per_class, classes) in short.items()
        if name != "filtered" or not filtered
    ]
    return [*lacking, *filtered]
