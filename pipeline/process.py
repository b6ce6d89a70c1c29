"""How the process of the command starts and ends, whatever it does."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from augment.errors import AugmentError
from classifiers.errors import ClassifierError
from pipeline.errors import Interrupted, PipelineError
from reports.errors import ReportError

_CTRL_C = 130
# mallopt's numbers of two parameters of glibc, the environment's names for them, and values: memory
# below 1 GiB that was freed is kept, blocks up to 32 MiB (the most that is allowed) come from it.
ALLOCATOR = (
    (-1, "MALLOC_TRIM_THRESHOLD_", 2**30),
    (-3, "MALLOC_MMAP_THRESHOLD_", 2**25),
)


def run_the_checkouts_own_code() -> None:
    """Start again with the code of the checkout that the command was called in, if another.

    DVC runs queued experiments in copies of the project; each must run the code that it records,
    not that of the checkout which was installed. Modules beside params.yaml can be imported then.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            own = folder / "pipeline" / "cli.py"
            if (
                (folder / ".dvc").is_dir()
                and own.is_file()
                and not own.samefile(Path(__file__).with_name("cli.py"))
            ):
                paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
                os.environ["PYTHONPATH"] = os.pathsep.join(paths)
                command = [sys.executable, "-m", "pipeline.cli", *sys.argv[1:]]
                os.execv(sys.executable, command)
            # A classifier of the user's own is a module beside params.yaml.
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
            return


def keep_freed_memory() -> None:
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


def run_and_exit(command: Callable[[], object]) -> NoReturn:
    """Run a command line: a problem that the user can act on is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # A class name or path that the terminal cannot show is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = command()
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


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
