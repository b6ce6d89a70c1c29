"""The report's sentences: the answer, what its interval covers, and the figures' captions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

# name of the figure: title, caption, text for those who cannot see it.
FIGURE_TEXTS: dict[str, tuple[str, str, str]] = {
    "gain_chart": (
        "What each mix gains",
        "Test accuracy of every mix minus that of the same real images alone, with 95 % intervals. "
        "Filled marks: the interval excludes 0. Hollow: it does not. The intervals are not widened "
        "for looking at many mixes: about one in twenty excludes 0 by chance.",
        "Dots with intervals, one a mix; the table of gains below holds the same numbers.",
    ),
    "accuracy_contour": (
        "Accuracy over real and generated images",
        "Mean test accuracy over seeds. Every dot is a trained cell and its value; between dots "
        "the colour is interpolated. Counts are spaced by rank.",
        "Contour plot of test accuracy over real and generated counts, one panel a strategy; the "
        "table of cells below holds the same numbers.",
    ),
    "accuracy_surface": (
        "The same as a surface",
        "Height and colour are the mean test accuracy; dots are the trained cells.",
        "Three-dimensional surface of the contour plot's numbers.",
    ),
    "accuracy_over_real": (
        "Accuracy as real images are added",
        "One line for each generated count. Bands: 95 % intervals over seeds (cut at the frame).",
        "Lines of test accuracy over the number of real images.",
    ),
    "accuracy_over_synthetic": (
        "Accuracy as generated images are added",
        "One line for each real count. Bands: 95 % intervals over seeds (cut at the frame).",
        "Lines of test accuracy over the number of generated images.",
    ),
    "sample_grid": (
        "Samples by class",
        "The first images of each class, not picked by hand.",
        "Rows of example images, one row a class.",
    ),
    "epoch_collage": (
        "The same noise as training went on",
        "Each column is one point of the noise and one asked class; each row is an epoch. The "
        "framed row is the epoch whose weights were kept. FID is on the judge's features, against "
        "validation images where there are any; lower is better.",
        "Rows of generated images, one row an epoch; the training curves hold the same FIDs.",
    ),
    "reconstructions": (
        "Reconstructions by the autoencoder",
        "At the kept epoch. Top: real training images, not picked by hand. Middle: what the "
        "autoencoder makes of each. Bottom: what it makes of noise; these images have no real "
        "counterpart, and only such images are in the pools.",
        "Rows of real images, of their reconstructions and of images decoded from noise.",
    ),
    "training_curves": (
        "Training of the generator",
        "Scores by epoch, on the judge's features and answers; the dotted line marks the epoch "
        "whose weights were kept.",
        "Curves of losses and scores over epochs.",
    ),
    "checkpoint_scores": (
        "Quality of the checkpoints",
        "Scores against the test images, which chose nothing, by the examiner, which had no part "
        "in training. Marks with a number: the best of each line. The dotted line is the epoch "
        "whose weights made the study's images. This is the course of one training: another seed "
        "may turn at another epoch.",
        "Curves of scores over the checkpoints' epochs; the table of checkpoints below holds the "
        "same numbers.",
    ),
    "confidence_histogram": (
        "Confidence of the judge",
        "How sure the judge is of each image's label. Left: share of images by confidence (log). "
        "Right: share that each threshold would keep.",
        "Histograms of the judge's confidence on real and generated images.",
    ),
    "acceptance_chart": (
        "Acceptance by class and threshold",
        "Share of generated images whose asked class is the judge's answer with at least this "
        "confidence.",
        "Table in colours of acceptance rates by class and threshold, given below in numbers.",
    ),
}

UNASKED_CAPTIONS = {
    "sample_grid": "The first images of each class, not picked by hand. The classes of generated "
    "images are the judge's answers: the generator has no labels.",
    "epoch_collage": "Each column is one point of the noise; each row is an epoch. The framed row "
    "is the epoch whose weights were kept. FID is on the judge's features, against validation "
    "images where there are any; lower is better.",
    "confidence_histogram": "How sure the judge is: of the known class of a real image, and of its "
    "own answer to a generated one. Left: share of images by confidence (log). Right: share that "
    "each threshold would keep.",
    "acceptance_chart": "Of the generated images with each answer of the judge, the share whose "
    "answer has at least this confidence. At confidence 0 all are kept: nothing was asked for that "
    "an image could fail.",
}
"""Captions that differ where the generator has no labels and the judge's answers stand in."""

UNASKED_NOTE = (
    "The generator has no labels: its images carry the judge's answers as their labels. Nothing "
    "was asked for, so label match is not defined."
)

SCORE_NAMES = {
    "fid_examiner": "FID (examiner's features)",
    "fid_inception": "FID (InceptionV3 pool3)",
    "inception_score": "Inception score",
    "inception_score_inception": "Inception score (InceptionV3)",
    "label_match": "Label match",
}

COPY_NAMES = {"plain": "plain weights", "average": "averaged copy"}


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


def point_decimals(headline: Mapping[str, Any]) -> int:
    """Decimals that keep a bound next to 0 from reading as 0."""
    decimals = 2 if headline["n_test"] >= 5000 else 1
    bounds = [100 * abs(headline[name]) for name in ("gain_low", "gain_high")]
    while decimals < 3 and any(0 < bound < 0.5 * 10**-decimals for bound in bounds):
        decimals += 1
    return decimals


def answer(headline: Mapping[str, Any]) -> tuple[str, str]:
    """The answer of the study: a word or two, and one or two plain sentences.

    Args:
        headline: from `reports.statistics.headline`.

    Returns:
        The short answer and the sentences.
    """
    if headline["gain"] is None:
        missing = (
            "no cell with both real and generated images was trained"
            if headline["best_mix_cell"] is None
            else "no cell with real images alone was trained"
        )
        return "No comparison", f"This study cannot say whether generated images help: {missing}."
    best, real = headline["best_mix_cell"], headline["real_cell"]
    n_test = headline["n_test"]
    decimals = point_decimals(headline)
    size = points(abs(headline["gain"]), decimals).lstrip("+")
    low, high = (points(headline[name], decimals) for name in ("gain_low", "gain_high"))
    interval = f"{100 * headline['confidence']:g} % interval {low} to {high}"
    mixed = f"{best['n_synthetic']:,} generated images (strategy {best['strategy']})"
    if best["n_real"] == real["n_real"]:
        what = f"Adding {mixed} to the {real['n_real']:,} real ones"
        than = f"from {percent(headline['accuracy_real'], n_test)}"
    else:
        what = f"Training on {best['n_real']:,} real and {mixed}"
        than = (
            f"against {percent(headline['accuracy_real'], n_test)} with all "
            f"{real['n_real']:,} real images alone"
        )
    to = percent(headline["accuracy_best_mix"], n_test)
    if headline["verdict"] == "helps":
        short, change = "It helps", f"raises test accuracy by {size} percentage points"
    elif headline["verdict"] == "hurts":
        short, change = "It hurts", f"lowers test accuracy by {size} percentage points"
    else:
        short = "Cannot tell"
        change = (
            f"changes test accuracy by {points(headline['gain'], decimals)} percentage points, "
            "too little to tell from chance"
        )
    if best["n_real"] == real["n_real"]:
        return short, f"{what} {change} ({interval}), {than} to {to}."
    return short, f"{what} {change} ({interval}): {to}, {than}."


def basis(headline: Mapping[str, Any]) -> list[str]:
    """What the answer rests on, and what its interval covers and leaves out.

    Args:
        headline: from `reports.statistics.headline`.

    Returns:
        Sentences; empty when there is no comparison.
    """
    if headline["gain"] is None:
        return []
    seeds, n_test = headline["n_seeds"], headline["n_test"]
    n_mixes = headline["n_candidates"]
    measured = (
        f"Measured on {n_test:,} test images with {seeds} classifier "
        f"{'seed' if seeds == 1 else 'seeds'}, pair by pair."
    )
    if headline["chosen_by"] == "validation":
        mixes = "the only mix trained" if n_mixes == 1 else f"the best of {n_mixes} mixes"
        chosen = f"The mix is {mixes} by validation accuracy; the test images chose nothing."
    else:
        chosen = (
            "Without validation images no best mix can be chosen: the largest real and generated "
            "counts stand in. The test images chose nothing."
        )
    covers = (
        "The interval covers chance in the classifier's seed and in which test images were drawn."
        if seeds > 1
        else "With one seed, the interval covers only which test images were drawn, "
        "not the classifier's seed."
    )
    left_out = (
        "It does not cover training the generator again, drawing other training images, or other "
        "data."
    )
    sentences = [measured, chosen, f"{covers} {left_out}"]
    if "paper" in headline["protocols"]:
        sentences.append(
            "The generator saw every training image, also where the classifier saw a few of them: "
            "gains at small real counts are optimistic."
        )
    return sentences


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
                value, at_last = (_plain_score(name, values[epoch]) for epoch in (best, last))
                rest = "" if best == last else f"; {at_last} at the last"
                facts.append(
                    f"{SCORE_NAMES[name]}{whose} is highest at epoch {best} ({value}{rest})."
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
        shape = "That is the last but one: one more point says little of the course after it."
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


def _plain_score(name: str, value: float) -> str:
    return percent(value) if name == "label_match" else f"{value:.2f}"


def _share(fraction: float) -> str:
    return f"{100 * fraction:.{0 if fraction >= 0.1 else 1}f} %"
