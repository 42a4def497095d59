"""What a person sees of a plan at work: bars in a terminal, plain lines elsewhere. On stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.progress import TimeRemainingColumn as Remaining
from rich.text import Text

from harness.cell import Cell
from harness.results.record import Record

SECONDS_BETWEEN_LINES = 10.0


def outcome_line(cell: Cell, record: Record) -> str:
    """One line a finished cell: what it is and what came of it."""
    if record.status == "failed":
        return f"FAILED {cell.label}: {record.reason}"
    if record.status != "done":
        return f"{record.status} {cell.label}: {record.reason}"
    shown = ("test/top1", "val/top1")
    scores = [f"{n} {record.metrics[n]:.3f}" for n in shown if record.metrics.get(n) is not None]
    return f"done   {cell.label}: {', '.join(scores)} ({record.seconds:.0f} s)"


class Lines:
    """For logs and pipes: a line when a cell ends, and now and then how far the data is."""

    def __init__(self) -> None:
        self.reused = 0
        self._next = 0.0
        self._what = ""

    def preparing(self, done: int, total: int, what: str) -> None:
        if total == 0:
            self.note(what)
        elif what != self._what or time.monotonic() >= self._next or done == total:
            self._what = what
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES
            self._say(f"{what}: {done}/{total}")

    def note(self, text: str) -> None:
        self._say(text)

    def started(self, cell: Cell) -> None:
        self._say(f"start  {cell.label}")

    def progress(self, cell: Cell, facts: dict[str, object]) -> None:
        """A line a step would drown the log."""

    def finished(self, cell: Cell, record: Record, *, reused: bool) -> None:
        if reused:
            self.reused += 1
        else:
            self._say(outcome_line(cell, record))

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Rate(ProgressColumn):
    """How many a second; nothing before that is known."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.3g}/s" if speed else "", style="progress.data.speed")


class Bars(Lines):
    """For a terminal: one bar for the data, one for each training at work."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._bars = progress
        self._tasks: dict[str, TaskID] = {}

    def preparing(self, done: int, total: int, what: str) -> None:
        if total == 0:
            self.note(what)
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)

    def started(self, cell: Cell) -> None:
        self._tasks[cell.key] = self._bars.add_task(cell.label, total=None)

    def progress(self, cell: Cell, facts: dict[str, object]) -> None:
        if "steps" in facts:
            task = self._tasks[cell.key]
            self._bars.update(
                task, completed=float(str(facts["step"])), total=float(str(facts["steps"]))
            )

    def finished(self, cell: Cell, record: Record, *, reused: bool) -> None:
        if cell.key in self._tasks:
            self._bars.remove_task(self._tasks.pop(cell.key))
        super().finished(cell, record, reused=reused)

    def _say(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


@contextmanager
def display() -> Iterator[Lines]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        Remaining(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)
