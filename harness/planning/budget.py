"""How much a search may use, for each arm on each data set alike: trials, epochs or time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from harness.errors import UserError
from harness.parallel import ranks_of
from harness.results.record import Record

Event = Mapping[str, Any]  # a line of a cell's log
SECONDS_OF_A_FAILURE = 60.0  # at least: where every trial fails at once, hours would never pass


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one trial used; a trial that is at work has used nothing yet."""

    epochs: int = 0
    seconds: float = 0.0
    devices: int = 1


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Exactly one limit. No trial is started once it is reached; those at work end in their way.

    `epochs` that were trained, `hours` of wall time of the trials one after another,
    `device_hours` likewise times the devices of each. Trials that failed count, too, so that
    every search ends, and so do those that repeat a training, unless `duplicates` says not.
    """

    trials: int | None = field(default=None, metadata={"ge": 1})
    epochs: int | None = field(default=None, metadata={"ge": 1})
    hours: float | None = field(default=None, metadata={"gt": 0})
    device_hours: float | None = field(default=None, metadata={"gt": 0})

    def __post_init__(self) -> None:
        names = [f.name for f in fields(self)]
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(given) or "none"
            raise UserError(f"needs exactly one of {', '.join(names)}; got {told}")

    @property
    def kind(self) -> str:
        return next(f.name for f in fields(self) if getattr(self, f.name) is not None)

    @property
    def limit(self) -> float:
        return float(getattr(self, self.kind))

    def used(self, uses: Sequence[Use]) -> float:
        return float(sum(_measure(self.kind, use) for use in uses))

    def remaining(self, uses: Sequence[Use]) -> float:
        """What is left of it, in its own unit; never below 0."""
        return max(0.0, self.limit - self.used(uses))

    def spent(self, uses: Sequence[Use]) -> bool:
        """Whether no further trial may be started."""
        return self.remaining(uses) <= 0

    def __str__(self) -> str:
        return f"{self.limit:g} {self.kind.replace('_', '-')}"


def use_of(record: Record, log: Sequence[Event] = ()) -> Use:
    """What a trial used, over all of its restarts if its log is given; see `append_line`.

    A trial that failed counts as an epoch and as a minute at least.
    """
    least = SECONDS_OF_A_FAILURE if record.status == "failed" else 0.0
    trained = len({event["epoch"] for event in log if event["event"] == "epoch"})
    if not log and record.status == "done":
        trained = int(record.config["train"]["epochs"])
    return Use(
        epochs=max(1, trained),
        seconds=max(record.seconds, _seconds(log), least),
        devices=ranks_of(record.config.get("train", {}).get("parallel")),  # in a failed one's, too,
    )


def _measure(kind: str, use: Use) -> float:
    hours = use.seconds / 3600
    return {
        "trials": 1.0,
        "epochs": float(use.epochs),
        "hours": hours,
        "device_hours": hours * use.devices,
    }[kind]


def _seconds(log: Sequence[Event]) -> float:
    """Wall time at work: from each start to the last that was heard before the next."""
    total, start, last = 0.0, None, None
    for event in log:
        now = datetime.fromisoformat(event["time"])
        if event["event"] == "start":
            total += (last - start).total_seconds() if start and last else 0.0
            start = now
        last = now
    return total + ((last - start).total_seconds() if start and last else 0.0)
