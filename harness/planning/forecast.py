"""What a plan would do now: which of its cells are there, and what the others will take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from harness.cell import Cell
from harness.data.prepare import prepared
from harness.files import digest, read_json_lines
from harness.places import Places
from harness.planning.budget import Budget, Use, use_of
from harness.planning.likeness import Likes
from harness.planning.naming import study_name
from harness.planning.plan import Plan
from harness.planning.space import free_keys, rereads
from harness.planning.task import Task
from harness.results.record import Record
from harness.results.store import folder_of, load_all
from harness.source import reading_of


@dataclass(frozen=True, kw_only=True)
class Row:
    """One arm on one data set, and how many of its cells are there.

    `stale`: recorded on videos that are no longer the same; None where the videos are not prepared.
    `seconds` and `bytes` are what the cells `to_train` will take. Where a budget of time decides
    how many trials there are, `trials`, `cells` and `to_train` are None.
    """

    arm: str
    dataset: str
    split: str
    seeds: str
    trials: int | None = None
    cells: int | None = None
    done: int = 0
    failed: int = 0
    stale: int | None = None
    to_train: int | None = None
    seconds: float | None = None
    bytes: float | None = None
    basis: str = "unknown"


def forecast(plan: Plan, places: Places) -> list[Row]:
    """A row for each arm on each data set; UserError as `Plan.by_task`, or for a damaged record."""
    cells = plan.by_task(places)
    told = Forecaster(plan, places)
    rows = told.fixed if plan.search is None else told.searched
    return [rows(task, own) for task, own in zip(plan.tasks, cells, strict=True)]


class Forecaster:
    """What the rows of a plan have in common: its records, and the videos as they are now."""

    def __init__(self, plan: Plan, places: Places) -> None:
        self.plan, self.places = plan, places
        self.own = load_all(places.runs, plan.name)
        self.likes, self.videos = Likes(places, self.own), Videos(places)

    def fixed(self, task: Task, cells: Sequence[Cell]) -> Row:
        """Of a task whose cells are known."""
        keys, current = {cell.key for cell in cells}, self.videos.hash(task)
        found = [record for record in self.own if record.key in keys]
        missing = len(cells) - len(found) + _stale(found, current)
        row = _row(task, cells[0], " ".join(map(str, self.plan.seeds_of(task))), found, current)
        return self._with(replace(row, cells=len(cells), to_train=missing), task, missing)

    def searched(self, task: Task, cells: Sequence[Cell]) -> Row:
        """Of a task that is searched: its trials, then the seeds that confirm the best of them."""
        search, confirm = self.plan.search, self.plan.confirm
        current = None if rereads(self.plan.space) else self.videos.hash(task)
        assert search is not None
        proposed = self._tried(task)
        found = [*proposed, *self._confirmed(proposed)]
        standing = [record for record in found if not _stale([record], current)]
        tried = [record for record in standing if record.stage == "search"]
        confirmed = [record for record in standing if record.stage == "confirm"]
        seeds = f"{cells[0].seed}, then {' '.join(map(str, confirm.seeds))}"
        row = _row(task, cells[0], seeds, found, current)
        left = search.limit.remaining([self._use(record) for record in tried])
        trials = self._trials(search.limit, task)
        best = confirm.top_k if trials is None else min(confirm.top_k, trials)
        again = best * len(confirm.seeds) - len(confirmed)
        if trials is None:
            row = self._with(row, task, again)
            return replace(row, seconds=_timed(search.limit, left, row.seconds), bytes=None)
        missing = (max(0, trials - len(tried)) if left else 0) + again
        row = replace(row, trials=trials, cells=trials + best * len(confirm.seeds))
        return self._with(replace(row, to_train=missing), task, missing)

    def _trials(self, limit: Budget, task: Task) -> int | None:
        """How many trials the budget allows; None where only the trials themselves can tell."""
        if limit.kind == "epochs" and "train.epochs" not in free_keys(self.plan.space):
            return ceil(limit.limit / task.experiment.train.epochs)
        return limit.trials

    def _tried(self, task: Task) -> list[Record]:
        """Of the trials that a launch would take up: what this very search has proposed before."""
        study = study_name(self.plan, task, self.places)
        lines = read_json_lines(self.places.runs / self.plan.name / "proposals.jsonl")
        known = {record.key: record for record in self.own}
        proposed = {line["number"]: line["key"] for line in lines if line["study"] == study}
        keys = list(proposed.values())  # in all of which a repetition may use up a trial
        if self.plan.search is not None and self.plan.search.duplicates != "count":
            keys = list(dict.fromkeys(keys))
        return [known[key] for key in keys if key in known]

    def _confirmed(self, tried: Sequence[Record]) -> list[Record]:
        """Of what a launch would find confirmed: these trials, on the seeds that the plan names."""
        configs = {digest(record.config) for record in tried}
        again = [record for record in self.own if record.stage == "confirm"]
        return [
            r for r in again if r.seed in self.plan.confirm.seeds and digest(r.config) in configs
        ]

    def _use(self, record: Record) -> Use:
        folder = folder_of(self.places.runs, record.plan, record.key)
        return use_of(record, read_json_lines(folder / "log.jsonl"))

    def _with(self, row: Row, task: Task, cells: int) -> Row:
        """The row with what so many cells will take."""
        if cells == 0:
            return replace(row, seconds=0.0, bytes=0.0, basis="")
        each = self.likes.estimate(task, self.plan.space)
        if each.seconds is None or each.bytes is None:
            return row
        return replace(
            row, seconds=cells * each.seconds, bytes=cells * each.bytes, basis=each.basis
        )


class Videos:
    """The hashes of prepared videos, looked up once for each distinct cache."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._hashes: dict[str, str | None] = {}

    def hash(self, task: Task) -> str | None:
        """Of the cache of a task; None where it is not there."""
        key = reading_of(task.given(self.places).config["data"])
        if key not in self._hashes:
            opened = task.reading.opened(task.experiment.data, self.places)
            cache = prepared(opened.clips, opened.recipe, self.places.cache)
            self._hashes[key] = None if cache is None else cache.hash
        return self._hashes[key]


def _row(task: Task, cell: Cell, seeds: str, found: Sequence[Record], current: str | None) -> Row:
    failed = sum(record.status == "failed" for record in found)
    stale = _stale(found, current)
    return Row(
        arm=task.arm,
        dataset=cell.dataset,
        split=cell.split,
        seeds=seeds,
        done=len(found) - failed - stale,
        failed=failed,
        stale=None if current is None else stale,
    )


def _stale(found: Iterable[Record], current: str | None) -> int:
    """How many were made with other videos."""
    return sum(current is not None and record.is_stale([current]) for record in found)


def _timed(limit: Budget, left: float, confirming: float | None) -> float | None:
    """The seconds that are left of a budget of hours, and those of the confirmation."""
    if limit.kind != "hours" or confirming is None:
        return None
    return left * 3600 + confirming
