"""Stage train-gan: a unit's generator, its curves, and the epoch chosen on validation images."""

from __future__ import annotations

from contextlib import ExitStack

from augment.generators.training import Watch
from pipeline.compute.cache import keep, restore
from pipeline.compute.executor import Watcher, map_units
from pipeline.compute.fabric import make_fabric
from pipeline.compute.resume import ResumeStore, locked_store
from pipeline.generators.outputs import (
    Curves,
    collapse_line,
    kept_line,
    write_no_generator,
    write_outputs,
    write_summary,
)
from pipeline.generators.plan import plan_training
from pipeline.generators.training import train_generator
from pipeline.project import Project


def run(project: Project, unit: str | None = None) -> list[str]:
    """Write the generators of all units, or of one; return lines for the user."""
    if project.parameters.generate.source == "folder":
        write_no_generator(project)
        return ["no generator is trained: generate.source is folder"]
    n = project.parameters.train_gan.processes
    lines = map_units(train_unit, project, unit, noun="steps", stoppable=True, processes=n)
    write_summary(project)
    return lines


def train_unit(project: Project, unit: str, watcher: Watcher) -> list[str]:
    """Write the unit's generator, its checkpoints, curves and grids."""
    g, paths = project.parameters.train_gan, project.unit(unit)
    fabric = make_fabric(project.parameters)
    plan = plan_training(project, unit, fabric)
    with ExitStack() as stack:
        # The first process holds the lock and keeps the state; the others read what it kept.
        states = project.cache / "training"
        store, first = ResumeStore(states / plan.key), fabric.is_global_zero
        if first:
            lock = locked_store(states, plan.key, watcher.say, watcher.should_stop)
            store = stack.enter_context(lock)
        if fabric.broadcast(first and restore(project.cache, plan.key, paths.trained)):
            return [f"generator of unit {unit}: it was trained before, and comes from the cache"]
        watch = Watch(Curves(paths, watcher.say).add, watcher.update, watcher.should_stop)
        trained = train_generator(project, unit, plan, fabric, store, watch)
        if not first:
            return []
        collapse = collapse_line(trained, g)
        meta = plan.meta | {"key": plan.key, "collapse": collapse}
        write_outputs(trained, meta, paths, store.kept(), project.training_times(unit))
        keep(project.cache, plan.key, paths.trained)
        store.clear()
    lines = [kept_line(trained), *([collapse] if collapse else [])]
    return [f"generator of unit {unit}: {line}" for line in lines]
