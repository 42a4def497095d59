"""Records on disk: runs/<plan>/<key>/record.json, written once, never edited.

A record that was set aside (its data changed, or the user asked for a fresh training) stays in
<key>.old-1, <key>.old-2, ...; readers pass those by.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from io import BytesIO
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.files import disk_errors, write_atomic, write_json
from harness.results.record import SCHEMA, STATUSES, Record
from harness.results.secrets import redact

REQUIRED = {f.name for f in fields(Record)}
KINDS: dict[str, type | UnionType] = {
    **{f.name: str for f in fields(Record) if f.type is str},
    **dict.fromkeys(("config", "metrics", "cost", "clips", "kernels", "env"), dict),
    "seed": int,
    "trial": int | None,
    "seconds": float | int,
}
CURE = "move its folder away, and its cell is trained again"


def folder_of(runs: Path, plan: str, key: str) -> Path:
    return runs / plan / key


def save(record: Record, folder: Path) -> bool:
    """Write the record; False if another worker was first, whose record then stands."""
    content = redact(asdict(record))
    for name in ("metrics", "cost"):
        content[name] = {k: _number(v) for k, v in content[name].items()}
    return write_json(folder / "record.json", content, replace=False)


def save_scores(folder: Path, scores: dict[str, Any]) -> None:
    """Per-video scores as plain arrays; `np.load(..., allow_pickle=False)` reads them."""
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **scores)
    write_atomic(folder / "scores.npz", buffer.getvalue())


def load(path: Path) -> Record:
    """One record; UserError if it is damaged or from a newer version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable record: {error}; {CURE}") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        cure = "upgrade twostream-harness to read it" if newer else CURE
        raise UserError(f"{path}: record schema {schema!r}, this version reads {SCHEMA}; {cure}")
    if set(content) != REQUIRED or content["status"] not in STATUSES:
        odd = sorted(REQUIRED.symmetric_difference(content)) or [content["status"]]
        raise UserError(
            f"{path}: not a valid record: {', '.join(map(str, odd))} missing or unknown; {CURE}"
        )
    wrong = [name for name, kind in KINDS.items() if not isinstance(content[name], kind)]
    if wrong:
        raise UserError(f"{path}: not a valid record: {', '.join(wrong)}: edited by hand? {CURE}")
    return Record(**content)


def record_of(folder: Path) -> Record | None:
    """The record of a cell; None while there is none."""
    path = folder / "record.json"
    return load(path) if path.is_file() else None


def load_all(runs: Path, plan: str = "*") -> list[Record]:
    """Every record under `runs`, or those of one plan; oldest first."""
    records = [load(path) for path in record_files(runs, plan)]
    return sorted(records, key=lambda record: (record.started, record.key))


def record_files(runs: Path, plan: str = "*") -> Iterator[Path]:
    yield from _standing(runs.glob(f"{plan}/*/record.json"))


def finished_cells(plan: Path) -> list[Path]:
    """The folders of a plan's cells that have a record."""
    return [path.parent for path in _standing(plan.glob("*/record.json"))]


def _standing(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if ".old-" not in path.parent.name)


def set_aside(folder: Path) -> None:
    """Keep a cell's old results beside the ones that will replace them."""
    number = 1
    while folder.with_name(f"{folder.name}.old-{number}").exists():
        number += 1
    with disk_errors(folder):
        folder.rename(folder.with_name(f"{folder.name}.old-{number}"))


def _number(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else value
