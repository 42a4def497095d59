"""A cell's folder as one W&B run. Pure: files in, plain data out.

Names of metrics and costs are the record's. An epoch that stands in the log twice, as after a kill
between two writes, is one epoch.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.files import digest
from harness.results.record import Record
from harness.results.secrets import redact
from harness.results.store import load

LONGEST_TAG, LONGEST_NAME = 64, 128  # characters that W&B takes
FAILED = ("failed", "cancelled")


@dataclass(frozen=True)
class Epoch:
    """What one epoch logged; `time` in seconds since 1970."""

    number: int
    metrics: dict[str, float | None]
    time: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """What W&B is told; `sha256` is that of the record and the epochs it was made from."""

    id: str
    name: str
    group: str
    job_type: str
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    failed: bool = False
    sha256: str = ""


def replay(folder: Path) -> Run:
    """The run of a finished cell; UserError if its record is damaged."""
    record = load(folder / "record.json")
    begun, epochs = announced(cell_of(record)), epochs_of(folder / "log.jsonl")
    return replace(
        begun,
        tags=[*begun.tags, record.status],
        epochs=epochs,
        summary=redact(_summary(record)),
        failed=record.status in FAILED,
        sha256=digest([asdict(record), [asdict(epoch) for epoch in epochs]]),
    )


def cell_of(record: Record) -> Cell:
    return Cell(**{f.name: getattr(record, f.name) for f in fields(Cell)})


def announced(cell: Cell) -> Run:
    """The run of a cell of which nothing is known yet but what it is."""
    facts = {"seed": cell.seed, "trial": cell.trial, "key": cell.key}
    tags = (cell.arm, cell.dataset, f"split {cell.split}")
    return Run(
        id=run_id(cell.plan, cell.key),
        name=redact(cell.label)[:LONGEST_NAME],
        group=redact(cell.plan)[:LONGEST_NAME],
        job_type=cell.stage,
        tags=[redact(tag)[:LONGEST_TAG] for tag in tags],
        config=redact({**cell.config, **facts}),
    )


def run_id(plan: str, name: str) -> str:
    """The record's own id, in letters that W&B takes; a plan that must be respelt stays distinct.

    >>> run_id("demo", "1f3a9c"), run_id("a/b", "1f3a9c")
    ('demo-1f3a9c', 'a_b-f5effa31-1f3a9c')
    """
    safe = re.sub(r"[^\w.-]", "_", plan, flags=re.ASCII)[:80]
    return f"{safe}-{name}" if safe == plan else f"{safe}-{digest(plan)[:8]}-{name}"


def epochs_of(log: Path) -> list[Epoch]:
    """Every epoch once, in order; of one that was logged twice the last counts."""
    found = {}
    for event in _events(log):
        if event.get("event") == "epoch":
            metrics = {name: _number(value) for name, value in event["metrics"].items()}
            time = datetime.fromisoformat(event["time"]).timestamp()
            found[event["epoch"]] = Epoch(event["epoch"], metrics, time)
    return [found[number] for number in sorted(found)]


def _events(log: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of a log that are whole; a kill or a full disk may have torn one."""
    if not log.is_file():
        return
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _summary(record: Record) -> dict[str, Any]:
    outcome = {"status": record.status, "reason": record.reason, "seconds": record.seconds}
    return {**record.metrics, **record.cost, **outcome}


def _number(value: float | None) -> float | None:
    """As in a record: what is not a number is None."""
    return None if value is None or not isfinite(value) else value
