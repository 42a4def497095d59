"""The machine under a measurement: what is fixed for it, and what else ran meanwhile.

With one thread, calls are timed in CPU time of a process pinned to one core, which other work
disturbs little. With more, only wall time means anything, and it means nothing on a busy machine:
it then comes with the reason to withhold every ratio.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.bench.race import Clock
from harness.errors import UserError
from harness.malloc import keep_freed_memory
from harness.results.environment import commit, cpu_model, installed

BUSY = 0.15  # cores that others may use before wall time is not trusted
STAT = Path("/proc/stat")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """How calls are timed: threads, clock and its name, the core pinned to, if any."""

    threads: int
    clock: Clock
    clock_name: str
    core: int | None

    def facts(self) -> dict[str, str | int | float | None]:
        """What stands beside every number: the machine, and how it was used."""
        return {
            "device": "cpu",
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "threads": self.threads,
            "clock": self.clock_name,
            "core": self.core,
            "dtype": "float32",
            "torch": installed("torch"),
            "commit": commit(),
        }


@contextmanager
def bench(threads: int) -> Iterator[Bench]:
    """`threads` torch threads; of one, its own CPU time on a core of its own where possible.

    UserError for more threads than there are cores for them.
    """
    before, may = torch.get_num_threads(), _allowed()
    cores = len(may) or os.cpu_count() or 1
    if threads > cores:
        raise UserError(f"--threads {threads}: this process may use {cores} cores")
    keep_freed_memory()  # fresh pages for every output are noise on both sides
    torch.set_num_threads(threads)
    core = max(may) if threads == 1 and may else None
    try:
        if core is not None:
            os.sched_setaffinity(0, {core})
        alone = threads == 1
        yield Bench(
            threads=threads,
            clock=time.thread_time if alone else time.perf_counter,
            clock_name="thread CPU" if alone else "wall",
            core=core,
        )
    finally:
        if core is not None:
            os.sched_setaffinity(0, may)
        torch.set_num_threads(before)


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


class Load:
    """How many cores others used between entering and leaving; None where it cannot be known."""

    others: float | None = None

    def __enter__(self) -> "Load":
        self._before = _spent()
        return self

    def __exit__(self, *_: object) -> None:
        after = _spent()
        if self._before is not None and after is not None:
            wall, all_, own = (b - a for a, b in zip(self._before, after, strict=True))
            self.others = max(0.0, (all_ - own) / wall) if wall > 0 else 0.0


def _spent() -> tuple[float, float, float] | None:
    """Seconds: on the wall, of CPU that the machine used, of CPU that this process used."""
    if not STAT.is_file():
        return None
    user, nice, system, _, _, irq, soft, steal = map(int, STAT.read_text().split()[1:9])
    busy = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter(), busy, time.process_time()


def withheld(clock_name: str, others: float | None) -> str | None:
    """Why a ratio of these times would not be honest, or None.

    >>> withheld("wall", 0.8)
    'wall time on a busy machine: others used 0.80 cores'
    >>> withheld("thread CPU", 0.8), withheld("wall", 0.01)
    (None, None)
    """
    if clock_name != "wall":
        return None
    if others is None:  # not Linux: the load average is all there is to know
        return None if os.getloadavg()[0] < torch.get_num_threads() + 0.5 else "load average high"
    if others > BUSY:
        return f"wall time on a busy machine: others used {others:.2f} cores"
    return None
