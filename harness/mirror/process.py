"""The process that mirrors one plan: told which cells to look at, it reads all else from files.

It is sent JSON lines: first its orders, then `{"started": cell}`, `{"epoch": key}`,
`{"finished": key}` and at last `{"close": overview or null}`. It answers each with `{}`, and where
there is something to say with `{"note": text}` or `{"done": n, "of": m}`. A line that never comes
does no harm: at the end it looks for what is missing. So it does when its sender is gone, which
closes the pipe.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from harness.cell import Cell
from harness.mirror.marker import LOCK, missing_line, without_marker
from harness.mirror.media import Overview
from harness.mirror.session import Session
from harness.places import Places


def main() -> None:
    """Entry point; what W&B prints goes where stderr goes, not into the answers."""
    os.nice(10)  # the cores belong to the trainings
    os.environ.pop("WANDB_SERVICE", None)  # that of whoever started us ends with him
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**message: Any) -> None:
        try:
            print(json.dumps(message), file=answers)
        except BrokenPipeError:  # nobody listens any more; the work is still to be done
            return

    given = sys.stdin.readline()
    if not given:  # whoever started us is gone, and has told us nothing
        return
    orders = json.loads(given)
    plan = Path(orders["plan"])
    with FileLock(plan / LOCK):  # that of an earlier coordinator may still be at it
        serve(sys.stdin, plan, orders, answer)


def serve(
    messages: IO[str], plan: Path, orders: dict[str, Any], answer: Callable[..., None]
) -> None:
    from harness.mirror.wandb_runs import Writer

    places = Places(
        data=tuple(map(Path, orders["data"])), cache=Path(orders["cache"]), runs=plan.parent
    )
    session = Session(
        plan,
        Writer(plan, orders["patience"]),
        places,
        lambda text: answer(note=text),
        mode=orders["mode"],
        media=orders["media"],
    )
    board = None
    for message in _lines(messages):
        match message:
            case {"started": cell}:
                session.begin(Cell(**cell))
            case {"epoch": key}:
                session.follow(key)
            case {"finished": key}:
                session.finish(plan / key)
            case {"close": overview}:
                board = overview and Overview(**overview)
        answer()  # a sign of life
    session.catch_up(list(without_marker(plan)), lambda done, of: answer(done=done, of=of))
    session.leave()
    if board is not None:
        session.overview(board)
    missing = len(list(without_marker(plan)))
    if missing:
        why = session.trouble or "a record cannot be read"
        answer(note=missing_line(why, missing, plan.name))


def _lines(messages: IO[str]) -> Iterator[dict[str, Any]]:
    """Until the pipe is closed; a sender that was killed may have left half a line."""
    for line in messages:
        try:
            yield json.loads(line)
        except ValueError:
            return
