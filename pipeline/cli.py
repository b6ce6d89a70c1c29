"""The `augment` command: one subcommand a stage, and the commands for users."""

from __future__ import annotations

import ctypes
import importlib.metadata
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

# Slow imports (torch, pandas, matplotlib) stay inside the commands: --help is instant.
from augment.errors import AugmentError
from classifiers.errors import ClassifierError
from pipeline.commands.options import DrawOptions, path_option, takes_draw_options
from pipeline.errors import Interrupted, PipelineError
from pipeline.paths import user_path
from pipeline.project import Project
from reports.errors import ReportError

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Does generated data help your image classifier, at which ratio, and how sure are we? "
        "`dvc repro` runs the whole study; each stage is a command here."
    ),
)

Unit = Annotated[
    str | None,
    typer.Option(help="Only this unit of params.yaml.  [default: all of them, side by side]"),
]
_CTRL_C = 130
_WIDEST = 100
"""Columns of a table on a terminal."""
# mallopt's numbers of two parameters of glibc, the environment's names for them, and values: memory
# below 1 GiB that was freed is kept, blocks up to 32 MiB (the most that is allowed) come from it.
ALLOCATOR = (
    (-1, "MALLOC_TRIM_THRESHOLD_", 2**30),
    (-3, "MALLOC_MMAP_THRESHOLD_", 2**25),
)


def _show_version(*, asked: bool) -> None:
    if asked:
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
            callback=lambda asked: _show_version(asked=asked),
        ),
    ] = False,
) -> None:
    pass


def _stage(name: str, run: Callable[[Project], Iterable[str]]) -> None:
    """Run a stage, print its lines, and log its time outside the tracked artefacts."""
    project = Project.find()
    began = time.time()
    for line in run(project):
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
    from pipeline.stages.fetch import run

    _stage("fetch", run)


@app.command()
def train_examiner() -> None:
    """Train the classifier that only reports (FID features, IS, label match)."""
    from pipeline.stages.train_examiner import run

    _stage("train-examiner", run)


@app.command()
def subset(unit: Unit = None) -> None:
    """Choose the training images that a unit may see."""
    from pipeline.stages.subset import run

    _stage("subset", lambda project: run(project, unit))


@app.command()
def train_judge(unit: Unit = None) -> None:
    """Train the unit's judge, which selects and filters generated images."""
    from pipeline.stages.train_judge import run

    _stage("train-judge", lambda project: run(project, unit))


@app.command()
def train_gan(unit: Unit = None) -> None:
    """Train the unit's generator; stopped and run again, it goes on where it was."""
    from pipeline.stages.train_gan import run

    _stage("train-gan", lambda project: run(project, unit))


@app.command()
def score_checkpoints(unit: Unit = None) -> None:
    """Score the generators of the epochs that training kept, by the examiner."""
    from pipeline.stages.score_checkpoints import run

    _stage("score-checkpoints", lambda project: run(project, unit))


@app.command()
@takes_draw_options
def generate(context: typer.Context, options: DrawOptions) -> None:
    """Draw images from the trained generator: augment generate --label 7 --n 6000."""
    from pipeline.commands import draw
    from pipeline.stages import generate as stage

    given = {
        name
        for name in context.params
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
    if given <= {"unit"}:
        _stage("generate", lambda project: stage.run(project, options.unit))
        return
    if options.unit is not None:
        raise PipelineError("--unit writes the study's pool; it goes with no other option")
    if options.all_labels and options.label:
        raise PipelineError("--label and --all-labels were both given; allowed: one of them")
    for line in draw.run(Project.find(), options):
        print(line)


@app.command("filter")
def filter_(unit: Unit = None) -> None:
    """Keep the generated images that the judge reads as asked, topped up to a fixed number."""
    from pipeline.stages.filter import run

    _stage("filter", lambda project: run(project, unit))


@app.command()
def inspect(unit: Unit = None) -> None:
    """Set generated images beside real ones: copies, neighbours, projections, discriminator."""
    from pipeline.stages.inspect import run

    _stage("inspect", lambda project: run(project, unit))


@app.command()
def mix() -> None:
    """Write the recipe of every cell: real x synthetic counts x strategies x seeds."""
    from pipeline.stages.mix import run

    _stage("mix", run)


@app.command()
def train_classifiers() -> None:
    """Train one classifier a cell, in parallel; finished cells are kept and not trained again."""
    from pipeline.stages.train_classifiers import run

    _stage("train-classifiers", run)


@app.command()
def choose() -> None:
    """Choose the mix and the control of every unit, by other units' validation images."""
    from pipeline.stages.choose import run

    _stage("choose", run)


@app.command()
def confirm() -> None:
    """Train the chosen cells again with fresh seeds: they alone make the verdict."""
    from pipeline.stages.confirm import run

    _stage("confirm", run)


@app.command()
def score() -> None:
    """Score the generated images against real test images: FID, Inception Score, label match."""
    from pipeline.stages.score import run

    _stage("score", run)


@app.command()
def report() -> None:
    """Write results/report.html, the figures and results/metrics.json."""
    from pipeline.stages.report import run

    _stage("report", run)


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

    lines = run_check(Project.find().root, os.environ)
    for line in lines:
        print(f"{line.status:8} {line.topic:11} {line.text}")
    if any(line.status == "error" for line in lines):
        raise typer.Exit(2)


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


def _run_the_checkouts_own_code() -> None:
    """Start again with the code of the checkout that the command was called in, if another.

    DVC runs queued experiments in copies of the project; each must run the code that it records,
    not that of the checkout which was installed. Modules beside params.yaml can be imported then.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            own = folder / "pipeline" / "cli.py"
            if (folder / ".dvc").is_dir() and own.is_file() and not own.samefile(__file__):
                paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
                os.environ["PYTHONPATH"] = os.pathsep.join(paths)
                command = [sys.executable, "-m", "pipeline.cli", *sys.argv[1:]]
                os.execv(sys.executable, command)
            # A classifier of the user's own is a module beside params.yaml.
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
            return


def _keep_freed_memory() -> None:
    """Keep the memory of a training step for the next one.

    glibc gives large blocks back as they are freed and takes them anew, page by page, at every
    step, which costs a small network a tenth to a fifth of its time (benchmarks/allocator.py).
    What the user's environment says of it is left as it is; other C libraries have no mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    for parameter, name, value in ALLOCATOR:
        if name not in os.environ:
            os.environ[name] = str(value)  # for the processes that train side by side
            if mallopt is not None:
                mallopt(parameter, value)


def _fail(message: str, code: int = 2) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def main() -> NoReturn:
    """Run the command line: a problem that the user can act on is one line and exit code 2."""
    _run_the_checkouts_own_code()
    _keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        # A class name or path that the terminal cannot show is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        # Named, for another checkout's own code is started as a module.
        code = app(sys.argv[1:] or ["--help"], prog_name="augment", standalone_mode=False)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)
    except (AugmentError, ClassifierError, PipelineError, ReportError) as error:
        _fail(str(error))
    except TyperException as error:
        format_message = getattr(error, "format_message", None)
        _fail(format_message() if format_message else str(error))
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{where}")
    except MemoryError:
        _fail("memory is full; lower compute.processes or the sizes in params.yaml")
    except RuntimeError as error:
        # What torch and joblib raise when memory is full has no common class.
        full = type(error).__name__ in {"OutOfMemoryError", "TerminatedWorkerError"}
        if not full and "can't allocate memory" not in str(error):
            raise
        _fail(
            "a process ended, most likely because memory was full; lower "
            "compute.processes or train_gan.options.batch_size"
        )
    except (KeyboardInterrupt, typer.Abort):
        code = _CTRL_C
    if code == _CTRL_C:  # Typer turns Ctrl-C into this code without a word.
        print("stopped; run the same command again to go on", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
