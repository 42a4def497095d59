"""Decode once, flow once: from video files to a `Cache` that every training shares.

The cache belongs to a set of videos, not to a split of it. Its key is made of the clip ids, the
sha256 of each file and every setting that changes a byte. Worker processes decode and compute flow;
this process alone writes, in the order of the ids, so the bytes do not depend on how many workers
there were or how often they were interrupted. A video that cannot be used, on which a worker hangs,
or which kills it twice, is quarantined with its reason.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from harness.data.cache import Builder, Cache, home, kinds
from harness.data.clip import Clip, Progress
from harness.data.decode import decode, refusals
from harness.data.pool import Lost, Pool
from harness.data.recipe import Recipe
from harness.data.room import NOTHING, choose, need_of, probe, require
from harness.data.sources import remembered_hashes, size, source_hashes
from harness.data.tiers import TIERS
from harness.data.video import Unreadable, plain
from harness.errors import UserError
from harness.files import digest, disk_errors
from harness.flow.fields import fields
from harness.settings import SECONDS_PER_FILE


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A worker's answer: the packed arrays of a clip, and what the index tells of it."""

    entry: dict[str, Any]
    pieces: dict[str, list[np.ndarray]]


def prepare(
    clips: Sequence[Clip],
    recipe: Recipe,
    *,
    folder: Path,
    workers: int,
    progress: Progress,
    seconds_per_file: float = SECONDS_PER_FILE,
) -> Cache:
    """The cache of these clips: built, continued or just opened, whichever it needs.

    Args:
        clips: of every subset, in any order.
        recipe: what is made of each of them.
        folder: where all caches are.
        workers: processes, of one thread each.
        progress: told after each file that was read, and once how large the cache will be.
        seconds_per_file: after which a file is given up.

    Raises:
        UserError: no video is readable, the disk is too small or full, or the cache is damaged.
    """
    sources = source_hashes(clips, folder, progress)
    every = _keys(recipe, sources)
    keys = _wanted(every, recipe)
    cache = _complete(folder, keys)
    if cache is not None:
        return cache
    with _lock(folder / f"{digest(every)[:16]}.lock", lambda what: progress(0, 0, what)):
        cache = _complete(folder, keys)
        if cache is not None:
            return cache
        with Pool(min(workers, len(clips)), seconds=seconds_per_file) as pool:
            tier, builder = _begin(pool, clips, recipe, folder, keys, progress)
            _build(pool, builder, clips, partial(work, recipe=recipe, tier=tier), progress)
        _require_one(builder)
        builder.finish(recipe.settings(tier), {id: made["sha256"] for id, made in sources.items()})
        return Cache.open(folder, builder.key)


def prepared(clips: Sequence[Clip], recipe: Recipe, folder: Path) -> Cache | None:
    """The cache that `prepare` would return, if that is complete and no file has to be read."""
    sources = remembered_hashes(clips, folder)
    return None if sources is None else _complete(folder, _wanted(_keys(recipe, sources), recipe))


def work(clip: Clip, *, recipe: Recipe, tier: str) -> Prepared | str:
    """In a worker: decode a video, compute its flow and pack both, or say why not."""
    try:
        video = decode(clip.path, recipe.resize, span=clip.span, declared=clip.declared)
        arrays = {"rgb": video.frames, **fields(video.frames, recipe.flow, clip.flow)}
        with refusals():  # it may be gone by now
            facts = video.facts() | {"bytes": size(clip.path)}
    except (Unreadable, UserError) as reason:
        return str(reason)
    except MemoryError:
        return "not enough memory"
    pieces = {kind: TIERS[tier].pack(array) for kind, array in arrays.items()}
    return Prepared(entry=facts, pieces=pieces)


def _keys(recipe: Recipe, sources: Mapping[str, Any]) -> dict[str, str]:
    """The key of the cache in each tier."""
    return {tier: digest(recipe.settings(tier) | {"sources": sources}) for tier in TIERS}


def _wanted(keys: Mapping[str, str], recipe: Recipe) -> dict[str, str]:
    return {tier: key for tier, key in keys.items() if recipe.store in ("auto", tier)}


def _complete(folder: Path, keys: Mapping[str, str]) -> Cache | None:
    for key in keys.values():
        if Cache.is_complete(folder, key):
            return Cache.open(folder, key)
    return None


@contextmanager
def _lock(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """One builder at a time, of all processes."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            waiting("waiting for another process that prepares the same videos")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _begin(
    pool: Pool,
    clips: Sequence[Clip],
    recipe: Recipe,
    folder: Path,
    keys: Mapping[str, str],
    progress: Progress,
) -> tuple[str, Builder]:
    """A cache in the tier that it has been begun in, or else in the one that suits its size."""
    arrays = kinds(recipe.settings("raw"))
    begun = next((tier for tier, key in keys.items() if home(folder, key).exists()), None)
    builder = Builder(folder, keys[begun], tier=begun, kinds=arrays) if begun else None
    done = builder.done if builder else {}
    todo = [clip for clip in clips if clip.id not in done]
    extents = []
    for _, extent in pool.in_order(probe, todo):
        extents.append(NOTHING if isinstance(extent, Lost) else extent)
        progress(len(extents), len(todo), "headers read")
    need = need_of(extents, recipe.resize, arrays)
    tier = begun or (choose(need, folder) if len(keys) > 1 else next(iter(keys)))
    progress(0, 0, require(need, tier, arrays, folder))
    return tier, builder or Builder(folder, keys[tier], tier=tier, kinds=arrays)


def _build(
    pool: Pool,
    builder: Builder,
    clips: Sequence[Clip],
    work: Callable[[Clip], Prepared | str],
    progress: Progress,
) -> None:
    todo = [clip for clip in sorted(clips, key=lambda clip: clip.id) if clip.id not in builder.done]
    for clip, result in pool.in_order(work, todo):
        if isinstance(result, Prepared):
            builder.write(clip.id, result.entry, result.pieces)
        else:
            reason = result.reason if isinstance(result, Lost) else result
            builder.write(clip.id, {"reason": reason}, {})
        progress(len(builder.done), len(clips), "videos decoded, flow computed")


def _require_one(builder: Builder) -> None:
    reasons = {id: entry.get("reason") for id, entry in builder.done.items()}
    if all(reasons.values()):
        shutil.rmtree(builder.home)  # lest they stay unreadable once a decoder is repaired
        first = next((f"; {plain(id)}: {reason}" for id, reason in reasons.items()), "")
        raise UserError(f"none of {len(reasons)} videos can be used{first}")
