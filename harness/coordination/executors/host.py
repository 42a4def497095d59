"""A training on another host, in a process of its own, for as long as its job has the machine.

What runs here is a job of Ray or Slurm: it forks the worker from a warm server, as is done on the
coordinator's own machine, and passes on what worker and coordinator say to each other.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.cell import Cell
from harness.coordination.executors.by_files import Post, Workers
from harness.coordination.executors.contract import End, Report
from harness.coordination.executors.local import VISIBLE, Local
from harness.errors import UserError
from harness.files import DiskError
from harness.places import Places
from harness.settings import Settings
from harness.train.channel import STOP, Verdict

SECONDS_BETWEEN_LOOKS = 0.2
HALT = "halt: "  # and why: what a job says that has found the disk full


@dataclass(frozen=True)
class Job:
    """All that a host is told. Paths are absolute; `folder` is the one the command runs in."""

    cell: Cell
    places: Places
    settings: Settings
    post: Post
    folder: Path


def host(job: Job) -> str:
    """Train a cell; how its worker ended, as the End of the contract has it."""
    if job.folder.is_dir():  # the user's files may be given relative to it
        os.chdir(job.folder)
    gpus = os.environ.get(VISIBLE)  # a warm server's forks see what it saw when it began
    local = Local(job.places, job.settings, gpus=[gpus] if gpus else [])
    with _asked_to_leave() as asked:
        local.start(job.cell)
        try:
            return _carry(local, job, asked)
        except DiskError as error:
            return f"{HALT}{error}"
        finally:
            local.kill(job.cell.key)


def _carry(local: Local, job: Job, asked: list[str]) -> str:
    """What is said, to and fro, until the worker has ended."""
    channel, halt = Workers(job.post), ""
    while True:
        for event in local.events(SECONDS_BETWEEN_LOOKS):
            if isinstance(event, End):
                return halt or (f"preempted: {asked[0]}" if asked else event.death)
            if event.event == "halt":
                halt = f"{HALT}{event.facts['reason']}"
            else:
                _pass_on(local, event, STOP if asked else channel(event.event, event.facts))
        unasked = STOP if asked else channel.look()
        if unasked is not None:
            local.answer(job.cell.key, unasked)


def _pass_on(local: Local, report: Report, verdict: Verdict) -> None:
    if report.event == "epoch" or verdict.act != "go":
        local.answer(report.key, verdict)


@contextmanager
def _asked_to_leave() -> Iterator[list[str]]:
    """The signals with which a scheduler wants its machine back, as they come in."""
    came: list[str] = []

    def note(number: int, _frame: object) -> None:
        came.append(f"asked to leave the machine ({signal.Signals(number).name})")

    numbers = (signal.SIGTERM, signal.SIGUSR2)
    before = [signal.signal(number, note) for number in numbers]
    try:
        yield came
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def refusal(question: Callable[..., object], given: tuple[object, ...], folder: Path) -> str | None:
    """Whether something is refused where torch is, and why."""
    if folder.is_dir():
        os.chdir(folder)
    try:
        question(*given)
    except UserError as error:
        return str(error)
    return None
