"""`harness plan`: what a file stands for, what of it is there, and what the rest will take."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.places import Places
    from harness.planning.forecast import Row
    from harness.planning.plan import Plan
    from harness.report.formats import Table

Deep = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Also bind every option and build every network, those of a search's choices, too.",
    ),
]


def command(
    file: o.File,
    set_: o.Set = None,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    runs: o.Runs = o.RUNS_DEFAULT,
    deep: Deep = False,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Expand an experiment, a sweep or an ablation into its trainings; nothing is trained.

    A line for each arm on each data set: how many trainings (cells) it is, how many are recorded,
    failed, or stale (recorded on videos that have changed), how many are still to be trained, and
    an estimate of their time and disk from records of like trainings. Whatever is wrong with the
    file is told at once, with file and line; so are trainings that are planned twice.

    Examples: `harness plan sweeps/fusion_search.yaml`,
    `harness plan experiments/moving_shapes/ablation.yaml --set train.epochs=5 --deep`
    """
    from harness.cli.output import check_format, emit
    from harness.planning.forecast import forecast
    from harness.planning.plan import plan_of

    check_format(format)
    plan, places = plan_of(file, set_ or []), o.places(data, cache, runs)
    rows = forecast(plan, places)
    if deep:
        build_all(plan, places)
    shown = table(plan, rows)
    emit(replace(shown, notes=(*shown.notes, *changes(plan, places))), format, output)


def changes(plan: "Plan", places: "Places") -> list[str]:
    """That a launch would be refused, if the files are not those that were first launched."""
    from harness.coordination.planfile import has_changed

    folder = places.runs / plan.name
    if plan.path is None or not has_changed(plan.path, folder):
        return []
    return [
        f"no longer the plan that runs in {folder}: a launch is refused without --update, and "
        "tells the difference"
    ]


def build_all(plan: "Plan", places: "Places") -> None:
    """Check every arm, and every choice of a search, where torch is; all errors in order."""
    from itertools import chain

    from harness.coordination.executors import EXECUTORS
    from harness.coordination.worker import check_all
    from harness.errors import Errors
    from harness.planning.searched import variants
    from harness.settings import Settings

    tasks = chain(plan.tasks, *(variants(task, plan.space) for task in plan.tasks))
    local = EXECUTORS["local"](places, Settings())
    errors = Errors()
    with errors.collected():
        local.ask(check_all, [(task.experiment, task.document) for task in tasks], places)
    errors.tell()


def table(plan: "Plan", rows: Sequence["Row"]) -> "Table":
    from harness.report.columns import count, duration
    from harness.report.formats import ColumnSpec, Table

    columns = (
        ColumnSpec(key="arm", title="arm"),
        ColumnSpec(key="dataset", title="data set"),
        ColumnSpec(key="split", title="split"),
        ColumnSpec(key="seeds", title="seeds"),
        ColumnSpec(key="trials", title="trials", hidden=plan.search is None),
        ColumnSpec(key="cells", title="cells"),
        ColumnSpec(key="done", title="done"),
        ColumnSpec(key="failed", title="failed"),
        ColumnSpec(key="stale", title="stale"),
        ColumnSpec(key="to_train", title="to train"),
        ColumnSpec(key="seconds", title="time", show=known(duration)),
        ColumnSpec(key="bytes", title="disk", show=known(lambda size: f"{count(size)}B")),
        ColumnSpec(key="basis", title="from records of"),
    )
    summed = ("trials", "cells", "done", "failed", "stale", "to_train", "seconds", "bytes")
    total = {key: total_of([getattr(row, key) for row in rows]) for key in summed}
    footer = [{"arm": "total", "seeds": "", "dataset": "", "split": "", "basis": "", **total}]
    return Table(plan.name, columns, [vars(row) for row in rows], notes(plan, rows), footer)


def total_of(values: Sequence[float | None]) -> float | None:
    """The sum; unknown if a part of it is."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def notes(plan: "Plan", rows: Sequence["Row"]) -> tuple[str, ...]:
    """What the table does not say by itself."""
    from harness.planning.searched import most_ranks

    told = [*plan.notes]
    if plan.search is not None:
        told.append(f"each arm on each data set may use {plan.search.limit} in its search")
    ranks = {task.arm: task.experiment.train.ranks for task in plan.tasks}
    told += [f"{arm}: each training takes {n} processes" for arm, n in ranks.items() if n > 1]
    most = most_ranks(plan.tasks, plan.space)
    if most > max(ranks.values(), default=1):
        told.append(f"a training of the search takes up to {most} processes")
    if any(row.seconds for row in rows):
        told.append("time: one training after another, as on the machines of the records")
    if any(row.failed for row in rows):
        told.append("failed trainings are trained again with --retry-failed only")
    unprepared = dict.fromkeys(f"{row.dataset} {row.split}" for row in rows if row.stale is None)
    if unprepared:
        told.append(f"not prepared yet, which takes time and disk, too: {', '.join(unprepared)}")
    return tuple(told)


def known(show: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: "unknown" if value is None else show(value)
