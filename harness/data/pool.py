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

from harness.processes import deaf, without_main

AHEAD = 2  # tasks in flight for each worker: what bounds the memory
SPAWN = get_context("spawn")  # a fork would inherit the caller's threads and open decoders

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Lost:
    """A task without an answer, as its process hung or died."""

    reason: str
    again: bool = False


class Pool:
    """A context with some processes, and as many threads that wait for their answers."""

    def __init__(self, workers: int, *, seconds: float) -> None:
        self.workers, self._seconds = workers, seconds
        self._threads = ThreadPoolExecutor(max(1, workers))
        self._lock, self._closed = Lock(), False
        self._all = [_Worker() for _ in range(workers)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._all:
            self._idle.put(worker)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes without waiting for what they are doing."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.end()
        self._threads.shutdown(cancel_futures=True)

    def in_order(
        self, work: Callable[[Task], Answer], tasks: Sequence[Task]
    ) -> Generator[tuple[Task, Answer | Lost], None, None]:
        """Every task with its answer, in the order of the tasks.

        A task that takes longer than `seconds` is given up. One whose process dies is tried once
        more while nothing else runs, since it may have been the memory that was short. What `work`
        raises is a bug and is raised here, as a RuntimeError that holds the worker's traceback.
        """
        todo = deque(tasks)
        flying: deque[tuple[Task, Future[Any]]] = deque()
        while todo or flying:
            while todo and len(flying) < AHEAD * self.workers:
                flying.append((todo[0], self._submit(work, todo.popleft())))
            task, future = flying[0]
            answer = future.result()
            if isinstance(answer, Lost) and answer.again:
                wait([other for _, other in flying])
                answer = self._submit(work, task).result()
            flying.popleft()
            yield task, answer

    def _submit(self, work: Callable[[Any], Any], task: Any) -> Future[Any]:
        return self._threads.submit(self._ask, (work, task))

    def _ask(self, question: Any) -> Any:
        worker = self._idle.get()
        try:
            answer = worker.ask(question, self._seconds)
            if isinstance(answer, Lost):
                worker = self._replace(worker)
        except (
            BaseException
        ):  # the question cannot be sent, say, or there is no memory for its answer
            worker = self._replace(worker)
            raise
        finally:
            self._idle.put(worker)  # without it the others would wait for ever
        if isinstance(answer, _Failed):
            raise RuntimeError(f"in a worker process:\n{answer.traceback}")
        return answer

    def _replace(self, worker: "_Worker") -> "_Worker":
        with self._lock:
            worker.end()
            if self._closed:
                return worker
            new = _Worker()
            self._all[self._all.index(worker)] = new
            return new


class _Worker:
    """A process of one thread that answers one task at a time."""

    def __init__(self) -> None:
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        with without_main(), deaf():
            self._process.start()
        theirs.close()
        self._ready = False

    def ask(self, question: Any, seconds: float) -> Any:
        try:
            if not self._ready:  # starting is not on the first task's time
                self._ready = self._pipe.recv()
            self._pipe.send(question)
            if not self._pipe.poll(seconds):
                return Lost(f"took longer than {seconds:g} s, see --seconds-per-file")
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


def _serve(pipe: Connection) -> None:
    """In a worker: deaf to Ctrl-C (the parent decides), and gone when the parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    Thread(target=_follow, daemon=True).start()
    with suppress(EOFError, BrokenPipeError):  # the parent is gone
        pipe.send(True)
        while True:
            pipe.send(_answer(*pipe.recv()))


def _answer(work: Callable[[Any], Any], task: Any) -> Any:
    try:
        return work(task)
    except Exception:  # told to the parent, which raises it
        return _Failed(traceback.format_exc())


def _follow() -> None:
    parent = parent_process()
    connection.wait([parent.sentinel] if parent else [])
    os._exit(1)
