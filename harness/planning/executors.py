"""Where workers run. `local`: fresh forks of a warm server that imported torch once.

Contract. `start(cell, places, settings) -> Handle`; a handle has `pipe` (the coordinator's end of
the channel), `sentinel` (ready when the process has ended), `exitcode` and `kill()`.
"""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from harness.cell import Cell
from harness.errors import UserError
from harness.places import Places
from harness.planning.worker import answer, work
from harness.processes import without_main
from harness.settings import Settings

STOP = "stop"


@dataclass
class Handle:
    """A worker as its coordinator sees it."""

    cell: Cell
    pipe: Connection
    process: BaseProcess

    @property
    def sentinel(self) -> int:
        return self.process.sentinel

    @property
    def exitcode(self) -> int | None:
        return self.process.exitcode

    def stop(self) -> None:
        """Ask it to leave at its next step; its last checkpoint stays."""
        try:
            self.pipe.send(STOP)
        except OSError:  # it has ended already
            return

    def kill(self) -> None:
        self.process.kill()


class Local:
    """One process a cell: 40 ms for a fork of the warm server, where an import takes 8 s."""

    def __init__(self) -> None:
        methods = multiprocessing.get_all_start_methods()
        warm = "forkserver" in methods
        self._context: Any = multiprocessing.get_context("forkserver" if warm else "spawn")
        if warm:
            self._context.set_forkserver_preload(["harness.execute", "wandb"])

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        """Call a function in a fork of the warm server; its UserError is raised here."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=answer, args=(theirs, question, arguments))
        with without_main():
            process.start()
        theirs.close()
        try:
            refusal = ours.recv()
        except EOFError:
            process.join()
            raise RuntimeError(f"{question} ended with exit code {process.exitcode}") from None
        process.join()
        if refusal is not None:
            raise UserError(refusal)

    def start(self, cell: Cell, places: Places, settings: Settings) -> Handle:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=work, args=(cell, places, settings, theirs), name=cell.label, daemon=True
        )
        with without_main():
            process.start()
        theirs.close()
        return Handle(cell, ours, process)
