"""What came of a cell that has no record of its own making, and of a plan as a whole."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness.cell import Cell
from harness.results.environment import environment
from harness.results.record import Record


def failed_record(cell: Cell, reason: str) -> Record:
    """A failure stays visible: a record with its reason and nothing measured."""
    return Record(
        **cell.names(),
        status="failed",
        reason=reason,
        data_hash="",
        env=environment(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
    )


@dataclass
class Outcome:
    """The records of a plan, in the order of its cells, and how many were trained just now.

    `before` counts the trials of a search that were done already and are not among the records.
    """

    records: list[Record] = field(default_factory=list)
    trained: int = 0
    before: int = 0
    stopped: bool = False

    @property
    def failed(self) -> list[Record]:
        return [record for record in self.records if record.status == "failed"]
