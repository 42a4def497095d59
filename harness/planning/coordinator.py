"""The one owner of a plan: hands cells to workers, hears their reports, settles the studies.

Idempotent by construction: a cell whose record exists is never trained again, so running a plan
twice does nothing the second time, and running it after a crash goes on where it stopped.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.cell import Cell
from harness.errors import UserError
from harness.files import DiskError, append_line, disk_errors, full_disk, read_json_lines
from harness.planning.executors.contract import End, Executor, Report
from harness.planning.failures import class_of
from harness.planning.outcome import Outcome, failed_record
from harness.planning.policy import Policy
from harness.planning.queues import Queue
from harness.planning.watchers import Watcher
from harness.results.record import Record
from harness.results.store import load, save, set_aside
from harness.train.channel import GO, STOP, Verdict

Outdated = Callable[[Cell, Record], bool]  # whether a record must give way to a new training
SECONDS_TO_LEAVE = 30.0
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class Busy:
    """A cell at work, the queue that it came from, and how its earlier attempts died."""

    cell: Cell
    queue: Queue
    deaths: list[str]


class Coordinator:
    """Runs queues of cells on an executor, `workers` at a time."""

    def __init__(
        self,
        folder: Path,
        workers: int,
        watcher: Watcher,
        executor: Executor,
        outdated: Outdated,
        policy: Policy | None = None,
    ) -> None:
        self.workers, self.watcher, self.executor = workers, watcher, executor
        self.outdated = outdated
        self.policy = policy or Policy()
        self.outcome = Outcome(folder)
        self._busy: dict[str, Busy] = {}  # by cell key

    def run(self, queues: list[Queue]) -> Outcome:
        """Until every queue is finished, or Ctrl-C: then workers are asked to leave first.

        Raises:
            DiskError: a disk is full; what was at work has left, and its checkpoints stand.
        """
        self.outcome.before = sum(queue.before for queue in queues)
        try:
            with full_disk(self.outcome.folder):
                self._loop(queues)
            return self.outcome
        except KeyboardInterrupt:
            self.outcome.stopped = True
            return self.outcome
        finally:
            self._leave()

    def _loop(self, queues: list[Queue]) -> None:
        while True:
            self._fill(queues)
            if not self._busy:
                return
            for event in self.executor.events(SECONDS_BETWEEN_LOOKS):
                self._heed(event)

    def _fill(self, queues: list[Queue]) -> None:
        for queue in queues:
            while len(self._busy) < self.workers:
                cell = queue.next()
                if cell is None:
                    break
                self._take(cell, queue)

    def _take(self, cell: Cell, queue: Queue) -> None:
        record = self._standing(cell)
        if record is not None:
            self._settle(cell, queue, record, reused=True)
        elif cell.key not in self._busy:
            self._busy[cell.key] = Busy(cell, queue, deaths(self._folder(cell)))
            self.executor.start(cell)
            self.watcher.started(cell)

    def _standing(self, cell: Cell) -> Record | None:
        """The record that makes a training unnecessary; an outdated one is set aside."""
        folder = self._folder(cell)
        if not (folder / "record.json").is_file():
            return None
        record = load(folder / "record.json")
        if record.key in self.outcome.keys or not self.outdated(cell, record):
            return record
        set_aside(folder)
        return None

    def _heed(self, event: Report | End) -> None:
        busy = self._busy.get(event.key)
        if busy is None:
            return
        if isinstance(event, End):
            self._end(busy, event)
        elif event.event == "halt":
            raise DiskError(str(event.facts["reason"]))
        else:
            self._hear(busy, event)

    def _hear(self, busy: Busy, report: Report) -> None:
        if report.event == "epoch":
            self.executor.answer(report.key, self._judge(busy, report.facts))
        self.watcher.progress(busy.cell, dict(report.facts))

    def _judge(self, busy: Busy, facts: Mapping[str, Any]) -> Verdict:
        pruned = busy.queue.report(busy.cell, int(facts["epoch"]), facts["metrics"])
        return Verdict("end", "pruned", f"pruned after epoch {facts['epoch']}") if pruned else GO

    def _end(self, busy: Busy, end: End) -> None:
        """With a record it is settled; without, the way it died decides about another attempt."""
        cell, folder = busy.cell, self._folder(busy.cell)
        if not (folder / "record.json").is_file():
            reason = self._died(busy, folder, end)
            kind = class_of(reason)
            if [class_of(death) for death in busy.deaths].count(kind) <= self.policy.retries(kind):
                self.watcher.note(f"again: {cell.label}: {reason}")
                self.executor.start(cell)
                return
            save(failed_record(cell.written_out(), reason), folder)
        del self._busy[cell.key]
        self.outcome.trained += 1
        self._settle(cell, busy.queue, load(folder / "record.json"), reused=False)

    def _died(self, busy: Busy, folder: Path, end: End) -> str:
        """Its last words, if it had the time for them; what was seen from outside, if not."""
        known, busy.deaths = len(busy.deaths), deaths(folder)
        if len(busy.deaths) == known:
            folder.mkdir(parents=True, exist_ok=True)
            append_line(folder / "log.jsonl", {"event": "died", "reason": end.death})
            busy.deaths.append(end.death)
        return busy.deaths[-1]

    def _settle(self, cell: Cell, queue: Queue, record: Record, *, reused: bool) -> None:
        self.outcome.add(record)
        queue.tell(cell, record)
        self.watcher.finished(cell, record, reused=reused)

    def _leave(self) -> None:
        """Ask every worker to stop; who does not within a while is killed."""
        for key in self._busy:
            self.executor.answer(key, STOP)
        deadline = time.monotonic() + SECONDS_TO_LEAVE
        while self._busy and time.monotonic() < deadline:
            for event in self.executor.events(SECONDS_BETWEEN_LOOKS):
                if isinstance(event, End):
                    self._busy.pop(event.key, None)
                elif event.event == "epoch":  # it had not heard yet
                    self.executor.answer(event.key, STOP)
        for key in self._busy:
            self.executor.kill(key)
        self.executor.close()

    def _folder(self, cell: Cell) -> Path:
        return self.outcome.folder / cell.key


def deaths(folder: Path) -> list[str]:
    """Why each attempt at a cell died that did not just stop, oldest first."""
    log = read_json_lines(folder / "log.jsonl")
    return [str(line["reason"]) for line in log if line["event"] == "died"]


@contextmanager
def owned(folder: Path, name: str) -> Iterator[None]:
    """Hold the plan's lock; UserError if another coordinator has it."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".plan.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{name}: another harness process is at work on {folder}") from None
    try:
        yield
    finally:
        lock.release()
