"""How many tasks at once, and where: the cores of this machine, or a Dask cluster.

Several stages may run at once, as DVC's queue does with several workers. Without a number in
params.yaml each takes the cores that no other one has, and waits where there are none, so that all
of them together start no more processes than there are cores. On a GPU it is one process a
stage, which does one unit, or one stack of cells, after the other.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import joblib

from pipeline.compute.cache import make_cache
from pipeline.compute.device import chosen_device
from pipeline.project import Project

_POLL_SECONDS = 0.5


@contextlib.contextmanager
def side_by_side(project: Project, tasks: int, threads: int = 1) -> Iterator[int]:
    """Give the number of tasks to do at once through joblib, as long as they are done.

    Args:
        project: whose parameters say where they are done.
        tasks: how many there are.
        threads: of each, in all its processes together.
    """
    compute = project.parameters.compute
    with contextlib.ExitStack() as stack:
        at_once = compute.processes
        if compute.backend == "dask":
            from pipeline.compute.cluster import on_cluster

            stack.enter_context(on_cluster(project))
            at_once = tasks  # Dask has a queue of its own
        elif at_once is None and os.environ.get("LOCAL_RANK", "0") == "0":
            # The further processes of one training have the cores of the first.
            folder = project.cache / "cores" / platform.node()
            # A GPU does one task after the other, in this process.
            most = threads if chosen_device(project.parameters).type == "cuda" else tasks * threads
            cores = stack.enter_context(free_cores(folder, most, threads))
            at_once = cores // threads
        yield max(1, min(at_once or 1, tasks))


@contextlib.contextmanager
def free_cores(folder: Path, most: int, least: int = 1) -> Iterator[int]:
    """Take cores of this machine that no other process took, and give back their number.

    A core is a lock on a file, so that a process that dies gives its cores back.

    Args:
        folder: of the machine's cores, in the user's cache.
        most: cores to take; all that are free where there are fewer.
        least: cores to wait for, or all of the machine's where it has fewer.
    """
    make_cache(folder)
    locks = [filelock.FileLock(folder / f"{core}.lock") for core in _cores()]
    turn = filelock.FileLock(folder / "turn.lock")
    held: list[filelock.BaseFileLock] = []
    told = False
    try:
        while True:
            with turn:  # nobody waits for one core while holding another
                for lock in locks:
                    if len(held) < most and _taken(lock):
                        held.append(lock)
                if len(held) >= min(least, most, len(locks)):
                    break
                _release(held)
            if not told:
                print("other stages have all cores; waiting for one to end", file=sys.stderr)
                told = True
            time.sleep(_POLL_SECONDS)
        yield len(held)
    finally:
        _release(held)


def _cores() -> list[int]:
    """Return the numbers of the cores that this process may use, in a container too."""
    n = joblib.cpu_count()
    # Jobs on other cores of one node, as SLURM starts them, take nothing from each other.
    known = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(n)
    return sorted(known)[:n]


def _taken(lock: filelock.BaseFileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    return True


def _release(held: list[filelock.BaseFileLock]) -> None:
    while held:
        held.pop().release()
