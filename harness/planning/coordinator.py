"""The one owner of a plan: hands cells to workers, hears their reports, settles the studies.

Idempotent by construction: a cell whose record exists is never trained again, so running a plan
twice does nothing the second time, and running it after a crash goes on where it stopped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol, runtime_checkable

from filelock import FileLock, Timeout

from harness.cell import Cell
from harness.errors import UserError
from harness.files import disk_errors
from harness.places import Places
from harness.planning.executors import Handle, Local
from harness.planning.outcome import Outcome, failed_record
from harness.planning.queues import Queue
from harness.results.record import Record
from harness.results.store import folder_of, load, save, set_aside
from harness.settings import Settings

Outdated = Callable[[Cell, Record], bool]  # whether a record must give way to a new training


@runtime_checkable
class Display(Protocol):
    """What a person sees of a plan at work."""

    def preparing(self, done: int, total: int, what: str) -> None: ...
    def note(self, text: str) -> None: ...
    def started(self, cell: Cell) -> None: ...
    def progress(self, cell: Cell, facts: dict[str, object]) -> None: ...
    def finished(self, cell: Cell, record: Record, *, reused: bool) -> None: ...


class Coordinator:
    """Runs queues of cells on an executor, `settings.workers` at a time."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        display: Display,
        executor: Local,
        outdated: Outdated,
    ) -> None:
        self.places, self.settings, self.display = places, settings, display
        self.outdated = outdated
        self.executor = executor
        self.outcome = Outcome()
        self._busy: dict[str, tuple[Handle, Queue]] = {}  # by cell key

    def run(self, queues: list[Queue]) -> Outcome:
        """Until every queue is finished, or Ctrl-C: then workers are asked to leave first."""
        self.outcome.before = sum(queue.before for queue in queues)
        try:
            while True:
                self._fill(queues)
                if not self._busy:
                    return self.outcome
                self._listen()
        except KeyboardInterrupt:
            self._leave()
            self.outcome.stopped = True
            return self.outcome
        except BaseException:
            self._leave()
            raise

    def _fill(self, queues: list[Queue]) -> None:
        for queue in queues:
            while len(self._busy) < self.settings.workers:
                cell = queue.next()
                if cell is None:
                    break
                self._take(cell, queue)

    def _take(self, cell: Cell, queue: Queue) -> None:
        record = self._standing(cell)
        if record is not None:
            self._settle(cell, queue, record, reused=True)
        elif cell.key not in self._busy:
            self._busy[cell.key] = (self.executor.start(cell, self.places, self.settings), queue)
            self.display.started(cell)

    def _standing(self, cell: Cell) -> Record | None:
        """The record that makes a training unnecessary; an outdated one is set aside."""
        folder = self._folder(cell)
        if not (folder / "record.json").is_file():
            return None
        record = load(folder / "record.json")
        if record in self.outcome.records or not self.outdated(cell, record):
            return record
        set_aside(folder)
        return None

    def _listen(self) -> None:
        """Wait for the next report or the next end of a worker."""
        channels = {h.pipe: h for h, _ in self._busy.values() if not h.pipe.closed}
        ends = {h.sentinel: h for h, _ in self._busy.values()}
        for ready in wait([*channels, *ends]):
            if ready in channels:
                self._hear(channels[ready])
            elif ready in ends:
                self._end(ends[ready])

    def _hear(self, handle: Handle) -> None:
        try:
            _, facts = handle.pipe.recv()
        except EOFError:  # its end is closed; the sentinel tells the rest
            handle.pipe.close()
            return
        self.display.progress(handle.cell, facts)

    def _end(self, handle: Handle) -> None:
        if handle.cell.key not in self._busy:
            return
        handle.process.join()
        _, queue = self._busy.pop(handle.cell.key)
        folder = self._folder(handle.cell)
        if not (folder / "record.json").is_file():
            save(failed_record(handle.cell, death(handle.exitcode)), folder)
        self.outcome.trained += 1
        self._settle(handle.cell, queue, load(folder / "record.json"), reused=False)

    def _settle(self, cell: Cell, queue: Queue, record: Record, *, reused: bool) -> None:
        self.outcome.records.append(record)
        queue.tell(cell, record)
        self.display.finished(cell, record, reused=reused)

    def _leave(self) -> None:
        """Ask every worker to stop; who does not within a while is killed."""
        handles = [handle for handle, _ in self._busy.values()]
        for handle in handles:
            handle.stop()
        for handle in handles:
            handle.process.join(timeout=30)
            handle.kill()

    def _folder(self, cell: Cell) -> Path:
        return folder_of(self.places.runs, cell.plan, cell.key)


def death(exitcode: int | None) -> str:
    """Why a worker ended without a record.

    >>> death(-9)
    'killed by signal 9 (SIGKILL), as the system does when memory runs out'
    """
    if exitcode == -9:
        return "killed by signal 9 (SIGKILL), as the system does when memory runs out"
    if exitcode is not None and exitcode < 0:
        return f"killed by signal {-exitcode}"
    return f"ended with exit code {exitcode} and no record"


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
