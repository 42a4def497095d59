"""A worker: one process, one cell, told everything in one message.

It ignores Ctrl-C, which reaches the whole terminal: the coordinator asks it to stop through the
channel, and a coordinator that is gone counts as having asked. A failure goes into the cell's log,
with its class; whether it is tried again or recorded is the coordinator's to decide.
"""

import logging
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection

from harness.cell import Cell
from harness.config.document import Document
from harness.config.experiment import Experiment
from harness.coordination.failures import misses_another, reason_of
from harness.errors import UserError
from harness.files import DiskError, append_line, full_disk, write_atomic
from harness.places import Places
from harness.results.store import folder_of
from harness.settings import Settings
from harness.train.channel import STOP, Channel, StoppedError, Verdict
from harness.train.rank import ALONE, Rank


def work(
    pipe: Connection, cell: Cell, places: Places, settings: Settings, rank: Rank = ALONE
) -> None:
    """Entry point of a process whose channel is a pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(train(cell, places, settings, piped(pipe), rank))


def train(
    cell: Cell, places: Places, settings: Settings, channel: Channel, rank: Rank = ALONE
) -> int:
    """One cell; 0 if it left a record or when it was asked to, 1 if it left its death in the log.

    A full disk is nobody's failure: the coordinator is told, and stops the plan. A rank that only
    misses another leaves it to that one to say why.
    """
    logging.basicConfig(level=logging.WARNING, format=f"[{cell.label}] %(message)s")
    from harness.execute import execute

    folder = folder_of(places.runs, cell.plan, cell.key)
    try:
        with full_disk(folder):
            execute(cell, places, settings, channel, rank)
    except StoppedError:
        return 0
    except DiskError as error:
        channel("halt", {"reason": str(error)})
        return 0 if rank.first else 1  # the first would wait for it
    except Exception as error:  # an outcome of this cell, kept with its traceback
        try:
            if not rank.alone and misses_another(error):
                if not (folder / "error.txt").is_file():  # better than nothing, if nobody says why
                    write_atomic(folder / "error.txt", traceback.format_exc().encode())
                return 1
            write_atomic(folder / "error.txt", traceback.format_exc().encode())
            died = {"event": "died", "reason": reason_of(error)}
            append_line(
                folder / "log.jsonl", died if rank.alone else died | {"ranks": rank.meeting}
            )
        except DiskError as full:
            channel("halt", {"reason": str(full)})
            return 0 if rank.first else 1
        return 1
    return 0


def piped(pipe: Connection) -> Channel:
    """The channel through a pipe, which breaks when the coordinator is gone."""

    def tell(event: str, facts: Mapping[str, object]) -> Verdict:
        try:
            pipe.send((event, dict(facts)))
            if event == "epoch" or pipe.poll():
                verdict: Verdict = pipe.recv()
                return verdict
        except (OSError, EOFError):
            return STOP
        return Verdict("go")

    return tell


def answer(
    pipe: Connection, question: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    """Entry point of a process that only finds out whether something is refused, and why."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        question(*arguments)
    except UserError as error:
        pipe.send(str(error))
    else:
        pipe.send(None)


def check_all(experiments: Sequence[tuple[Experiment, Document]], places: Places) -> None:
    """Every experiment of a plan, all of their errors at once."""
    from harness.check import check

    errors = []
    for experiment, document in experiments:
        try:
            check(experiment, document, places)
        except UserError as error:
            errors += str(error).splitlines()
    if errors:
        raise UserError("\n".join(dict.fromkeys(errors)))
