"""What the numbers of a figure or a pool say, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.page.answer import listed, percent
from reports.scores.table import SCORES
from reports.tables import rows_of
from reports.verdict.wording import points

COPY_NAMES = {"plain": "plain weights", "average": "averaged copy"}


_COLLAPSED = 0.5
"""Different neighbours of generated images, as a share of those of as many test images, below which
images are repeated; and the share of a class's images with one neighbour from which they are."""

_FEWEST_QUERIES = 20
"""With fewer generated or test images nothing is called collapsed: of two or three, half share a
neighbour by chance; ten of 20 do not."""


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
    """What the scores of the checkpoints say: the best and the last.

    Args:
        table: one row a generator, as in `reports.figures.checkpoint_scores`.

    Returns:
        Sentences; empty without scores.
    """
    every = {name: _by_epoch(table, name, "fid_examiner") for name in COPY_NAMES}
    copies = {name: fids for name, fids in every.items() if len(fids)}
    if not copies:
        return []
    main, fids = next(iter(copies.items()))
    whose = f" of the {COPY_NAMES[main]}" if len(copies) > 1 else ""
    facts = [_best_and_last(fids, whose)]
    if len(copies) > 1:
        average = copies["average"]
        both = fids.index.intersection(average.index)
        better = int((average[both] < fids[both]).sum())
        facts.append(
            f"FID of the averaged copy is lowest at epoch {average.idxmin()} "
            f"({average.min():.2f}); it is below that of the plain weights at {better} of "
            f"{len(both)} checkpoints."
        )
    if len(fids) == 1:
        return facts
    for name in ("inception_score", "label_match"):
        values, text = _by_epoch(table, main, name), SCORES[name].text
        if len(values):
            is_last = values.idxmax() == values.index[-1]
            rest = "" if is_last else f"; {text(values.iloc[-1])} at the last"
            facts.append(
                f"{SCORES[name].title}{whose} is highest at epoch {values.idxmax()} "
                f"({text(values.max())}{rest})."
            )
    values = _by_epoch(table, main, "fid_inception")
    if len(values):
        same = " too" if values.idxmin() == fids.idxmin() else ""
        facts.append(
            f"On InceptionV3's features FID{whose} is lowest at epoch {values.idxmin()}{same} "
            f"({values.min():.2f})."
        )
    return facts


def _best_and_last(fids: pd.Series, whose: str) -> str:
    """The lowest FID and the last one, of values by epoch.

    One noisy FID a checkpoint says nothing of the course between them.
    """
    best, last, at_last = fids.idxmin(), fids.index[-1], fids.iloc[-1]
    if len(fids) == 1:
        return f"The one checkpoint is of epoch {last}: FID{whose} {at_last:.2f}."
    start = f"Of {len(fids)} checkpoints, FID{whose} is lowest at epoch {best}"
    if best == last:
        return f"{start}, the last ({at_last:.2f})."
    return f"{start} ({fids.min():.2f}); the last, epoch {last}, has {at_last:.2f}."


def _by_epoch(table: pd.DataFrame, weights: str, name: str) -> pd.Series:
    """The known scores of one copy by epoch, in order; empty where there is none."""
    columns = table.reindex(columns=["epoch", "weights", name])
    rows = columns[columns["weights"] == weights].dropna().sort_values("epoch")
    return pd.Series(rows[name].to_numpy(float), index=rows["epoch"].astype(int))


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
    of, are = (f"all but {spared} of", "are") if spared else ("any of", "is")
    than = f"than {of} {n_test:,} test images {are}"
    than += f" (distance of pixels, moved by up to {copies['shift']})"
    if near == 0:
        verdict = (
            f"None of {n:,} generated images is nearer to a training image {than}: no copies found."
        )
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
        facts.append(
            f"Of {copies['n_pool']:,} generated images {n:,}, drawn at random, were looked at."
        )
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
    return notes + [fact for fact, collapsed in _coverage(coverage) if collapsed]


def coverage_facts(table: pd.DataFrame) -> list[str]:
    """What the neighbours of generated images say about collapse.

    They say nothing of copies: copied images have as many different neighbours as others.

    Args:
        table: as in `reports.figures.neighbour_coverage`.

    Returns:
        Sentences, on all classes and on the worst of those with enough images.
    """
    return [fact for fact, _ in _coverage(table)]


def _coverage(table: pd.DataFrame) -> list[tuple[str, bool]]:
    """The sentences of `coverage_facts`, each with whether it tells of a collapse."""
    known = table[table["share"].notna()]
    generated, test = (known[known["group"] == group] for group in ("generated", "test"))
    n, n_test = (int(images["n_queries"].sum()) for images in (generated, test))
    found, reached = _n_neighbours(generated), _n_neighbours(test)
    fact = (
        f"{n:,} generated images have {found:,} different nearest training images; {n_test:,} test "
        f"images have {reached:,}"
    )
    collapsed = min(n, n_test) >= _FEWEST_QUERIES and found < _COLLAPSED * reached
    told = ": the generator has collapsed onto few different images" if collapsed else ""
    facts = [(f"{fact}{told}.", collapsed)]
    classes = generated.merge(test, on="class_name", suffixes=("", "_test"))
    classes = classes[classes[["n_queries", "n_queries_test"]].min(axis=1) >= _FEWEST_QUERIES]
    if len(classes):
        worst = next(rows_of(classes.nlargest(1, "most")))
        share, usual = float(worst.most), float(worst.most_test)
        fact = (
            f"In the worst class ({worst.class_name}), {percent(share)} of the generated images "
            f"have the same nearest training image; of its test images it is {percent(usual)}"
        )
        collapsed = share >= max(_COLLAPSED, 2 * usual)
        told = ": there the generator has collapsed" if collapsed else ""
        facts.append((f"{fact}{told}.", collapsed))
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
    for epoch in sorted(table["epoch"].unique())[-2:]:
        by_group = table[table["epoch"] == epoch].groupby("group")["score"]
        found = {str(group): (int((scores > 0.5).sum()), len(scores)) for group, scores in by_group}
        counts = {name: found[name] for name in ("generated", "training", "test") if name in found}
        shares = [f"{percent(above / n)} of {n:,} {name}" for name, (above, n) in counts.items()]
        facts.append(f"At epoch {epoch}, {listed(shares)} images score above 0.5.")
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
                    f"{interval}, which remembering training images cannot explain."
                )
            facts.append(fact)
    return facts


def _difference_of_shares(a: int, n_a: int, b: int, n_b: int) -> tuple[float, float]:
    """95 % interval of b / n_b - a / n_a: one more right and one more wrong in each."""
    share_a, share_b = (a + 1) / (n_a + 2), (b + 1) / (n_b + 2)
    variance = share_a * (1 - share_a) / (n_a + 2) + share_b * (1 - share_b) / (n_b + 2)
    half = 1.959964 * variance**0.5
    return share_b - share_a - half, share_b - share_a + half


def is_above_real(score: Any) -> bool:
    """Whether a row of the scores is a label match above that of real images, beyond its noise."""
    # As written: what reads as equal is not above.
    text = SCORES["label_match"].text
    return bool(
        score.score == "label_match"
        # False for NaN too.
        and score.difference > 2 * score.floor_deviation
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
        f"real images, {text(float(row.floor))}: a sign of images that are easier than real ones, "
        "not better."
        for row in rows_of(scores)
        if is_above_real(row)
    ]


def generator_notes(meta: Mapping[str, Any]) -> list[str]:
    """What a reader must know of how the generator was trained.

    Args:
        meta: of its checkpoint: system (name, weights), labelled, epoch, stopped, device,
            precision, budget (keep: what params.yaml asks for), kept (what could be done), and
            collapse where it collapsed.

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
    if meta["kept"] != meta["budget"]["keep"]:
        notes.append(
            "Its last epoch was kept, not the best: the unit has too few validation images to "
            "choose an epoch by."
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
    filtered = []
    if threshold is None:
        filtered = ["There is no filtered pool: params.yaml has no section filter."]
    elif not n_filtered:
        filtered = [
            f"No image passed the judge at confidence {threshold:g}: the filtered pool is empty, "
            "and recipes that need it are left out."
        ]
    lacking = [
        f"The generator gave fewer than {per_class:,} {name} images of {classes}; recipes that "
        "need more are left out."
        for name, (per_class, classes) in short.items()
        if name != "filtered" or not filtered
    ]
    return [*lacking, *filtered]
