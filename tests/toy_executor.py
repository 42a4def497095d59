"""An executor without processes, videos or torch: trainings whose curves are a formula.

It keeps the contract of executors/contract.py and leaves what a worker leaves: log.jsonl with
start, data, epoch, died and finish, and record.json. A training that is started again goes on after
the last epoch in its log, as from a checkpoint, unless that was on other videos.

    plan = sweep_plan(write(folder, "search.yaml", text))
    outcome = coordinate(plan, places, Toy(places.runs, epochs=3, order=7))
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cell import Cell
from harness.coordination.coordinator import Coordinator
from harness.coordination.executors.contract import End, Report
from harness.coordination.launch import _queues
from harness.coordination.outcome import Outcome
from harness.coordination.watchers import Silent, Watcher
from harness.files import append_line, read_json_lines
from harness.places import Places
from harness.planning.plan import Plan
from harness.planning.policy import Policy
from harness.results.record import Record
from harness.results.store import folder_of, save
from harness.train.channel import Verdict

Measure = Callable[[Cell, int], dict[str, float | None]]  # of a cell after so many epochs
Costs = Callable[[Cell], dict[str, float | None]]
Dies = Callable[[Cell, int], str | None]  # before the report of an epoch: of what, if it does


def top1(cell: Cell, epoch: int) -> dict[str, float | None]:
    """Best at a learning rate of 1e-3, better with conv fusion, and better with every epoch."""
    train, model = cell.config["train"], cell.config["model"]
    rate = float(train["optimizer"].get("lr") or 1e-3)
    value = 1 / (1 + abs(rate / 1e-3 - 1)) * (1 - 0.5**epoch)
    return {"val/top1": value * (1 if model["fusion"]["name"] == "conv" else 0.9)}


def free(_cell: Cell) -> dict[str, float | None]:
    return {"params": 1e6}


def lives(_cell: Cell, _epoch: int) -> str | None:
    return None


@dataclass
class Training:
    """One cell at work; while it waits for an answer it does nothing."""

    cell: Cell
    folder: Path
    epoch: int
    waits: bool = False
    told: dict[str, str] | None = None  # with what an earlier attempt was told to end


class Toy:
    """`epochs` reports a training; `order` seeds who is next, None is first come, first served."""

    room = 2  # trainings at once
    videos = "toy"  # their hash

    def __init__(
        self,
        runs: Path,
        *,
        measure: Measure = top1,
        cost: Costs = free,
        dies: Dies = lives,
        epochs: int = 1,
        order: int | None = None,
    ) -> None:
        self.runs, self.measure, self.cost, self.dies = runs, measure, cost, dies
        self.epochs = epochs
        self.started: list[Cell] = []  # every attempt, in order
        self._draw = None if order is None else random.Random(order)
        self._trainings: dict[str, Training] = {}
        self._ends: list[End] = []

    def require(self, _ranks: int) -> None:
        """Any number is as good as another."""

    def warm_up(self) -> None:
        """Toys are there at once."""

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        question(*arguments)

    def start(self, cell: Cell) -> None:
        folder = folder_of(self.runs, cell.plan, cell.key)
        folder.mkdir(parents=True, exist_ok=True)
        log = read_json_lines(folder / "log.jsonl")
        if any(line["event"] == "data" and line["hash"] != self.videos for line in log):
            log = []
        logged = [line["epoch"] for line in log if _epoch(line)]
        told = [line for line in log if line["event"] == "verdict"]
        append_line(folder / "log.jsonl", {"event": "start", "key": cell.key, "seed": cell.seed})
        append_line(folder / "log.jsonl", {"event": "data", "hash": self.videos})
        self.started.append(cell)
        epoch, verdict = max(logged, default=0), told[-1] if told else None
        self._trainings[cell.key] = Training(cell, folder, epoch, told=verdict)

    def events(self, _seconds: float) -> Sequence[Report | End]:
        """One step of one training that can take one."""
        if self._ends:
            return [self._ends.pop(0)]
        ready = [training for training in self._trainings.values() if not training.waits]
        if not ready:
            return []
        return [self._step(self._draw.choice(ready) if self._draw else ready[0])]

    def answer(self, key: str, verdict: Verdict) -> None:
        training = self._trainings.get(key)
        if training is None:
            return
        training.waits = False
        if verdict.act == "stop":
            self._ends.append(self._gone(training, "bug: ended with exit code 0 and no record"))
        elif verdict.act == "end":
            self._ends.append(self._done(training, verdict.status, verdict.reason))

    def kill(self, key: str) -> None:
        if key in self._trainings:
            death = "preempted: killed by signal 9 (SIGKILL)"
            self._ends.append(self._gone(self._trainings[key], death))

    def close(self) -> None:
        """There is nothing to close."""

    def _step(self, training: Training) -> Report | End:
        if training.told is not None:
            return self._done(training, training.told["status"], training.told["reason"])
        if training.epoch == self.epochs:
            return self._done(training, "done", "")
        death = self.dies(training.cell, training.epoch + 1)
        if death is not None:
            return self._gone(training, death)
        training.epoch += 1
        training.waits = True
        facts = {"epoch": training.epoch, "metrics": self.measure(training.cell, training.epoch)}
        append_line(training.folder / "log.jsonl", {"event": "epoch", **facts})
        return Report(training.cell.key, "epoch", facts)

    def _done(self, training: Training, status: str, reason: str) -> End:
        cell, done = training.cell, status == "done"
        record = Record(
            **cell.names(),
            status=status,
            reason=reason,
            data_hash=self.videos,
            metrics=self.measure(cell, training.epoch),
            cost=(self.cost(cell) if done else {}) | {"epochs": float(training.epoch)},
            started="2026-01-01T00:00:00+00:00",
            seconds=0.0,
        )
        save(record, training.folder)
        append_line(training.folder / "log.jsonl", {"event": "finish"})
        return self._gone(training, "")

    def _gone(self, training: Training, death: str) -> End:
        del self._trainings[training.cell.key]
        return End(training.cell.key, death)


def _epoch(line: dict[str, object]) -> bool:
    return line["event"] == "epoch"


def coordinate(
    plan: Plan,
    places: Places,
    executor: Toy,
    *,
    workers: int = 2,
    watcher: Watcher | None = None,
    policy: Policy | None = None,
) -> Outcome:
    """What `launch` does, without its checks and without preparing data."""
    watcher = watcher or Silent()
    coordinator = Coordinator(
        places.runs / plan.name,
        workers,
        watcher,
        executor,
        outdated=lambda _cell, _record: False,
        policy=policy,
    )
    (places.runs / plan.name).mkdir(parents=True, exist_ok=True)
    return coordinator.run(_queues(plan, places, note=watcher.note))
