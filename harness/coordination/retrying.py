"""Setting records of failed or cancelled cells aside, so that the next run trains them again.

A search needs no more than that: its storage is filled again from history and records where a
trial that it holds for finished has no record; see searching.py.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.coordination.failures import CLASSES, class_of
from harness.errors import UserError
from harness.registry import hint
from harness.results.record import Record
from harness.results.store import load, record_files, set_aside

FIELDS = ("key", "arm", "dataset", "split", "seed", "trial", "stage", "reason")


def set_records_aside(
    folder: Path, statuses: Sequence[str], where: Mapping[str, str] | None = None
) -> list[Record]:
    """Those of a plan with one of these statuses that match every condition."""
    check_conditions(where or {})
    records = [load(path) for path in record_files(folder.parent, folder.name)]
    chosen = [r for r in records if r.status in statuses and matches(vars(r), where or {})]
    for record in chosen:
        set_aside(folder / record.key)
    return chosen


def check_conditions(where: Mapping[str, str]) -> None:
    for name, value in where.items():
        if name not in FIELDS:
            raise UserError(f"--where {name}={value}: no such field; {hint(name, list(FIELDS))}")
        if name == "reason" and ":" not in value and value not in CLASSES:
            raise UserError(
                f"--where reason={value}: no such class of failure; {hint(value, list(CLASSES))}"
            )


def matches(facts: Mapping[str, Any], where: Mapping[str, str]) -> bool:
    """Whether fields have these values as text; a reason also matches by its class alone."""
    return all(
        str(facts[name]) == value or (name == "reason" and class_of(facts[name]) == value)
        for name, value in where.items()
    )
