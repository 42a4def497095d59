"""Preparing a data section for its own sake, with an account of it before and after."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from harness.data.manifest import manifest, write_manifest
from harness.data.prepare import prepare
from harness.places import Places
from harness.preparation.sections import DataSection


class Watcher(Protocol):
    """Who is told how far it is."""

    def preparing(self, done: int, total: int, what: str) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Preparing:
    """How it is to be done, none of which changes a byte of the cache.

    The manifest lies beside the cache unless `manifest` says otherwise. Beside a cache that cannot
    be written to there is none.
    """

    workers: int
    seconds_per_file: float
    manifest: Path | None = None


def prepare_section(
    section: DataSection, places: Places, how: Preparing, watcher: Watcher
) -> dict[str, Any]:
    """Make the cache of a section's clips and write their manifest; the account of it, flat."""
    began = perf_counter()
    section.dataset.write(watcher.preparing)
    watcher.note(announcement(section))
    cache = prepare(
        section.clips,
        section.recipe,
        folder=places.cache,
        workers=how.workers,
        progress=watcher.preparing,
        seconds_per_file=how.seconds_per_file,
    )
    rows = section.named(manifest(section.clips, cache))
    path = how.manifest
    if path is None and os.access(places.cache, os.W_OK):
        path = cache.place.with_name(f"{cache.place.name}-{section.split}.csv")
    if path is not None:
        write_manifest(path, rows)
    return {
        "dataset": section.dataset.title,
        "split": section.split,
        "videos": len(rows),
        "frames": sum(row["frames"] or 0 for row in rows),
        "quarantined": len(cache.quarantined),
        "reasons": _reasons(list(cache.quarantined.values())),
        "bytes": sum(file.stat().st_size for file in cache.place.iterdir()),
        "seconds": round(perf_counter() - began, 1),
        "tier": cache.tier,
        "cache": str(cache.place),
        "hash": cache.hash,
        "manifest": None if path is None else str(path),
    }


def announcement(section: DataSection) -> str:
    """What is about to be read."""
    sizes = [clip.path.stat().st_size for clip in section.clips if clip.path.is_file()]
    return f"{section.title}: {len(section.clips)} videos, {sum(sizes) / 1e6:,.1f} MB"


def _reasons(reasons: Sequence[str]) -> str | None:
    """The most frequent first."""
    counted = Counter(reasons).most_common()
    return "; ".join(f"{count} x {reason}" for reason, count in counted) or None
