"""Processor time of work in processes of its own, what a process holds in memory, and where."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from harness.cpu import cpu_model
from harness.report.formats import Table, markdown
from harness.results.environment import commit, installed


@dataclass(frozen=True, kw_only=True)
class Spent:
    """CPU seconds, user and system, children included; and when, on the machine's clock."""

    cpu: float
    began: float
    ended: float


def spent(work: Callable[[], object]) -> Spent:
    """What a call costs; of its children, those that it has waited for."""
    before, began = _cpu(), time.monotonic()
    work()
    return Spent(cpu=_cpu() - before, began=began, ended=time.monotonic())


def side_by_side(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """The tasks' results, each in a fork of this process, all at once."""
    context = get_context("fork")
    started = []
    for task in tasks:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(task, there))
        process.start()
        there.close()
        started.append((process, here))
    results = [here.recv() for _, here in started]
    for process, _ in started:
        process.join()
    return results


def _answer(task: Callable[[], Any], there: Connection) -> None:
    there.send(task())


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def mapped_bytes(folder: Path) -> dict[str, int]:
    """Of a folder's files that this process maps: "Rss", what it touched, "Pss", its fair share."""
    total = {"Rss": 0, "Pss": 0}
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if not first.endswith(":"):  # the head of a mapping: its address first, its file last
            inside = bool(rest) and rest[-1].startswith(str(folder))
        elif inside and first[:-1] in total:
            total[first[:-1]] += 1024 * int(rest[0])
    return total


def private_bytes() -> int:
    """What this process alone holds in memory; mapped files are not part of it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def machine(*packages: str) -> dict[str, Any]:
    """What stands beside every figure."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: installed(package) for package in packages},
        "commit": commit(),
    }


def printed(report: dict[str, Any], table: Table, how: str) -> None:
    """All of a report as JSON, or for people its machine and the table."""
    if how == "json":
        print(json.dumps(report, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    print(f"\n{markdown(table)}")
