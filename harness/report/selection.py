"""Which records a table compares: filtered, ranked stages only, one setting a row, one protocol.

Seeds are averaged only if nothing else differs. Where an arm was run with several settings, those
of the latest run that finished count; and of a run that was trained again, the latest record. The
others are left out and counted. Runs of a search are never ranked: their settings were chosen on
what they scored.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from harness.errors import Errors, UserError
from harness.results.record import Record

RANKED = ("run", "confirm")
FIELDS = ("plan", "arm", "dataset", "split", "seed", "stage", "status")


def read(record: Record, name: str) -> Any:
    """A field of the record, or of its configuration by a dotted path; None where it has none.

    A component stands for its name: `config.model.fusion` is `config.model.fusion.name`.
    """
    if name in FIELDS:
        return getattr(record, name)
    value: Any = {"config": record.config}
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value.get("name") if isinstance(value, Mapping) else value


def unmatched(what: str, conditions: Mapping[str, str], count: int) -> tuple[str, ...]:
    """The line below a table that conditions leave empty; `count` is how many there are at all."""
    asked = " and ".join(f"{name}={value}" for name, value in conditions.items())
    return (f"no {what} matches {asked}; there are {count}",) if asked else ()


def check_field(name: str, records: Sequence[Record]) -> None:
    """Raises UserError where no record has the field."""
    paths = {path for r in records for path in _paths(r.config, "config")}
    if name in FIELDS or name in paths:
        return
    close = get_close_matches(name, [*FIELDS, *sorted(paths)], n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    allowed = f"{', '.join(FIELDS)}, or a path such as config.model.fusion.name"
    raise UserError(f"no record has the field {name!r}; {guess}(allowed: {allowed})")


def select(
    records: Sequence[Record], where: Mapping[str, Any] | None = None, rows: str = "arm"
) -> tuple[list[Record], int]:
    """The records that a table compares, and how many it leaves out for later or other ones.

    `where` maps a field to the value it must have, or to a list of them; `rows` is the field that
    tells rows apart.
    Raises UserError with a line for each field nobody has and each filter that leaves nothing, or
    for mixed protocols.
    """
    kept, errors = rankable(records), Errors()
    if not kept:
        raise UserError(
            f"none of {len(records)} records is of the stage {' or '.join(RANKED)}: nothing to rank"
        )
    for name, wanted in (where or {}).items():
        with errors.collected(f"where.{name}"):
            kept = _having(name, wanted, kept)
    errors.tell()
    latest = _latest(_of_one_setting(kept, rows), rows)
    _check_protocol(latest)
    return latest, len(kept) - len(latest)


def rankable(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if r.stage in RANKED]


def _having(name: str, wanted: Any, records: Sequence[Record]) -> list[Record]:
    """The records whose field has the value, or one of them; UserError if there is none."""
    check_field(name, records)
    values = wanted if isinstance(wanted, list) else [wanted]
    if name == "stage" and "search" in values:
        raise UserError(
            f"{wanted!r}: trials of a search are never ranked, since they were chosen by what they "
            f"scored (allowed: {', '.join(RANKED)})"
        )
    kept = [r for r in records if read(r, name) in values]
    if not kept:
        found = ", ".join(dict.fromkeys(str(read(r, name)) for r in records))
        raise UserError(f"{wanted!r} leaves no record (there are: {found})")
    return kept


def name_rows(records: Sequence[Record], rows: str) -> list[str]:
    """The row that each record belongs to.

    An arm tuned on each data set is one row, whichever trial won there. Where several trials of it
    were confirmed on one data set, they are different settings, and each is a row.
    """
    trials: dict[tuple[str, str, str], set[int | None]] = {}
    for r in records:
        trials.setdefault((r.arm, r.dataset, r.split), set()).add(r.trial)
    several = {arm for (arm, *_), found in trials.items() if len(found) > 1}

    def name(record: Record) -> str:
        if rows == "arm" and record.arm in several and record.trial is not None:
            return f"{record.arm} #{record.trial}"
        value = read(record, rows)
        return "none" if value is None else str(value)

    return [name(record) for record in records]


def account(record: Record) -> str:
    """What became of a run that did not finish, in one line."""
    place = f"{record.arm} on {record.dataset}/{record.split}, seed {record.seed}"
    return f"{place}: {record.status}: {record.reason}"


def _cell_of(record: Record, rows: str) -> tuple[Any, ...]:
    """What a cell of the table averages over seeds."""
    place = record.dataset, record.split
    return (str(read(record, rows)), record.arm, *place, record.stage, record.trial)


def _age(record: Record) -> tuple[Any, ...]:
    return record.started, record.key


def _of_one_setting(records: Sequence[Record], rows: str) -> list[Record]:
    """Without the records whose settings are not those of the latest finished run beside them."""
    cells: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        cells.setdefault(_cell_of(record, rows), []).append(record)
    counting = {
        cell: max([r for r in beside if r.status == "done"] or beside, key=_age).config
        for cell, beside in cells.items()
    }
    return [r for r in records if _agree(r.config, counting[_cell_of(r, rows)])]


def _agree(one: Any, other: Any) -> bool:
    """Whether two configurations say the same; that of a run that was killed has no defaults."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_agree(one[key], other[key]) for key in one.keys() & other.keys())
    return bool(one == other)


def _latest(records: Sequence[Record], rows: str) -> list[Record]:
    """One record for each cell of the table and seed, in the given order."""
    standing: dict[tuple[Any, ...], Record] = {}
    for record in records:
        identity = (*_cell_of(record, rows), record.seed)
        old = standing.setdefault(identity, record)
        if _age(record) > _age(old):
            standing[identity] = record
    return list(standing.values())


def _check_protocol(records: Sequence[Record]) -> None:
    first: dict[tuple[str, str], Record] = {}
    for record in records:
        if record.status != "done":
            continue
        other = first.setdefault((record.dataset, record.split), record)
        if other.protocol != record.protocol:
            raise UserError(
                f"{record.dataset}/{record.split} was evaluated under two protocols: "
                f"{other.protocol} (arm {other.arm!r}) and {record.protocol} (arm {record.arm!r}); "
                "they cannot share a table: choose one with `where`, or run the other again"
            )


def _paths(tree: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in tree.items():
        yield f"{prefix}.{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}.{key}")
