"""The page: the answer it gives, what it escapes, and that it stands alone."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from reports import figures
from reports.page.answer import CAS_TITLE, below_full_note, study_answer
from reports.page.captions import FIGURE_TEXTS, PUBLISHED_SECTION, SECTIONS
from reports.page.render import PageContent, page_figure, render_page
from reports.scores.table import SCORES, Score, Viewed, score_images
from reports.verdict.statistics import gain_table, summarise_cells
from reports.verdict.verdict import reach_verdict
from reports.verdict.wording import points
from tests.reports.page.conftest import EVIL, HELPS, answer_of, verdict_of
from tests.reports.verdict.confirmations import confirmation

DASH = "\N{EN DASH}"
GAINS = "Gain of every mix and control (exploratory)"
CLASSES = "Accuracy by class, best control against best mix (exploratory)"


def telling(content, verdict):
    """The same page of another verdict."""
    return replace(content, verdict=verdict, answer=answer_of(verdict))


def tiles_of(page):
    """What stands in the tiles: label, number and what it is."""
    part = page[page.index('<dl class="tiles">') : page.index("</dl>")]
    pattern = r'<dt>(.*?)</dt>.*?number">(.*?)</div><div class="what">(.*?)</div>'
    return [tuple(map(unescape, found)) for found in re.findall(pattern, part)]


class Page(HTMLParser):
    """What a page says and points at; its tags must be closed in order."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.addresses, self.open, self.texts = [], [], [], [], []
        self.tables, self.folded, self.folds = {}, {}, []
        self.feed(page)
        assert self.open == []
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        wanted = {"src", "href", "xlink:href"}
        self.addresses += [value for name, value in attrs if name in wanted]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "details":
            self.folds.append(None)
        elif tag == "table":
            self.rows, self.caption = [], ""
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "details":
            self.folds.pop()
        elif tag == "table":
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        self.texts.append(data)
        tag = self.open[-1] if self.open else ""
        if tag == "caption":
            self.caption += data
        elif tag in ("th", "td"):
            self.rows[-1][-1] += data
        if tag == "summary" and self.folds[-1] is None:
            self.folds[-1] = data.strip()
        elif data.strip():
            # The summary around every text; what is always shown is under None.
            self.folded.setdefault(data.strip(), []).append(self.folds[-1] if self.folds else None)


def test_the_page_stands_alone_and_runs_nothing(content):
    page = render_page(content)
    reader = Page(page)
    assert not {"script", "link", "iframe", "object", "form"} & set(reader.tags)
    assert all(address.startswith(("#", "data:image/")) for address in reader.addresses)
    assert len(reader.ids) == len(set(reader.ids))
    assert "<script" not in page.lower()
    assert "@import" not in page
    assert page.count("<svg") == 3
    pointed = {address[1:] for address in reader.addresses if address.startswith("#")}
    assert pointed
    assert pointed <= set(reader.ids)


def test_the_answer_comes_first(content):
    page = render_page(content)
    text, answer = Page(page).text, content.answer
    assert f"<title>Helps: {content.title}</title>" in page
    assert 'class="answer helps"' in page
    places = [text.index(words) for words in (answer.sentence, *answer.basis, "Best control")]
    assert places == sorted(places)
    assert text.index("Helps") < places[0]


@pytest.mark.parametrize(
    ("gains", "short", "tone"),
    [
        ([-gain for gain in HELPS], "Hurts", "hurts"),
        ((0.03, -0.02, 0.04, 0.01), "Cannot tell", "cannot-tell"),
        ((0.001, -0.001, 0.0, 0.0), "No relevant difference", "cannot-tell"),
        ((0.05, 0.05), "Too few repeats", "cannot-tell"),
    ],
)
def test_every_verdict_has_its_words_and_a_colour_that_there_is(content, gains, short, tone):
    page = render_page(telling(content, verdict_of(gains, 0.02)))
    assert f'<p class="short">{short}</p>' in page
    assert f'class="answer {tone}"' in page
    assert re.search(rf"\.{tone}\b[^}}]*--tone:", page)
    assert "Helps" not in Page(page).text


def test_the_interval_is_drawn_where_the_gain_is(content):
    """The longest of gain and bounds is at four fifths of its half; 0 is in the middle."""
    found = content.verdict.primary.interval
    page = render_page(content)
    picture = page[page.index('<svg class="interval"') :]
    picture = picture[: picture.index("</svg>")]
    gain, low, high = (points(value) for value in (found.gain, found.low, found.high))
    assert f"Gain {gain} percentage points, interval {low} to {high}" in picture
    assert f">{gain}</text>" in picture
    line = r'x1="([\d.]+)" x2="([\d.]+)" y1="30" y2="30" style="stroke: var\(--tone'
    ends = [float(x) for x in re.search(line, picture).groups()]
    wanted = [280 + 0.8 * 280 * value / found.high for value in (found.low, found.high)]
    assert ends == pytest.approx(wanted, abs=0.1)


def test_one_repeat_has_no_picture_of_an_interval(content):
    page = render_page(telling(content, verdict_of((0.05,))))
    assert 'class="interval"' not in page
    assert "nan" not in Page(page).text.split()


def test_the_tiles_are_the_verdicts_accuracies_and_the_scores(content):
    alone = content.summary.query("n_real == 0 and strategy == 'mix' and n_synthetic == 7200")
    cell = 100 * alone["test_mean"].item()
    floor = "floor (real images) 1.50; generated minus floor +2.75 \N{PLUS-MINUS SIGN} 0.50"
    minus = "\N{MINUS SIGN}0.5 \N{PLUS-MINUS SIGN} 50.0 points"
    assert tiles_of(render_page(content)) == [
        (CAS_TITLE, f"{cell:.1f}%", "7,200 generated images only"),
        ("Best control", "80.0%", "none, 400 real"),
        ("Best mix", "85.2%", "mix, 400 real + 800"),
        ("FID (examiner's features)", "4.25", floor),
        ("Label match", "97.5%", f"floor (real images) 98.0%; generated minus floor {minus}"),
    ]
    exact = tiles_of(render_page(replace(content, n_test=5000)))
    assert [value for _, value, _ in exact[:3]] == [f"{cell:.2f}%", "80.00%", "85.17%"]


def test_a_tile_says_that_repeats_chose_differently(content):
    confirmed, predictions, labels = confirmation(HELPS)
    other = (confirmed["unit"] == "r-0") & (confirmed["strategy"] == "mix")
    confirmed.loc[other, "n_synthetic"] = 1600
    verdict = reach_verdict(confirmed, predictions, labels, 0.01)
    told = {label: what for label, _, what in tiles_of(render_page(telling(content, verdict)))}
    assert told["Best control"] == "none, 400 real"
    assert told["Best mix"] == "mix, 400 real + 800, and others"


def test_parameters_versions_commands_and_notes_are_there(content):
    reader = Page(render_page(replace(content, notes=["bad \udcff.png"])))
    assert reader.tables["Parameters"][1:] == [
        ["seed", "0"], ["data.source", EVIL], ["data.path", "null"], ["mix.real", "[0, 1.0]"],
    ]  # fmt: skip
    assert reader.tables["Versions"][1:] == [[EVIL, EVIL], ["torch", "2.0"]]
    assert f"make study echo {EVIL}" in reader.text
    assert "bad ?.png" in reader.text  # what is no UTF-8 can be written


CHECKPOINTS = pd.DataFrame(
    {
        "epoch": [10, 5, 5],
        "weights": ["plain", "average", "plain"],
        "fid_examiner": [11.125, 21.5, 31.75],
        "inception_score": [8.5, 7.5, 6.5],
        "label_match": [0.975, 0.5, 0.25],
    }
)


def test_checkpoints_are_a_table_in_order(content):
    page = render_page(replace(content, checkpoints=CHECKPOINTS))
    assert Page(page).tables["Scores of the checkpoints (3)"] == [
        ["Epoch", "Weights", "FID (examiner's features)", "Inception score", "Label match"],
        ["5", "plain weights", "31.75", "6.50", "25.0%"],
        ["5", "averaged copy", "21.50", "7.50", "50.0%"],
        ["10", "plain weights", "11.12", "8.50", "97.5%"],
    ]


def test_what_checkpoints_were_not_scored_by_is_no_column(content):
    table = CHECKPOINTS.assign(fid_inception=[1.0, 2.0, np.nan], label_match=np.nan)
    page = Page(render_page(replace(content, checkpoints=table)))
    head, first, *_ = page.tables["Scores of the checkpoints (3)"]
    assert head[2:] == ["FID (examiner's features)", "Inception score", "FID (InceptionV3 pool3)"]
    assert first[-1] == DASH
    none = replace(content, checkpoints=CHECKPOINTS[:0][["epoch", "weights"]])
    assert "checkpoints" not in render_page(none)


def test_an_undefined_label_match_breaks_nothing(content):
    scores = content.scores[content.scores["score"] != "label_match"]
    page = render_page(replace(content, scores=scores))
    assert tiles_of(page)[-1][0] == "FID (examiner's features)"
    assert "nan" not in Page(page).text.split()


def test_scores_stand_beside_their_floor_and_cas_is_the_first(content):
    page = Page(render_page(content))
    (head, first, second, third) = page.tables["Scores of the generated images"]
    assert head[3:6] == ["Value", "Floor (real images)", "Generated minus floor"]
    assert first[0] == CAS_TITLE
    assert first[5].endswith(" points")
    assert second[:6] == [
        "FID (examiner's features)", "generated", "all-0", "4.25",
        "1.50 \N{PLUS-MINUS SIGN} 0.25", "+2.75 \N{PLUS-MINUS SIGN} 0.50",
    ]  # fmt: skip
    assert third[3:5] == ["97.5%", "98.0% \N{PLUS-MINUS SIGN} 25.0%"]
    assert "one random half of the test images against the other, the mean over 50" in page.text
    without = replace(content, summary=content.summary[content.summary["n_real"] > 0])
    assert "CAS" not in render_page(without)


def test_a_score_needs_its_entry_alone_to_be_computed_and_shown(content, monkeypatch):
    mean = Score(
        "Mean feature", "lower", lambda generated, _: generated.features.mean(), decimals=3
    )
    monkeypatch.setitem(SCORES, "mean_feature", mean)
    features = np.random.default_rng(0).normal(size=(20, 3))
    seen = Viewed(features - features.mean() + 0.125, np.full((20, 2), 0.5))
    value = score_images(seen, seen)["mean_feature"]
    scores = content.scores.assign(score="mean_feature", value=value)
    checkpoints = CHECKPOINTS.assign(mean_feature=[0.25, 0.5, 0.75])
    page = Page(render_page(replace(content, scores=scores, checkpoints=checkpoints)))
    row = page.tables["Scores of the generated images"][2]
    assert (row[0], row[3]) == ("Mean feature", "0.125")
    head, first, *_ = page.tables["Scores of the checkpoints (3)"]
    assert (head[-1], first[-1]) == ("Mean feature", "0.750")


@pytest.mark.parametrize(
    ("floor", "deviation", "above"),
    [
        (0.95, 0.012, True),
        (0.95, 0.0126, False),  # by less than two deviations
        (0.95, np.nan, False),
        (0.974, 0.005, False),
        (0.9749, 0.00001, False),  # reads as equal
        (0.98, 0.005, False),
    ],
)
def test_a_label_match_above_that_of_real_images_is_no_praise(content, floor, deviation, above):
    value = content.scores["value"]
    scores = content.scores.assign(floor=floor, floor_deviation=deviation, difference=value - floor)
    page = Page(render_page(replace(content, scores=scores))).text
    assert ("is above that of real images, 95.0%" in page) == above
    assert ("easy images, not good ones" in page) == above


def test_captions_say_what_the_bars_of_one_unit_are_over():
    of_one = "one unit, over its seeds and test images"
    for name in ("learning_curve", "accuracy_over_real", "accuracy_over_synthetic"):
        assert of_one in FIGURE_TEXTS[name][1]


def test_captions_say_whose_classes_they_are_where_the_generator_has_none():
    added = "the class of a generated image is the one that the judge predicts."
    for name in FIGURE_TEXTS:
        captions = [page_figure(name, b"", labelled=value).caption for value in (True, False)]
        assert captions[0] == FIGURE_TEXTS[name][1]
        assert (added in captions[1]) == (captions[1] != captions[0]) or name == "epoch_collage"
        assert "same class" not in captions[1]
    assert added in page_figure("nearest_neighbours", b"", labelled=False).caption
    assert set(FIGURE_TEXTS) == set(figures.__all__) - {"figure_bytes"}


def test_facts_stand_between_the_title_and_the_figure(content):
    title, caption, _ = FIGURE_TEXTS["checkpoint_scores"]
    figure = page_figure("checkpoint_scores", b"", facts=["One.", f"Two {EVIL}"])
    page = render_page(replace(content, figures=[figure]))
    assert "<script" not in page
    text = Page(page).text
    assert text.index(title) < text.index(f"One. Two {EVIL}") < text.index(caption)
    assert 'class="facts"' not in render_page(content)


def test_a_page_of_the_least(study):
    cells, _, labels = study
    page = render_page(
        PageContent(
            data="bare",
            answer=study_answer(None, "Nothing to compare.", "400 steps", []),
            verdict=None,
            n_test=len(labels),
            summary=summarise_cells(cells[cells["strategy"] == "none"], 3600, len(labels)),
            unit="all-0",
        )
    )
    reader = Page(page)
    assert '<p class="short">No comparison</p>' in page
    assert 'class="answer none"' in page
    assert "Nothing to compare." in reader.text
    assert list(reader.tables) == ["All cells (3)"]
    for part in ('class="interval"', 'class="tiles"', 'class="basis"', "<figure", "Best mix"):
        assert part not in page


def test_without_a_verdict_the_tiles_are_those_that_there_are(content):
    page = render_page(telling(content, None))
    labels = [label for label, *_ in tiles_of(page)]
    assert labels == [CAS_TITLE, "FID (examiner's features)", "Label match"]
    assert 'class="interval"' not in page


def test_equal_content_gives_an_equal_page(content):
    again = replace(content, versions=dict(reversed(content.versions.items())))
    assert render_page(again) == render_page(content)


def test_large_vector_figures_become_pictures(content):
    figure = replace(content.figures[0], svg=b"<svg " + b" " * 500_000 + b"></svg>", alt=EVIL)
    page = render_page(replace(content, figures=[figure]))
    assert "data:image/png;base64," in page
    assert "<script" not in page


def test_what_is_optimistic_is_said_once_where_the_tables_start(content, full_study):
    cells, _, labels = full_study
    note = below_full_note(content.summary, has_verdict=True)
    assert "saw all 3,600 training images, the classifier only 300 to 1,200 of them" in note
    assert "The verdict is about 3,600 real images, all that there are." in note
    assert "they stand for all 3,600 images" in note
    page = Page(render_page(content))
    assert page.text.count(note) == 1
    assert page.text.index("Tables") < page.text.index(note) < page.text.index("Gain of every mix")
    tables = page.tables
    for strategy, real, _, _, gain, *_ in tables[GAINS][1:]:
        assert ("(optimistic)" in gain) == (real != "3,600")
        assert strategy in ("mix", "filtered")
    for strategy, real, _, accuracy, *_ in tables["All cells (27)"][1:]:
        assert ("(optimistic)" in accuracy) == (strategy != "none" and real in ("300", "1,200"))
    # Controls hold no generated image.
    controls = summarise_cells(cells, 3600, len(labels)).query("strategy == 'classical'")
    whole = "The verdict is about 3,600 real images, all that there are."
    assert below_full_note(controls, has_verdict=True) == whole
    assert below_full_note(content.summary.query("n_real in (0, 3600)"), has_verdict=True) == ""
    few = content.summary.query("n_real == 300")
    assert "only 300 of them" in below_full_note(few, has_verdict=True)


def test_without_a_verdict_nothing_says_what_it_is_about(content):
    assert "The verdict is about" in Page(render_page(content)).text
    text = Page(render_page(telling(content, None))).text
    assert "The verdict is about" not in text
    assert "saw all 3,600 training images" in text


def test_the_table_of_gains_says_over_what_and_how_sure(content):
    rows = [
        ("mix-classical", 400, 800, "classical", 0.01234, 0.005, 0.02, 4, 2, 0.0123, False),
        ("mix", 400, 800, "none", -0.01, -0.02, 0.00001, 4, 2, 0.0004, False),
        ("mix", 100, 800, "none", 0.02, np.nan, np.nan, 1, 2, np.nan, True),
    ]
    columns = ["strategy", "n_real", "n_synthetic", "against", "gain", "low", "high", "n_units"]
    gains = pd.DataFrame(rows, columns=[*columns, "n_seeds", "p_holm", "optimistic"])
    page = render_page(replace(content, gains=gains.assign(unit_real=400)))
    minus = "\N{MINUS SIGN}"
    # A single unit in the summary: no column of units.
    assert Page(page).tables[GAINS] == [
        ["Strategy", "Real", "Generated", "Over", "Gain (points)", "95 % interval", "p, corrected",
         "Seeds"],
        ["mix-classical", "400", "800", "classical", "+1.23", "+0.50 to +2.00", "0.012", "2"],
        ["mix", "400", "800", "real images alone", f"{minus}1.00", f"{minus}2.00 to 0.00",
         "< 0.001", "2"],
        ["mix", "100", "800", "real images alone", "+2.00 (optimistic)", DASH, DASH, "2"],
    ]  # fmt: skip
    assert "p is corrected for the number of rows (Holm)" in page


def test_the_table_of_classes_escapes_their_names(content):
    page = render_page(content)
    head, first, second, *_ = Page(page).tables[CLASSES]
    assert head == ["Class", "Test images", "Best control", "Best mix", "Gain (points)",
                    "95 % interval", "p, corrected"]  # fmt: skip
    row = content.classes.iloc[0]
    told = [f"{100 * row[name]:.1f}%" for name in ("accuracy_against", "accuracy")]
    assert first[:5] == [EVIL, "200", *told, f"{100 * row['gain']:+.2f}"]
    assert second[0] == "a & b"
    assert "<script" not in page.lower()


def test_units_of_several_sizes_stand_below_one_another(content):
    def smaller(table):
        return pd.concat([table, table[table["n_real"] < 3600].assign(unit_real=1200)])

    tables = smaller(content.summary), smaller(content.gains)
    scores = content.scores.assign(unit="1200-0", value=77.0)
    every = {"summary": tables[0].assign(n_units=2), "gains": tables[1]}
    page = render_page(replace(content, **every, scores=pd.concat([scores, content.scores])))
    for start, table in zip(("All cells", "Gain of every"), tables, strict=True):
        head, *rows = next(t for name, t in Page(page).tables.items() if name.startswith(start))
        assert "Over" in head or start == "All cells"
        assert (head[-1], head[3]) == ("Units", "A unit sees")
        assert [row[3] for row in rows] == [f"{n:,}" for n in table["unit_real"]]
        assert len(rows[0]) == len(head)
    assert rows[0][-1] == "1"
    assert '<div class="number">4.25</div>' in page  # the tile is of the unit at the top


def test_main_figures_are_shown_and_the_others_folded_by_section(content):
    svg = b'<svg width="9pt" height="9pt"></svg>'
    drawn = [page_figure(name, b"", svg) for name in sorted(FIGURE_TEXTS)]
    folds = Page(render_page(replace(content, figures=drawn)))
    section = {name: title for title, names in SECTIONS.items() for name in names}
    for name, (_, caption, _) in FIGURE_TEXTS.items():
        assert folds.folded[caption] == [section.get(name)]
    main = {"uncertainty", "learning_curve", "accuracy_contour", "gain_chart", "sample_grid"}
    assert FIGURE_TEXTS.keys() - section.keys() == main
    # Of the scores only the tile is always shown.
    assert folds.folded["FID (examiner's features)"] == [None, "Scores of the generated images"]


def test_a_section_without_figures_is_left_out(content):
    page = render_page(content)
    sections = (*SECTIONS, PUBLISHED_SECTION)
    assert [title for title in sections if f"<summary>{title}" in page] == ["Strategies"]


COMPARISON = pd.DataFrame(
    [
        ["imperial-mnist", "cdcgan", "FID", "52", "8.31", "7.9 to 8.7", 3, "yes", ""],
        [EVIL, "cdcgan", "IS", "4.75", "missing", DASH, 0, "no", "another network's features"],
    ],
    columns=["study", "system", "measure", "published", "ours", "interval", "n", "same_protocol",
             "why"],
)  # fmt: skip
CLAIMS = pd.DataFrame(
    [["imperial-mnist", "smoothing helps", "cannot tell", "+0.1", "-0.2 to +0.4", "5", EVIL]],
    columns=["study", "claim", "verdict", "difference", "interval", "n", "based_on"],
)


def test_published_figures_and_claims_are_in_one_fold(content):
    page = Page(render_page(replace(content, comparison=COMPARISON, claims=CLAIMS)))
    assert "script" not in page.tags
    assert page.tables["Published figures beside ours (2)"] == [
        ["Study", "System", "Measure", "Published", "Ours", "Interval", "n", "Same protocol",
         "Why"],
        ["imperial-mnist", "cdcgan", "FID", "52", "8.31", "7.9 to 8.7", "3", "yes", DASH],
        [EVIL, "cdcgan", "IS", "4.75", "missing", DASH, "0", "no", "another network's features"],
    ]  # fmt: skip
    assert page.tables["Claims of the studies, tested again (1)"] == [
        ["Study", "Claim", "Verdict", "Difference", "Interval", "n", "Based on"],
        CLAIMS.iloc[0].tolist(),
    ]
    assert page.folded["8.31"] == page.folded["smoothing helps"] == [PUBLISHED_SECTION]


def test_tables_say_that_the_control_repeats_real_images(content, full_study):
    cells, predictions, labels = full_study
    words = "generated count is that of repeated real images"
    assert words not in render_page(content)
    summary, gains = summarise_cells(cells, 3600, 600), gain_table(cells, predictions, labels)
    assert render_page(replace(content, summary=summary, gains=gains)).count(words) == 2
