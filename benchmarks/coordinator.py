"""What a coordinator costs: thousands of trials whose training is a formula.

    python benchmarks/coordinator.py [--trials 10000] [--tpe 1000] [--profile] [--format json]

The queue, the study in its journal, the records and the coordinator are the real ones; only the
executor is not: its workers live in this process, report three epochs and leave a record. What it
takes them (a record is synced to the disk) is not the coordinator's, and told apart. Every search
has a process of its own. Memory is what that process holds alone (RssAnon).
"""

import argparse
import cProfile
import json
import pstats
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import log10
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import machine, printed, private_bytes, side_by_side

from harness.cell import Cell
from harness.coordination.coordinator import Coordinator
from harness.coordination.executors.contract import End, Report
from harness.coordination.watchers import Silent
from harness.places import Places
from harness.planning.plan import Plan, sweep_plan
from harness.report.formats import ColumnSpec, Table
from harness.results.environment import environment
from harness.results.record import Record
from harness.results.store import save
from harness.search.searching import Searching
from harness.search.storages import journal
from harness.train.channel import Verdict

GOAL = 20.0  # ms a trial, with the random sampler and no pruner
SHARES = (0.1, 0.5, 1)  # of the trials, after which memory and speed are told
EPOCHS, WORKERS = 3, 2
SPACE = {
    "train.optimizer.lr": {"float": [1e-4, 1e-1], "log": True},
    "train.label_smoothing": {"float": [0.0, 0.5]},
    "train.epochs": {"int": [1, 100]},
    "train.batch_size": {"int": [2, 64]},
    "model.fusion.name": {"choice": ["average", "sum", "concat", "conv"]},
}
EXPERIMENT = """
name: toy
data: {name: moving_shapes, val: {share: 0.2}, flow: farneback}
model: {spatial: {backbone: tiny2d, input: rgb}, temporal: {backbone: tiny2d, input: flow_stack}}
train: {optimizer: {name: adamw, lr: 1e-3}}
"""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Which search is measured, and for how many trials."""

    title: str
    trials: int
    sampler: dict[str, Any]
    goal: float | None = None
    pruner: dict[str, Any] = field(default_factory=lambda: {"name": "none"})


def main() -> None:
    options = arguments()
    searches = [
        Search(title="random", trials=options.trials, sampler={"name": "random"}, goal=GOAL),
        Search(title="tpe", trials=options.tpe, sampler={"name": "tpe"}),
        Search(
            title="tpe, median pruner",
            trials=options.tpe,
            sampler={"name": "tpe"},
            pruner={"name": "median"},
        ),
    ]
    report: dict[str, Any] = {"machine": machine("optuna"), "rows": []}
    for search in searches:
        [found] = side_by_side([partial(measured, search, options.profile)])
        report["rows"] += found
    printed(report, table(report["rows"]), options.format)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000, help="with the random sampler")
    parser.add_argument("--tpe", type=int, default=1_000, help="trials with TPE")
    parser.add_argument("--profile", action="store_true", help="also what the time goes into")
    parser.add_argument("--format", choices=("md", "json"), default="md")
    return parser.parse_args()


class Toy:
    """An executor whose workers are a formula; `seconds` is what they took."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seconds, self.env = folder, 0.0, environment()
        self._cells: dict[str, Cell] = {}
        self._epochs: dict[str, int] = {}
        self._events: list[Report | End] = []

    room = WORKERS

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        question(*arguments)

    def start(self, cell: Cell) -> None:
        self._cells[cell.key] = cell
        self._epoch(cell, 1)

    def events(self, seconds: float) -> Sequence[Report | End]:  # noqa: ARG002  never waits
        events, self._events = self._events, []
        for event in events:
            if isinstance(event, End):
                del self._cells[event.key], self._epochs[event.key]
        return events

    def answer(self, key: str, verdict: Verdict) -> None:
        cell, epoch = self._cells[key], self._epochs[key]
        if verdict.act == "go" and epoch < EPOCHS:
            self._epoch(cell, epoch + 1)
            return
        began = time.perf_counter()
        if verdict.act != "stop":
            save(self._record(cell, verdict), self.folder / key)
        self.seconds += time.perf_counter() - began
        self._events.append(End(key, "told to stop"))

    def kill(self, key: str) -> None:
        self._events.append(End(key, "killed"))

    def close(self) -> None: ...

    def _epoch(self, cell: Cell, epoch: int) -> None:
        self._epochs[cell.key] = epoch
        metrics = {"val/top1": top1(cell) * epoch / EPOCHS}
        self._events.append(Report(cell.key, "epoch", {"epoch": epoch, "metrics": metrics}))

    def _record(self, cell: Cell, verdict: Verdict) -> Record:
        return Record(
            **cell.names(),
            status=verdict.status or "done",
            reason=verdict.reason,
            data_hash="",
            metrics={"val/top1": top1(cell)},
            env=self.env,
            started="2000-01-01T00:00:00+00:00",
            seconds=0.0,
        )


def top1(cell: Cell) -> float:
    """Best at a learning rate of 0.01; the same for the same cell."""
    train = cell.config["train"]
    return 1 / (1 + abs(log10(train["optimizer"]["lr"]) + 2) + train["label_smoothing"])


class Marks(Silent):
    """Notes after some numbers of trials how long they took and what the process holds."""

    def __init__(self, at: Sequence[int], toy: Toy) -> None:
        self.at, self.toy, self.finishes = set(at), toy, 0
        self.began, self.cpu = time.perf_counter(), time.process_time()
        self.rows: list[dict[str, float]] = []

    def finished(self, cell: Cell, record: Record, *, reused: bool) -> None:  # noqa: ARG002 (the contract)
        self.finishes += 1
        if self.finishes in self.at:
            whole = 1000 * (time.perf_counter() - self.began) / self.finishes
            worker = 1000 * self.toy.seconds / self.finishes
            self.rows.append(
                {
                    "trials": self.finishes,
                    "ms": whole - worker,
                    "cpu_ms": 1000 * (time.process_time() - self.cpu) / self.finishes,
                    "worker_ms": worker,
                    "memory_mb": private_bytes() / 1e6,
                }
            )


def measured(search: Search, profile: bool) -> list[dict[str, Any]]:
    """A row for each share of the trials: milliseconds a trial so far, and memory."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        plan = plan_of(search, folder)
        places = Places(data=(folder,), cache=folder / "cache", runs=folder / "runs")
        toy = Toy(places.runs / plan.name)
        toy.folder.mkdir(parents=True)
        marks = Marks([round(share * search.trials) for share in SHARES], toy)
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        queue = Searching(plan, plan.tasks[0], plan.search, places, journal(toy.folder), print)
        Coordinator(toy.folder, WORKERS, marks, toy, lambda *_: False).run([queue])
        profiler.disable()
        if profile:
            pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(40)
        fixed = {"search": search.title, "goal_ms": search.goal}
        return [
            fixed | row | {"holds": search.goal and row["ms"] < search.goal} for row in marks.rows
        ]


def plan_of(search: Search, folder: Path) -> Plan:
    """A search over one experiment, without confirmation."""
    (folder / "toy.yaml").write_text(EXPERIMENT)
    asked = {"trials": search.trials, "sampler": search.sampler, "space": SPACE}
    asked["pruner"] = search.pruner
    sweep = {"name": "toys", "arms": ["toy.yaml"], "search": asked}
    (folder / "toys.yaml").write_text(json.dumps(sweep))
    plan = sweep_plan(folder / "toys.yaml")
    plan.confirm.seeds.clear()
    return plan


def table(rows: list[dict[str, Any]]) -> Table:
    columns = {
        "search": "search",
        "trials": "trials",
        "ms": "coordinator, ms a trial",
        "goal_ms": "at most",
        "holds": "holds",
        "worker_ms": "toy worker, ms a trial",
        "cpu_ms": "CPU of both, ms a trial",
        "memory_mb": "memory MB",
    }
    return Table("", tuple(ColumnSpec(key=k, title=t) for k, t in columns.items()), rows)


if __name__ == "__main__":
    main()
