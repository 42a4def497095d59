"""What came of a cell that has no record of its own making, and of a plan as a whole."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harness.cell import Cell
from harness.results.environment import environment
from harness.results.record import Record
from harness.results.store import load


def record_without_training(cell: Cell, status: str, reason: str) -> Record:
    """A failure stays visible: a record with its reason and nothing measured."""
    return Record(
        **cell.names(),
        status=status,
        reason=reason,
        data_hash="",
        env=environment(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
    )


@dataclass
class Outcome:
    """What came of a plan's cells: their keys in the order of their ends, the records on disk.

    `before` counts the trials of a search that were done already and are not among the keys.
    `stopped` is why the coordinator left before the end: interrupted, cancelled, or a limit.
    A search may have ten thousand trials, so that records are read when they are asked for.
    """

    folder: Path
    keys: dict[str, str] = field(default_factory=dict)  # to the status of the record
    trained: int = 0
    before: int = 0
    stopped: str = ""

    def add(self, record: Record) -> None:
        self.keys[record.key] = record.status

    @property
    def records(self) -> list[Record]:
        return [load(self.folder / key / "record.json") for key in self.keys]

    @property
    def failed(self) -> list[Record]:
        keys = [key for key, status in self.keys.items() if status == "failed"]
        return [load(self.folder / key / "record.json") for key in keys]
