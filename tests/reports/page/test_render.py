"""The page: the answer it gives, what it escapes, and that it stands alone."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from reports import figures
from reports.errors import ReportError
from reports.page.answer import (
    answer,
    basis,
    below_full_note,
    classical_answer,
    percent,
    verdict_text,
)
from reports.page.captions import FIGURE_TEXTS, PUBLISHED_SECTION, SECTIONS
from reports.page.render import PageContent, page_figure, render_page
from reports.verdict.statistics import class_table, gain_table, headline, summarise_cells

EVIL = "<script>alert('x')</script>"


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


@pytest.fixture(scope="module")
def content(study):
    cells, predictions, labels = study
    names = [EVIL, "a & b", *map(str, range(8))]
    summary = summarise_cells(cells, 3600, len(labels))
    drawn = {
        "accuracy_contour": figures.accuracy_contour(summary),
        "accuracy_over_real": figures.accuracy_over_real(summary),
        "sample_grid": figures.sample_grid(
            {EVIL: (np.zeros((10, 8, 8, 1), np.uint8), np.arange(10))}, names
        ),
    }
    scores = [
        {"score": name, "unit": "all-0", "pool": "generated", "value": value, "floor": floor,
         "floor_deviation": 0.25, "difference": value - floor, "difference_deviation": 0.5,
         "n_splits": 50, "n": 1000, "split": "test", "n_reference": 900}
        for name, value, floor in (("fid_examiner", 4.25, 1.5), ("label_match", 0.975, np.nan))
    ]  # fmt: skip
    return PageContent(
        data=f"made up {EVIL}",
        headline=headline(cells, predictions, labels, 3600),
        summary=summary,
        unit="all-0",
        figures=[page_figure(name, *figures.figure_bytes(f)) for name, f in drawn.items()],
        scores=pd.DataFrame(scores),
        gains=gain_table(cells, predictions, labels, 3600),
        classes=class_table(cells, predictions, labels, names, 3600),
        acceptance=pd.DataFrame(
            [{"class_name": EVIL, "threshold": 0.9, "drawn": 1500, "accepted": 1000, "rate": 2 / 3}]
        ),
        parameters={"seed": 0, "data": {"source": EVIL, "path": None}, "mix": {"real": [0, 1.0]}},
        versions={"torch": "2.0", EVIL: EVIL},
        reproduce=["make study", f"echo {EVIL}"],
        notes=[f"3 files could not be read: {EVIL}"],
    )


def test_the_page_stands_alone_and_runs_nothing(content):
    page = render_page(content)
    reader = Page(page)
    assert not {"script", "link", "iframe", "object", "form"} & set(reader.tags)
    assert all(address.startswith(("#", "data:image/")) for address in reader.addresses)
    assert len(reader.ids) == len(set(reader.ids))
    assert "<script" not in page.lower()
    assert "@import" not in page
    assert page.count("<svg") == 3


def test_what_is_pointed_at_exists(content):
    page = render_page(content)
    reader = Page(page)
    pointed = {address[1:] for address in reader.addresses if address.startswith("#")}
    assert pointed
    assert pointed <= set(reader.ids)


def test_the_answer_comes_first(content):
    text = Page(render_page(content)).text
    short, sentence = answer(content.headline)
    assert text.index(sentence) < text.index(
        "Key numbers" if "Key numbers" in text else "Real images only"
    )
    assert short in text
    for line in basis(content.headline):
        assert line in text


def test_every_part_is_there(content):
    text = Page(render_page(content)).text
    for words in (
        "FID (examiner's features)", "4.25", "97.5%", "66.7%", "All cells (27)", "data.path",
        "null", "[0, 1.0]", "make study", "3 files could not be read",
    ):  # fmt: skip
        assert words in text


def test_a_file_name_that_is_no_utf8_can_be_written(content):
    page = render_page(replace(content, notes=["bad \udcff.png"]))
    assert "bad ?.png" in page
    page.encode("utf-8")


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


@pytest.mark.parametrize("how", ["column", "values"])
def test_what_checkpoints_were_not_scored_by_is_no_column(content, how):
    table = CHECKPOINTS.assign(fid_inception=[1.0, 2.0, np.nan], label_match=np.nan)
    table = table.drop(columns="label_match") if how == "column" else table
    page = render_page(replace(content, checkpoints=table, scores=pd.DataFrame()))
    assert "Label match" not in page
    assert "nan" not in Page(page).text.split()
    head, first, *_ = Page(page).tables["Scores of the checkpoints (3)"]
    assert head[-1] == "FID (InceptionV3 pool3)"
    assert first[-1] == "\N{EN DASH}"


@pytest.mark.parametrize("table", [pd.DataFrame(), CHECKPOINTS[:0][["epoch", "weights"]]])
def test_without_checkpoints_there_is_no_table(content, table):
    assert "checkpoints" not in render_page(replace(content, checkpoints=table))


@pytest.mark.parametrize("how", ["row", "value"])
def test_an_undefined_label_match_breaks_nothing(content, how):
    scores = content.scores
    match = scores["score"] == "label_match"
    undefined = scores.assign(value=scores["value"].mask(match))
    scores = scores[~match] if how == "row" else undefined
    page = render_page(replace(content, scores=scores))
    tiles = page[page.index('class="tiles"') : page.index("</dl>")]
    assert "Label match" not in tiles
    assert "FID (examiner" in tiles
    assert "nan" not in Page(page).text.split()


def test_scores_stand_beside_their_floor_and_cas_is_the_first(content):
    (head, first, second, third) = Page(render_page(content)).tables[
        "Scores of the generated images"
    ]
    assert head[3:6] == ["Value", "Floor (real images)", "Generated minus floor"]
    assert first[0] == "CAS (classification accuracy score)"
    assert first[5].endswith(" points")
    assert second[:6] == [
        "FID (examiner's features)", "generated", "all-0", "4.25",
        "1.50 \N{PLUS-MINUS SIGN} 0.25", "+2.75 \N{PLUS-MINUS SIGN} 0.50",
    ]  # fmt: skip
    assert third[3:6] == ["97.5%", "\N{EN DASH}", "\N{EN DASH}"]
    text = Page(render_page(content)).text
    assert text.index("CAS (classification accuracy score)") < text.index("FID (examiner's")
    assert "one random half of the test images against the other, the mean over 50" in text
    assert "floor (real images) 1.50; generated minus floor +2.75" in text
    without = replace(content, headline=content.headline | {"accuracy_synthetic_only": None})
    assert "CAS" not in render_page(without)


@pytest.mark.parametrize(("floor", "above"), [(0.95, True), (0.9749, False), (0.98, False)])
def test_a_label_match_above_that_of_real_images_is_no_praise(content, floor, above):
    scores = content.scores.assign(floor=floor)
    page = Page(render_page(replace(content, scores=scores))).text
    assert ("is above that of real images, 95.0%" in page) == above
    assert ("easy images, not good ones" in page) == above


def test_captions_say_whose_classes_they_are_where_the_generator_has_none():
    added = "the class of a generated image is the one that the judge predicts."
    for name in FIGURE_TEXTS:
        captions = [page_figure(name, b"", labelled=value).caption for value in (True, False)]
        assert captions[0] == FIGURE_TEXTS[name][1]
        assert (added in captions[1]) == (captions[1] != captions[0]) or name == "epoch_collage"
        assert "same class" not in captions[1]
    assert added in page_figure("nearest_neighbours", b"", labelled=False).caption


def test_facts_stand_between_the_title_and_the_figure(content):
    title, caption, _ = FIGURE_TEXTS["checkpoint_scores"]
    figure = page_figure("checkpoint_scores", b"", facts=["One.", f"Two {EVIL}"])
    page = render_page(replace(content, figures=[figure]))
    assert "<script" not in page
    text = Page(page).text
    assert text.index(title) < text.index(f"One. Two {EVIL}") < text.index(caption)
    assert 'class="facts"' not in render_page(content)


def test_a_page_of_the_least(study):
    cells, predictions, labels = study
    rows = (cells["strategy"] == "none").to_numpy()
    page = render_page(
        PageContent(
            data="bare",
            headline=headline(cells[rows], predictions[rows], labels, 3600),
            summary=summarise_cells(cells[rows], 3600, len(labels)),
            unit="all-0",
        )
    )
    assert "No comparison" in page
    assert "cannot say whether generated images help" in page
    Page(page)


def test_large_vector_figures_become_pictures(content):
    figure = replace(content.figures[0], svg=b"<svg " + b" " * 500_000 + b"></svg>", alt=EVIL)
    page = render_page(replace(content, figures=[figure]))
    assert "data:image/png;base64," in page
    assert "<script" not in page


def test_what_is_optimistic_is_said_once_where_the_tables_start(content, full_study):
    cells, _, labels = full_study
    note = below_full_note(content.summary)
    assert "saw all 3,600 training images, the classifier only 300 to 1,200 of them" in note
    assert "Below 3,600 real images, all that there are, no verdict is given." in note
    assert "they stand for all 3,600 images" in note
    page = render_page(content)
    text = Page(page).text
    assert text.count(note) == 1
    assert text.index("Tables") < text.index(note) < text.index("Gain of every mix")
    tables = Page(page).tables
    of_gains = tables["Gain of every mix and control over the same real images alone"]
    for strategy, real, _, gain, _, verdict, _ in of_gains[1:]:
        small = real != "3,600"
        assert ("(optimistic)" in gain) == small
        assert (verdict == "no verdict") == small
        assert strategy in ("mix", "filtered")
    head, *rows = tables["All cells (27)"]
    assert head[4] == "95 % interval (seeds, test images)"
    for strategy, real, _, accuracy, *_ in rows:
        assert ("(optimistic)" in accuracy) == (strategy != "none" and real in ("300", "1,200"))
    # Controls hold no generated image.
    controls = summarise_cells(cells, 3600, len(labels)).query("strategy == 'classical'")
    assert below_full_note(controls) == (
        "Below 3,600 real images, all that there are, no verdict is given."
    )
    assert below_full_note(content.summary.query("n_real in (0, 3600)")) == ""
    one = below_full_note(content.summary.query("n_real == 300"))
    assert "only 300 of them" in one


def test_units_of_several_sizes_stand_below_one_another(content):
    def smaller(table):
        return pd.concat([table, table[table["n_real"] < 3600].assign(unit_real=1200)])

    tables = smaller(content.summary), smaller(content.gains)
    scores = content.scores.assign(unit="1200-0", value=77.0)
    page = render_page(
        replace(
            content,
            summary=tables[0].assign(n_units=2),
            gains=tables[1],
            scores=pd.concat([scores, content.scores]),
        )
    )
    for start, table in zip(("All cells", "Gain of every"), tables, strict=True):
        head, *rows = next(t for name, t in Page(page).tables.items() if name.startswith(start))
        assert (head[-1], head[3]) == ("Units", "A unit sees")
        assert [row[3] for row in rows] == [f"{n:,}" for n in table["unit_real"]]
        assert len(rows[0]) == len(head)
    assert rows[0][-1] == "1"
    assert '<div class="number">4.25</div>' in page  # the tile is of the unit at the top
    note = below_full_note(tables[0])
    assert note.startswith("Units that see 3,600 training images. Optimistic")
    assert (
        "Units that see 1,200 training images. Optimistic means: the generator, the judge" in note
    )


def test_a_study_of_few_real_images_gets_a_page_without_a_verdict(content, study):
    cells, predictions, labels = study
    rows = (cells["n_real"] < 3600).to_numpy()
    head = headline(cells[rows], predictions[rows], labels, 3600)
    page = render_page(replace(content, headline=head))
    text = Page(page).text
    assert "No verdict" in text
    assert "Add 1.0, all training images, to mix.real" in text
    assert 'class="answer no-verdict"' in page
    assert ".no-verdict" in page
    assert "generated (filtered) (optimistic)" in text  # its tile


def test_one_seed_is_the_reason_that_nothing_can_be_told(content, make):
    cells, predictions, labels = make(seeds=(0,))
    gains = gain_table(cells, predictions, labels, 3600)
    head = headline(cells, predictions, labels, 3600)
    page = render_page(replace(content, headline=head, gains=gains))
    assert page.count("cannot tell: one classifier seed") == (gains["n_real"] == 3600).sum() == 6
    assert verdict_text("cannot tell", 3) == "cannot tell"
    assert verdict_text("no verdict", 1) == "no verdict"
    assert "It helps" not in page


def test_without_classical_augmentation_nothing_is_said_of_it(content, make):
    assert classical_answer(content.headline) == ""
    page = render_page(content)
    assert "lassical" not in page[page.index("<body>") :].replace('class="classical"', "")
    cells, predictions, labels = make(strategies=("classical",))
    alone = headline(cells, predictions, labels, 3600)
    assert classical_answer(alone) == ""
    text = Page(render_page(replace(content, headline=alone))).text
    assert "Classical augmentation" in text  # its tile


def test_the_page_answers_for_classical_augmentation_too(content, full_study):
    head = headline(*full_study, 3600)
    text = Page(render_page(replace(content, headline=head))).text
    sentence = classical_answer(head)
    assert text.index(answer(head)[1]) < text.index(sentence)
    assert text.index(sentence) < text.index("Measured on")
    tile = f"Classical augmentation {percent(head['accuracy_classical'], 600)}"
    assert f"{tile} 3,600 real, transformed" in text


def test_main_figures_are_shown_and_the_others_folded_by_section(content):
    svg = b'<svg width="9pt" height="9pt"></svg>'
    drawn = [page_figure(name, b"", svg) for name in sorted(FIGURE_TEXTS)]
    folds = Page(render_page(replace(content, figures=drawn)))
    for name, (_, caption, _) in FIGURE_TEXTS.items():
        section = {name: title for title, names in SECTIONS.items() for name in names}
        assert folds.folded[caption] == [section.get(name)]
    shown = [name for name in FIGURE_TEXTS if folds.folded[FIGURE_TEXTS[name][1]] == [None]]
    assert set(shown) == {"accuracy_contour", "gain_chart", "sample_grid"}
    # Of the scores only the tile is always shown.
    assert folds.folded["FID (examiner's features)"] == [None, "Scores of the generated images"]


def test_sections_of_the_page_hold_figures_that_there_are():
    names = [name for names in SECTIONS.values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) < set(FIGURE_TEXTS)


def test_a_section_without_figures_is_left_out(content):
    page = render_page(content)
    assert page.count("<details") == page.count("<summary>")
    titles = [title for title in (*SECTIONS, PUBLISHED_SECTION)
              if f"<summary>{title}" in page]  # fmt: skip
    assert titles == ["Strategies"]
    other = replace(content.figures[0], section="Another section", title="In it")
    assert Page(render_page(replace(content, figures=[other]))).folded["In it"][-1:] == [
        "Another section"
    ]


COMPARISON = pd.DataFrame(
    [
        ["imperial-mnist", "cdcgan", "FID", "52", "8.31", "7.9 to 8.7", "3", True, ""],
        [EVIL, "cdcgan", "IS", "4.75", np.nan, None, 3, False, "another network's features"],
    ],
    columns=["study", "system", "measure", "published", "ours", "interval", "n", "same_protocol",
             "why"],
)  # fmt: skip
CLAIMS = pd.DataFrame(
    [["imperial-mnist", "smoothing helps", "cannot tell", "+0.1", "-0.2 to +0.4", "5", EVIL]],
    columns=["study", "claim", "verdict", "difference", "interval", "n", "based_on"],
)


def test_published_figures_and_claims_are_in_one_fold(content):
    page = render_page(replace(content, comparison=COMPARISON.iloc[:, ::-1], claims=CLAIMS))
    Page(page)
    assert "<script" not in page
    tables = Page(page).tables
    dash = "\N{EN DASH}"
    assert tables["Published figures beside ours (2)"] == [
        [
            "Study",
            "System",
            "Measure",
            "Published",
            "Ours",
            "Interval",
            "n",
            "Same protocol",
            "Why",
        ],
        ["imperial-mnist", "cdcgan", "FID", "52", "8.31", "7.9 to 8.7", "3", "yes", dash],
        [EVIL, "cdcgan", "IS", "4.75", dash, dash, "3", "no", "another network's features"],
    ]
    assert tables["Claims of the studies, tested again (1)"] == [
        ["Study", "Claim", "Verdict", "Difference", "Interval", "n", "Based on"],
        CLAIMS.iloc[0].tolist(),
    ]
    folded = Page(page).folded
    assert folded["8.31"] == folded["smoothing helps"] == [PUBLISHED_SECTION]


def test_a_published_table_without_a_column_is_one_line(content):
    with pytest.raises(ReportError, match="no column 'why'; needed:") as caught:
        render_page(replace(content, comparison=COMPARISON.drop(columns="why")))
    assert "\n" not in str(caught.value)


def test_tables_say_that_the_control_repeats_real_images(content, full_study):
    cells, predictions, labels = full_study
    words = "generated count is that of repeated real images"
    assert words not in render_page(content)
    page = render_page(
        replace(
            content,
            summary=summarise_cells(cells, 3600, len(labels)),
            gains=gain_table(cells, predictions, labels, 3600),
        )
    )
    assert page.count(words) == 2


def test_every_drawing_function_has_its_words():
    assert set(FIGURE_TEXTS) == set(figures.__all__) - {"figure_bytes"}
    with pytest.raises(ReportError, match="allowed: acceptance_chart"):
        page_figure("nothing", b"")
