"""A worker: one process, one cell, told everything in one message.

It ignores Ctrl-C, which reaches the whole terminal: the coordinator asks it to stop through the
channel, and a coordinator that is gone counts as having asked.
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
from harness.errors import UserError
from harness.files import write_atomic
from harness.places import Places
from harness.planning.outcome import failed_record
from harness.results.store import folder_of, save
from harness.settings import Settings
from harness.train.channel import StoppedError


def work(cell: Cell, places: Places, settings: Settings, pipe: Connection) -> None:
    """Entry point of the process; its last act is to have written the cell's record."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format=f"[{cell.label}] %(message)s")
    from harness.execute import execute

    folder = folder_of(places.runs, cell.plan, cell.key)

    def tell(event: str, facts: Mapping[str, object]) -> bool:
        """Send, and learn whether to go on; the pipe breaks when the coordinator is gone."""
        try:
            pipe.send((event, dict(facts)))
            return not pipe.poll()
        except OSError:
            return False

    try:
        execute(cell, places, settings, tell)
    except StoppedError:
        sys.exit(0)
    except Exception as error:  # an outcome of this cell, recorded with its traceback
        text = traceback.format_exc()
        write_atomic(folder / "error.txt", text.encode())
        first = str(error).splitlines()[0] if str(error) else ""
        reason = first if isinstance(error, UserError) else f"{type(error).__name__}: {first}"
        save(failed_record(cell.written_out(), reason), folder)
        sys.exit(1)


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
