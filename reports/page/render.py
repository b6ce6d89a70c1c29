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
from numpy.typing import NDArray

from reports.figures.style import GRID, INK, MUTED, PAPER
from reports.page.answer import (
    CAS_TITLE,
    Answer,
    below_full_note,
    key_scores,
    percent,
    synthetic_only,
)
from reports.page.captions import PUBLISHED_SECTION, SECTIONS, figure_texts, section_of
from reports.page.facts import is_above_real
from reports.page.tables import cell_tables, generator_tables, published_tables, score_table
from reports.scores.table import SCORES
from reports.tables import rows_of
from reports.verdict.crossed import CrossedInterval
from reports.verdict.verdict import Verdict
from reports.verdict.wording import points

# Larger vector figures are shown as their PNG: the page should open at once on a phone.
_LARGEST_SVG = 400_000
# Pictures of pixels and of thousands of faces are smaller as PNG than as SVG.
_SHOWN_AS_PNG = {"accuracy_surface", "sample_grid"}
# A vector page skips pixels of images that it draws smaller than they are.
_LARGEST_SHARP = 64
_OF_PIXELS = {"epoch_collage", "reconstructions", "nearest_neighbours", "examples"}


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
    answer: Answer
    verdict: Verdict | None
    """None where nothing could be compared."""
    n_test: int
    summary: pd.DataFrame
    """From `reports.verdict.statistics.summarise_cells`; units of several sizes one below the
    other."""
    unit: str
    """Whose generator the scores at the top are of."""
    figures: Sequence[PageFigure] = ()
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns score, unit, pool, value, floor, floor_deviation, difference (value minus floor),
    difference_deviation, n_splits, n, split, n_reference: see stage score."""
    gains: pd.DataFrame = field(default_factory=pd.DataFrame)
    """From `reports.verdict.statistics.gain_table`."""
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)
    """From `reports.verdict.statistics.class_table`."""
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


def page_figure(
    name: str,
    png: bytes,
    svg: bytes | None = None,
    *,
    facts: Sequence[str] = (),
    labelled: bool = True,
    image_side: int = 0,
) -> PageFigure:
    """A figure with the house's title, caption, alternative text and section.

    Args:
        name: name of the drawing function in `reports.figures`, such as 'accuracy_contour'.
        png: the PNG file.
        svg: the SVG file from `reports.figures.figure_bytes`, preferred where small and sharp.
        facts: sentences on what this very figure shows.
        labelled: whether the generator makes images of a class that it is given.
        image_side: pixels of the study's images.
    """
    title, caption, alt = figure_texts(name, labelled=labelled)
    raster = name in _SHOWN_AS_PNG or (name in _OF_PIXELS and image_side > _LARGEST_SHARP)
    return PageFigure(title, caption, alt, png, None if raster else svg, facts, section_of(name))


def data_line(about: Mapping[str, Any], images: NDArray[np.uint8], n_test: int, n: int) -> str:
    """What was studied, in one line.

    Args:
        about: name and fingerprint of the data.
        images: the real training images, N x H x W x C.
        n_test: number of test images.
        n: number of classes.
    """
    count, height, width, channels = images.shape
    colour = "gray" if channels == 1 else "colour"
    return (
        f"{about['name']} (fingerprint {about['fingerprint'][:12]}), {height} x {width} {colour}, "
        f"{n} classes, {count:,} training and {n_test:,} test images"
    )


def render_page(content: PageContent) -> str:
    """The report as one HTML document.

    Args:
        content: what it says.

    Returns:
        The document; equal content gives an equal string.
    """
    environment = Environment(
        loader=PackageLoader("reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections: dict[str, list[dict[str, Any]]] = {name: [] for name in ("", *SECTIONS)}
    for index, figure in enumerate(content.figures):
        sections[figure.section].append(_figure(index, figure))
    tables = [
        *cell_tables(content.summary, content.gains, content.classes, content.n_test),
        score_table(content.scores, content.summary, content.n_test),
        *generator_tables(content.acceptance, content.checkpoints),
    ]
    page = environment.get_template("report.html.j2").render(
        content=content,
        answer=content.answer,
        interval=None if content.verdict is None else _interval(content.verdict.primary.interval),
        key_numbers=_key_numbers(content),
        figures=sections.pop(""),
        sections={name: figures for name, figures in sections.items() if figures},
        published=[t for t in published_tables(content.comparison, content.claims) if t.rows],
        published_title=PUBLISHED_SECTION,
        tables_note=below_full_note(content.summary, has_verdict=content.verdict is not None),
        tables=[table for table in tables if table.rows],
        parameters=_flat(content.parameters),
    )
    # A file name that is no valid UTF-8 must not make the page impossible to write.
    return page.encode("utf-8", "replace").decode("utf-8")


def _interval(found: CrossedInterval) -> dict[str, Any] | None:
    """Positions (0 to 100) of the little picture of the gain's interval; None without one."""
    if found.low != found.low:
        return None
    values = {"low": found.low, "gain": found.gain, "high": found.high}
    reach = 1.25 * max(*map(abs, values.values()), 1e-6)
    place = {name: round(50 + 50 * value / reach, 2) for name, value in values.items()}
    return place | {f"{name}_text": points(value) for name, value in values.items()}


def _key_numbers(content: PageContent) -> list[tuple[str, str, str]]:
    """(label, value, what it is) of the tiles under the answer."""
    tiles = []
    only = synthetic_only(content.summary)
    if only is not None:
        what = f"{int(only['n_synthetic']):,} generated images only"
        tiles.append((CAS_TITLE, percent(only["test_mean"], content.n_test), what))
    if content.verdict is not None:
        primary, chosen = content.verdict.primary, content.verdict.chosen
        arms = (
            ("Best control", primary.against, primary.accuracy_against),
            ("Best mix", primary.arm, primary.accuracy),
        )
        for label, arm, value in arms:
            first = chosen[arm][0]
            several = ", and others" if len(chosen[arm]) > 1 else ""
            what = f"{first.strategy}, {first.n_real:,} real"
            what += f" + {first.n_synthetic:,}" if first.n_synthetic else ""
            tiles.append((label, percent(value, content.n_test), what + several))
    for row in rows_of(key_scores(content.scores, content.unit)):
        score = SCORES[str(row.score)]
        what = f"floor (real images) {score.text(row.floor)}; generated minus floor "
        what += score.difference_text(row.difference, row.difference_deviation)
        if is_above_real(row):
            what += ": easy images, not good ones"
        tiles.append((score.title, score.text(float(row.value)), what))
    return tiles


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
