"""What a coordinator asks of an executor, and what it hears from one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from harness.cell import Cell
from harness.train.channel import Verdict


@dataclass(frozen=True)
class Report:
    """A worker says something: "step", "epoch" (which waits for an answer) or "halt"."""

    key: str
    event: str
    facts: Mapping[str, object]


@dataclass(frozen=True)
class End:
    """A worker is gone. `death` is why, if it can be known from outside; see failures.py."""

    key: str
    death: str


@runtime_checkable
class Executor(Protocol):
    """Workers by the key of their cell."""

    @property
    def room(self) -> int:
        """How many trainings have a place at once, where the user does not say how many."""
        ...

    def require(self, ranks: int) -> None:
        """UserError if a training of so many processes could never begin."""
        ...

    def warm_up(self) -> None:
        """Something will be asked or started soon."""
        ...

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        """Call a function where torch is; its UserError is raised here."""
        ...

    def start(self, cell: Cell) -> None:
        """Begin a training; what cannot begin ends with a death."""
        ...

    def events(self, seconds: float) -> Sequence[Report | End]:
        """What has happened since; waits so long at most for the first of it."""
        ...

    def answer(self, key: str, verdict: Verdict) -> None:
        """To a report, or unasked: the worker sees it at its next step."""
        ...

    def kill(self, key: str) -> None:
        """For one that does not leave when it is told to; its end still comes as an event."""
        ...

    def close(self) -> None:
        """Nothing is at work any more."""
        ...
