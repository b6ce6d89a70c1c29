"""`augment compare`: published facts by hand, which runs stand beside them, and hostile files."""

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from augment.mixing.strategies import STRATEGIES
from pipeline.studies.compare import named_studies, tables
from pipeline.studies.comparison import COLUMNS
from pipeline.studies.generator_claims import welch_interval
from pipeline.studies.records import GeneratorRecord, read_records
from pipeline.studies.table_text import tables_text
from pipeline.study_files import StudyError, load_study, published_studies, study_names

ROOT = Path(__file__).parents[3]
CONFIRMED, CONTRADICTED = "confirmed at this budget", "contradicted at this budget"
DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
PARAMETERS: dict[str, Any] = {
    "seed": 0,
    "data": {"source": "mnist"},
    "classifier": {"batch_size": 100},
    "train_examiner": {"steps": 600, "epochs": None},
    "train_gan": {"system": "x", "options": {}, "images": 1, "width": 1},
}


def with_parameters(section: str, **values: Any) -> dict[str, Any]:
    """The parameters of a record, with other values in a section."""
    return PARAMETERS | {section: PARAMETERS[section] | values}


def with_options(**options: Any) -> dict[str, Any]:
    return with_parameters("train_gan", options=options)


def images(source: str, train: int = 60000) -> dict[str, Any]:
    """What a record says of its images."""
    return {"source": source, "train": train, "test": 10000}


def generator(
    system: str, fids: Sequence[float], seed: int = 0, /, **changes: Any
) -> dict[str, Any]:
    """A record of a run of a published system, one checkpoint an epoch, FID as given."""
    checkpoints = [
        {
            "epoch": epoch,
            "weights": weights,
            "fid_examiner": fid + add,
            "inception_score": 9.0,
            "label_match": 0.9 + epoch / 1000,
        }
        for epoch, fid in enumerate(fids, 1)
        for weights, add in (("plain", 0.0), ("average", -0.5))
    ]
    return {
        "format": 2,
        "system": {"name": system, "batch_size": 100, "description": "text"},
        "width": 0.125,
        "architecture": {"image_size": 28},
        "data": {"source": "mnist", "train": 60000, "test": 10000, "digest": "0"},
        "images_seen": 60000 * len(fids),
        "epochs": len(fids),
        "seed": seed,
        "parameters": PARAMETERS,
        "machine": {"processor": "AMD EPYC", "cores": 2, "device": "cpu"},
        "seconds_per_epoch": 50.0 + seed,
        "checkpoints": checkpoints,
    } | changes


def cell(
    strategy: str, n_real: int, n_synthetic: int, *accuracy: float, validation: float | None = None
) -> dict[str, Any]:
    return {
        "strategy": strategy,
        "n_real": n_real,
        "n_synthetic": n_synthetic,
        "test_accuracy": list(accuracy),
        "validation": validation,
    }


def grid(cells: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A record of a grid of the study's generator, as published but for what is changed."""
    return {
        "format": 2,
        "kind": "cells",
        "generator": {
            "system": "cdcgan-smooth",
            "width": 1.0,
            "images_seen": 1_800_000,
            "batch_size": 100,
            "image_size": 28,
            "seed": 0,
        },
        "data": {"source": "mnist", "train": 60000, "test": 10000},
        "classifier": {"epochs": 30, "steps": None, "batch_size": 128},
        "cells": cells,
        "contrasts": [],
        "parameters": PARAMETERS,
        "machine": {"processor": "AMD EPYC", "cores": 2},
    } | changes


def contrast(claim: str, low: float, high: float, **changes: Any) -> dict[str, Any]:
    published = load_study(ROOT, "imperial-mnist")
    measured = next(each.measured for each in published.claims if each.id == claim)
    return {
        "claim": claim,
        "test": measured,
        "difference": (low + high) / 2,
        "low": low,
        "high": high,
        "n_seeds": 3,
        "n_images": 10000,
        "pairs": ["none 600 + 0 -> mix 600 + 600"],
        "missing": [],
        "chosen_by": None,
    } | changes


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that holds the published facts and no record."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root)
    for study in study_names(ROOT):
        (root / "studies" / study).mkdir(parents=True)
        shutil.copy(ROOT / "studies" / study / "study.yaml", root / "studies" / study)
    return root


@pytest.fixture
def write(project: Path) -> Callable[..., None]:
    """Write a record: ``write("cdcgan", record)``."""

    def put(name: str, record: Any, study: str = "imperial-mnist") -> None:
        (project / "studies" / study / f"{name}.json").write_text(json.dumps(record))

    return put


def row_of(root: Path, system: str, measure: str, study: str = "imperial-mnist") -> dict[str, Any]:
    table, _ = tables(root, named_studies(root, study))
    rows = table[(table["system"] == system) & table["measure"].str.startswith(measure)]
    assert len(rows) == 1, table
    return {str(key): value for key, value in rows.iloc[0].items()}


def claim_of(root: Path, words: str, study: str = "imperial-mnist") -> dict[str, Any]:
    _, table = tables(root, named_studies(root, study))
    rows = table[table["claim"].str.contains(words, regex=False)]
    assert len(rows) == 1, table
    return {str(key): value for key, value in rows.iloc[0].items()}


# The published facts, by hand from what the studies say


FIGURES = {
    "imperial-mnist": """
        dcgan-reference fid_inception 30, seconds_per_epoch 710
        dcgan-compact fid_inception 17.3, seconds_per_epoch 130
        dcgan-no-bn fid_inception 24.4, seconds_per_epoch 123
        dcgan-d3 fid_inception 23.4, seconds_per_epoch 295
        dcgan-lr fid_inception 20.7
        cdcgan fid_inception 52, inception_score 4.75, label_match 0.84
        cdcgan-extended fid_inception 154, inception_score 4.21, label_match 0.68
        cdcgan-balance fid_inception 187, inception_score 4.34, label_match 0.36
        cgan-dense fid_inception 97, inception_score 5.2, label_match 0.78
        cdcgan-no-bn fid_inception 65, inception_score 4.71, label_match 0.73
        cdcgan-smooth fid_inception 17, inception_score 4.98, label_match 0.87
        cdcgan-label-conv fid_inception 101, inception_score 3.52, label_match 0.6
        cdcgan-feedback fid_inception 16, inception_score 5.23, label_match 0.82
    """,
    "fau-mnist": """
        fau-cdcgan seconds_per_epoch 53.02
        fau-gan seconds_per_epoch 3.32
    """,
    "tribhuvan-fashion": "tribhuvan-fashion training_minutes 30",
    "tribhuvan-faces": "tribhuvan-faces training_minutes 240",
    "gehu-celeba": "",
    "padova-anime": """
        padova-dcgan fid_inception 2639, fid_inception 2241, inception_score_inception 1
        padova-aae fid_inception 2988, fid_inception 2692, inception_score_inception 1
    """,
}


@pytest.mark.parametrize("study", FIGURES)
def test_scores_are_as_published(study: str) -> None:
    lines = [
        f"{name} {', '.join(f'{each.score} {each.value:g}' for each in system.figures)}"
        for name, system in load_study(ROOT, study).systems.items()
        if system.figures
    ]
    assert lines == [line.strip() for line in FIGURES[study].strip().splitlines()]


def test_accuracies_are_as_published() -> None:
    published = load_study(ROOT, "imperial-mnist")
    found = [(a.strategy, a.n_real, a.n_synthetic, a.accuracy) for a in published.accuracies]
    assert found == [
        ("none", 60000, 0, 0.947),
        ("mix", 60000, 60000, 0.9625),
        ("mix", 0, 60000, 0.4793),
        ("mix", 600, None, 0.89),
        ("filtered", None, None, 0.9576),
        ("fine-tune", None, None, 0.9555),
        ("source-channel", 60000, 30000, 0.9425),
    ]


def test_batches_are_as_published() -> None:
    batches = {"imperial-mnist": 100, "fau-mnist": 100, "tribhuvan-fashion": 32,
               "tribhuvan-faces": 128, "padova-anime": 64}  # fmt: skip
    assert {name: load_study(ROOT, name).published.batch_size for name in batches} == batches


def test_a_study_is_trained_for_the_epochs_that_it_says() -> None:
    published = published_studies(ROOT)
    assert [study.name for study in published] == sorted(FIGURES)
    for study in published:
        for system in study.systems.values():
            trained = system.overlay.get("train_gan.epochs", study.params["train_gan.epochs"])
            assert system.epochs == trained


def test_cells_of_claims_mean_something_and_are_in_the_preset() -> None:
    mix = load_study(ROOT, "imperial-mnist").params
    for claim in load_study(ROOT, "imperial-mnist").claims:
        for side in (getattr(claim.test, "a", None), getattr(claim.test, "b", None)):
            if side is None or isinstance(side, str):
                continue
            assert side.strategy == "none" or side.strategy in mix["mix.strategies"]
            for n_real in side.n_real:
                for n_synthetic in side.n_synthetic:
                    assert STRATEGIES[side.strategy].takes(n_real, n_synthetic)
                    assert n_real in mix["mix.real"]
                    assert n_synthetic in mix["mix.synthetic"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"titel": "x"}, "titel is not a known key"),
        ({"says": ""}, "says is ''"),
        ({"params": {"train_gan": {"sistem": "cdcgan"}}}, "train_gan.sistem is no key of params"),
        ({"quick": {"score.inception": True}}, "score.inception is not in params"),
        ({"systems": {"fau-cdcgan": {"params": {"classifier.batch_size": 3}}}},
         "classifier.batch_size is not in params"),
        ({"protocol": {"batch": 1}}, "protocol.batch is not a known key"),
        ({"systems": {}}, "systems is {}"),
        ({"systems": {"CDCGAN": {}}}, "systems.CDCGAN"),
        ({"systems": {"cdcgan": {}}}, "params.train_gan.system is none of systems"),
        ({"systems": {"cdcgan": {"figures": [{"score": "fid", "value": 1}]}}},
         "systems.cdcgan.figures[0].score is 'fid'; allowed: 'fid_inception'"),
        ({"systems": {"cdcgan": {"figures": [{"score": "label_match", "value": 84}]}}},
         "allowed: a fraction from 0 to 1"),
        ({"accuracies": [{"strategy": "mix", "n_real": 1, "n_synthetic": 1, "accuracy": 96.25}]},
         "accuracies[0].accuracy is 96.25; allowed: less than or equal to 1"),
        ({"accuracies": [{"strategy": "none", "n_real": 1, "n_synthetic": 0, "accuracy": 1}]},
         "protocol.pool is missing"),
        ({"claims": [{"id": "x", "text": "x"}]}, "claims[0].test is missing"),
        ({"claims": [{"id": "x", "text": "x", "test": {"kind": "eval", "code": "1"}}]},
         "claims[0].test"),
        ({"claims": [{"id": "x", "text": "a\x1b[2J", "test": {"kind": "course",
         "system": "cdcgan"}}]}, "claims[0].text"),
        ({"claims": [{"id": "x", "text": "x", "test": {"kind": "course", "system": "cdcgan"}}] * 2},
         "claim x is given twice"),
        ({"claims": [{"id": "x", "text": "x", "test": {"kind": "cells", "expects": "equal",
          "a": {"strategy": "none", "n_real": [1], "n_synthetic": [0]},
          "b": {"strategy": "mix", "n_real": [1], "n_synthetic": [1]}}}]}, "a margin with equal"),
        ({"claims": [{"id": "x", "text": "x", "test": {"kind": "cells", "expects": "higher",
          "a": {"strategy": "none", "n_real": [1, 2], "n_synthetic": [0]},
          "b": {"strategy": "mix", "n_real": [1, 2, 3], "n_synthetic": [1]}}}]},
         "as many n_real in a and b, or 1"),
    ],
)  # fmt: skip
def test_a_file_of_facts_is_checked(project: Path, change: dict[str, Any], problem: str) -> None:
    path = project / "studies/fau-mnist/study.yaml"
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(path.read_text())
    with path.open("w") as file:
        yaml.dump(values | change, file)
    with pytest.raises(StudyError) as caught:
        load_study(project, "fau-mnist")
    assert str(caught.value).startswith("studies/fau-mnist/study.yaml: ")
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "", "- 1", "data: [", "a: 1\na: 2", "\x00", "x: !!python/object/apply:os.system [ls]",
        "[" * 5000, "data: &a [*a]", f"data: {'9' * 5000}", "#" * (1 << 20) + "\n",
    ],
)  # fmt: skip
def test_hostile_facts_are_one_line(augment, project: Path, text: str) -> None:
    (project / "studies/fau-mnist/study.yaml").write_text(text)
    run = augment(project, "compare", "--study", "fau-mnist")
    assert "studies/fau-mnist/study.yaml" in run.error
    assert run.err.count("\n") == 1
    assert len(run.err) < 500
    assert run.out == ""


# Records


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "holds no record"),
        ("[" * 100_000, "cannot be read"),
        ("9" * 5000, "cannot be read"),
        (b"\xff", "cannot be read"),
        (b" " * ((1 << 24) + 1), "larger than 16777216 bytes"),
        ('{"kind": "eval"}', "kind is 'eval'; allowed: generator, cells"),
        ('{"kind": ["cells"]}', "allowed: generator, cells"),
        ("{}", "is missing"),
        ({"format": 1}, "format is 1; allowed: 2"),
        ({"width": 0}, "width is 0; allowed: greater than or equal to"),
        ({"images_seen": 10**400}, "images_seen is a number of"),
        ({"width": float("inf")}, "width is inf; allowed: a finite number"),
        ({"seed": "0"}, "seed is '0'; allowed: a valid integer"),
        ({"machine": {"processor": "a\x1b[2J"}}, "machine.processor"),
        ({"system": {"name": "a\nb", "batch_size": 1}}, "system.name"),
        ({"checkpoints": [{"epoch": 1}]}, "checkpoints[0].weights is missing"),
    ],
)
def test_a_damaged_record_names_its_file(augment, project: Path, text: Any, problem: str) -> None:
    path = project / "studies/imperial-mnist/cdcgan.json"
    if isinstance(text, dict):
        text = json.dumps(generator("cdcgan", [3, 2, 1]) | text)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    run = augment(project, "compare")
    assert run.error.startswith("error: studies/imperial-mnist/cdcgan.json: ")
    assert problem in run.error
    assert run.err.count("\n") == 1
    assert run.out == ""


@pytest.mark.parametrize(
    ("parameters", "options", "epochs"),
    [
        (PARAMETERS, "", 1.0),
        (with_options(latent="uniform"), "latent 'uniform'", 1.0),
        (with_parameters("train_examiner", epochs=30), "", 30),
        ({"train_gan": {"options": ["no mapping"]}}, "", None),
        ({}, "", None),
        (with_parameters("train_examiner", steps="many"), "", None),
    ],
)
def test_parameters_tell_what_was_set(
    project: Path, write, parameters: dict[str, Any], options: str, epochs: float | None
) -> None:
    write("x", generator("cdcgan", [1], parameters=parameters))
    (record,) = read_records(project, "imperial-mnist")
    assert isinstance(record, GeneratorRecord)
    assert (record.options, record.examiner_epochs) == (options, epochs)


# Figures of generators


def test_without_a_run_every_figure_is_missing(project: Path) -> None:
    comparison, claims = tables(project, named_studies(project))
    assert comparison.columns.tolist() == COLUMNS
    assert len(comparison) == 43 + 7  # scores and accuracies
    assert set(comparison["ours"]) == {"missing"}
    assert set(claims["verdict"]) == {"missing"}
    assert (comparison["n"] == 0).all()


def test_ours_is_the_best_plain_epoch_as_theirs(project: Path, write) -> None:
    write("cdcgan", generator("cdcgan", [30, 10, 20]))
    row = row_of(project, "cdcgan", "FID (other features)")
    assert (row["published"], row["ours"], row["interval"], row["n"]) == ("52", "10.0", DASH, 1)
    assert row["same_protocol"] == "no"
    assert row["why"] == "width 1/8; 3 epochs, not 50; features of LeNet, not InceptionV3"
    row = row_of(project, "cdcgan", "label match")
    assert (row["published"], row["ours"]) == ("84", "90.30")
    assert row["why"] == "width 1/8; 3 epochs, not 50; LeNet of 1 epochs, not 30"


@pytest.mark.parametrize(
    ("records", "ours", "n"),
    [
        # Of two records with one seed the first by name counts; a narrower run is another budget.
        ([generator("cdcgan", [30, 10], 0), generator("cdcgan", [30, 12], 1),
          generator("cdcgan", [30, 14], 2), generator("cdcgan", [30, 999], 0),
          generator("cdcgan", [30, 20, 2], 5, width=0.0625)], "12.0", 3),
        # The widest, not the longest, is nearest to the study.
        ([generator("cdcgan", [30, 20], width=0.25), generator("cdcgan", [30, 20, 10, 5])],
         "20.0", 1),
        # Other code or settings are no seed of it, other words are.
        ([generator("cdcgan", [20], 0), generator("cdcgan", [10], 1),
          generator("cdcgan", [99], 2, architecture={"image_size": 28, "label": "dense"}),
          generator("cdcgan", [99], 3, parameters=with_options(loss="hinge")),
          generator("cdcgan", [30], 4, system={"name": "cdcgan", "batch_size": 100,
                                               "description": "other words"})], "20.0", 3),
    ],
)  # fmt: skip
def test_runs_that_differ_by_seed_alone_are_pooled(
    project: Path, write, records: list[dict[str, Any]], ours: str, n: int
) -> None:
    for place, record in enumerate(records):
        write(f"run-{place}", record)
    row = row_of(project, "cdcgan", "FID")
    assert (row["ours"], row["n"], row["interval"] == DASH) == (ours, n, n == 1)


def test_a_score_of_inception_is_taken_where_it_was_recorded(project: Path, write) -> None:
    wide = generator("cdcgan", [30, 20], width=0.25)
    narrow = generator("cdcgan", [30, 20])
    for row, fid in zip(narrow["checkpoints"], (70, 1, 60, 1), strict=True):
        row["fid_inception"] = fid
    write("wide", wide)
    write("narrow", narrow)
    row = row_of(project, "cdcgan", "FID (InceptionV3)")
    assert (row["ours"], row["why"]) == ("60.0", "width 1/8; 2 epochs, not 50")


def test_the_study_repeated_has_the_same_protocol(project: Path, write) -> None:
    record = generator("dcgan-compact", [30] * 24 + [20], width=1.0)
    for row in record["checkpoints"]:
        row["fid_inception"] = row["fid_examiner"]
        row["label_match"] = None
    write("dcgan-compact", record)
    row = row_of(project, "dcgan-compact", "FID")
    assert (row["ours"], row["same_protocol"], row["why"]) == ("20.0", "yes", "")
    row = row_of(project, "dcgan-compact", "seconds an epoch")
    assert (row["published"], row["ours"]) == ("130", "50.0")
    assert row["why"] == "AMD EPYC with 2 cores, not K80"


def test_other_images_settings_and_epochs_are_named(project: Path, write) -> None:
    record = generator("cdcgan", [30, 20], epochs=40, data=images("mnist5k", 3600))
    # Not the study's own system: it is no run of it.
    write("cdcgan", record | {"parameters": with_options(feedback=2.0)})
    assert row_of(project, "cdcgan", "FID")["ours"] == "missing"
    write("cdcgan", record)
    why = row_of(project, "cdcgan", "FID")["why"]
    assert why.startswith("5,000 digits of MNIST for MNIST; 3,600 training images, not 60,000; ")
    assert "the best of 2 of 40 epochs, not the best of all epochs" in why


def test_a_figure_of_one_epoch_meets_the_nearest_kept_one(project: Path, write) -> None:
    record = generator("padova-dcgan", [50, 40, 45], data=images("folder", 2392))
    for row, epoch in zip(record["checkpoints"], (3, 3, 90, 90, 120, 120), strict=True):
        row["epoch"] = epoch
    write("padova-dcgan", record | {"epochs": 120}, "padova-anime")
    first = row_of(project, "padova-dcgan", "FID (other features), epoch 100", "padova-anime")
    last = row_of(project, "padova-dcgan", "FID (other features), epoch 400", "padova-anime")
    assert (first["published"], first["ours"]) == ("2639", "40.0")
    assert (last["published"], last["ours"]) == ("2241", "45.0")
    assert "epoch 90, not epoch 100" in first["why"]
    assert "a folder of images for anime faces" in first["why"]
    score = row_of(project, "padova-dcgan", "Inception Score (other network)", "padova-anime")
    assert (score["published"], score["ours"]) == ("1", "9.00")


def test_minutes_are_those_of_all_images(project: Path, write) -> None:
    record = generator("tribhuvan-fashion", [3, 2], data=images("fashion-mnist"))
    for seconds, ours in ((90.0, "3.0"), (None, "missing")):
        write("run", record | {"seconds_per_epoch": seconds}, "tribhuvan-fashion")
        row = row_of(project, "tribhuvan-fashion", "minutes of training", "tribhuvan-fashion")
        assert (row["published"], row["ours"]) == ("30", ours)
        assert seconds is None or "2 epochs, not 20" in row["why"]


# Figures of classifiers


def test_a_cell_stands_beside_its_accuracy(project: Path, write) -> None:
    write("grid", grid([cell("none", 60000, 0, 0.98, 0.99), cell("mix", 0, 60000, 0.5)]))
    row = row_of(project, "none", "accuracy (%), 60,000 + 0")
    assert (row["published"], row["ours"], row["n"]) == ("94.7", "98.50", 2)
    assert (row["same_protocol"], row["why"]) == ("yes", "")
    row = row_of(project, "mix (cdcgan-smooth)", "accuracy (%), 0 + 60,000")
    assert (row["ours"], row["interval"], row["same_protocol"]) == ("50.00", DASH, "yes")
    assert row_of(project, "mix (cdcgan-smooth)", "accuracy (%), 60,000")["ours"] == "missing"


def test_all_images_are_all_of_ours(project: Path, write) -> None:
    fixed = {"epochs": None, "steps": 4000, "batch_size": 128}
    write(
        "grid",
        grid([cell("mix", 54000, 60000, 0.99)], data=images("mnist", 54000), classifier=fixed),
    )
    row = row_of(project, "mix (cdcgan-smooth)", "accuracy (%), 60,000")
    assert row["ours"] == "99.00"
    assert row["why"] == (
        "54,000 training images, not 60,000; 33.3 epochs, not 30; 4,000 steps a classifier, not "
        "30 epochs; a cell fixed beforehand, not the best on test"
    )


FILTERED = "filtered (cdcgan-smooth)", "accuracy (%), best cell", "the best on test"
MIXED = "mix (cdcgan-smooth)", "accuracy (%), 600 + any", "counts that are not given"


@pytest.mark.parametrize(
    ("of", "cells", "ours", "choice"),
    [
        *(
            (FILTERED, [cell("filtered", 600, 6000, 0.7, validation=one),
                        cell("filtered", 6000, 60000, 0.9, validation=other),
                        cell("filtered", 0, 60000, 1.0, validation=1.0)],  # no mix
             ours, choice)
            for one, other, ours, choice in (
                (0.9, 0.8, "70.00", "the best on validation (600 + 6,000)"),
                (0.8, 0.8, "70.00", "the best on validation (600 + 6,000)"),  # fewer generated
                (0.8, None, "90.00", "the largest counts (6,000 + 60,000)"),
            )
        ),
        (MIXED, [cell("mix", 600, 6000, 0.1), cell("mix", 600, 12000, 0.2),
                 cell("mix", 6000, 600, 1)], "20.00", "the largest counts (600 + 12,000)"),
    ],
)  # fmt: skip
def test_the_best_cell_is_never_chosen_on_test(
    project: Path, write, of: tuple[str, ...], cells: list[Any], ours: str, choice: str
) -> None:
    write("grid", grid(cells))
    row = row_of(project, *of[:2])
    assert (row["ours"], row["why"]) == (ours, f"{choice}, not {of[2]}")


def test_images_of_another_generator_are_no_mix_of_the_study(project: Path, write) -> None:
    record = grid([cell("none", 60000, 0, 0.98), cell("mix", 60000, 60000, 0.97)])
    write("grid", record | {"generator": record["generator"] | {"system": "cdcgan-projection"}})
    assert row_of(project, "mix (cdcgan-smooth)", "accuracy (%), 60,000")["ours"] == "missing"
    assert row_of(project, "none", "accuracy")["ours"] == "98.00"  # no generator takes part


def test_real_images_alone_are_taken_from_the_grid_of_most_seeds(project: Path, write) -> None:
    wide = grid([cell("none", 60000, 0, 0.98)])
    narrow = grid([cell("none", 60000, 0, 0.96, 0.97), cell("mix", 60000, 60000, 0.5, 0.5)])
    narrow["generator"] = narrow["generator"] | {"width": 0.25}
    write("a", wide | {"cells": [*wide["cells"], cell("mix", 60000, 60000, 0.9)]})
    write("b", narrow)
    row = row_of(project, "none", "accuracy")
    assert (row["ours"], row["n"]) == ("96.50", 2)
    # Where images are generated, the generator that is nearest to the study's counts.
    assert row_of(project, "mix (cdcgan-smooth)", "accuracy (%), 60,000")["ours"] == "90.00"


# Claims of generators


def test_generators_are_compared_at_one_budget(project: Path, write) -> None:
    plain, smooth = [20.0, 22.0, 21.0], [10.0, 11.0, 9.0]
    for seed, (one, other) in enumerate(zip(plain, smooth, strict=True)):
        write(f"cdcgan-{seed}", generator("cdcgan", [30, one], seed))
        write(f"smooth-{seed}", generator("cdcgan-smooth", [30, other], seed))
    write("wide", generator("cdcgan-smooth", [30, 1], 7, width=0.5))
    row = claim_of(project, "label smoothing")
    found = welch_interval(plain, smooth)
    assert row["verdict"] == CONFIRMED
    assert row["difference"] == f"{MINUS}{abs(found.mean):.1f} FID"
    assert row["n"] == "3 + 3"
    assert row["based_on"] == (
        "cdcgan (seeds 0, 1, 2), cdcgan-smooth (seeds 0, 1, 2); width 1/8, 120,000 images"
    )


def test_arithmetic_that_differs_is_named(project: Path, write) -> None:
    machines = [{"processor": "A", "precision": p} for p in ("bf16-mixed", "32-true")]
    for seed, machine in enumerate(machines):
        write(f"cdcgan-{seed}", generator("cdcgan", [30, 20], seed, machine=machine))
        write(f"smooth-{seed}", generator("cdcgan-smooth", [30, 20], seed, machine=machines[0]))
    basis = claim_of(project, "label smoothing")["based_on"]
    assert basis.endswith("120,000 images; partly 32-true and bf16-mixed")
    write("cdcgan-1", generator("cdcgan", [30, 20], 1, machine=machines[0]))
    assert claim_of(project, "label smoothing")["based_on"].endswith("120,000 images")


MNIST5K = images("mnist5k")
LONGER = with_parameters("train_examiner", steps=1200)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # One seed decides nothing.
        ([generator("cdcgan", [30, 20])],
         [generator("cdcgan-smooth", [30, 1 + seed / 100], seed) for seed in range(3)],
         {"verdict": "undecided", "interval": DASH, "n": "1 + 3", "based_on": "; n = 1"}),
        # The last epoch counts, not the best.
        ([generator("cdcgan", [30, 20])], [generator("cdcgan-smooth", [5, 25])],
         {"difference": "+5.0 FID"}),
        ([], [], {"based_on": "no run of cdcgan or cdcgan-smooth"}),
        ([generator("cdcgan", [30, 20])], [], {"based_on": "no run of cdcgan-smooth"}),
        ([generator("cdcgan", [30, 20])], [generator("cdcgan-smooth", [30, 20], width=1.0)],
         {"verdict": "missing", "n": "0", "based_on": "no runs at one budget (cdcgan: width 1/8, "
          "120,000 images; cdcgan-smooth: width 1, 120,000 images)"}),
        ([generator("cdcgan", [30, 20])], [generator("cdcgan-smooth", [30, 20], data=MNIST5K)],
         {"verdict": "missing", "based_on": "no run of cdcgan-smooth"}),
        # Scored by another examiner.
        ([generator("cdcgan", [30, 20])],
         [generator("cdcgan-smooth", [30, 20], parameters=LONGER)], {"verdict": "missing"}),
        ([generator("cdcgan", [30, 1000], collapsed_epochs=1)],
         [generator("cdcgan-smooth", [30, 20])], {"based_on": "cdcgan (seed 0; 1 collapsed), "
          "cdcgan-smooth (seed 0); width 1/8, 120,000 images; n = 1"}),
    ],
)  # fmt: skip
def test_what_two_generators_say(
    project: Path, write, a: list[Any], b: list[Any], expected: dict[str, str]
) -> None:
    for place, record in enumerate([*a, *b]):
        write(f"run-{place}", record)
    row = claim_of(project, "label smoothing")
    assert row["based_on"].endswith(expected.pop("based_on", ""))
    assert {key: row[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("fids", "spacing", "verdict"), [(5, 1, CONFIRMED), (5, 2, "missing"), (2, 1, "missing")]
)
def test_oscillation_needs_the_same_checkpoints_and_enough_of_them(
    project: Path, write, fids: int, spacing: int, verdict: str
) -> None:
    for seed in range(2):
        write(f"a{seed}", generator("cdcgan", [90, 50, 30, 60, 20 + seed][:fids], seed))
        steady = generator("cgan-dense", [90, 50, 40, 30, 20][:fids], seed)
        for checkpoint in steady["checkpoints"]:
            checkpoint["epoch"] *= spacing
        write(f"b{seed}", steady)
    row = claim_of(project, "does not oscillate")
    assert row["verdict"] == verdict
    assert row["difference"].endswith(" %") == (verdict == CONFIRMED)
    assert ("too few checkpoints" in row["based_on"]) == (fids == 2)


@pytest.mark.parametrize(
    ("fids", "verdict"),
    [
        ([[30, 10, 15], [30, 10, 14.9]], CONFIRMED),
        ([[30, 20, 10], [30, 20, 11]], CONTRADICTED),
        ([[30, 20, 10], [30, 10, 30]], "undecided"),
        ([[30, 10, 15]], "undecided"),
        ([[30]], "missing"),
    ],
)
def test_a_course_is_judged_over_seeds(
    project: Path, write, fids: list[list[float]], verdict: str
) -> None:
    for seed, course in enumerate(fids):
        record = generator("tribhuvan-fashion", course, seed, data=images("fashion-mnist"))
        write(f"run-{seed}", record, "tribhuvan-fashion")
    row = claim_of(project, "not the last one", "tribhuvan-fashion")
    assert row["verdict"] == verdict


def test_a_run_with_other_settings_is_named_where_there_is_no_other(project: Path, write) -> None:
    data, changed = images("fashion-mnist"), with_options(batch_size=8)
    for seed in range(2):
        record = generator("tribhuvan-fashion", [9, 5, 8], seed, data=data, parameters=changed)
        write(f"small-{seed}", record, "tribhuvan-fashion")
    row = claim_of(project, "not the last one", "tribhuvan-fashion")
    assert row["n"] == "2"
    assert "tribhuvan-fashion (seeds 0, 1; batch_size 8)" in row["based_on"]
    write("own", generator("tribhuvan-fashion", [9, 5, 8], data=data), "tribhuvan-fashion")
    row = claim_of(project, "not the last one", "tribhuvan-fashion")
    assert (row["n"], "batch_size" in row["based_on"]) == ("1", False)


@pytest.mark.parametrize(
    ("match", "generated", "verdict"),
    [
        (0.95, 0.01, CONFIRMED),
        (0.95, 0.03, CONTRADICTED),
        (0.5, 0.01, "undecided"),
        (0.95, None, "missing"),
    ],
)
def test_neighbours_count_where_images_look_right(
    project: Path, write, match: float, generated: float | None, verdict: str
) -> None:
    for seed in range(2):
        record = generator("fau-cdcgan", [30, 20], seed)
        for row in record["checkpoints"]:
            row["label_match"] = match
        if generated is not None:
            shares = {"queries": 2000, "generated": generated + seed / 1000, "test": 0.02}
            record["neighbours"] = shares
        write(f"run-{seed}", record, "fau-mnist")
    row = claim_of(project, "neighbours warn", "fau-mnist")
    assert row["verdict"] == verdict
    basis = "not inspected" if generated is None else f"label match {match:.1%}"
    assert basis in row["based_on"]


# Claims of classifiers


@pytest.mark.parametrize(
    ("claim", "low", "high", "words", "verdict"),
    [
        ("mixing-helps", 0.01, 0.02, "beside all real ones help", CONFIRMED),
        ("mixing-helps", -0.01, 0.02, "beside all real ones help", "undecided"),
        ("few-generated-hurt", 0.01, 0.02, "(600) beside real ones hurt", CONTRADICTED),
        ("source-channel-ignores-generated", -0.004, 0.004, "tells the source", CONFIRMED),
        ("source-channel-ignores-generated", -0.02, -0.01, "tells the source", CONTRADICTED),
        ("filtering-caps-the-best", -0.02, -0.01, "lower the best", CONFIRMED),
        ("filtering-smooths", -0.02, -0.01, "smoother", CONFIRMED),
    ],
)
def test_a_contrast_gives_its_verdict(
    project: Path, write, claim: str, low: float, high: float, words: str, verdict: str
) -> None:
    write("grid", grid([cell("none", 600, 0, 0.9)], contrasts=[contrast(claim, low, high)]))
    row = claim_of(project, words)
    assert row["verdict"] == verdict
    assert row["n"] == "3"
    assert row["difference"].endswith(" points")
    assert row["based_on"].startswith("imperial-mnist/grid (width 1, 1,800,000 images); ")


FOUR = [f"mix {n} + 600" for n in (600, 6000, 12000, 30000)]


@pytest.mark.parametrize(
    ("claim", "changes", "words", "basis"),
    [
        ("few-generated-hurt", {"missing": FOUR, "pairs": ["a -> b", "c -> d"]},
         "(600) beside real ones",
         "2 pairs; not trained: mix 600 + 600, mix 6000 + 600, mix 12000 + 600 and 1 more"),
        ("filtering-caps-the-best", {"chosen_by": "validation"}, "lower the best",
         "chosen on validation: none 600 + 0 -> mix 600 + 600"),
        ("filtering-caps-the-best", {"chosen_by": "largest real count", "pairs": ["a", "b"]},
         "lower the best", "2 pairs at the largest real count"),
        ("filtering-smooths", {"pairs": ["a", "b"], "n_images": None}, "smoother",
         "2 lines of the grid"),
        ("few-generated-hurt", {"optimistic_counts": [600]}, "(600) beside real ones",
         "; optimistic at 600 real images"),
        ("few-generated-hurt", {"optimistic_counts": [600, 6000, 30000]},
         "(600) beside real ones", "; optimistic at 600 to 30,000 real images"),
        # With one seed its interval covers the test images alone.
        ("mixing-helps", {"n_seeds": 1}, "beside all real ones help", "; n = 1"),
    ],
)  # fmt: skip
def test_what_a_contrast_rests_on_is_told(
    project: Path, write, claim: str, changes: dict[str, Any], words: str, basis: str
) -> None:
    measured = contrast(claim, 0.01, 0.02, **changes)
    write("grid", grid([cell("none", 600, 0, 0.9)], contrasts=[measured]))
    row = claim_of(project, words)
    assert row["based_on"].endswith(basis)
    one = "n_seeds" in changes
    assert (row["verdict"] == "undecided", row["interval"] == DASH) == (one, one)


NO_GRID = "no grid of MNIST with images of cdcgan-smooth in its own settings"
OTHER_TEST = contrast("mixing-helps", 0.01, 0.02, test={"kind": "cells"})
UNTRAINED = contrast("mixing-helps", 0, 0, pairs=[], missing=["mix 60000 + 60000"])
UNTRAINED |= dict.fromkeys(("difference", "low", "high"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": images("mnist5k")}, NO_GRID),
        ({"parameters": with_options(latent="uniform")}, NO_GRID),
        ({"generator": grid([])["generator"] | {"system": "cgan-dense"}}, NO_GRID),
        ({"contrasts": [OTHER_TEST]}, "imperial-mnist/grid: measured for another test"),
        ({"contrasts": [UNTRAINED]}, "imperial-mnist/grid: not trained: mix 60000 + 60000"),
    ],
)
def test_a_contrast_that_does_not_fit_is_missing(
    project: Path, write, change: dict[str, Any], reason: str
) -> None:
    record = grid([cell("none", 600, 0, 0.9)], contrasts=[contrast("mixing-helps", 0.01, 0.02)])
    write("grid", record | change)
    row = claim_of(project, "beside all real ones help")
    assert row["verdict"] == "missing"
    assert row["based_on"].startswith(reason)


def test_the_grid_nearest_to_the_study_decides(project: Path, write) -> None:
    near = grid([cell("none", 600, 0, 0.9)], contrasts=[contrast("mixing-helps", -0.02, -0.01)])
    far = copy.deepcopy(near)
    far["generator"]["width"] = 0.25
    far["contrasts"] = [contrast("mixing-helps", 0.01, 0.02)]
    write("a-near", near)
    write("b-far", far)
    assert claim_of(project, "beside all real ones help")["verdict"] == CONTRADICTED
    # What was not trained decides nothing.
    near["contrasts"][0] |= dict.fromkeys(("difference", "low", "high")) | {"pairs": []}
    write("a-near", near)
    assert claim_of(project, "beside all real ones help")["verdict"] == CONFIRMED


def test_an_interval_holds_its_difference(project: Path, write) -> None:
    wrong = contrast("mixing-helps", 0.01, 0.02, difference=0.5)
    write("grid", grid([cell("none", 600, 0, 0.9)], contrasts=[wrong]))
    with pytest.raises(StudyError, match="allowed: low <= difference <= high"):
        read_records(project, "imperial-mnist")


# The command


def test_the_command_prints_a_line_a_row(augment, project: Path, write) -> None:
    write("cdcgan", generator("cdcgan", [30, 10]))
    run = augment(project, "compare")
    assert run.code == 0
    comparison, claims = tables(project, named_studies(project))
    lines = run.out.splitlines()
    heads = [line.split() for line in lines if line.startswith("study ")]
    assert heads[0][:3] == ["study", "system", "measure"]
    assert heads[1][:3] == ["study", "claim", "verdict"]
    rows = [line for line in lines if line.split(" ")[0] in FIGURES]
    assert len(rows) == len(comparison) + len(claims)
    assert any("cdcgan " in line and " 10.0 " in line and "width 1/8" in line for line in rows)
    assert "\x1b" not in run.out
    run = augment(project, "compare", "--study", "fau-mnist", "--no-claims")
    assert "fau-gan" in run.out
    assert "neighbours" not in run.out
    assert "imperial" not in run.out
    run = augment(project, "compare", "--study", "gehu-celeba")
    assert (run.code, run.out) == (0, "no figure and no claim\n")


def test_csv_holds_the_same_tables(augment, project: Path) -> None:
    run = augment(project, "compare", "--csv", "out/table.csv")
    assert run.out.splitlines() == [
        "out/table.csv holds 50 rows",
        "out/table-claims.csv holds 16 rows",
    ]
    expected = tables(project, named_studies(project))
    for path, table in zip(("table", "table-claims"), expected, strict=True):
        found = pd.read_csv(project / "out" / f"{path}.csv", dtype=str, keep_default_na=False)
        pd.testing.assert_frame_equal(found, table.astype(str), check_dtype=False)
    augment(project, "compare", "--csv", "alone.csv", "--no-claims")
    assert (project / "alone.csv").exists()
    assert not (project / "alone-claims.csv").exists()


@pytest.mark.parametrize("taken", ["table.csv", "table-claims.csv", "link.csv", "/dev/null"])
def test_a_csv_is_not_written_over_what_is_there(
    augment, project: Path, files_of, taken: str
) -> None:
    (project / "link.csv").symlink_to("nowhere")
    if taken.startswith("table"):
        (project / taken).write_text("mine\n")
    before = files_of(project)
    run = augment(project, "compare", "--csv", taken.replace("table-claims", "table"))
    assert f"--csv {taken} is there already" in run.error
    assert files_of(project) == before


def test_a_csv_goes_home_and_not_into_an_output(
    augment, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run = augment(project, "compare", "--csv=~/x.csv", "--no-claims")
    assert run.out == f"{tmp_path}/home/x.csv holds 50 rows\n"
    assert (tmp_path / "home/x.csv").is_file()
    run = augment(project, "compare", "--csv", "results/x.csv")
    assert "--csv is results/x.csv, which lies in results of this project" in run.error
    assert not (project / "results").exists()


def test_a_csv_that_cannot_be_written_is_one_line(augment, project: Path) -> None:
    (project / "file").write_text("")
    run = augment(project, "compare", "--csv", "file/table.csv")
    assert "file" in run.error
    assert run.err.count("\n") == 1


def test_the_document_is_what_the_command_prints() -> None:
    document = (ROOT / "docs" / "comparison.md").read_text()
    found = tables(ROOT, named_studies(ROOT))
    printed = tables_text(found, as_markdown=True, width=None)
    assert document.endswith(f"\n\n{printed}\n")


def test_markdown_is_a_table_a_study(augment, project: Path) -> None:
    run = augment(project, "compare", "--markdown", "--csv", "table.csv")
    lines = run.out.splitlines()
    assert lines[0] == "**fau-mnist**"
    head = "| system | measure | published | ours | interval | n | same protocol | why |"
    assert lines[2] == head
    assert lines[3] == "| --- | --- | --- | --- | --- | --- | --- | --- |"
    assert lines.count(head) == 5
    tabled = [line for line in lines if line.startswith("|")]
    assert all(line.count("|") in (9, 7) for line in tabled)
    assert len(tabled) == 50 + 16 + 2 * (5 + 4)
    assert (project / "table.csv").exists()


def test_bars_in_a_cell_do_not_break_a_markdown_table() -> None:
    table = pd.DataFrame([["s", "a|b"]], columns=["study", "why"])
    assert r"| a\|b |" in tables_text([table], as_markdown=True, width=None)


@pytest.mark.parametrize("width", [80, 100])
def test_a_terminal_gets_wrapped_tables(project: Path, write, width: int) -> None:
    for seed in range(3):
        write(f"cdcgan-{seed}", generator("cdcgan", [30, 10 + seed], seed))
    write("grid", grid([cell("none", 60000, 0, 0.98)]))
    found = tables(project, named_studies(project))
    text = tables_text(found, as_markdown=False, width=width)
    plain = "".join(
        part.partition("m")[2] if i else part for i, part in enumerate(text.split("\x1b["))
    )
    assert max(map(len, plain.splitlines())) <= width
    words = " ".join(plain.split())
    assert "8.5 to 13.5" in words  # below its number
    assert "98.00" in words
    assert "source-channel" in words


def test_a_terminal_is_seen(augment, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("io.StringIO", Terminal)
    monkeypatch.setenv("COLUMNS", "240")
    run = augment(project, "compare", "--study", "imperial-mnist")
    assert "\x1b[" in run.out
    assert max(len(line) for line in run.out.splitlines() if "\x1b" not in line) <= 100


@pytest.mark.parametrize(
    ("study", "problem"),
    [
        ("imperial", "study 'imperial' is unknown; did you mean imperial-mnist? allowed: default,"),
        ("../x", "study '../x' is unknown"),
        ("a\x1bb", "is unknown"),
        ("default", "study default is this project's own; nothing is published of it"),
    ],
)
def test_refusals_are_one_line(augment, project: Path, study: str, problem: str) -> None:
    run = augment(project, "compare", "--study", study)
    assert problem in run.error
    assert run.err.count("\n") == 1
    assert run.out == ""


def test_a_project_without_studies_says_so(augment, bare: Path) -> None:
    assert "studies holds no study.yaml" in augment(bare, "compare").error
