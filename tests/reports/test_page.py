"""The page: the answer it gives, what it escapes, and that it stands alone."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from reports import figures, wording
from reports.errors import ReportError
from reports.page import PageContent, page_figure, render_page
from reports.statistics import class_table, gain_table, headline, summarise_cells

EVIL = "<script>alert('x')</script>"


class Reader(HTMLParser):
    """Collects tags, ids and addresses, and checks that tags are closed in order."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.addresses, self.open, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        wanted = {"src", "href", "xlink:href"}
        self.addresses += [value for name, value in attrs if name in wanted]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def some_headline(**changes):
    base = {
        "accuracy_real": 0.97,
        "accuracy_best_mix": 0.98,
        "gain": 0.01,
        "gain_low": 0.004,
        "gain_high": 0.016,
        "accuracy_synthetic_only": None,
        "real_cell": {"strategy": "none", "n_real": 3600, "n_synthetic": 0},
        "best_mix_cell": {"strategy": "mix", "n_real": 3600, "n_synthetic": 7200},
        "synthetic_only_cell": None,
        "chosen_by": "validation",
        "verdict": "helps",
        "n_seeds": 3,
        "n_test": 1000,
        "n_candidates": 18,
        "confidence": 0.95,
        "protocols": ["paper"],
        "n_units": 1,
    }
    return base | changes


@pytest.fixture(scope="module")
def content(study):
    cells, predictions, labels = study
    names = [EVIL, "a & b", *map(str, range(8))]
    summary = summarise_cells(cells)
    drawn = {
        "accuracy_contour": figures.accuracy_contour(summary),
        "accuracy_over_real": figures.accuracy_over_real(summary),
        "sample_grid": figures.sample_grid(
            {EVIL: (np.zeros((10, 8, 8, 1), np.uint8), np.arange(10))}, names
        ),
    }
    scores = [
        {"score": name, "unit": "all-0", "pool": "generated", "value": value, "floor": floor,
         "n": 1000, "split": "test", "n_reference": 900}
        for name, value, floor in (("fid_examiner", 4.25, 1.5), ("label_match", 0.975, np.nan))
    ]  # fmt: skip
    return PageContent(
        data=f"made up {EVIL}",
        headline=headline(cells, predictions, labels),
        summary=summary,
        figures=[page_figure(name, *figures.figure_bytes(f)) for name, f in drawn.items()],
        scores=pd.DataFrame(scores),
        gains=gain_table(cells, predictions, labels),
        classes=class_table(cells, predictions, labels, names),
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
    reader = read(page)
    assert not {"script", "link", "iframe", "object", "form"} & set(reader.tags)
    assert all(address.startswith(("#", "data:image/")) for address in reader.addresses)
    assert len(reader.ids) == len(set(reader.ids))
    assert "<script" not in page.lower()
    assert "@import" not in page
    assert page.count("<svg") == 4


def test_what_is_pointed_at_exists(content):
    page = render_page(content)
    reader = read(page)
    pointed = {address[1:] for address in reader.addresses if address.startswith("#")}
    assert pointed
    assert pointed <= set(reader.ids)


def test_the_answer_comes_first(content):
    text = " ".join(" ".join(read(render_page(content)).text).split())
    short, sentence = wording.answer(content.headline)
    assert text.index(sentence) < text.index(
        "Key numbers" if "Key numbers" in text else "Real images only"
    )
    assert short in text
    for line in wording.basis(content.headline):
        assert line in text


def test_every_part_is_there(content):
    text = " ".join(read(render_page(content)).text)
    for words in (
        "FID (examiner's features)", "4.25", "97.5%", "66.7%", "All cells (27)", "data.path",
        "null", "[0, 1.0]", "make study", "3 files could not be read",
    ):  # fmt: skip
        assert words in text


def test_equal_content_gives_an_equal_page(content):
    assert render_page(content) == render_page(replace(content))


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


class Tables(HTMLParser):
    """The cells of every table, by caption."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.into = {}, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag in ("caption", "th", "td"):
            self.into = tag
            if tag != "caption":
                self.rows[-1].append("")
        elif tag == "table":
            self.rows, self.caption = [], ""
        elif tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        if tag == "table":
            self.tables[self.caption] = self.rows
        if tag == self.into:
            self.into = None

    def handle_data(self, data):
        if self.into == "caption":
            self.caption += data
        elif self.into:
            self.rows[-1][-1] += data


def test_checkpoints_are_a_table_in_order(content):
    page = render_page(replace(content, checkpoints=CHECKPOINTS))
    read(page)
    assert Tables(page).tables["Scores of the checkpoints (3)"] == [
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
    assert "nan" not in " ".join(read(page).text).split()
    head, first, *_ = Tables(page).tables["Scores of the checkpoints (3)"]
    assert head[-1] == "FID (InceptionV3 pool3)"
    assert first[-1] == "\N{EN DASH}"


@pytest.mark.parametrize("table", [pd.DataFrame(), CHECKPOINTS[:0][["epoch", "weights"]]])
def test_without_checkpoints_there_is_no_table(content, table):
    assert "checkpoints" not in render_page(replace(content, checkpoints=table))


def test_hostile_checkpoints_are_escaped(content):
    read(page := render_page(replace(content, checkpoints=CHECKPOINTS.assign(weights=EVIL))))
    assert "<script" not in page


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
    assert "nan" not in " ".join(read(page).text).split()


def test_captions_say_nothing_of_asked_labels_where_none_were():
    for name in wording.UNASKED_CAPTIONS:
        asked, unasked = (page_figure(name, b"", asked=value).caption for value in (True, False))
        assert asked == wording.FIGURE_TEXTS[name][1] != unasked
        assert "asked class" not in unasked
    assert {"nearest_neighbours", "neighbour_coverage"} <= wording.UNASKED_CAPTIONS.keys()
    same = page_figure("gain_chart", b"", asked=False)
    assert same == page_figure("gain_chart", b"")


def test_facts_stand_between_the_title_and_the_figure(content):
    title, caption, _ = wording.FIGURE_TEXTS["checkpoint_scores"]
    figure = page_figure("checkpoint_scores", b"", facts=["One.", f"Two {EVIL}"])
    page = render_page(replace(content, figures=[figure]))
    assert "<script" not in page
    text = " ".join(" ".join(read(page).text).split())
    assert text.index(title) < text.index(f"One. Two {EVIL}") < text.index(caption)
    assert 'class="facts"' not in render_page(content)


def test_a_page_of_the_least(study):
    cells, predictions, labels = study
    rows = (cells["strategy"] == "none").to_numpy()
    page = render_page(
        PageContent(
            data="bare",
            headline=headline(cells[rows], predictions[rows], labels),
            summary=summarise_cells(cells[rows]),
        )
    )
    assert "No comparison" in page
    assert "cannot say whether generated images help" in page
    read(page)


def test_large_vector_figures_become_pictures(content):
    figure = replace(content.figures[0], svg=b"<svg " + b" " * 500_000 + b"></svg>", alt=EVIL)
    page = render_page(replace(content, figures=[figure]))
    assert "data:image/png;base64," in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("changes", "short", "words"),
    [
        ({}, "It helps", "Adding 7,200 generated images (strategy mix) to the 3,600 real ones"
         " raises test accuracy by 1.0 percentage points (95 % interval +0.4 to +1.6), from"
         " 97.0% to 98.0%."),
        ({"verdict": "hurts", "gain": -0.01, "gain_low": -0.016, "gain_high": -0.004},
         "It hurts", "lowers test accuracy by 1.0 percentage points"
         " (95 % interval \N{MINUS SIGN}1.6 to \N{MINUS SIGN}0.4)"),
        ({"verdict": "cannot tell", "gain_low": -0.001, "gain": 0.002, "gain_high": 0.005},
         "Cannot tell", "by +0.2 percentage points, too little to tell from chance"),
        ({"best_mix_cell": {"strategy": "filtered", "n_real": 1200, "n_synthetic": 7200}},
         "It helps", "Training on 1,200 real and 7,200 generated images (strategy filtered)"),
        ({"gain_low": 0.0002}, "It helps", "interval +0.02 to"),
        ({"gain_low": 0.0002, "n_test": 10_000}, "It helps", "1.00 percentage points"),
        ({"gain": None, "real_cell": None}, "No comparison", "real images alone was trained"),
    ],
)  # fmt: skip
def test_the_answer_follows_the_interval(changes, short, words):
    found = wording.answer(some_headline(**changes))
    assert found[0] == short
    assert words in found[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "the best of 18 mixes by validation accuracy"),
        ({"n_seeds": 1}, "With one seed, the interval covers only which test images"),
        ({"chosen_by": "largest counts"}, "Without validation images no best mix can be chosen"),
        ({"protocols": ["paper"]}, "gains at small real counts are optimistic"),
    ],
)
def test_the_basis_says_what_the_interval_rests_on(changes, words):
    assert words in " ".join(wording.basis(some_headline(**changes)))


def test_the_strict_protocol_carries_no_warning_of_the_paper_one():
    assert "optimistic" not in " ".join(wording.basis(some_headline(protocols=["strict"])))


CLASSICAL = {
    "accuracy_classical": 0.97,
    "classical_cell": {"strategy": "classical", "n_real": 3600, "n_synthetic": 0},
    "gain_over_classical": 0.01,
    "gain_over_classical_low": 0.004,
    "gain_over_classical_high": 0.016,
    "verdict_over_classical": "helps",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "The best mix beats classical augmentation of the 3,600 real images, without any"
         " generated one, by 1.0 percentage points (95 % interval of the mix's gain +0.4 to +1.6):"
         " 98.0% against 97.0%."),
        ({"verdict_over_classical": "hurts", "accuracy_classical": 0.99,
          "gain_over_classical": -0.01, "gain_over_classical_low": -0.016,
          "gain_over_classical_high": -0.004},
         "Classical augmentation of the 3,600 real images, without any generated one, beats the"
         " best mix by 1.0 percentage points (95 % interval of the mix's gain \N{MINUS SIGN}1.6 to"
         " \N{MINUS SIGN}0.4): 99.0% against 98.0%."),
        ({"verdict_over_classical": "cannot tell", "gain_over_classical_low": -0.0001},
         "Against classical augmentation of the 3,600 real images, without any generated one, the"
         " best mix changes test accuracy by +1.00 percentage points, too little to tell from"
         " chance (95 % interval of the mix's gain \N{MINUS SIGN}0.01 to +1.60): 98.0% against"
         " 97.0%."),
    ],
)  # fmt: skip
def test_the_best_mix_is_set_beside_classical_augmentation(changes, words):
    assert wording.classical_answer(some_headline(**CLASSICAL | changes)) == words


def test_without_classical_augmentation_nothing_is_said_of_it(content, make):
    assert wording.classical_answer(some_headline()) == ""
    page = render_page(content)
    assert "lassical" not in page[page.index("<body>") :].replace('class="classical"', "")
    cells, predictions, labels = make(strategies=("classical",))
    alone = headline(cells, predictions, labels)
    assert wording.classical_answer(alone) == ""
    text = " ".join(read(render_page(replace(content, headline=alone))).text)
    assert "Classical augmentation" in text  # its tile


def test_the_page_answers_for_classical_augmentation_too(content, full_study):
    head = headline(*full_study)
    text = " ".join(" ".join(read(render_page(replace(content, headline=head))).text).split())
    sentence = wording.classical_answer(head)
    assert text.index(wording.answer(head)[1]) < text.index(sentence)
    assert text.index(sentence) < text.index("Measured on")
    tile = f"Classical augmentation {wording.percent(head['accuracy_classical'], 600)}"
    assert f"{tile} 3,600 real, transformed" in text


class Folds(HTMLParser):
    """The summary around every text; what is always shown is under None."""

    def __init__(self, page):
        super().__init__()
        self.folded, self.open, self.tag = {}, [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tag = tag
        if tag == "details":
            self.open.append(None)

    def handle_endtag(self, tag):
        if tag == "details":
            self.open.pop()

    def handle_data(self, data):
        if self.tag == "summary" and self.open and self.open[-1] is None:
            self.open[-1] = data.strip()
        elif data.strip():
            self.folded.setdefault(data.strip(), []).append(self.open[-1] if self.open else None)


def test_main_figures_are_shown_and_the_others_folded_by_section(content):
    svg = b'<svg width="9pt" height="9pt"></svg>'
    drawn = [page_figure(name, b"", svg) for name in sorted(wording.FIGURE_TEXTS)]
    folds = Folds(render_page(replace(content, figures=drawn)))
    for name, (_, caption, _) in wording.FIGURE_TEXTS.items():
        section = {name: title for title, names in wording.SECTIONS.items() for name in names}
        assert folds.folded[caption] == [section.get(name)]
    shown = [
        name
        for name in wording.FIGURE_TEXTS
        if folds.folded[wording.FIGURE_TEXTS[name][1]] == [None]
    ]
    assert set(shown) == {"accuracy_contour", "gain_chart", "sample_grid"}
    # Of the scores only the tile is always shown.
    assert folds.folded["FID (examiner's features)"] == [None, "Scores of the generated images"]


def test_sections_of_the_page_hold_figures_that_there_are():
    names = [name for names in wording.SECTIONS.values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) < set(wording.FIGURE_TEXTS)


def test_a_section_without_figures_is_left_out(content):
    page = render_page(content)
    assert page.count("<details") == page.count("<summary>")
    titles = [title for title in (*wording.SECTIONS, wording.PUBLISHED_SECTION)
              if f"<summary>{title}" in page]  # fmt: skip
    assert titles == ["Strategies"]
    other = replace(content.figures[0], section="Another section", title="In it")
    assert Folds(render_page(replace(content, figures=[other]))).folded["In it"][-1:] == [
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
    read(page)
    assert "<script" not in page
    tables = Tables(page).tables
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
    folded = Folds(page).folded
    assert folded["8.31"] == folded["smoothing helps"] == [wording.PUBLISHED_SECTION]


@pytest.mark.parametrize("given", [{"comparison": COMPARISON}, {"claims": CLAIMS}])
def test_one_of_the_two_published_tables_is_enough(content, given):
    page = render_page(replace(content, **given))
    assert wording.PUBLISHED_SECTION in page
    assert ("Claims of the studies" in page) == ("claims" in given)


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
            summary=summarise_cells(cells),
            gains=gain_table(cells, predictions, labels),
        )
    )
    assert page.count(words) == 2


def test_every_drawing_function_has_its_words():
    assert set(wording.FIGURE_TEXTS) == set(figures.__all__) - {"figure_bytes"}
    with pytest.raises(ReportError, match="allowed: acceptance_chart"):
        page_figure("nothing", b"")
