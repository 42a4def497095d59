"""On this machine: each worker a fresh fork of a warm server that imported torch once."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from harness.cell import Cell
from harness.coordination.executors.contract import End, Report
from harness.coordination.executors.crew import Crew, ranks
from harness.coordination.failures import death, kills_for_memory
from harness.coordination.worker import answer, work
from harness.cpu import cores
from harness.errors import UserError
from harness.places import Places
from harness.processes import without_main
from harness.settings import Settings
from harness.train.channel import Verdict

VISIBLE = "CUDA_VISIBLE_DEVICES"


class Local:
    """One process a cell, or as many as its ranks: 40 ms for a fork of the warm server, where an
    import takes 5 s.

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
        self._warm = "forkserver" in methods
        self._context: Any = multiprocessing.get_context("forkserver" if self._warm else "spawn")
        if self._warm:
            self._context.set_forkserver_preload(["harness.coordination.executors.warm"])
        self._workers: dict[str, Crew] = {}
        self._gpus = list(gpus) * per_gpu  # one after the other first, then each again
        self._kills = kills_for_memory()

    @property
    def room(self) -> int:
        return len(self._gpus) or max(1, cores() // self.settings.threads)

    def require(self, ranks: int) -> None:
        count = len(dict.fromkeys(self._gpus))
        if count and ranks > count:
            raise UserError(f"--gpus {','.join(self._gpus[:count])}: {too_few(count, ranks)}")
        if not count and ranks > 1 and self.settings.device != "cpu":
            self.ask(require_gpus, ranks)

    def warm_up(self) -> None:
        """The server imports while others prepare."""
        if self._warm:
            with without_main():
                forkserver.ensure_running()

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        """Call a function in a fork of the warm server; its UserError is raised here."""
        pipe, process = self._fork("question", answer, question, arguments)
        try:
            refusal = pipe.recv()
        except EOFError:
            process.join()
            code = process.exitcode
            raise RuntimeError(f"{question} ended with exit code {code}") from None
        process.join()
        if refusal is not None:
            raise UserError(refusal)

    def start(self, cell: Cell) -> None:
        gpus, crew = self._free_gpus(cell.ranks), ranks(cell.ranks)
        seen = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", VISIBLE: ",".join(gpus)} if gpus else {}
        job = (cell, self.places, self.settings)
        forks = [self._fork(cell.label, in_environment, seen, work, *job, rank) for rank in crew]
        for pipe, _ in forks[1:]:  # the first speaks for all
            pipe.close()
        processes = [process for _, process in forks]
        self._workers[cell.key] = Crew(forks[0][0], processes, gpus, crew[0].meeting)

    def events(self, seconds: float) -> Sequence[Report | End]:
        channels = {w.pipe: k for k, w in self._workers.items() if not w.pipe.closed}
        ends = {end: k for k, w in self._workers.items() for end in w.sentinels}
        ready = wait([*channels, *ends], timeout=seconds)
        said = [self._hear(channels[end]) for end in ready if end in channels]
        gone = [self._end(key, ready) for key in {ends[end]: None for end in ready if end in ends}]
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
            self._workers[key].kill()

    def close(self) -> None:
        """The warm server goes with this process."""

    def _free_gpus(self, count: int) -> list[str]:
        """Those with the fewest workers; none if all share what there is."""
        taken = [gpu for worker in self._workers.values() for gpu in worker.gpus]
        return sorted(dict.fromkeys(self._gpus), key=taken.count)[:count]

    def _fork(
        self, name: str, target: Callable[..., None], *arguments: object
    ) -> tuple[Connection, BaseProcess]:
        """A process, and our end of the pipe that is its first argument."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=target, args=(theirs, *arguments), name=name, daemon=True
        )
        with without_main():
            process.start()
        theirs.close()
        return ours, process

    def _hear(self, key: str) -> Report | None:
        pipe = self._workers[key].pipe
        try:
            event, facts = pipe.recv()
        except (EOFError, OSError):  # its end is closed; the sentinel tells the rest
            pipe.close()
            return None
        return Report(key, event, facts)

    def _end(self, key: str, ready: Sequence[object]) -> End | None:
        """Its end, once all that it said before has been heard."""
        worker = self._workers[key]
        if not worker.pipe.closed and worker.pipe.poll():
            return None
        if not worker.ended(ready):
            return None
        del self._workers[key]
        worker.pipe.close()
        before, self._kills = self._kills, kills_for_memory()
        return End(key, death(worker.code, oom=self._kills > before))


def too_few(gpus: int, ranks: int) -> str:
    """What is said of GPUs that are too few for a training.

    >>> too_few(1, 2)
    'too few for a training of 2 ranks (train.parallel), each of which needs a GPU: there is 1'
    """
    there = "is 1" if gpus == 1 else f"are {gpus}"
    return (
        f"too few for a training of {ranks} ranks (train.parallel), each of which needs a GPU: "
        f"there {there}"
    )


def require_gpus(ranks: int) -> None:
    """Where torch is; a machine that has none at all trains on its processor, or is refused it."""
    import torch

    count = torch.cuda.device_count()
    if 0 < count < ranks:
        raise UserError(f"GPUs: {too_few(count, ranks)}")


def in_environment(
    pipe: Connection, environment: dict[str, str], target: Callable[..., None], *given: object
) -> None:
    """A fork has the environment of the warm server; torch looks at it when it first needs CUDA."""
    os.environ.update(environment)
    target(pipe, *given)
