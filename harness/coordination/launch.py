"""From a plan to its records: check everything, prepare the data, train what is not there yet."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.cell import Cell
from harness.config.schema import plain
from harness.coordination.coordinator import Coordinator, Outdated
from harness.coordination.executors.contract import Executor
from harness.coordination.executors.opening import open_executor
from harness.coordination.executors.relay import Relay
from harness.coordination.lock import owned
from harness.coordination.outcome import Outcome
from harness.coordination.planfile import keep_plan_file, refuse_changed
from harness.coordination.planlog import Place, PlanLog
from harness.coordination.queues import Fixed, Queue
from harness.coordination.requests import Cancel, asked
from harness.coordination.retention import Retention, Rule
from harness.coordination.retrying import (
    set_records_aside,
    set_stale_aside,
    set_unmeasured_aside,
    videos_of,
)
from harness.coordination.watchers import All, Watcher, unheard
from harness.coordination.worker import check_all
from harness.files import digest, full_disk
from harness.mirror.watcher import Grid, Mirror
from harness.places import Places
from harness.planning.forecast import forecast
from harness.planning.plan import Plan
from harness.planning.searched import most_ranks, variants
from harness.planning.task import Task
from harness.results.record import STATUSES, Record
from harness.results.store import folder_of, record_of
from harness.settings import Settings, Site
from harness.source import prepare_source, reading_of


@dataclass(frozen=True, kw_only=True)
class Again:
    """What is there and does not count: with `fresh` all records, with `failed` those of failures;
    with `update` what the plan's files said when it was first launched.
    """

    fresh: bool = False
    failed: bool = False
    update: bool = False


def launch(
    plan: Plan,
    places: Places,
    settings: Settings,
    watcher: Watcher,
    again: Again | None = None,
    *,
    board: Callable[[Outcome], Grid] | None = None,
    site: Site | None = None,
    command: str = "",
) -> Outcome:
    """Run a plan to its end; running it twice does nothing the second time.

    `board` makes the table of the plan's overview in W&B; `command` is what launched it.

    Raises:
        UserError: bad options or data, before anything is trained; a plan that is at work or is no
            longer the same; a full disk, or one with less room than the policy leaves.
    """
    folder, site, again = places.runs / plan.name, site or Site(), again or Again()
    log = PlanLog(folder)
    settings = replace(settings, clocked=plan.search is not None and plan.search.measures)
    with (
        full_disk(folder),
        owned(folder, plan.name),
        log.launched(command),
        closing(Relay(open_executor(site, places, settings, watcher.note))) as executor,
        Mirror(folder, places, settings, watcher) as mirror,
    ):
        if plan.path is not None and not again.update:
            refuse_changed(plan.path, folder)  # before anything that takes seconds
        pending = _pending(plan, places, again)
        if pending:
            executor.warm_up()
            mirror.warm_up()
        with _storage(plan, places, site, executor, watcher) as storage:
            settings = replace(settings, workers=_workers(plan, settings, executor))
            _check(pending, plan, places, executor)
            if plan.path is not None:
                keep_plan_file(plan.path, folder)
            hashes = _prepare(plan, places, settings, All(watcher, log))
            if plan.search:  # a fixed plan sets aside what it meets
                if again.failed or again.fresh:
                    set_records_aside(folder, STATUSES if again.fresh else ["failed"])
                set_stale_aside(plan, places, hashes, watcher.note)
                set_unmeasured_aside(plan, places, watcher.note)
            queues, rule = _queues(plan, places, storage, watcher.note, hashes), _rule(plan)
            log.planned(settings.workers, _totals(plan, queues, places), rule)
            coordinator = Coordinator(
                folder,
                settings.workers,
                All(watcher, log, mirror, Retention(folder, plan.policy, rule)),
                executor,
                _outdated(again, hashes),
                policy=plan.policy,
                look=_look(folder, log),
            )
            outcome = coordinator.run(queues)
            log.how = outcome.stopped or "finished"
            if board is not None and not outcome.stopped:
                mirror.board = partial(board, outcome)
            return outcome


def _workers(plan: Plan, settings: Settings, executor: Executor) -> int:
    """How many trainings there are at once: as the user says, or as there is room for the widest.

    Raises:
        UserError: there never is room for the widest.
    """
    widest = most_ranks(plan.tasks, plan.space)
    executor.require(widest)
    return settings.workers or max(1, executor.room // widest)


def _look(folder: Path, log: PlanLog) -> Callable[[], list[Cancel]]:
    """What the coordinator does once a second: say that it is alive, hear what it is asked."""
    asked(folder)  # of a coordinator that is gone

    def look() -> list[Cancel]:
        log.sign()
        return asked(folder)

    return look


def _rule(plan: Plan) -> Rule:
    best = plan.policy.keep.best
    if plan.search is None:
        return Rule(best)
    first = plan.search.goals[0]
    return Rule(best, first.metric, 1 if first.direction == "maximize" else -1)


def _totals(plan: Plan, queues: list[Queue], places: Places) -> dict[Place, int | None]:
    """How many cells each arm has on each data set; None where time decides."""
    if plan.search is None:
        return dict(Counter((c.arm, c.dataset, c.split) for c in plan.cells(places)))
    first = [cells[0] for cells in plan.by_task(places)]
    known = plan.search.limit.trials is not None
    return {
        (cell.arm, cell.dataset, cell.split): queue.total if known else None
        for cell, queue in zip(first, queues, strict=True)
    }


def _storage(
    plan: Plan, places: Places, site: Site, relay: Relay, watcher: Watcher
) -> AbstractContextManager[Any]:
    """Where a search keeps its trials; a plan without one needs no storage, and asks for none."""
    if plan.search is None:
        return nullcontext()
    from harness.search.storages import open_storage

    folder = places.runs / plan.name
    return open_storage(site.storage, folder, meanwhile=relay.meanwhile, note=watcher.note)


def _queues(
    plan: Plan,
    places: Places,
    storage: Any = None,
    note: Callable[[str], None] = unheard,
    hashes: Mapping[str, str] = MappingProxyType({}),
) -> list[Queue]:
    if plan.search is None:
        return [Fixed(plan.cells(places))]
    from harness.search.searching import Searching
    from harness.search.storages import journal

    storage = storage or journal(places.runs / plan.name)
    return [
        Searching(
            plan,
            task,
            plan.search,
            places,
            storage,
            note,
            videos=videos_of(plan, task, places, hashes),
        )
        for task in plan.tasks
    ]


def _pending(plan: Plan, places: Places, again: Again) -> list[Task]:
    """The tasks of which something is still to be trained, as far as can be told beforehand."""
    return [
        task
        for task, row in zip(plan.tasks, forecast(plan, places), strict=True)
        if row.to_train != 0 or again.fresh or (again.failed and row.failed)
    ]


def _check(pending: Sequence[Task], plan: Plan, places: Places, executor: Executor) -> None:
    """Options and networks of tasks, and of a search its choices, found out where torch is."""
    if pending:
        tasks = [*pending, *(c for task in pending for c in variants(task, plan.space))]
        executor.ask(check_all, [(task.experiment, task.document) for task in tasks], places)


def _prepare(plan: Plan, places: Places, settings: Settings, watcher: Watcher) -> dict[str, str]:
    """Write, verify, decode and cache each distinct data section once; its hash by what is read."""
    sections = {digest(plain(task.experiment.data)): task.experiment.data for task in plan.tasks}
    hashes = {}
    for data in sections.values():
        source = prepare_source(data, places, workers=settings.workers, progress=watcher.preparing)
        hashes[reading_of(plain(data))] = source.cache.hash
        for video, reason in source.cache.quarantined.items():
            watcher.note(f"left out: {data.name}: {video}: {reason}")
    return hashes


def _outdated(again: Again, hashes: dict[str, str]) -> Outdated:
    """A record is outdated if it was asked to be, or if the videos are no longer the same."""

    def outdated(cell: Cell, record: Record) -> bool:
        if again.fresh or record.status == "failed":
            return again.fresh or again.failed
        current = hashes.get(reading_of(cell.config["data"]))
        return current is not None and record.is_stale([current])

    return outdated


def standing(plan: Plan, places: Places) -> list[Record]:
    """The records of a plan's fixed cells that exist, in the order of its arms."""
    folders = [folder_of(places.runs, cell.plan, cell.key) for cell in plan.cells(places)]
    return [record for folder in folders if (record := record_of(folder)) is not None]
