"""How a recorded training spent its time: on its start, its steps, and what came after them.

A start costs the same whatever follows; steps grow with epochs and clips, what comes after with
clips. The cell's log has the moments: its start, its first step and the end of its last epoch.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from harness.results.record import Record

Event = Mapping[str, Any]  # a line of a cell's log
EVENTS = ("start", "step", "epoch")


class Parts(NamedTuple):
    """Seconds."""

    start: float
    steps: float
    after: float

    def scaled(self, longer: float, more: float) -> float:
        """With so many times the epochs, and so many times the clips."""
        return self.start + more * (longer * self.steps + self.after)


def parts_of(record: Record, log: Sequence[Event]) -> Parts:
    """Where the log does not tell, or of several attempts, the start counts among the steps."""
    fit = float(record.cost.get("seconds/fit") or 0.0)
    steps = min(fit, _of_steps(log) or fit)
    return Parts(fit - steps, steps, record.seconds - fit)


def _of_steps(log: Sequence[Event]) -> float | None:
    """From the first step to the last epoch's end, and what the first one would have taken."""
    moments = {name: [line for line in log if line["event"] == name] for name in EVENTS}
    if any(len(moments[name]) != 1 for name in ("start", "step")) or not moments["epoch"]:
        return None
    [first], last = moments["step"], moments["epoch"][-1]
    timed = first["steps"] - first["step"]
    if timed < 1:
        return None
    seconds = datetime.fromisoformat(last["time"]) - datetime.fromisoformat(first["time"])
    return max(0.0, seconds.total_seconds()) * first["steps"] / timed
