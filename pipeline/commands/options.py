"""Options that are paths, and all those of `augment generate`.

Loaded with the command line: nothing slow is imported here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.paths import user_path


def path_option(name: str, text: str) -> Any:
    """Return an option that is a path; the shell leaves the ~ of ``--out=~/x`` to us."""
    return typer.Option(
        name, metavar="PATH", parser=lambda given: user_path(given, Path(), name), help=text
    )


@dataclass(frozen=True)
class DrawOptions:
    """The options of `augment generate`, one a field."""

    unit: Annotated[
        str | None,
        typer.Option(
            help="Write the study's pool of this unit; with no option at all, that of every unit."
        ),
    ] = None
    label: Annotated[
        list[str] | None,
        typer.Option(help="Class to draw, by name or number; repeat for several."),
    ] = None
    all_labels: Annotated[bool, typer.Option("--all-labels", help="Draw every class.")] = False
    n: Annotated[int, typer.Option(min=1, max=10_000_000, help="Images of each class.")] = 100
    out: Annotated[
        Path | None, path_option("--out", "Folder to write.  [default: generated/label-...]")
    ] = None
    image_format: Annotated[
        Literal["npy", "png"],
        typer.Option("--format", help="One array (npy) or a PNG file an image."),
    ] = "npy"
    seed: Annotated[int, typer.Option(min=0, help="Other seeds, other images.")] = 0
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Keep drawing until n images a class pass the judge."),
    ] = None
    max_draws: Annotated[
        int,
        typer.Option(
            min=1,
            max=10_000,
            help="With a judge: images drawn of a class at most, in multiples of n.",
        ),
    ] = 20
    model: Annotated[
        Path | None,
        path_option("--model", "Folder of a trained generator.  [default: the project's]"),
    ] = None
    judge: Annotated[
        Path | None, path_option("--judge", "Folder of a trained judge.  [default: the project's]")
    ] = None
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace what this command wrote to --out, if it is unchanged."
        ),
    ] = False


def takes_draw_options(
    command: Callable[[typer.Context, DrawOptions], None],
) -> Callable[..., None]:
    """Return a command for Typer, which reads options from a signature, with one a field."""

    def with_options(context: typer.Context, **options: Any) -> None:
        command(context, DrawOptions(**options))

    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    fields = inspect.signature(DrawOptions, eval_str=True).parameters.values()
    with_options.__signature__ = inspect.Signature([context, *fields])  # type: ignore[attr-defined]
    with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
    return with_options
