"""Where the coordinator takes its next cell from, and whom it tells what came of it."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from harness.cell import Cell
from harness.results.record import Record


@runtime_checkable
class Queue(Protocol):
    """`next` gives a cell, or None when there is none now; `finished` says there will be none."""

    before: int  # cells that were done when the queue was taken up, and are not given again

    @property
    def failed(self) -> Sequence[str]:
        """The keys of those of them that had failed."""
        ...

    @property
    def total(self) -> int: ...

    @property
    def finished(self) -> bool: ...

    def next(self) -> Cell | None: ...

    def tell(self, cell: Cell, record: Record) -> None: ...

    def report(self, cell: Cell, epoch: int, metrics: Mapping[str, float | None]) -> bool:
        """What an epoch measured; whether the training is to end with it."""
        ...


class Fixed:
    """Cells that are known beforehand, in order."""

    before = 0
    failed: Sequence[str] = ()

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._cells = deque(cells)
        self.total = len(self._cells)

    @property
    def finished(self) -> bool:
        return not self._cells

    def next(self) -> Cell | None:
        return self._cells.popleft() if self._cells else None

    def tell(self, cell: Cell, record: Record) -> None:
        """Nothing here depends on a result."""

    def report(self, _cell: Cell, _epoch: int, _metrics: Mapping[str, float | None]) -> bool:
        """Nothing is pruned."""
        return False
