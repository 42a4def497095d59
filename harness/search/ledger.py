"""What proposals use up: which repeat an earlier one, what is spent, and when nothing new is left.

A proposal repeats another if both are one training: their cells have the same key. `duplicates` is
- count: it is told the other's value and uses up a trial;
- reuse: it is told the other's value and uses up none;
- resample: it is told nothing, uses up none, and another proposal is asked for.
A search ends before its budget does when every point of a finite space was proposed, and, where
repetitions use up nothing, after IN_A_ROW of them without anything new.
"""

from collections.abc import Sequence
from math import prod
from pathlib import Path

from harness.files import read_json_lines
from harness.planning.budget import use_of
from harness.planning.space import Dimension
from harness.planning.sweepfile import Search
from harness.results.store import record_of

IN_A_ROW = 100


class Ledger:
    """The proposals of a search, by the keys of their cells, which are in `folder`."""

    def __init__(self, search: Search, space: Sequence[Dimension], folder: Path) -> None:
        self.duplicates, self.budget, self.folder = search.duplicates, search.limit, folder
        self.number = 0  # of the next proposal
        self.trials = 0  # that were used up
        self._used = 0.0  # of a budget that is not in trials, by those that have ended
        self._free: set[int] = set()  # the proposals that use up nothing
        self._keys: set[str] = set()
        self._points: set[str] = set()
        self._size = size_of(space)
        self._in_a_row = 0

    def add(self, key: str, point: str) -> bool:
        """Enter a proposal; whether it repeats an earlier one."""
        repeated = key in self._keys
        self._keys.add(key)
        self._points.add(point)
        self._in_a_row = self._in_a_row + 1 if repeated else 0
        if repeated and self.duplicates != "count":
            self._free.add(self.number)
        else:
            self.trials += 1
        self.number += 1
        return repeated

    def count(self, number: int, key: str) -> None:
        """What a proposal used whose cell has ended; those at work have used nothing yet.

        Of a budget in trials nothing is counted, and no record read: it is known from the start.
        """
        if self.budget.trials is not None or number in self._free:
            return
        record = record_of(self.folder / key)
        if record is not None:
            log = read_json_lines(self.folder / key / "log.jsonl")
            self._used += self.budget.used([use_of(record, log)])

    @property
    def spent(self) -> bool:
        used = self._used if self.budget.trials is None else self.trials
        return used >= self.budget.limit

    @property
    def exhausted(self) -> str:
        """Why there is no use in asking on; nothing where there is."""
        if self._size is not None and len(self._points) >= self._size:
            return f"the space is exhausted: all of its {self._size} points were proposed"
        if self.duplicates != "count" and self._in_a_row >= IN_A_ROW:
            return f"the last {IN_A_ROW} proposals were all known: the space seems to be exhausted"
        return ""


def size_of(space: Sequence[Dimension]) -> int | None:
    """How many points a space has; None if there is no end of them."""
    values = [dimension.finite() for dimension in space]
    return prod(len(v) for v in values if v is not None) if None not in values else None
