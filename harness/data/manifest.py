"""The manifest of a data set: a flat row for each clip, quarantined ones included.

What the annotations say of it (id, subset, label, group), what became of it (status "ok" or
"quarantined", and the reason), and what was found in its file.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.cache import Cache, home
from harness.data.clip import Clip, Progress
from harness.data.decode import Unreadable, decode
from harness.data.prepare import _pool
from harness.errors import UserError
from harness.files import sha256_of, write_atomic
from harness.processes import without_main

Row = dict[str, Any]
COLUMNS = (
    *("id", "subset", "label", "group", "status", "reason", "frames", "declared", "lost", "fps"),
    *("width", "height", "codec", "decoder", "sha256", "bytes"),
)


def annotated(clips: Sequence[Clip]) -> list[Row]:
    """What is known of clips before any file is opened."""
    return [_row(clip, {}, None) | {"status": "not prepared"} for clip in clips]


def manifest(clips: Sequence[Clip], cache: Cache) -> list[Row]:
    """What `prepare` found, a row for each clip in the given order."""
    return [
        _row(clip, cache.facts.get(clip.id, {}), cache.quarantined.get(clip.id)) for clip in clips
    ]


def verify(clips: Sequence[Clip], *, workers: int, progress: Progress) -> list[Row]:
    """Decode every file once, from its beginning to its end; nothing is kept but what was found."""
    rows = []
    with _pool(workers) as pool, without_main():
        for clip, found in zip(clips, pool.map(_look, [c.path for c in clips]), strict=True):
            facts, reason = ({}, found) if isinstance(found, str) else (found, None)
            rows.append(_row(clip, facts, reason))
            progress(len(rows), len(clips), "videos decoded")
    return rows


def _look(path: Path) -> dict[str, Any] | str:
    try:
        video = decode(path, None)
    except Unreadable as error:
        return str(error)
    frames, height, width, _ = video.frames.shape
    return {
        "frames": frames,
        "declared": video.declared,
        "fps": video.fps,
        "width": width,
        "height": height,
        "decoder": video.decoder,
        "sha256": sha256_of(path),
    }


def verify_cache(folder: Path, key: str) -> None:
    """Hash every file of a cache again; UserError if one is not what was written."""
    place = home(folder, key)
    index = json.loads((place / "index.json").read_text())
    for name in ("rgb", "flow"):
        if sha256_of(place / f"{name}.npy") != index[name]["sha256"]:
            raise UserError(
                f"{place}: damaged cache ({name}.npy is not what was written); "
                "delete this folder and run again"
            )


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """As CSV; a missing value is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def _row(clip: Clip, facts: Mapping[str, Any], reason: str | None) -> Row:
    row = dict.fromkeys(COLUMNS) | {k: v for k, v in facts.items() if k in COLUMNS}
    row |= {"id": clip.id, "subset": clip.subset, "label": clip.label, "group": clip.group}
    row |= {"status": "quarantined" if reason else "ok", "reason": reason}
    if facts:
        row["lost"] = facts["declared"] - facts["frames"]
    if clip.path.is_file():
        row["bytes"] = clip.path.stat().st_size
    return row
