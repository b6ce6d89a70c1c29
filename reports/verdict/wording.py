"""The verdict in plain English: no more than its numbers say."""

from __future__ import annotations

from reports.verdict.choice import BEFOREHAND, BY_VALIDATION
from reports.verdict.crossed import half_width
from reports.verdict.intervals import CONFIDENCE
from reports.verdict.verdict import FEWEST_UNITS, Chosen, Contrast, Verdict

_NAMES = {
    "none": "real images alone",
    "duplicated": "the real images repeated",
    "classical": "classical augmentation",
    "classical-half": "classical augmentation of half strength",
}

_CHOSEN_BY: dict[str, str] = {
    BY_VALIDATION: "For each repeat both were chosen by how classifiers of other repeats did on "
    "validation images{shared}; only classifiers trained anew, with fresh seeds, were then "
    "compared on test images.",
    BEFOREHAND: "Both were fixed beforehand: there were too few validation images to choose by.",
}
_ONE_REPEAT = "Both were fixed beforehand: with one repeat there is no other to choose on."

_EXPLORED = {
    ("mix-classical", "classical"): "generated images on top of classical augmentation",
    ("mix", "real"): "the chosen mix against real images alone",
}

_FEW_UNITS = 5
"""With fewer units the quantile of Student's t says more than their spread does."""


def headline(verdict: Verdict) -> str:
    """The verdict in a few words."""
    return verdict.word.capitalize() + _below(verdict)


def _below(verdict: Verdict) -> str:
    return ", by less than the margin" if verdict.below_margin else ""


def sentence(verdict: Verdict, budget: str) -> str:
    """The verdict in one sentence.

    Args:
        verdict: of the study.
        budget: what every classifier was given, such as '400 steps a classifier'.
    """
    text = {
        "helps": f"generated images helped{_below(verdict)}",
        "hurts": f"generated images hurt{_below(verdict)}",
        "no relevant difference": "generated images made no relevant difference",
        "cannot tell": "this study cannot tell whether generated images help",
        "too few repeats": "there are too few repeats to tell whether generated images help",
    }[verdict.word]
    return f"At this budget ({budget}) {text}: {gain_text(verdict.primary)}."


def sentences(verdict: Verdict, budget: str) -> list[str]:
    """What the verdict rests on, a sentence or two an entry, in the order to be read."""
    found = [sentence(verdict, budget), compared(verdict), margin_text(verdict), covers(verdict)]
    found += [settle_text(verdict), few_repeats(verdict), sources_text(verdict)]
    found += [exploratory(contrast) for contrast in verdict.secondary]
    return [text for text in found if text]


def gain_text(contrast: Contrast) -> str:
    """Gain, interval and both accuracies."""
    found = contrast.interval
    text = f"{points(found.gain)} points"
    if found.low == found.low:  # Not NaN: there are two units or more.
        text += f" (95 % interval {points(found.low)} to {points(found.high)})"
    own, other = 100 * contrast.accuracy, 100 * contrast.accuracy_against
    return f"{text}, {own:.2f} % instead of {other:.2f} %"


def compared(verdict: Verdict) -> str:
    """Which cells were compared, and what chose them."""
    sides = [verdict.chosen[arm] for arm in (verdict.primary.arm, verdict.primary.against)]
    texts = [_chosen_text(side) for side in sides]
    text = f"Compared, in {_repeats(verdict.n_units)}: {texts[0]}, against {texts[1]}."
    if any(len(side) > 1 for side in sides):
        text += " The repeats chose differently: the verdict is about choosing in this way."
    if verdict.chosen_by is None:
        return text
    if verdict.chosen_by == BEFOREHAND and verdict.n_units == 1:
        return f"{text} {_ONE_REPEAT}"
    reason = _CHOSEN_BY.get(verdict.chosen_by, f"Chosen by: {verdict.chosen_by}.")
    return f"{text} {reason.format(shared=_validation_shared(verdict.shared))}"


def _validation_shared(shared: float) -> str:
    """Units have the same validation images where they have the same training images."""
    if shared == 0:
        return ""
    return ", the same for all repeats" if shared == 1 else ", some of them the same for several"


def margin_text(verdict: Verdict) -> str:
    """What counts as relevant."""
    if verdict.margin is None:
        return "No margin was set, so no difference can be called too small to matter."
    return f"Differences of less than {100 * verdict.margin:.2f} points count as not relevant."


def covers(verdict: Verdict) -> str:
    """What chance the interval covers, and what it does not."""
    if verdict.n_units < 2:
        return "One repeat has no interval: nothing says how much another one would differ."
    rest = "other generators and judges, other classifier seeds and other test images"
    if verdict.shared == 0:
        return f"The interval covers other training subsets, {rest}."
    return (
        f"The interval holds for this training set: it covers {rest}. The repeats have "
        f"{_percent(verdict.shared)} of their training images in common, so it does not cover "
        "other training images."
    )


def settle_text(verdict: Verdict) -> str:
    """What would settle an open verdict; empty where it is settled."""
    if verdict.word == "too few repeats":
        return (
            f"With fewer than {FEWEST_UNITS} repeats no verdict says 'helps' or 'hurts'; "
            f"{FEWEST_UNITS} show only large effects."
        )
    found = verdict.primary.precision
    if verdict.word != "cannot tell" or found is None:
        return ""
    text = (
        "With as many repeats and test images, four studies of five would detect a true effect of "
        f"about {100 * found.detectable:.2f} points. "
    )
    if found.repeats_needed is None:
        return text + "More repeats alone would not settle it: more test images are needed."
    return (
        f"{text}If the difference and its spread stay as they are, about "
        f"{found.repeats_needed:,} repeats in all would settle it."
    )


def few_repeats(verdict: Verdict) -> str:
    """How wide few repeats make an interval; empty with `_FEW_UNITS` or more, or too few."""
    n = verdict.n_units
    if not FEWEST_UNITS <= n < _FEW_UNITS:
        return ""
    now, five = (_deviations(units) for units in (n, _FEW_UNITS))
    return (
        f"{_repeats(n).capitalize()} show only large effects: if nothing but the repeat mattered, "
        f"the interval would reach {now:.2f} standard deviations of the repeats to either side; "
        f"with five it would reach {five:.2f}."
    )


def sources_text(verdict: Verdict) -> str:
    """Where the uncertainty comes from, and what more repeats would buy."""
    found = verdict.primary.precision
    if found is None or found.sources is None:
        return ""
    sources = found.sources
    if sources.seeds is None:
        parts = f"repeats and their classifier seeds {_percent(sources.units)}"
    else:
        parts = (
            "repeats (subset and generator together) "
            f"{_percent(sources.units)}, classifier seeds {_percent(sources.seeds)}"
        )
    text = f"Shares of the squared standard error: {parts}, test images {_percent(sources.images)}."
    if found.half_widths:
        widths = [f"{100 * half:.2f} with {n}" for n, half in found.half_widths.items()]
        text += f" Expected half-width of the interval, in points, by repeats: {', '.join(widths)}."
    return text


def exploratory(contrast: Contrast) -> str:
    """A secondary contrast in one sentence."""
    p = contrast.p_holm
    told = ""
    if p is not None and contrast.word != "too few repeats":
        told = f"; p {_p_text(p)}, corrected for the number of exploratory contrasts"
    pair = contrast.arm, contrast.against
    what = _EXPLORED.get(pair, " against ".join(pair))
    margin = " by less than the margin" if contrast.below_margin else ""
    found = f"{contrast.word}{margin}, {gain_text(contrast)}"
    return f"Exploratory, {what}: {found}{told}."


def points(fraction: float, decimals: int = 2) -> str:
    """A difference of shares in percentage points, with a minus sign, and no sign at 0."""
    text = f"{100 * fraction:+.{decimals}f}"
    return (text if float(text) else text[1:]).replace("-", "\N{MINUS SIGN}")


def _deviations(n_units: int) -> float:
    """Half-width in standard deviations of the units, where nothing else varies."""
    return half_width((1 - CONFIDENCE) / 2, (1 / n_units, n_units), (0.0, 2), 0.0)


def _chosen_text(side: tuple[Chosen, ...]) -> str:
    if len(side) == 1:
        return _cell_text(side[0])
    n = sum(chosen.n_units for chosen in side)
    return "; ".join(f"{_cell_text(chosen)} ({chosen.n_units} of {n})" for chosen in side)


def _cell_text(chosen: Chosen) -> str:
    name = _NAMES.get(chosen.strategy)
    if name is not None:
        # Only the control that repeats them has more than the real images.
        repeats = f" and {chosen.n_synthetic:,} repeats" if chosen.n_synthetic else ""
        return f"{name} ({chosen.n_real:,} real{repeats})"
    return (
        f"{chosen.strategy} of {chosen.n_real:,} real and {chosen.n_synthetic:,} generated images"
    )


def _repeats(n: int) -> str:
    words = {1: "one repeat", 2: "two repeats", 3: "three repeats", 4: "four repeats"}
    return words.get(n, f"{n} repeats")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _p_text(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"
