"""The manifest: what is known of every clip of a data set, a flat row a clip."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from harness.data.cache import Cache
from harness.data.clip import Clip, Progress
from harness.data.decode import decode, refusals
from harness.data.pool import Lost, Pool
from harness.data.sources import hash_of, size
from harness.data.video import Unreadable
from harness.files import write_atomic
from harness.settings import SECONDS_PER_FILE

Row = dict[str, Any]
FACTS = {  # columns, and what the cache calls them
    "frames": "frames",
    "declared": "declared",
    "fps": "fps",
    "width": "native_width",
    "height": "native_height",
    "codec": "codec",
    "decoder": "decoder",
    "stopped": "stopped",
    "sha256": "sha256",
    "bytes": "bytes",
}
VERIFIED_SIZE = 32  # pixels that a verified frame keeps; it is decoded at its own size


def annotated(clips: Sequence[Clip]) -> list[Row]:
    """What is known of clips before any file is opened."""
    return [row(clip, {}, "") | {"status": "not prepared"} for clip in clips]


def manifest(clips: Sequence[Clip], cache: Cache) -> list[Row]:
    """A row for each clip, in their order; all of them have to be in the cache or quarantined."""
    return [
        row(clip, cache.facts.get(clip.id, {}), cache.quarantined.get(clip.id, ""))
        for clip in clips
    ]


def verify(
    clips: Sequence[Clip],
    *,
    workers: int,
    progress: Progress,
    seconds_per_file: float = SECONDS_PER_FILE,
) -> list[Row]:
    """The manifest of clips of which there is no cache: every file is decoded once, to the end."""
    rows = []
    with Pool(min(workers, len(clips)), seconds=seconds_per_file) as pool:
        for clip, found in pool.in_order(examine, clips):
            reason = found.reason if isinstance(found, Lost) else found.pop("reason", "")
            rows.append(row(clip, {} if isinstance(found, Lost) else found, reason))
            progress(len(rows), len(clips), "videos verified")
    return rows


def examine(clip: Clip) -> dict[str, Any]:
    """In a worker: the facts of a clip, or the reason why it cannot be used."""
    try:
        video = decode(clip.path, VERIFIED_SIZE, span=clip.span, declared=clip.declared)
        with refusals():  # it may be gone by now
            return video.facts() | {"bytes": size(clip.path), "sha256": hash_of(clip.path)}
    except Unreadable as reason:
        return {"reason": str(reason)}
    except MemoryError:
        return {"reason": "not enough memory"}


def row(clip: Clip, facts: Mapping[str, Any], reason: str) -> Row:
    """What the data set and the file say of a clip; None for what an unreadable one does not."""
    told = {name: facts.get(source) for name, source in FACTS.items()}
    frames = told["frames"]
    return {
        "id": clip.id,
        "subset": clip.subset,
        "label": clip.label,
        "group": clip.group,
        "status": "quarantined" if reason else "ok",
        "reason": reason,
        "lost": None if frames is None else max(0, told["declared"] - frames),
        **told,
    }


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """As CSV, whole or not at all; names that are not Unicode have their odd bytes escaped."""
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode(errors="backslashreplace"))
