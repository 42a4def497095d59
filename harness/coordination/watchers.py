"""Who is told of a plan at work: a person at a terminal, W&B, or nobody."""

from typing import Protocol, runtime_checkable

from harness.cell import Cell
from harness.results.record import Record


@runtime_checkable
class Watcher(Protocol):
    """Hears what the coordinator hears, and has no say in it."""

    def preparing(self, done: int, total: int, what: str) -> None: ...
    def note(self, text: str) -> None: ...
    def started(self, cell: Cell) -> None: ...
    def progress(self, cell: Cell, facts: dict[str, object]) -> None: ...
    def finished(self, cell: Cell, record: Record, *, reused: bool) -> None: ...


class Silent:
    """Says nothing; failures are in the records."""

    def preparing(self, done: int, total: int, what: str) -> None: ...
    def note(self, text: str) -> None: ...
    def started(self, cell: Cell) -> None: ...
    def progress(self, cell: Cell, facts: dict[str, object]) -> None: ...
    def finished(self, cell: Cell, record: Record, *, reused: bool) -> None: ...


def unheard(_text: str) -> None:
    """A note that nobody listens to."""


class All:
    """Several as one: each is told everything, in the order in which they are given."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def preparing(self, done: int, total: int, what: str) -> None:
        for watcher in self._watchers:
            watcher.preparing(done, total, what)

    def note(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.note(text)

    def started(self, cell: Cell) -> None:
        for watcher in self._watchers:
            watcher.started(cell)

    def progress(self, cell: Cell, facts: dict[str, object]) -> None:
        for watcher in self._watchers:
            watcher.progress(cell, facts)

    def finished(self, cell: Cell, record: Record, *, reused: bool) -> None:
        for watcher in self._watchers:
            watcher.finished(cell, record, reused=reused)
