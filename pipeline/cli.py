"""The `augment` command: one subcommand a stage, and the commands for users."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

# Slow imports (torch, pandas, matplotlib) stay inside the commands: --help is instant.
from pipeline.commands.options import DrawOptions, path_option, takes_draw_options
from pipeline.errors import PipelineError
from pipeline.paths import user_path
from pipeline.process import keep_freed_memory, run_and_exit, run_the_checkouts_own_code
from pipeline.project import Project

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Does generated data help your image classifier, at which ratio, and how sure are we? "
        "`dvc repro` runs the whole study; each stage is a command here."
    ),
)

UnitOption = Annotated[
    str | None,
    typer.Option(help="Only this unit of params.yaml.  [default: all of them, side by side]"),
]
_WIDEST = 100
"""Columns of a table on a terminal."""


def _show_version(*, given: bool) -> None:
    if given:
        try:
            print("synthaug", importlib.metadata.version("synthaug"))
        except importlib.metadata.PackageNotFoundError:
            raise PipelineError(
                "synthaug is not installed here; `make study` installs it"
            ) from None
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            is_eager=True,
            callback=lambda given: _show_version(given=given),
        ),
    ] = False,
) -> None:
    pass


def _stage(name: str, *unit: str | None) -> None:
    """Run a stage, print its lines, and log its time outside the tracked artefacts.

    Args:
        name: of the command; its file in pipeline/stages is called so.
        unit: of a stage over units: the only one to do, or None for all of them.
    """
    stage = importlib.import_module(f"pipeline.stages.{name.replace('-', '_')}")
    project = Project.find()
    began = time.time()
    for line in stage.run(project, *unit):
        print(line)
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return  # the first of several training processes speaks for all
    project.log.parent.mkdir(parents=True, exist_ok=True)
    with project.log.open("a", encoding="utf-8") as log:
        row = {"stage": name, "began": round(began), "seconds": round(time.time() - began, 1)}
        log.write(json.dumps(row) + "\n")


@app.command()
def fetch() -> None:
    """Bring the real images in and split them into train, validation and test."""
    _stage("fetch")


@app.command()
def train_examiner() -> None:
    """Train the classifier that only reports (FID features, IS, label match)."""
    _stage("train-examiner")


@app.command()
def subset(unit: UnitOption = None) -> None:
    """Choose the training images that a unit may see."""
    _stage("subset", unit)


@app.command()
def train_judge(unit: UnitOption = None) -> None:
    """Train the unit's judge, which selects and filters generated images."""
    _stage("train-judge", unit)


@app.command()
def train_gan(unit: UnitOption = None) -> None:
    """Train the unit's generator; stopped and run again, it goes on where it was."""
    _stage("train-gan", unit)


@app.command()
def score_checkpoints(unit: UnitOption = None) -> None:
    """Score the generators of the epochs that training kept, by the examiner."""
    _stage("score-checkpoints", unit)


@app.command()
@takes_draw_options
def generate(context: typer.Context, options: DrawOptions) -> None:
    """Draw images from the trained generator: augment generate --label 7 --n 6000."""
    from pipeline.commands import draw

    given = {
        name
        for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
    if given <= {"unit"}:
        _stage("generate", options.unit)
        return
    if options.unit is not None:
        raise PipelineError("--unit writes the study's pool; it goes with no other option")
    if options.all_labels and options.label:
        raise PipelineError("--label and --all-labels were both given; allowed: one of them")
    for line in draw.run(Project.find(), options):
        print(line)


@app.command("filter")
def filter_(unit: UnitOption = None) -> None:
    """Keep the generated images whose label the judge predicts, topped up to a fixed number."""
    _stage("filter", unit)


@app.command()
def inspect(unit: UnitOption = None) -> None:
    """Set generated images beside real ones: copies, neighbours, projections, discriminator."""
    _stage("inspect", unit)


@app.command()
def mix() -> None:
    """Write the recipe of every cell: real x synthetic counts x strategies x seeds."""
    _stage("mix")


@app.command()
def train_classifiers() -> None:
    """Train one classifier a cell, in parallel; finished cells are kept and not trained again."""
    _stage("train-classifiers")


@app.command()
def choose() -> None:
    """Choose the mix and the control of every unit, by other units' validation accuracies."""
    _stage("choose")


@app.command()
def confirm() -> None:
    """Train the chosen cells again with fresh seeds: they alone make the verdict."""
    _stage("confirm")


@app.command()
def score() -> None:
    """Score the generated images against real test images: FID, Inception Score, label match."""
    _stage("score")


@app.command()
def report() -> None:
    """Write results/report.html, the figures and results/metrics.json."""
    _stage("report")


@app.command()
def record(
    name: Annotated[str, typer.Argument(help="Such as imperial-mnist/cdcgan-smooth.")],
    unit: Annotated[str | None, typer.Option(help="Unit to record.  [default: the first]")] = None,
    cells: Annotated[
        bool, typer.Option("--cells", help="What the grid of classifiers reached instead.")
    ] = False,
) -> None:
    """Write what the trained generator reached to studies/NAME.json, to be kept in git."""
    from pipeline.studies import record as of_generator
    from pipeline.studies import record_cells as of_cells

    project = Project.find()
    chosen = project.units[0] if unit is None else unit
    for line in (of_cells if cells else of_generator).run(project, name, chosen):
        print(line)


@app.command()
def compare(
    study: Annotated[
        str | None, typer.Option(help="Only this study.  [default: every one]")
    ] = None,
    claims: Annotated[bool, typer.Option(help="Show what our runs say of the claims, too.")] = True,
    csv: Annotated[
        Path | None,
        path_option("--csv", "Write this file, and the claims to one with -claims in its name."),
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for documents.")
    ] = False,
) -> None:
    """Set the studies' figures and claims beside the runs recorded under studies/."""
    from pipeline.studies.compare import named_studies, tables, write_csvs
    from pipeline.studies.table_text import tables_text

    root = Project.find().root
    found = tables(root, named_studies(root, study))
    shown = found if claims else found[:1]
    if csv is not None:
        for line in write_csvs(root, csv, shown):
            if not as_markdown:
                print(line)
    if csv is None or as_markdown:
        width = min(_WIDEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None
        print(tables_text(shown, as_markdown=as_markdown, width=width))


@app.command("cache")
def cache_(
    prune: Annotated[
        float | None,
        typer.Option(
            "--prune", min=1, metavar="DAYS", help="Remove what no study used for this many days."
        ),
    ] = None,
) -> None:
    """Show what finished work the cache holds: trained models and cells, for all your projects."""
    from pipeline.compute import cache

    folder = Project.find().cache
    if prune is not None:
        gone = cache.prune(folder, prune)
        print(f"removed {gone.entries:,} entries, {gone.bytes / 1e6:,.0f} MB")
    for row in cache.usage(folder):
        print(f"{row.kind:10}{row.entries:7,} entries{row.bytes / 1e6:9,.0f} MB  {row.about}")
    print(f"in {folder}; augment cache --prune 30 removes what was not used for 30 days")


@app.command()
def check() -> None:
    """Check params.yaml, the data and the machine in a second, before an hour of training."""
    from pipeline.commands.check import run_check

    lines = run_check(Project.find().root)
    for line in lines:
        print(f"{line.status:8} {line.topic:11} {line.text}")
    if any(line.status == "error" for line in lines):
        raise typer.Exit(2)


@app.command()
def plan(
    workers: Annotated[
        str, typer.Option(metavar="N,N", help="Numbers of workers, which do a task each.")
    ] = "1,4,64",
) -> None:
    """Measure this machine for a minute; say time, memory and disk of the study on more workers.

    The study's own networks work on made-up images, where compute.device says. Counted is the time
    of the processor, so that other work on the machine hardly matters; with a GPU the clock's.
    """
    from pipeline.commands.plan import run

    def say(what: str) -> None:
        print(f"measuring {what}", file=sys.stderr)

    for line in run(Project.find(), workers, say):
        print(line)


@app.command()
def systems(
    name: Annotated[str | None, typer.Argument(help="Show this system's options.")] = None,
) -> None:
    """List the generators by name, or the options of one: augment systems cdcgan-projection."""
    from pipeline.commands.systems import list_systems, option_lines

    width = 100 if not sys.stdout.isatty() else shutil.get_terminal_size().columns
    for line in list_systems(width) if name is None else option_lines(name, width):
        print(line)


@app.command()
def preset(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A published study; default, quick or thorough: this project's own, of any data.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--list", help="Describe every study, or NAME: data, systems, time, figures."),
    ] = False,
    system: Annotated[str | None, typer.Option(help="Another generator of the same study.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small form that runs in minutes.")
    ] = False,
    data_path: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Folder of the images: sets data.path, and with this project's own data.source.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show and write nothing.")] = False,
) -> None:
    """Write a study's parameters into params.yaml: augment preset imperial-mnist.

    `augment preset quick` is a small form of the default study for any images, `augment preset
    thorough` one with large budgets (`augment check` says its hours), and `augment preset default`
    leads back to the params.yaml that comes with the project; both leave the section data
    alone but for its shares.
    """
    from pipeline.commands import presets
    from pipeline.commands.study_text import describe_study

    path = Project.find().root / "params.yaml"
    if show:
        names = presets.preset_names() if name is None else [name]
        found = [presets.find_preset(each)[0] for each in names]
        texts = [describe_study(each, path) for each in found]
        print("\n\n".join("\n".join(lines) for lines in texts))
        return
    if name is None:
        raise PipelineError(
            f"which preset? allowed: {', '.join([*presets.preset_names(), *presets.OTHER_FORMS])}; "
            "`augment preset --list` describes them"
        )
    if data_path is not None:
        folder = user_path(data_path, Path(), "--data-path")
        if path.parent != Path.cwd().resolve():
            # params.yaml counts from its own folder, the shell from the working directory.
            data_path = str(Path.cwd() / folder)
    chosen, form = presets.find_preset(name, quick=quick)
    choice = presets.Choice(system, form, data_path)
    edit = presets.edit_parameters(path, chosen, choice)
    for comment in edit.lost:
        print(f"this comment goes, for it stands inside of a value that changes: {comment}")
    for change in edit.changes:
        print(change)
    if not edit.changes:
        print(f"{name}: params.yaml has these parameters already; nothing changes")
    elif dry_run:
        print(f"{name}: {len(edit.changes)} keys would change; nothing is written")
    else:
        presets.write_edit(path, edit)
        print(f"{name}: {len(edit.changes)} keys of params.yaml changed; next: augment check")


def main() -> NoReturn:
    """Run the command line and exit."""
    run_the_checkouts_own_code()
    keep_freed_memory()
    arguments = sys.argv[1:] or ["--help"]
    # Named, for another checkout's own code is started as a module.
    run_and_exit(lambda: app(arguments, prog_name="augment", standalone_mode=False))


if __name__ == "__main__":
    main()
