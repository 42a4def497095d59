"""A cell at work, as the coordinator sees it."""

import time
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path

from harness.cell import Cell
from harness.coordination.executors.contract import End
from harness.coordination.failures import class_of
from harness.coordination.queues import Queue
from harness.files import append_line, read_json_lines
from harness.train.channel import Verdict

SECONDS_TO_END = 60.0  # for a worker that was told to; then it is killed


@dataclass
class Busy:
    """A cell, the queue that it came from, and how its earlier attempts died.

    `others` wait for the same training. `ending`: what it was told without having asked. `waits`:
    it is not started while anything else runs, and nothing else while it does.
    """

    cell: Cell
    queue: Queue
    folder: Path
    deaths: list[str] = field(init=False)
    since: float = field(default_factory=time.monotonic)
    ending: Verdict | None = None
    patience: float = inf  # until it is killed
    waits: bool = False
    others: list[tuple[Cell, Queue]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deaths = deaths(self.folder)

    @property
    def alone(self) -> bool:
        """Memory ran out beside others, so that it is tried again by itself."""
        return bool(self.deaths) and class_of(self.deaths[-1]) == "oom"

    @property
    def recorded(self) -> bool:
        return (self.folder / "record.json").is_file()

    def times(self, kind: str) -> int:
        """How many attempts died of this class."""
        return [class_of(death) for death in self.deaths].count(kind)

    def begin(self) -> None:
        self.since, self.ending, self.patience = time.monotonic(), None, inf

    def dismiss(self, verdict: Verdict) -> None:
        self.ending, self.patience = verdict, time.monotonic() + SECONDS_TO_END

    def write_down(self, verdict: Verdict) -> None:
        self._log({"event": "verdict", **asdict(verdict)})

    def _log(self, line: dict[str, object]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        append_line(self.folder / "log.jsonl", line)

    def died(self, end: End) -> str:
        """What it was told to end with, its last words, or what was seen from outside."""
        known, self.deaths = len(self.deaths), deaths(self.folder)
        if len(self.deaths) == known:
            reason = self.ending.reason if self.ending else end.death
            self._log({"event": "died", "reason": reason})
            self.deaths.append(reason)
        return self.deaths[-1]


def deaths(folder: Path) -> list[str]:
    """Why each attempt at a cell died that did not just stop, oldest first.

    Ranks of one training all say so, and the first of them why.
    """
    log = read_json_lines(folder / "log.jsonl")
    died = [line for line in log if line["event"] == "died"]
    first: dict[object, str] = {}
    for number, line in enumerate(died):
        first.setdefault(line.get("ranks", number), str(line["reason"]))
    return list(first.values())
