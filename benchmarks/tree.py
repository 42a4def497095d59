"""What a command costs with everything that it starts: wall time, and CPU time of all descendants.

A parent is told of the CPU time of those children alone that it waits for, and daemons, fork
servers and Ray's processes are waited for by nobody. So the tree is looked at several times a
second, and each process counts with what it had used when it was seen last. Linux only.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_END = 10.0
TICKS = os.sysconf("SC_CLK_TCK")
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER


@dataclass(frozen=True, kw_only=True)
class Tree:
    """`cpu` is user and system seconds; `others` how many cores the rest of the machine used."""

    wall: float
    cpu: float
    others: float
    load: float  # the load average of a minute, before


@dataclass(frozen=True)
class Process:
    """As /proc tells of it."""

    parent: int
    born: int
    cpu: float


def tree(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> Tree:
    """Run a command to its end; RuntimeError, with what it said, if it fails."""
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1)
    load, busy, began = os.getloadavg()[0], machine_cpu(), time.monotonic()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    seen: dict[tuple[int, int], float] = {}
    ended = Event()
    watcher = Thread(target=watch, args=(seen, ended), daemon=True)
    watcher.start()
    said, _ = process.communicate()
    wall = time.monotonic() - began
    ended.set()
    watcher.join()
    gather_in(seen)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{said.decode(errors='replace')}")
    cpu = sum(seen.values())
    others = (machine_cpu() - busy - cpu) / (time.monotonic() - began)
    return Tree(wall=wall, cpu=cpu, others=max(0.0, others), load=load)


def watch(seen: dict[tuple[int, int], float], ended: Event) -> None:
    while not ended.wait(SECONDS_BETWEEN_LOOKS):
        look(seen)


def gather_in(seen: dict[tuple[int, int], float]) -> None:
    """Let those that outlive the command end, so that none is counted with the next."""
    deadline = time.monotonic() + SECONDS_TO_END
    while look(seen):
        for pid in look(seen):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        time.sleep(SECONDS_BETWEEN_LOOKS)


def look(seen: dict[tuple[int, int], float]) -> set[int]:
    """The descendants of this process; what each has used is noted."""
    found = processes()
    ours = {os.getpid()}
    for pid in sorted(found, key=lambda pid: found[pid].born):  # parents are older, but for orphans
        if found[pid].parent in ours:
            ours.add(pid)
    ours.remove(os.getpid())
    for pid in ours:
        seen[pid, found[pid].born] = found[pid].cpu
    return ours


def processes() -> dict[int, Process]:
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                text = Path(entry.path, "stat").read_text()
            except OSError:  # it has just ended
                continue
            fields = text.rpartition(")")[2].split()
            cpu = (int(fields[11]) + int(fields[12])) / TICKS
            found[int(entry.name)] = Process(int(fields[1]), int(fields[19]), cpu)
    return found


def machine_cpu() -> float:
    """Seconds of CPU that the whole machine has used."""
    user, nice, system, _, _, irq, soft, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + soft + steal) / TICKS


if __name__ == "__main__":
    print(tree(sys.argv[1:]))
