"""Manifests as tables: every clip, the problems alone, and counts by class. Rows come in plain."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from harness.errors import UserError
from harness.registry import hint
from harness.report.formats import ColumnSpec, Table, Value
from harness.report.selection import unmatched

Row = Mapping[str, Any]
PLACE = ("dataset", "split")
CLIP = (
    *("id", "subset", "class", "label", "group", "status", "reason", "frames", "declared", "lost"),
    *("fps", "width", "height", "codec", "decoder", "sha256", "bytes"),
)
GOOD = ("ok", "not prepared")


def clips_table(rows: Sequence[Row], conditions: Mapping[str, str]) -> Table:
    """A line for each clip whose fields, as text, have these values."""
    for name in conditions:
        if name not in (*PLACE, *CLIP):
            raise UserError(f"--where {name}: no such field; {hint(name, [*PLACE, *CLIP])}")
    kept = [row for row in rows if all(str(row[n]) == v for n, v in conditions.items())]
    notes = () if kept else unmatched("clip", conditions, len(rows))
    return _table((*PLACE, *CLIP), kept, notes)


def problems_table(rows: Sequence[Row], *, everything: bool = False) -> Table:
    """The clips that cannot be used, or that lost frames; all of them if `everything`."""
    names = ("dataset", "id", "subset", "class", "status", "reason", "frames", "declared", "lost")
    kept = [row for row in rows if everything or row["status"] not in GOOD or row["lost"]]
    bad = len(unusable(rows))
    notes = (f"{len(rows)} files decoded, {bad} unusable, {len(kept)} listed",)
    return _table(names, kept, notes)


def unusable(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["status"] not in GOOD]


def survey_table(rows: Sequence[Row], *, everything: bool = False) -> Table:
    """The clips whose flow images do not fit; all of them if `everything`."""
    names = ("dataset", "id", "class", "layout", "x", "y", "fields", "size", "problem")
    shown = [
        {**row, "size": row["size"] and "x".join(map(str, reversed(row["size"])))}
        for row in rows
        if everything or row["problem"]
    ]
    layouts = Counter(row["layout"] for row in rows if not row["problem"])
    found = ", ".join(f"{count} as {name}" for name, count in layouts.most_common())
    return _table(names, shown, (f"{len(rows)} clips, usable: {found or 'none'}",))


def summaries_table(rows: Sequence[Row]) -> Table:
    """A line for each prepared data set."""
    names = (
        "videos",
        "frames",
        "quarantined",
        "reasons",
        "tier",
        "bytes",
        "seconds",
        "cache",
        "hash",
    )
    return _table((*PLACE, *names, "manifest"), rows)


def stats_table(rows: Sequence[Row]) -> Table:
    """A line for each class and one for all: clips by subset, lengths, sizes, rates, bytes."""
    subsets = list(dict.fromkeys(row["subset"] for row in rows))
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["label"]):
        groups.setdefault((row["dataset"], row["split"], row["class"]), []).append(row)
    for row in rows:
        groups.setdefault((row["dataset"], row["split"], "all"), []).append(row)
    lines: list[dict[str, Value]] = [
        {"dataset": dataset, "split": split, "class": name, **_stats(groups[dataset, split, name])}
        for dataset, split, name in sorted(groups, key=lambda key: key[:2])
    ]
    measured = ("frames min", "frames median", "frames max", "smallest", "largest", "fps")
    return _table((*PLACE, "class", *subsets, *measured, "quarantined", "bytes"), lines)


def _stats(rows: Sequence[Row]) -> dict[str, Value]:
    counts: dict[str, Value] = dict(Counter(row["subset"] for row in rows))
    frames = [row["frames"] for row in rows if row["frames"] is not None]
    sizes = sorted(
        {(r["width"], r["height"]) for r in rows if r["width"]}, key=lambda s: (s[0] * s[1], s)
    )
    rates = sorted({round(row["fps"], 2) for row in rows if row["fps"]})
    held = [row["bytes"] for row in rows if row["bytes"] is not None]
    return counts | {
        "frames min": min(frames, default=None),
        "frames median": median(frames) if frames else None,
        "frames max": max(frames, default=None),
        "smallest": "x".join(map(str, sizes[0])) if sizes else None,
        "largest": "x".join(map(str, sizes[-1])) if sizes else None,
        "fps": ", ".join(f"{rate:g}" for rate in rates) or None,
        "quarantined": len(unusable(rows)),
        "bytes": sum(held) if held else None,
    }


def _table(names: Sequence[str], rows: Sequence[Row], notes: tuple[str, ...] = ()) -> Table:
    columns = tuple(ColumnSpec(key=name, title=name) for name in names)
    return Table("", columns, [{name: row.get(name) for name in names} for row in rows], notes)
