"""The report's sentences: the answer, what its interval covers, and the figures' captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    "training_curves": (
        "Training of the generator",
        "Scores by epoch; the dotted line marks the checkpoint that was kept.",
        "Curves of losses, label match, Inception score and FID over epochs.",
    ),
    "confidence_histogram": (
        "Confidence of the judge",
        "How sure the judge is of the right class. Left: share of images by confidence (log). "
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

SCORE_NAMES = {
    "fid_examiner": "FID (examiner's features)",
    "fid_inception": "FID (InceptionV3 pool3)",
    "inception_score": "Inception score",
    "label_match": "Label match",
}


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
