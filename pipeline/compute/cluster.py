"""Units and cells on a Dask cluster, through joblib.

joblib's own backend for Dask waits for ever where a task ended its worker too often, and hands out
at once only what the first workers can take; this one leaves the queue to Dask, and ends.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
from joblib.parallel import ParallelBackendBase

from pipeline.compute.code import loaded_code
from pipeline.compute.device import chosen_device, chosen_precision
from pipeline.errors import PipelineError
from pipeline.project import Project

if TYPE_CHECKING:
    from distributed import Client

_SECONDS = 15
"""To wait for the scheduler."""

_ALONE = threading.Lock()
"""torch's random state and number of threads are the process's: a worker does one task at once."""


def connect(address: str) -> Client:
    """Return a client of the scheduler.

    Raises:
        PipelineError: one line; the extra is not installed, or the scheduler does not answer.
    """
    if importlib.util.find_spec("distributed") is None:
        raise PipelineError(
            "compute.backend is dask, which is not installed; `pip install --editable '.[dask]'` "
            "does it"
        )
    from distributed import Client

    # What it says of lost workers and of its own end, the errors here say in a line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError):
        raise PipelineError(
            f"compute.address is {address!r}, where no scheduler answers in {_SECONDS} seconds; "
            "start one with `dask scheduler`, or set compute.backend to local"
        ) from None


def cluster_workers(address: str) -> int:
    """Return how many workers the cluster has, each of which does one task at once.

    Raises as `connect`.
    """
    with connect(address) as client:
        return len(client.nthreads())


@contextlib.contextmanager
def on_cluster(project: Project) -> Iterator[None]:
    """Send what joblib does in parallel to the workers of the project's cluster.

    Tasks that have not begun when this ends, by an error or Ctrl-C, are cancelled.

    Raises:
        PipelineError: as `connect`; the cluster was lost; a worker lacks the project's folder or
            runs other code; a task ended its workers.
    """
    address = project.parameters.compute.address
    assert address is not None  # a rule of the parameters
    shared = project.log.parent  # every worker writes there, too
    shared.mkdir(parents=True, exist_ok=True)
    with connect(address) as client, tempfile.TemporaryDirectory(dir=shared) as folder:
        if not client.nthreads():
            print(f"no worker at {address} yet; waiting for the first", file=sys.stderr)
        p = project.parameters
        code = loaded_code(p.classifier.model)
        device, precision = chosen_device(p).type, chosen_precision(p)
        place = _Place(project, Path(folder), project.cache, code, device, precision)
        executor = client.get_executor(pure=False)
        try:
            with joblib.parallel_config(backend=_Cluster(executor, place)):
                yield
        finally:
            executor.shutdown(wait=False)


@dataclass(frozen=True)
class _Place:
    """What a worker needs to work as the first process would."""

    project: Project  # with the parameters that the first process read
    shared: Path  # a folder in the project's that is there as long as the first process
    cache: Path
    code: dict[str, str]
    device: str
    precision: str  # of a generator's training

    def take(self) -> None:
        """Prepare this worker; raise `PipelineError` where its results could be others."""
        from distributed import get_worker

        worker = f"worker {get_worker().address}"
        if not self.shared.is_dir():
            raise PipelineError(
                f"{worker} does not find {self.shared}; the project's folder must be at the same "
                "path on every machine"
            )
        p, root = self.project.parameters, str(self.project.root)
        if root not in sys.path:  # a classifier of the user's is a module there
            sys.path.append(root)
        for name, here in loaded_code(p.classifier.model).items():
            if here != self.code[name]:
                raise PipelineError(
                    f"{worker} has other {name}, {here[:12]} and not {self.code[name][:12]}; start "
                    "it again in this environment"
                )
        os.environ["AUGMENT_CACHE_DIR"] = str(self.cache)
        device, precision = chosen_device(p).type, chosen_precision(p)
        if device != self.device:
            raise PipelineError(
                f"{worker} computes on {device} and the command on {self.device}; set "
                "compute.device to cpu, or use machines of one kind"
            )
        if precision != self.precision:
            raise PipelineError(
                f"{worker} would train generators in {precision} and the command in "
                f"{self.precision}; set train_gan.precision to one of them, or use machines of one "
                "kind"
            )


def _work(place: _Place, task: Callable[[], Any]) -> Any:
    """Do one task on a worker."""
    with _ALONE:
        place.take()
        return task()


class _Cluster(ParallelBackendBase):  # type: ignore[misc]
    """joblib's contract over Dask's executor: all tasks are in its queue, whoever joins later."""

    supports_retrieve_callback = True

    def __init__(self, executor: Executor, place: _Place) -> None:
        super().__init__(nesting_level=0)
        self.executor = executor
        self.place = place

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Return how many tasks may be handed out at once; joblib does a single one here."""
        return max(2, n_jobs)

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any]) -> Future[Any]:
        """Hand a task to the cluster; ``callback`` hears of its end, however it ends."""
        future = self.executor.submit(partial(_work, self.place), func)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Future[Any]) -> Any:
        """Return what the task returned, or raise what it raised."""
        try:
            return future.result()
        except CancelledError:
            raise PipelineError("the cluster's scheduler was lost; run it again to go on") from None
        except Exception as error:
            if type(error).__name__ == "KilledWorker":
                raise PipelineError(
                    "a task ended every worker that tried it, most likely because memory was full; "
                    "the workers' logs say more"
                ) from None
            raise
