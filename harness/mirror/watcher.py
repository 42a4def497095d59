"""The coordinator's end of the mirror: it sees what happens and passes on which cell it was.

Nothing here waits while cells are trained: what a full pipe does not take is kept for later, and
beyond a limit dropped, since the mirror looks for what it missed. At the end of the plan it is
waited for, as long as it shows signs of life.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import Any, Self

from harness.cell import Cell
from harness.errors import UserError
from harness.mirror.marker import NAME, missing_line, without_marker
from harness.places import Places
from harness.results.record import Record
from harness.settings import Settings

Grid = tuple[list[str], list[list[Any]]]  # columns and rows of plain values

PATIENCE = 30.0  # seconds: see `Writer`
UNHURRIED = 2.0  # seconds of waiting that need no explanation
KEPT = 1_000_000  # bytes of lines that the mirror has not taken
PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    "from harness.mirror.process import main; main()"
)


class Mirror:
    """One plan's mirror; its process is started by the first cell that W&B has not, or beforehand.

    `show` is the display: it is told notes, and how far the mirror is when it is waited for.
    """

    def __init__(self, plan: Path, places: Places, settings: Settings, show: Any) -> None:
        self.plan, self.show, self.mode = plan, show, settings.wandb
        self.board: Callable[[], Grid] | None = None
        self._orders = {
            "plan": str(plan),
            "mode": settings.wandb,
            "media": settings.media,
            "data": [str(root) for root in places.data],
            "cache": str(places.cache),
            "patience": PATIENCE,
        }
        self._process: Any = None
        self._idle = True  # nobody has told it which plan
        self._to: Any = None  # its ends of the pipes
        self._from: Any = None
        self._lines = b""  # that the process has not taken
        self._heard = b""  # the beginning of an answer
        self._patient = 0.0  # until when waiting needs no explanation

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Have everything written that is still missing, and the overview if there is a board."""
        overdue = self.board is not None and not (self.plan / NAME).is_file()
        if self._idle and (self.mode == "disabled" or not overdue):
            self._let_go()
            return
        self._send({"close": self._overview()})
        if self._idle:  # it could not be started
            return
        why = self._wait()
        missing = len(list(without_marker(self.plan)))
        if why and missing:
            self.show.note(missing_line(why, missing, self.plan.name))

    def warm_up(self) -> None:
        """Its process imports while others prepare, instead of beside trainings."""
        if self.mode != "disabled":
            self._start()

    def preparing(self, done: int, total: int, what: str) -> None: ...

    def note(self, text: str) -> None: ...

    def started(self, cell: Cell) -> None:
        if self.mode == "online":
            self._send({"started": cell.names()})

    def progress(self, cell: Cell, facts: dict[str, object]) -> None:
        if self.mode == "online" and "epoch" in facts:
            self._send({"epoch": cell.key})

    def finished(self, cell: Cell, record: Record, *, reused: bool) -> None:
        there = reused and (self.plan / record.key / NAME).is_file()
        if self.mode != "disabled" and not there:
            self._send({"finished": cell.key})

    def _overview(self) -> dict[str, Any] | None:
        if self.board is None:
            return None
        try:
            columns, rows = self.board()
        except UserError:  # whoever prints the board is told the same
            return None
        return {"columns": columns, "rows": rows}

    def _send(self, message: dict[str, Any]) -> None:
        if self._idle:
            if not self._start():
                return
            self._idle = False
            self._put(self._orders)
        if len(self._lines) < KEPT or "close" in message:
            self._put(message)
        self._push()
        self._hear()

    def _put(self, message: dict[str, Any]) -> None:
        self._lines += json.dumps(message).encode() + b"\n"

    def _start(self) -> bool:
        """Whether its process is there, now or already; trainings matter more than it does."""
        if self._process is None and self.mode != "disabled":
            try:
                self._process = self._process_of_its_own()
            except OSError as error:
                self.mode = "disabled"
                missing = len(list(without_marker(self.plan)))
                self.show.note(missing_line(f"no mirror: {error}", missing, self.plan.name))
        return self._process is not None

    def _process_of_its_own(self) -> "subprocess.Popen[bytes]":
        """In a session of its own: Ctrl-C is for trainings, and what is trained is mirrored."""
        with (self.plan / "mirror.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )
        self._to, self._from = process.stdin, process.stdout
        for end in (self._to, self._from):
            os.set_blocking(end.fileno(), False)
        return process

    def _let_go(self) -> None:
        """End a process that was never told anything."""
        if self._process is not None:
            self._to.close()
            self._from.close()
            self._process.kill()
            self._process.wait()

    def _push(self) -> None:
        try:
            taken = os.write(self._to.fileno(), self._lines)
        except BlockingIOError:  # it is busy
            return
        except BrokenPipeError:  # it is gone; the end of the plan tells
            taken = len(self._lines)
        self._lines = self._lines[taken:]

    def _hear(self) -> bool:
        """Pass its answers on; False once it has closed its end."""
        try:
            heard = os.read(self._from.fileno(), 1 << 16)
        except BlockingIOError:
            return True
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            self._answer(json.loads(line))
        return bool(heard)

    def _answer(self, answer: dict[str, Any]) -> None:
        if "note" in answer:
            self.show.note(answer["note"])
        elif "done" in answer and time.monotonic() >= self._patient:
            self.show.preparing(answer["done"], answer["of"], "W&B")

    def _wait(self) -> str:
        """Until it has ended; why it did not end well, or nothing.

        Interrupted, it is left alone: its pipe is closed, so it writes what is missing and ends.
        """
        self._patient = time.monotonic() + UNHURRIED
        with self._to, self._from, DefaultSelector() as selector:
            selector.register(self._from, EVENT_READ)
            selector.register(self._to, EVENT_WRITE)
            while ready := selector.select(5 * PATIENCE):
                if any(key.fileobj is self._to for key, _ in ready):
                    self._push()
                    if not self._lines:
                        selector.unregister(self._to)
                        self._to.close()
                elif not self._hear():
                    code = self._process.wait()
                    return f"its mirror ended with exit code {code}" if code else ""
        self._process.kill()
        self._process.wait()
        return f"no sign of life for {5 * PATIENCE:.0f} s"
