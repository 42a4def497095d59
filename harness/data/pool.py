"""Work on many files side by side, in processes of which any may hang or die.

Each process has a pipe of its own, so one that is killed in the middle of a long answer takes
nothing of the others with it; where processes share a queue, that ends or blocks them all.
"""

import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

import cv2

from harness.processes import without_main

AHEAD = 2  # tasks in flight for each worker: what bounds the memory
SPAWN = get_context("spawn")  # a fork would inherit the caller's threads and open decoders

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Lost:
    """A task without an answer, as its process hung or died."""

    reason: str
    again: bool = False


def in_order(
    work: Callable[[Task], Answer], tasks: Sequence[Task], *, workers: int, seconds: float
) -> Generator[tuple[Task, Answer | Lost], None, None]:
    """Every task with its answer, in the order of the tasks.

    A task that takes longer than `seconds` is given up. One whose process dies is tried once more
    while nothing else runs, since it may have been the memory that was short. What `work` raises is
    a bug and is raised here, as a RuntimeError that holds the worker's traceback.
    """
    todo = deque(tasks)
    flying: deque[tuple[Task, Future[Any]]] = deque()
    with _Crew(work, min(workers, len(todo)), seconds) as crew:
        while todo or flying:
            while todo and len(flying) < AHEAD * workers:
                flying.append((todo[0], crew.submit(todo.popleft())))
            task, future = flying[0]
            answer = future.result()
            if isinstance(answer, Lost) and answer.again:
                wait([other for _, other in flying])
                answer = crew.submit(task).result()
            flying.popleft()
            yield task, answer


class _Crew:
    """Some processes, and as many threads that wait for their answers."""

    def __init__(self, work: Callable[[Any], Any], size: int, seconds: float) -> None:
        self._work, self._seconds = work, seconds
        self._threads = ThreadPoolExecutor(max(1, size))
        self._lock, self._closed = Lock(), False
        self._workers = [_Worker(work) for _ in range(size)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes without waiting for what they are doing."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.end()
        self._threads.shutdown(cancel_futures=True)

    def submit(self, task: Any) -> Future[Any]:
        return self._threads.submit(self._ask, task)

    def _ask(self, task: Any) -> Any:
        worker = self._idle.get()
        answer = worker.ask(task, self._seconds)
        self._idle.put(self._replace(worker) if isinstance(answer, Lost) else worker)
        if isinstance(answer, _Failed):
            raise RuntimeError(f"in a worker process:\n{answer.traceback}")
        return answer

    def _replace(self, worker: "_Worker") -> "_Worker":
        with self._lock:
            worker.end()
            if self._closed:
                return worker
            self._workers.remove(worker)
            self._workers.append(_Worker(self._work))
            return self._workers[-1]


class _Worker:
    """A process of one thread that answers one task at a time."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(work, theirs), daemon=True)
        with without_main():
            self._process.start()
        theirs.close()
        self._ready = False

    def ask(self, task: Any, seconds: float) -> Any:
        try:
            if not self._ready:  # starting is not on the first task's time
                self._ready = self._pipe.recv()
            self._pipe.send(task)
            if not self._pipe.poll(seconds):
                return Lost(f"took longer than {seconds:g} s")
            return self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            if not self._ready and (self._process.exitcode or 0) > 0:
                return _Failed("it could not start; its traceback is above")
            return Lost("the process that decoded it died, twice", again=True)

    def end(self) -> None:
        self._process.kill()
        self._process.join()


@dataclass(frozen=True)
class _Failed:
    traceback: str


def _serve(work: Callable[[Any], Any], pipe: Connection) -> None:
    """In a worker: deaf to Ctrl-C (the parent decides), and gone when the parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    Thread(target=_follow, daemon=True).start()
    with suppress(EOFError, BrokenPipeError):  # the parent is gone
        pipe.send(True)
        while True:
            pipe.send(_answer(work, pipe.recv()))


def _answer(work: Callable[[Any], Any], task: Any) -> Any:
    try:
        return work(task)
    except Exception:  # told to the parent, which raises it
        return _Failed(traceback.format_exc())


def _follow() -> None:
    parent = parent_process()
    connection.wait([parent.sentinel] if parent else [])
    os._exit(1)
