"""Setting records of failed or cancelled cells aside, so that the next run trains them again.

A search needs no more than that: its storage is filled again from history and records where a
trial that it holds for finished has no record; see searching.py.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.coordination.failures import CLASSES, class_of
from harness.coordination.planlog import Place
from harness.errors import UserError
from harness.places import Places
from harness.planning.plan import Plan
from harness.planning.space import rereads
from harness.planning.task import Task
from harness.registry import hint
from harness.results.record import Record
from harness.results.store import folder_of, load, load_all, record_files, set_aside
from harness.source import reading_of

FIELDS = ("key", "arm", "dataset", "split", "seed", "trial", "stage", "reason")


def set_records_aside(
    folder: Path, statuses: Sequence[str], where: Mapping[str, str] | None = None
) -> list[Record]:
    """Those of a plan with one of these statuses that match every condition."""
    check_conditions(where or {})
    records = [load(path) for path in record_files(folder.parent, folder.name)]
    chosen = [r for r in records if r.status in statuses and matches(vars(r), where or {})]
    for record in chosen:
        set_aside(folder / record.key)
    return chosen


def set_stale_aside(
    plan: Plan, places: Places, hashes: Mapping[str, str], note: Callable[[str], None]
) -> None:
    """What a search trained on videos that have changed since; `hashes`: of the videos as they are.

    A trial that has ended is not handed out again, so that nobody would meet its record.
    """
    current: dict[Place, list[str]] = {}
    for task in plan.tasks:
        given = task.given(places)
        if (videos := videos_of(plan, task, places, hashes)) is not None:
            current.setdefault((task.arm, given.dataset, given.split), []).append(videos)
    stale = [
        record
        for record in load_all(places.runs, plan.name)
        if (known := current.get((record.arm, record.dataset, record.split)))
        and record.is_stale(known)
    ]
    for record in stale:
        set_aside(folder_of(places.runs, plan.name, record.key))
    if stale:
        note(f"videos have changed: {len(stale)} trainings are set aside, to be made again")


def set_unmeasured_aside(plan: Plan, places: Places, note: Callable[[str], None]) -> None:
    """Trials that ended before the search asked for a cost: it may propose them again."""
    wanted = set(plan.search.measured) if plan.search else set()
    unmeasured = [
        record
        for record in (load_all(places.runs, plan.name) if wanted else [])
        if record.stage == "search" and record.status == "done" and wanted - record.cost.keys()
    ]
    for record in unmeasured:
        set_aside(folder_of(places.runs, plan.name, record.key))
    if unmeasured:
        names = ", ".join(sorted(wanted))
        note(f"{names}: not measured in {len(unmeasured)} trials, which are set aside")


def videos_of(plan: Plan, task: Task, places: Places, hashes: Mapping[str, str]) -> str | None:
    """The hash of what the trials of a task are trained on.

    None where the search changes how videos are read: then trials have caches of their own.
    """
    if rereads(plan.space):
        return None
    return hashes.get(reading_of(task.given(places).config["data"]))


def check_conditions(where: Mapping[str, str]) -> None:
    for name, value in where.items():
        if name not in FIELDS:
            raise UserError(f"--where {name}={value}: no such field; {hint(name, list(FIELDS))}")
        if name == "reason" and ":" not in value and value not in CLASSES:
            raise UserError(
                f"--where reason={value}: no such class of failure; {hint(value, list(CLASSES))}"
            )


def matches(facts: Mapping[str, Any], where: Mapping[str, str]) -> bool:
    """Whether fields have these values as text; a reason also matches by its class alone."""
    return all(
        str(facts[name]) == value or (name == "reason" and class_of(facts[name]) == value)
        for name, value in where.items()
    )
