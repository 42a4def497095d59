"""While the coordinator waits for something else, its workers need not wait for the coordinator."""

import time
from collections.abc import Callable, Sequence

from harness.cell import Cell
from harness.coordination.executors.contract import End, Executor, Report
from harness.train.channel import GO, Verdict


class Relay:
    """An executor between the coordinator and another.

    While the coordinator is held up, every epoch is told to go on. It is heard later, and a verdict
    that comes later still is seen by the worker at its next step.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._kept: list[Report | End] = []
        self._open: dict[str, Report] = {}  # epochs that the coordinator is about to judge
        self._answered: list[Report] = []  # and those that have been told to go on before it did

    @property
    def room(self) -> int:
        return self._executor.room

    def require(self, ranks: int) -> None:
        self._executor.require(ranks)

    def meanwhile(self, seconds: float) -> None:
        """Let time pass for one who is held up."""
        end = time.monotonic() + seconds
        self._let_go(list(self._open.values()))
        while (left := end - time.monotonic()) > 0:
            heard = self._executor.events(left)
            self._let_go(_epochs(heard))
            self._kept += heard
            if not heard:  # where nobody is at work there is nothing to wait for
                time.sleep(max(0.0, min(0.05, end - time.monotonic())))

    def warm_up(self) -> None:
        self._executor.warm_up()

    def ask(self, question: Callable[..., object], *arguments: object) -> None:
        self._executor.ask(question, *arguments)

    def start(self, cell: Cell) -> None:
        self._answered = [report for report in self._answered if report.key != cell.key]
        self._executor.start(cell)

    def events(self, seconds: float) -> Sequence[Report | End]:
        if self._kept:
            kept, self._kept = self._kept, []
            return kept
        heard = self._executor.events(seconds)
        self._open |= {report.key: report for report in _epochs(heard)}
        return heard

    def answer(self, key: str, verdict: Verdict) -> None:
        """What was told to go on is not told again."""
        self._open.pop(key, None)
        report = next((report for report in self._answered if report.key == key), None)
        if report is not None:
            self._answered.remove(report)
            if verdict == GO:
                return
        self._executor.answer(key, verdict)

    def kill(self, key: str) -> None:
        self._executor.kill(key)

    def close(self) -> None:
        self._executor.close()

    def _let_go(self, epochs: list[Report]) -> None:
        for report in epochs:
            self._open.pop(report.key, None)
            self._answered.append(report)
            self._executor.answer(report.key, GO)


def _epochs(events: Sequence[Report | End]) -> list[Report]:
    return [event for event in events if isinstance(event, Report) and event.event == "epoch"]
