"""The one owner of a plan: hands cells to workers, hears their reports, settles the studies.

Idempotent by construction: a cell whose record exists is never trained again, so running a plan
twice does nothing the second time, and running it after a crash goes on where it stopped.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.coordination.busy import Busy
from harness.coordination.executors.contract import End, Executor, Report
from harness.coordination.executors.leaving import dismiss_all
from harness.coordination.failures import class_of
from harness.coordination.outcome import Outcome, record_without_training
from harness.coordination.queues import Queue
from harness.coordination.requests import Cancel
from harness.coordination.watchers import Watcher
from harness.files import DiskError
from harness.planning.policy import Policy
from harness.results.record import Record
from harness.results.store import load, record_of, save, set_aside
from harness.train.channel import GO, Verdict

Outdated = Callable[[Cell, Record], bool]  # whether a record must give way to a new training
Look = Callable[[], Sequence[Cancel]]  # says that the coordinator is alive, and what it is asked
SECONDS_BETWEEN_LOOKS = 1.0


class Coordinator:
    """Runs queues of cells on an executor, `workers` at a time."""

    def __init__(
        self,
        folder: Path,
        workers: int,
        watcher: Watcher,
        executor: Executor,
        outdated: Outdated,
        *,
        policy: Policy | None = None,
        look: Look = list,
    ) -> None:
        self.workers, self.watcher, self.executor = workers, watcher, executor
        self.outdated, self.look = outdated, look
        self.policy = policy or Policy()
        self.outcome = Outcome(folder)
        self._busy: dict[str, Busy] = {}  # by cell key
        self._failures = 0
        self._next_look = 0.0

    def run(self, queues: list[Queue]) -> Outcome:
        """Until every queue is finished, or Ctrl-C: then workers are asked to leave first.

        Raises:
            DiskError: a disk is full; what was at work has left, and its checkpoints stand.
        """
        self.outcome.before = sum(queue.before for queue in queues)
        self.outcome.keys |= {key: "failed" for queue in queues for key in queue.failed}
        try:
            while not self.outcome.stopped:
                self._fill(queues)
                if not self._busy:
                    break
                for event in self.executor.events(SECONDS_BETWEEN_LOOKS):
                    self._heed(event)
                self._look_up()
        except KeyboardInterrupt:
            self.outcome.stopped = "interrupted"
        finally:
            dismiss_all(self.executor, [busy.cell.key for busy in self._at_work])
        return self.outcome

    @property
    def _at_work(self) -> list[Busy]:
        return [busy for busy in self._busy.values() if not busy.waits]

    def _fill(self, queues: list[Queue]) -> None:
        for queue in queues:
            while self._room():
                cell = queue.next()
                if cell is None:
                    break
                self._take(cell, queue)
        if self._busy and not self._at_work:
            self._start(next(iter(self._busy.values())))

    def _room(self) -> bool:
        at_work = self._at_work
        alone = any(busy.alone for busy in at_work)
        return len(at_work) < self.workers and not alone and not self.outcome.stopped

    def _take(self, cell: Cell, queue: Queue) -> None:
        record = self._standing(cell)
        if record is not None:
            self._settle(cell, queue, record, reused=True)
        elif cell.key not in self._busy:
            busy = self._busy[cell.key] = Busy(cell, queue, self._folder(cell))
            self.watcher.started(cell)
            self._begin(busy)
        elif queue is not self._busy[cell.key].queue:
            self._busy[cell.key].others.append((cell, queue))

    def _begin(self, busy: Busy) -> None:
        """Start it, or have it wait until nothing runs beside it."""
        busy.waits = busy.alone and len(self._at_work) > 1
        if not busy.waits:
            self._start(busy)

    def _start(self, busy: Busy) -> None:
        busy.waits = False
        busy.begin()
        self.executor.start(busy.cell)

    def _standing(self, cell: Cell) -> Record | None:
        """The record that makes a training unnecessary; an outdated one is set aside."""
        folder = self._folder(cell)
        record = record_of(folder)
        if record is None:
            return None
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
            verdict = busy.ending or self._judge(busy, report.facts)
            if verdict.act == "end":  # it holds though the worker may be killed on its way to it
                busy.write_down(verdict)
            self.executor.answer(report.key, verdict)
        self.watcher.progress(busy.cell, dict(report.facts))

    def _judge(self, busy: Busy, facts: Mapping[str, Any]) -> Verdict:
        pruned = busy.queue.report(busy.cell, int(facts["epoch"]), facts["metrics"])
        return Verdict("end", "pruned", f"pruned after epoch {facts['epoch']}") if pruned else GO

    def _look_up(self) -> None:
        """Once a second: what is asked from outside, and who has been at it for too long."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        for request in self.look():
            self._cancel(request)
        limit = self.policy.seconds or inf
        for busy in self._at_work:
            if busy.ending is None and now - busy.since > limit:
                self._dismiss(busy, self._too_long(busy))
            elif now > busy.patience:
                busy.patience = inf
                self.executor.kill(busy.cell.key)

    def _cancel(self, request: Cancel) -> None:
        if request.keys is None:
            self.outcome.stopped = "cancelled"
            return
        for busy in [self._busy[key] for key in request.keys if key in self._busy]:
            self._dismiss(busy, Verdict("end", "cancelled", "cancelled by `harness cancel`"))

    def _too_long(self, busy: Busy) -> Verdict:
        """Ends it with a record, or stops it where it is to go on from its checkpoint."""
        again = busy.times("time") < self.policy.retries("time")
        reason = f"time: longer than {self.policy.time_limit}"
        return Verdict("stop" if again else "end", "failed", reason)

    def _dismiss(self, busy: Busy, verdict: Verdict) -> None:
        busy.dismiss(verdict)
        if busy.waits:
            self._end(busy, End(busy.cell.key, verdict.reason))
        else:
            self.executor.answer(busy.cell.key, verdict)

    def _end(self, busy: Busy, end: End) -> None:
        """With a record it is settled; without, the way it died decides about another attempt."""
        if not busy.recorded:
            if busy.ending is not None and busy.ending.status == "cancelled":
                self._record(busy, "cancelled", busy.ending.reason)
            else:
                reason = busy.died(end)
                kind = class_of(reason)
                if busy.times(kind) <= self.policy.retries(kind):
                    self.watcher.note(f"again: {busy.cell.label}: {reason}")
                    self._begin(busy)
                    return
                self._record(busy, "failed", reason)
        del self._busy[busy.cell.key]
        self.outcome.trained += 1
        record = load(busy.folder / "record.json")
        self._settle(busy.cell, busy.queue, record, reused=False)
        for cell, queue in busy.others:
            self._settle(cell, queue, record, reused=True)
        self._count(record)

    def _record(self, busy: Busy, status: str, reason: str) -> None:
        save(record_without_training(busy.cell.written_out(), status, reason), busy.folder)

    def _count(self, record: Record) -> None:
        """Stop the plan after as many failures as the policy puts up with."""
        self._failures += record.status == "failed"
        if self._failures == self.policy.on_failure.stop_after:
            self.outcome.stopped = f"{self._failures} failed (policy.on_failure)"

    def _settle(self, cell: Cell, queue: Queue, record: Record, *, reused: bool) -> None:
        self.outcome.add(record)
        queue.tell(cell, record)
        self.watcher.finished(cell, record, reused=reused)

    def _folder(self, cell: Cell) -> Path:
        return self.outcome.folder / cell.key
