"""What a plan's folder says of the plan's life: plan.jsonl, appended to by its coordinator alone.

    launched   command, pid, host: a coordinator has the plan's lock
    planned    workers, arms (each with its data set, split and number of cells), and the rule that
               says which value compares them and how many keep their checkpoint
    started    a cell, and how many epochs it takes
    ended      a cell's key and the status of its record
    left       how the coordinator left: finished, stopped, or an error's first line
    aside      by `harness retry`, which then has the lock: how many records it has set aside

Each line has `at`, the seconds since the launch by a clock that nobody can set back. Beside it,
alive.json is written anew every few seconds: the steps of the cells at work.
"""

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.coordination.retention import Rule
from harness.errors import UserError
from harness.files import DiskError, append_line, read_json_lines, write_json
from harness.results.record import Record
from harness.results.secrets import redact

if TYPE_CHECKING:
    from harness.cell import Cell

SECONDS_BETWEEN_SIGNS = 5.0
Place = tuple[str, str, str]  # an arm, a data set and its split
NAMING = ("key", "arm", "dataset", "split", "seed", "trial", "stage")


class PlanLog:
    """A watcher that writes down what it hears."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.how = ""  # the coordinator left
        self._launched = time.monotonic()
        self._next_sign = 0.0
        self._steps: dict[str, dict[str, object]] = {}  # by cell key

    def write(self, event: str, **facts: Any) -> None:
        at = round(time.monotonic() - self._launched, 3)
        append_line(self.folder / "plan.jsonl", {"event": event, **facts, "at": at})

    @contextmanager
    def launched(self, command: str) -> Iterator[None]:
        """From the launch of a coordinator to its leaving, however it leaves."""
        self.write("launched", command=redact(command), pid=os.getpid(), host=platform.node())
        self.how = "interrupted"
        try:
            yield
        except UserError as error:
            self.how = str(error).splitlines()[0].rstrip(":")
            raise
        except Exception as error:
            self.how = f"{type(error).__name__}: {error}"
            raise
        finally:
            with suppress(DiskError):  # a full disk has been told by what found it full
                self.write("left", how=redact(self.how))

    def planned(self, workers: int, totals: Mapping[Place, int | None], rule: Rule) -> None:
        """What is to be done, and by which value the cells of an arm are compared."""
        arms = [[*place, total] for place, total in totals.items()]
        self.write("planned", workers=workers, arms=arms, rule=asdict(rule))

    def preparing(self, _done: int, _total: int, _what: str) -> None:
        self.sign()

    def note(self, _text: str) -> None:
        """For people."""

    def started(self, cell: "Cell") -> None:
        named = {name: getattr(cell, name) for name in NAMING}
        self.write("started", **named, epochs=cell.config["train"]["epochs"])

    def progress(self, cell: "Cell", facts: dict[str, object]) -> None:
        if "steps" in facts:
            self._steps[cell.key] = {name: facts[name] for name in ("step", "steps")}

    def finished(self, cell: "Cell", record: Record, *, reused: bool) -> None:
        if not reused:
            self._steps.pop(cell.key, None)
            self.write("ended", key=cell.key, status=record.status)

    def sign(self) -> None:
        """That the coordinator is alive, for those who watch from another host."""
        if time.monotonic() >= self._next_sign:
            self._next_sign = time.monotonic() + SECONDS_BETWEEN_SIGNS
            write_json(self.folder / "alive.json", self._steps)


def last_launch(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines since the last launch, itself the first of them; none before the first."""
    for index in range(len(lines) - 1, -1, -1):
        if lines[index]["event"] == "launched":
            return list(lines[index:])
    return []


def last_run(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same of the last coordinator that had a plan to run; those before it were refused."""
    launch = last_launch(lines)
    before = lines[: len(lines) - len(launch)]
    events = {line["event"] for line in launch}
    refused = "left" in events and "planned" not in events
    return (last_run(before) or launch) if refused else launch


def last_command(folder: Path) -> str:
    """What ran a plan the last time, without what would set more records aside."""
    launch = last_run(read_json_lines(folder / "plan.jsonl"))
    words = str(launch[0]["command"]).split(" ") if launch else []
    return " ".join(word for word in words if word not in ("--retry-failed", "--fresh"))
