"""On this machine: each worker a fresh fork of a warm server that imported torch once."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from harness.cell import Cell
from harness.coordination.executors.contract import End, Report
from harness.coordination.failures import death, kills_for_memory
from harness.coordination.worker import answer, work
from harness.cpu import cores
from harness.errors import UserError
from harness.places import Places
from harness.processes import without_main
from harness.settings import Settings
from harness.train.channel import Verdict

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass
class Worker:
    """A process and our end of its channel."""

    pipe: Connection
    process: BaseProcess
    gpu: str | None = None  # as CUDA_VISIBLE_DEVICES has it


class Local:
    """One process a cell: 40 ms for a fork of the warm server, where an import takes 8 s.

    `gpus`: which to use, each by `per_gpu` trainings; a worker sees no other. Not given, all see
    what this process sees.
    """

    def __init__(
        self,
        places: Places,
        settings: Settings,
        _note: Callable[[str], None] = lambda _: None,
        *,
        gpus: Sequence[str] = (),
        per_gpu: int = 1,
    ) -> None:
        self.places, self.settings = places, settings
        methods = multiprocessing.get_all_start_methods()
        warm = "forkserver" in methods
        self._context: Any = multiprocessing.get_context("forkserver" if warm else "spawn")
        if warm:
            self._context.set_forkserver_preload(["harness.execute"])
        self._workers: dict[str, Worker] = {}
        self._gpus = list(gpus) * per_gpu  # one after the other first, then each again
        self._kills = kills_for_memory()

    @property
    def room(self) -> int:
        return len(self._gpus) or max(1, cores() // self.settings.threads)

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        """Call a function in a fork of the warm server; its UserError is raised here."""
        worker = self._fork("question", answer, question, arguments)
        try:
            refusal = worker.pipe.recv()
        except EOFError:
            worker.process.join()
            code = worker.process.exitcode
            raise RuntimeError(f"{question} ended with exit code {code}") from None
        worker.process.join()
        if refusal is not None:
            raise UserError(refusal)

    def start(self, cell: Cell) -> None:
        gpu = self._free_gpu()
        seen = {} if gpu is None else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", VISIBLE: gpu}
        job = (cell, self.places, self.settings)
        self._workers[cell.key] = self._fork(cell.label, in_environment, seen, work, *job)
        self._workers[cell.key].gpu = gpu

    def events(self, seconds: float) -> Sequence[Report | End]:
        channels = {w.pipe: k for k, w in self._workers.items() if not w.pipe.closed}
        ends = {w.process.sentinel: k for k, w in self._workers.items()}
        ready = wait([*channels, *ends], timeout=seconds)
        said = [self._hear(channels[end]) for end in ready if end in channels]
        gone = [self._end(ends[end]) for end in ready if end in ends]
        return [event for event in [*said, *gone] if event is not None]

    def answer(self, key: str, verdict: Verdict) -> None:
        worker = self._workers.get(key)
        if worker is None or worker.pipe.closed:
            return
        try:
            worker.pipe.send(verdict)
        except OSError:  # it has ended; its end is the next event
            return

    def kill(self, key: str) -> None:
        if key in self._workers:
            self._workers[key].process.kill()

    def close(self) -> None:
        """The warm server goes with this process."""

    def _free_gpu(self) -> str | None:
        """The one with the fewest workers; None if all share what there is."""
        taken = [worker.gpu for worker in self._workers.values()]
        return min(dict.fromkeys(self._gpus), key=taken.count, default=None)

    def _fork(self, name: str, target: Callable[..., None], *arguments: object) -> Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=target, args=(theirs, *arguments), name=name, daemon=True
        )
        with without_main():
            process.start()
        theirs.close()
        return Worker(ours, process)

    def _hear(self, key: str) -> Report | None:
        pipe = self._workers[key].pipe
        try:
            event, facts = pipe.recv()
        except (EOFError, OSError):  # its end is closed; the sentinel tells the rest
            pipe.close()
            return None
        return Report(key, event, facts)

    def _end(self, key: str) -> End | None:
        """Its end, once all that it said before has been heard."""
        worker = self._workers[key]
        if not worker.pipe.closed and worker.pipe.poll():
            return None
        worker.process.join()
        del self._workers[key]
        worker.pipe.close()
        before, self._kills = self._kills, kills_for_memory()
        return End(key, death(worker.process.exitcode, oom=self._kills > before))


def in_environment(
    pipe: Connection, environment: dict[str, str], target: Callable[..., None], *given: object
) -> None:
    """A fork has the environment of the warm server; torch looks at it when it first needs CUDA."""
    os.environ.update(environment)
    target(pipe, *given)
