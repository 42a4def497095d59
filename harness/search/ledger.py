"""Which proposals repeat an earlier one, what that means, and when there is nothing new to find.

A proposal repeats another if both are one training: their cells have the same key. `duplicates` is
- count: it is told the other's value and uses up a trial;
- reuse: it is told the other's value and uses up none;
- resample: it is told nothing, uses up none, and another proposal is asked for.
A search ends before its budget does when every point of a finite space was proposed, and, where
repetitions use up nothing, after IN_A_ROW of them without anything new.
"""

from collections.abc import Sequence
from math import prod

from harness.planning.space import Dimension

IN_A_ROW = 100


class Ledger:
    """The proposals of a search, by the keys of their cells."""

    def __init__(self, duplicates: str, space: Sequence[Dimension]) -> None:
        self.duplicates = duplicates
        self.number = 0  # of the next proposal
        self.used = 0  # trials
        self.free: set[int] = set()  # the proposals that use up nothing
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
            self.free.add(self.number)
        else:
            self.used += 1
        self.number += 1
        return repeated

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
