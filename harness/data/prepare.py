"""Decode once, flow once: from video files to a `Cache` that every training shares.

The cache belongs to a set of videos, not to a split of it. Its key is made of the clip ids, the
sha256 of each file and every setting that changes a byte. Worker processes decode and compute flow;
this process alone writes, in the order of the ids, so the bytes do not depend on how many workers
there were or how often they were interrupted. A video that cannot be used is quarantined with its
reason; one whose worker dies is first tried once more in a process of its own.
"""

import json
import os
import shutil
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np
from filelock import FileLock, Timeout

from harness.data.cache import FORMAT, Builder, Cache
from harness.data.clip import Clip, Progress
from harness.data.decode import MAX_LOSS, Unreadable, decode
from harness.data.flow_hashes import flow_hashes
from harness.errors import UserError
from harness.files import digest, disk_errors, sha256_of, write_json
from harness.flow.fields import FlowRecipe, fields
from harness.processes import without_main

AHEAD = 2  # clips in flight for each worker: what bounds the memory


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is made of each video.

    `resize` is the short side of the cached frames in pixels, None keeping each video's size; the
    flow is computed on the resized frames, in their pixels.
    """

    resize: int | None
    flow: FlowRecipe

    def settings(self) -> dict[str, Any]:
        """All that changes a byte of the cache."""
        return {
            "format": FORMAT,
            "resize": self.resize,
            "flow": self.flow.settings(),
            "max_loss": MAX_LOSS,
        }


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A worker's answer: the two arrays of a clip, and what the index tells of it."""

    entry: dict[str, Any]
    arrays: dict[str, np.ndarray]


def prepare(
    clips: Sequence[Clip], recipe: Recipe, *, folder: Path, workers: int, progress: Progress
) -> Cache:
    """The cache of these clips: built, continued or just opened, whichever it needs.

    Args:
        clips: of every subset, in any order.
        recipe: what is made of each of them.
        folder: where all caches are.
        workers: processes, of one thread each.
        progress: told after each file that was read.

    Raises:
        UserError: no video is readable, the disk is full, or the cache is damaged.
    """
    sources = _hashes(clips, folder / "hashes.json", progress)
    given = flow_hashes(clips, folder / "flow_hashes.json", progress)
    key = digest(recipe.settings() | {"sources": sources} | ({"flows": given} if given else {}))
    if Cache.is_complete(folder, key):
        return Cache.open(folder, key)
    with _lock(folder / f"{key[:16]}.lock", lambda what: progress(0, len(clips), what)):
        if not Cache.is_complete(folder, key):
            builder = Builder(folder, key)
            _build(builder, clips, recipe, workers, progress)
            _require_one(builder)
            builder.finish(recipe.settings(), sources)
        return Cache.open(folder, key)


def _hashes(clips: Sequence[Clip], memory: Path, progress: Progress) -> dict[str, str]:
    """The sha256 of each clip's file, by id, or "" where there is none to read.

    A file whose path, size and time are remembered is not read again.
    """
    known = json.loads(memory.read_text()) if memory.exists() else {}
    learned = False
    found: dict[str, str] = {}
    for clip in clips:
        try:
            stat, path = clip.path.stat(), str(clip.path.absolute())
            stamp = [stat.st_size, stat.st_mtime_ns]
            if known.get(path, [])[:-1] != stamp:
                known[path] = [*stamp, sha256_of(clip.path)]
                learned = True
                progress(len(found) + 1, len(clips), "videos hashed")
            found[clip.id] = known[path][-1]
        except OSError:  # decoding it will tell the reason
            found[clip.id] = ""
    if learned:
        write_json(memory, known)
    return found


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


def _build(
    builder: Builder, clips: Sequence[Clip], recipe: Recipe, workers: int, progress: Progress
) -> None:
    todo = [clip for clip in sorted(clips, key=lambda clip: clip.id) if clip.id not in builder.done]
    with closing(_in_order(todo, recipe, workers)) as results:
        for clip, result in results:
            if isinstance(result, Prepared):
                builder.append(clip.id, result.entry, result.arrays)
            else:
                builder.append(clip.id, {"reason": result}, {})
            progress(len(builder.done), len(clips), "videos decoded, flow computed")


def _require_one(builder: Builder) -> None:
    reasons = {id: entry.get("reason") for id, entry in builder.done.items()}
    if all(reasons.values()):
        shutil.rmtree(builder.home)  # lest they stay unreadable once a decoder is repaired
        first = next((f"; {id}: {reason}" for id, reason in reasons.items()), "")
        raise UserError(f"none of {len(reasons)} videos can be used{first}")


def _in_order(
    clips: Sequence[Clip], recipe: Recipe, workers: int
) -> Generator[tuple[Clip, Prepared | str], None, None]:
    """Every clip with what a worker made of it, or with the reason why it made nothing."""
    todo = deque(clips)
    flying: deque[tuple[Clip, Future[Prepared | str]]] = deque()
    while todo:
        try:
            with _pool(min(workers, len(todo))) as pool:
                while todo or flying:
                    while todo and len(flying) < AHEAD * workers:
                        flying.append((todo[0], _submit(pool, todo[0], recipe)))
                        todo.popleft()
                    clip, future = flying[0]
                    result = future.result()
                    flying.popleft()
                    yield clip, result
        except BrokenProcessPool:  # one of these did it
            while flying:
                clip, _ = flying.popleft()
                yield clip, _work_alone(clip, recipe)


def _work_alone(clip: Clip, recipe: Recipe) -> Prepared | str:
    try:
        with _pool(1) as pool:
            return _submit(pool, clip, recipe).result()
    except BrokenProcessPool:
        return "the process that decoded it died, twice"


def _submit(pool: ProcessPoolExecutor, clip: Clip, recipe: Recipe) -> Future[Prepared | str]:
    with without_main():  # the first call starts the processes
        return pool.submit(work, clip.path, recipe, clip.flow)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes that end with the block, however it ends, and with this process.

    They hold one end of a pipe whose other end is here: it closes when this process is killed.
    """
    context = get_context("spawn")
    leash, hand = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(leash,))
    try:
        yield pool
    except BaseException:
        hand.close()  # do not wait for what they are doing
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        hand.close()
        leash.close()


def _start(leash: Connection) -> None:
    """In a worker: one thread, deaf to Ctrl-C (the parent decides), gone when the leash is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)

    def follow() -> None:
        leash.poll(None)
        os._exit(1)

    Thread(target=follow, daemon=True).start()


def work(path: Path, recipe: Recipe, home: Path | None = None) -> Prepared | str:
    """In a worker: decode a video and compute its flow, or read it, or say why not."""
    try:
        video = decode(path, recipe.resize)
        flow = fields(video.frames, recipe.flow, home)
    except (Unreadable, UserError) as reason:
        return str(reason)
    frames, height, width, _ = video.frames.shape
    entry = {
        "frames": frames,
        "height": height,
        "width": width,
        "declared": video.declared,
        "decoder": video.decoder,
        "stopped": video.stopped,
    }
    return Prepared(entry=entry, arrays={"rgb": video.frames, **flow})
