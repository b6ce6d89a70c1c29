"""The report page: one self-contained HTML file, the answer first.

The answer, the key numbers and the few main figures are always shown; everything else is folded by
section, and unfolded on paper. No script, no network, no dates, no host names. Every string is
escaped by Jinja2; the only raw markup are the figures' own SVGs, which matplotlib escapes, put in
line so that they follow the page's light and dark colours.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports import wording
from reports.errors import ReportError
from reports.style import GRID, INK, MUTED, PAPER
from reports.tables import rows_of

# Larger vector figures are shown as their PNG: the page should open at once on a phone.
_LARGEST_SVG = 400_000

_DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class PageFigure:
    """A figure as it goes into the page."""

    title: str
    caption: str
    alt: str
    png: bytes
    svg: bytes | None = None
    facts: Sequence[str] = ()
    """Sentences on what this very figure shows; they stand above it."""
    section: str = ""
    """Section of the page in which it is folded; an empty one is always shown."""


@dataclass(frozen=True)
class PageContent:
    """Everything the page says; empty parts are left out of it."""

    data: str
    """What was studied, in one line, such as 'MNIST, 28 x 28 gray, 10 classes'."""
    headline: Mapping[str, Any]
    """From `reports.statistics.headline`."""
    summary: pd.DataFrame
    """From `reports.statistics.summarise_cells`."""
    figures: Sequence[PageFigure] = ()
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns score, unit, pool, value, floor, n, split, n_reference."""
    gains: pd.DataFrame = field(default_factory=pd.DataFrame)
    """From `reports.statistics.gain_table`."""
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)
    """From `reports.statistics.class_table`."""
    acceptance: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns class_name, threshold, drawn, accepted, rate."""
    checkpoints: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Scores of the generator's checkpoints, as in `reports.figures.checkpoint_scores`."""
    comparison: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Published figures beside ours, as text: columns study, system, measure, published, ours,
    interval, n, same_protocol, why."""
    claims: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Published claims tested again, as text: columns study, claim, verdict, difference, interval,
    n, based_on."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The parameters, nested by section."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Name -> version of what ran."""
    reproduce: Sequence[str] = ()
    """Shell commands that run the study again."""
    notes: Sequence[str] = ()
    """Things a reader must know, such as files that could not be read."""
    title: str = "Does generated data help?"


@dataclass(frozen=True)
class _Table:
    """A table of escaped text, the first column being the row's header."""

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""
    look: str = ""  # "words": sentences in its cells, which may break.


def page_figure(
    name: str,
    png: bytes,
    svg: bytes | None = None,
    *,
    facts: Sequence[str] = (),
    asked: bool = True,
) -> PageFigure:
    """A figure with the house's title, caption, alternative text and section.

    Args:
        name: name of the drawing function in `reports.figures`, such as 'accuracy_contour'.
        png: the PNG file.
        svg: the SVG file from `reports.figures.figure_bytes`, preferred where it is small.
        facts: sentences on what this very figure shows.
        asked: whether the generator was asked for the labels of its images.

    Returns:
        The figure for `PageContent`.

    Raises:
        ReportError: an unknown name.
    """
    if name not in wording.FIGURE_TEXTS:
        raise ReportError(f"figure {name!r}; allowed: {', '.join(sorted(wording.FIGURE_TEXTS))}")
    title, caption, alt = wording.FIGURE_TEXTS[name]
    if not asked:
        caption = wording.UNASKED_CAPTIONS.get(name, caption)
    sections = (section for section, names in wording.SECTIONS.items() if name in names)
    return PageFigure(title, caption, alt, png, svg, facts, next(sections, ""))


def render_page(content: PageContent) -> str:
    """The report as one HTML document.

    Args:
        content: what it says.

    Returns:
        The document; equal content gives an equal string.

    Raises:
        ReportError: a table of published figures or claims without one of its columns.
    """
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    short, sentence = wording.answer(content.headline)
    # Known sections in their order, then others in the order in which they come.
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in ("", *wording.SECTIONS)}
    for index, figure in enumerate(content.figures):
        sections.setdefault(figure.section, []).append(_figure(index, figure))
    page = environment.get_template("report.html.j2").render(
        content=content,
        short=short,
        sentence=sentence,
        classical=wording.classical_answer(content.headline),
        basis=wording.basis(content.headline),
        tone=(content.headline["verdict"] or "none").replace(" ", "-"),
        interval=_interval(content.headline),
        key_numbers=_key_numbers(content),
        figures=sections.pop(""),
        sections={name: figures for name, figures in sections.items() if figures},
        published=[table for table in _published_tables(content) if table.rows],
        published_title=wording.PUBLISHED_SECTION,
        tables=[table for table in _tables(content) if table.rows],
        parameters=_flat(content.parameters),
    )
    # A file name that is no valid UTF-8 must not make the page impossible to write.
    return page.encode("utf-8", "replace").decode("utf-8")


def _interval(headline: Mapping[str, Any]) -> dict[str, Any] | None:
    """Positions (0 to 100) of the little picture of the gain's interval."""
    if headline["gain"] is None:
        return None
    low, gain, high = (headline[name] for name in ("gain_low", "gain", "gain_high"))
    reach = 1.25 * max(abs(low), abs(high), 1e-6)
    decimals = wording.point_decimals(headline)
    place = {
        name: round(50 + 50 * value / reach, 2)
        for name, value in (("low", low), ("gain", gain), ("high", high))
    }
    text = {
        f"{name}_text": wording.points(value, decimals)
        for name, value in (("low", low), ("gain", gain), ("high", high))
    }
    return {**place, **text}


def _key_numbers(content: PageContent) -> list[tuple[str, str, str]]:
    """(label, value, what it is) of the tiles under the answer."""
    headline = content.headline
    n_test = headline["n_test"]
    tiles = []
    for label, value, cell in (
        ("Real images only", "accuracy_real", "real_cell"),
        ("Classical augmentation", "accuracy_classical", "classical_cell"),
        ("Best mix", "accuracy_best_mix", "best_mix_cell"),
        ("Generated images only", "accuracy_synthetic_only", "synthetic_only_cell"),
    ):
        if headline.get(value) is not None:
            tiles.append(
                (label, wording.percent(headline[value], n_test), _cell_text(headline[cell]))
            )
    wanted = ("label_match", "inception_score", "fid_examiner", "fid_inception")
    for name in wanted if not content.scores.empty else ():
        rows = content.scores[
            (content.scores["score"] == name) & (content.scores["pool"] == "generated")
        ]
        if not rows.empty and rows["value"].notna().iloc[0]:
            row = rows.iloc[0]
            value = _score_text(name, float(row["value"]))
            floor = f"{_floor_word(name)} {_score_text(name, float(row['floor']))}"
            known = row["floor"] == row["floor"]
            tiles.append((wording.SCORE_NAMES[name], value, floor if known else "generated images"))
    return tiles


def _floor_word(name: str) -> str:
    return "real images:" if name in ("label_match", "inception_score") else "floor (real):"


def _cell_text(cell: Mapping[str, Any]) -> str:
    if cell["n_synthetic"] == 0:
        transformed = ", transformed" if cell["strategy"] == "classical" else ""
        return f"{cell['n_real']:,} real{transformed}"
    if cell["n_real"] == 0:
        return f"{cell['n_synthetic']:,} generated"
    return f"{cell['n_real']:,} real + {cell['n_synthetic']:,} generated ({cell['strategy']})"


def _score_text(name: str, value: float) -> str:
    if value != value:
        return _DASH
    return f"{100 * value:.1f}%" if name == "label_match" else f"{value:.2f}"


def _checkpoint_table(table: pd.DataFrame) -> _Table:
    """One row a checkpoint; columns that were not scored are left out."""
    wanted = (
        "fid_examiner",
        "inception_score",
        "label_match",
        "fid_inception",
        "inception_score_inception",
    )
    names = [name for name in wanted if name in table and table[name].notna().any()]
    rows = [
        [
            str(row.epoch),
            wording.COPY_NAMES.get(str(row.weights), str(row.weights)),
            *(_score_text(name, float(getattr(row, name))) for name in names),
        ]
        for row in rows_of(
            table.sort_values(["epoch", "weights"], ascending=[True, False]) if names else table[:0]
        )
    ]
    note = (
        "Every row is the same number of images from the same noise, against the test images. That "
        "number differs from the one of the scores above, and FID depends on it: compare within "
        "this table only."
    )
    head = ["Epoch", "Weights", *(wording.SCORE_NAMES[name] for name in names)]
    return _Table(f"Scores of the checkpoints ({len(rows)})", head, rows, note)


def _scores_table(scores: pd.DataFrame) -> _Table:
    rows = [
        [
            wording.SCORE_NAMES.get(str(row.score), str(row.score)),
            str(row.pool),
            str(row.unit),
            _score_text(str(row.score), float(row.value)),
            _score_text(str(row.score), float(row.floor)),
            f"{int(row.n):,}",
            str(row.split),
            f"{int(row.n_reference):,}",
        ]
        for row in rows_of(scores)
    ]
    head = ["Score", "Images", "Unit", "Value", "Real against real", "n", "Split", "n reference"]
    note = (
        "Scores are by the examiner, a classifier that had no part in training or filtering. "
        "'Real against real' is the same score with real images in place of the generated ones: "
        "what a perfect generator would reach at this n. FID: lower is better; the others: higher."
    )
    return _Table("Scores of the generated images", head, rows, note)


def _published_tables(content: PageContent) -> list[_Table]:
    """What the published studies say, beside ours."""
    return [
        _text_table(
            "Published figures beside ours",
            content.comparison,
            {
                "study": "Study",
                "system": "System",
                "measure": "Measure",
                "published": "Published",
                "ours": "Ours",
                "interval": "Interval",
                "n": "n",
                "same_protocol": "Same protocol",
                "why": "Why",
            },
            "Where the protocol is not the same, more than the system differs: the last column "
            "says what.",
        ),
        _text_table(
            "Claims of the studies, tested again",
            content.claims,
            {
                "study": "Study",
                "claim": "Claim",
                "verdict": "Verdict",
                "difference": "Difference",
                "interval": "Interval",
                "n": "n",
                "based_on": "Based on",
            },
        ),
    ]


def _text_table(
    title: str, table: pd.DataFrame, names: Mapping[str, str], note: str = ""
) -> _Table:
    """A table of text; ``names`` are its columns and their heads."""
    missing = [name for name in names if name not in table]
    if len(table) and missing:
        raise ReportError(f"page: {title.lower()}: no column {missing[0]!r}; needed: {[*names]}")
    rows = [[_word(getattr(row, name)) for name in names] for row in rows_of(table)]
    return _Table(f"{title} ({len(rows)})", [*names.values()], rows, note, "words")


def _word(value: Any) -> str:
    """A value of a table of text; what is unknown is a dash."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if value is None or value != value:
        return _DASH
    return str(value) or _DASH


def _tables(content: PageContent) -> list[_Table]:
    n_test = content.headline["n_test"]
    duplicated = any(
        "duplicated" in set(table["strategy"])
        for table in (content.summary, content.gains)
        if len(table)
    )
    repeated = "In strategy duplicated the generated count is that of repeated real images."
    strategy_note = repeated if duplicated else ""

    def spread(low: float, high: float) -> str:
        if low != low:
            return _DASH
        return f"{wording.percent(low, n_test)} to {wording.percent(high, n_test)}"

    def signed(value: float) -> str:
        return _DASH if value != value else wording.points(value, 2)

    cells = _Table(
        f"All cells ({len(content.summary)})",
        ["Strategy", "Real", "Generated", "Test accuracy", "95 % interval (seeds)",
         "Validation accuracy", "Seeds"],
        [
            [
                str(row.strategy),
                f"{row.n_real:,}",
                f"{row.n_synthetic:,}",
                wording.percent(float(row.test_mean), n_test),
                spread(float(row.test_low), float(row.test_high)),
                wording.percent(float(row.validation_mean), n_test),
                str(row.n_seeds),
            ]
            for row in rows_of(content.summary)
        ],
        strategy_note,
    )  # fmt: skip
    gains = _Table(
        "Gain of every mix and control over the same real images alone",
        ["Strategy", "Real", "Generated", "Gain (points)", "95 % interval", "Verdict", "Seeds"],
        [
            [
                str(row.strategy),
                f"{row.n_real:,}",
                f"{row.n_synthetic:,}",
                signed(float(row.gain)),
                f"{signed(float(row.low))} to {signed(float(row.high))}",
                str(row.verdict),
                str(row.n_seeds),
            ]
            for row in rows_of(content.gains)
        ],
        strategy_note,
    )
    classes = _Table(
        "Accuracy by class, real only against best mix",
        ["Class", "Test images", "Real only", "Best mix", "Gain (points)", "95 % interval"],
        [
            [
                str(row.class_name),
                f"{row.n_test:,}",
                wording.percent(float(row.accuracy_real)),
                wording.percent(float(row.accuracy_best_mix)),
                signed(float(row.gain)),
                _DASH if row.low != row.low else f"{signed(row.low)} to {signed(row.high)}",
            ]
            for row in rows_of(content.classes)
        ],
        "Classes are small: look at their intervals before reading anything into a difference.",
    )
    acceptance = _Table(
        "Acceptance by class and threshold",
        ["Class", "Threshold", "Drawn", "Accepted", "Share"],
        [
            [
                str(row.class_name),
                f"{row.threshold:g}",
                f"{row.drawn:,}",
                f"{row.accepted:,}",
                wording.percent(float(row.rate)),
            ]
            for row in rows_of(content.acceptance)
        ],
    )
    scores = _scores_table(content.scores)
    checkpoints = _checkpoint_table(content.checkpoints)
    return [gains, classes, cells, scores, acceptance, checkpoints]


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Dotted names and values, in the order given."""
    rows: list[tuple[str, str]] = []
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows.extend(_flat(value, f"{name}."))
        elif isinstance(value, list | tuple):
            rows.append((name, "[" + ", ".join(_plain(item) for item in value) + "]"))
        else:
            rows.append((name, _plain(value)))
    return rows


def _plain(value: Any) -> str:
    """A value as params.yaml writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _figure(index: int, figure: PageFigure) -> dict[str, Any]:
    if figure.svg is not None and len(figure.svg) <= _LARGEST_SVG:
        markup = _inline_svg(figure.svg, f"f{index}-", figure.alt)
    else:
        source = base64.b64encode(figure.png).decode("ascii")
        markup = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(source, figure.alt)
    return {
        "title": figure.title,
        "facts": " ".join(figure.facts),
        "caption": figure.caption,
        "markup": markup,
    }


def _inline_svg(svg: bytes, prefix: str, alt: str) -> Markup:
    """The <svg> element of a matplotlib file: own ids, the page's colours, a text for readers."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Several figures share one document: ids, and what points at them, must differ.
    text = re.sub(r'(\bid=")', rf"\g<1>{prefix}", text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", text)
    for colour, variable in ((INK, "ink"), (MUTED, "muted"), (GRID, "line"), (PAPER, "card")):
        # Only inside style attributes: var() has no meaning elsewhere.
        text = text.replace(f": {colour}", f": var(--{variable}, {colour})")
    width = re.search(r'width="([\d.]+)pt"', text)
    # pt -> CSS pixels; the figure keeps its drawn size at most and shrinks with the page.
    size = f"max-width: {float(width[1]) * 4 / 3:.0f}px" if width else ""
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    opening = f'<svg role="img" aria-label="{escape(alt)}" style="{size}"'
    return Markup(opening + text[len("<svg") :])
