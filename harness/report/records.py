"""Records as tables: all of them, or one in full."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import UserError
from harness.report.formats import ColumnSpec, Table
from harness.report.selection import check_field, read, unmatched
from harness.results.record import Record


def matching(records: Sequence[Record], conditions: Mapping[str, str]) -> list[Record]:
    """The records whose fields, as text, have these values; dotted paths reach into `config`."""
    for name in conditions:
        if records:
            check_field(name, records)
    return [r for r in records if all(str(read(r, n)) == v for n, v in conditions.items())]


def find(records: Sequence[Record], start: str) -> Record:
    """The one record whose key starts like this."""
    found = [record for record in records if record.key.startswith(start)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"no run with a key that starts with {start!r}; `harness runs` lists them")
    listed = ", ".join(f"{record.key} ({record.plan})" for record in found[:5])
    raise UserError(f"{len(found)} runs have a key that starts with {start!r}: {listed}")


def records_table(records: Sequence[Record], conditions: Mapping[str, str] | None = None) -> Table:
    """A line for each record that has these values: see `matching`."""
    kept = matching(records, conditions or {})
    names = ("key", "plan", "arm", "dataset", "split", "seed", "trial", "stage", "status")
    columns = tuple(ColumnSpec(key=name, title=name) for name in names)
    measured = tuple(
        ColumnSpec(key=key, title=key, show=_share, better="higher")
        for key in ("val/top1", "test/top1")
    )
    tail = (
        ColumnSpec(key="seconds", title="seconds", show=_seconds, better="lower"),
        ColumnSpec(key="reason", title="reason"),
    )
    rows = [
        {name: getattr(record, name) for name in names}
        | {key: record.metrics.get(key) for key in ("val/top1", "test/top1")}
        | {"seconds": record.seconds, "reason": record.reason}
        for record in kept
    ]
    told = unmatched("run", conditions or {}, len(records)) or ("no run is recorded here yet",)
    notes = () if kept else told
    return Table("", (*columns, *measured, *tail), rows, notes)


def record_table(record: Record) -> Table:
    """Every fact of one record, a line each."""
    rows = [{"fact": name, "value": value} for name, value in _flat("", vars(record))]
    columns = (ColumnSpec(key="fact", title="fact"), ColumnSpec(key="value", title="value"))
    return Table(f"{record.arm} on {record.dataset}", columns, rows)


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [item for k, v in value.items() for item in _flat(f"{prefix}.{k}".lstrip("."), v)]
    if isinstance(value, list | tuple):
        return [(prefix, ", ".join(map(str, value)))]
    return [(prefix, value)]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _seconds(value: float) -> str:
    return f"{value:.1f}"
