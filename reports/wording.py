"""The report's sentences: the answer, what it rests on, what figures show, and their captions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

# name of the figure: title, caption, text for those who cannot see it.
FIGURE_TEXTS: dict[str, tuple[str, str, str]] = {
    "gain_chart": (
        "What each mix gains",
        "Test accuracy of every mix, and of every control without generated images, minus that of "
        "the same real images alone, with 95 % intervals. Filled marks: the interval excludes 0. "
        "Hollow: it does not. The intervals are not widened for looking at many mixes: about one "
        "in twenty excludes 0 by chance.",
        "Dots with intervals, a row a mix and a column a real count; the table of gains below "
        "holds the same numbers.",
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
        "Right: share that each threshold would keep. The legend says what share of each set is in "
        "the top bin.",
        "Histograms of the judge's confidence on real and generated images.",
    ),
    "acceptance_chart": (
        "Acceptance by class and threshold",
        "Share of generated images whose asked class is the judge's answer with at least this "
        "confidence.",
        "Table in colours of acceptance rates by class and threshold, given below in numbers.",
    ),
    "nearest_neighbours": (
        "The training images nearest to generated ones",
        "Generated images, not picked by hand, with the asked class under each; beside it the "
        "training images that are nearest by Euclidean distance of pixels (on a scale from 0 to 1) "
        "and that distance. A generator that copies has a neighbour at distance 0.",
        "Rows of one generated image and its nearest training images, with their distances.",
    ),
    "neighbour_coverage": (
        "Training images that are somebody's neighbour",
        "Collapse shows as few training images being everyone's nearest one. Left: share of the "
        "asked class's training images that are the nearest of at least one image; lower is worse. "
        "Right: the largest share of images that have one and the same nearest; higher is worse. "
        "As many test images beside them show what real variety reaches.",
        "Pairs of dots, a row a class: generated images beside as many test images.",
    ),
    "discriminator_scores": (
        "Scores of the discriminator",
        "How real the discriminator takes each image for, at two kept epochs: 1 is real, 0 is "
        "generated, and the dotted line is undecided. A discriminator that remembers its training "
        "images scores them above test images.",
        "Histograms of the discriminator's scores for generated, training and test images.",
    ),
    "activation_projection": (
        "Where the classifier puts generated images",
        "Activations of the examiner's last hidden layer for test images and for generated images "
        "of the asked class, on the first two principal components of both together. Generated "
        "images that look real to it lie among the real ones of their class; two components show "
        "only part of the variance.",
        "Scatter of real and generated images, marked by group and coloured by class.",
    ),
    "examples": (
        "Read right and read wrong",
        "Test images of each class that the best mix's classifier reads right, and beside them "
        "those that it reads wrong, with its answer under each. The first ones, not picked by "
        "hand; where a place is blank there was no such image.",
        "Rows of test images, a row a class: read right on the left, read wrong on the right.",
    ),
}

SECTIONS: dict[str, tuple[str, ...]] = {
    "Strategies": ("accuracy_over_real", "accuracy_over_synthetic", "accuracy_surface"),
    "The generator": (
        *("epoch_collage", "reconstructions", "training_curves", "checkpoint_scores"),
        *("nearest_neighbours", "neighbour_coverage", "discriminator_scores"),
    ),
    "What the classifier sees": (
        *("confidence_histogram", "acceptance_chart", "activation_projection", "examples"),
    ),
}
"""Folded sections of the page and their figures; figures of no section are always shown."""

PUBLISHED_SECTION = "Beside the published studies"

UNASKED_CAPTIONS = {
    "sample_grid": "The first images of each class, not picked by hand. The classes of generated "
    "images are the judge's answers: the generator has no labels.",
    "epoch_collage": "Each column is one point of the noise; each row is an epoch. The framed row "
    "is the epoch whose weights were kept. FID is on the judge's features, against validation "
    "images where there are any; lower is better.",
    "confidence_histogram": "How sure the judge is: of the known class of a real image, and of its "
    "own answer to a generated one. Left: share of images by confidence (log). Right: share that "
    "each threshold would keep. The legend says what share of each set is in the top bin.",
    "nearest_neighbours": "Generated images, not picked by hand, with the judge's answer under "
    "each; beside it the training images that are nearest by Euclidean distance of pixels (on a "
    "scale from 0 to 1) and that distance. A generator that copies has a neighbour at distance 0.",
    "neighbour_coverage": "Collapse shows as few training images being everyone's nearest one. "
    "Classes of generated images are the judge's answers. Left: share of the class's training "
    "images that are the nearest of at least one image; lower is worse. Right: the largest share "
    "of images that have one and the same nearest; higher is worse. As many test images beside "
    "them show what real variety reaches.",
    "activation_projection": "Activations of the examiner's last hidden layer for test images and "
    "for generated images, whose classes are the judge's answers, on the first two principal "
    "components of both together. Generated images that look real to it lie among the real ones; "
    "two components show only part of the variance.",
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


def point_decimals(headline: Mapping[str, Any], gain: str = "gain") -> int:
    """Decimals that keep a bound next to 0 from reading as 0.

    Args:
        headline: from `reports.statistics.headline`.
        gain: name of the gain in it, 'gain' or 'gain_over_classical'.

    Returns:
        1 to 3.
    """
    decimals = 2 if headline["n_test"] >= 5000 else 1
    bounds = [100 * abs(headline[f"{gain}_{side}"]) for side in ("low", "high")]
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


def classical_answer(headline: Mapping[str, Any]) -> str:
    """What the best mix is worth beside classical augmentation without generated images.

    Args:
        headline: from `reports.statistics.headline`.

    Returns:
        A sentence; empty where there is no such comparison.
    """
    gain = headline.get("gain_over_classical")
    if gain is None:
        return ""
    n_test, decimals = headline["n_test"], point_decimals(headline, "gain_over_classical")
    low, high = (
        points(headline[f"gain_over_classical_{side}"], decimals) for side in ("low", "high")
    )
    interval = f"{100 * headline['confidence']:g} % interval of the mix's gain {low} to {high}"
    size = points(abs(gain), decimals).lstrip("+")
    classical = (
        f"classical augmentation of the {headline['classical_cell']['n_real']:,} real images, "
        "without any generated one,"
    )
    mix, other = (percent(headline[f"accuracy_{of}"], n_test) for of in ("best_mix", "classical"))
    if headline["verdict_over_classical"] == "helps":
        return (
            f"The best mix beats {classical} by {size} percentage points ({interval}): {mix} "
            f"against {other}."
        )
    if headline["verdict_over_classical"] == "hurts":
        return (
            f"{classical[0].upper()}{classical[1:]} beats the best mix by {size} percentage points "
            f"({interval}): {other} against {mix}."
        )
    return (
        f"Against {classical} the best mix changes test accuracy by {points(gain, decimals)} "
        f"percentage points, too little to tell from chance ({interval}): {mix} against {other}."
    )


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


def coverage_facts(table: pd.DataFrame) -> list[str]:
    """What the neighbours of generated images say about collapse.

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
    sentence = (
        f"{percent(_mean_share(generated))} of the training images are the nearest one of at least "
        f"one of {int(generated['n_queries'].sum()):,} generated images"
    )
    if len(test):
        sentence += (
            f"; of {int(test['n_queries'].sum()):,} test images it is {percent(_mean_share(test))}"
        )
    facts = [f"{sentence}."]
    crowded = generated[generated["most"].notna()]
    if len(crowded):
        most = crowded.iloc[int(crowded["most"].to_numpy().argmax())]
        name, share = most["class_name"], float(most["most"])
        sentence = (
            f"At most, {percent(share)} of the generated images of one class ({name}) have one and "
            "the same nearest training image"
        )
        same = test[(test["class_name"] == name) & test["most"].notna()]
        if len(same):
            sentence += f"; of its test images {percent(float(same['most'].iloc[0]))}"
        facts.append(f"{sentence}.")
    return facts


def _mean_share(table: pd.DataFrame) -> float:
    """Share of the training images of all classes."""
    return float((table["share"] * table["n_train"]).sum() / table["n_train"].sum())


def discriminator_facts(table: pd.DataFrame) -> list[str]:
    """What the discriminator's scores say at each kept epoch.

    Whether training and test images are told apart is judged by a 95 % interval of the difference
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
            interval = f"95 % interval {points(low, 1)} to {points(high, 1)} points"
            if low > 0:
                said = "more training than test images: it remembers training images"
            elif high < 0:
                said = "fewer training than test images, which memory cannot explain"
            else:
                said = "no more training than test images that could be told from chance"
            facts.append(f"Above 0.5 it puts {said} ({interval}).")
    return facts


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _difference_of_shares(a: int, n_a: int, b: int, n_b: int) -> tuple[float, float]:
    """95 % interval of b / n_b - a / n_a: one more right and one more wrong in each."""
    share_a, share_b = (a + 1) / (n_a + 2), (b + 1) / (n_b + 2)
    variance = share_a * (1 - share_a) / (n_a + 2) + share_b * (1 - share_b) / (n_b + 2)
    half = 1.959964 * variance**0.5
    return share_b - share_a - half, share_b - share_a + half
