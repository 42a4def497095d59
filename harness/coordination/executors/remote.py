"""What executors on other hosts have in common: files to talk through, and jobs to look after."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.coordination.executors.by_files import Coordinators, Pulse, post_for
from harness.coordination.executors.contract import End, Report
from harness.coordination.executors.host import HALT, Job
from harness.places import Places
from harness.results.store import folder_of
from harness.settings import Settings
from harness.train.channel import Verdict

SECONDS_BETWEEN_LOOKS = 0.1


class Remote(ABC):
    """Jobs that train a cell each; how one is submitted, watched and cancelled is left open."""

    def __init__(self, places: Places, settings: Settings) -> None:
        self.places, self.settings = places.absolute(), settings
        self._jobs: dict[str, tuple[Any, Coordinators]] = {}  # by the key of the cell
        self._pulse: Pulse | None = None

    @abstractmethod
    def submit(self, job: Job) -> Any:
        """Begin a job; what comes back stands for it in the calls below."""

    @abstractmethod
    def ended(self, handle: Any) -> str | None:
        """What `host` returned, or how the job died; None while it waits or runs."""

    @abstractmethod
    def cancel(self, handle: Any) -> None: ...

    def warm_up(self) -> None:  # noqa: B027 (nothing to do is what there is to do)
        """Where jobs will run is not known yet."""

    def start(self, cell: Cell) -> None:
        if self._pulse is None:
            self._pulse = Pulse(self.places.runs / cell.plan / "pulse")
        folder = folder_of(self.places.runs, cell.plan, cell.key)
        post = post_for(folder, self._pulse.path, self._pulse.name)
        job = Job(cell, self.places, self.settings, post, Path.cwd())
        self._jobs[cell.key] = self.submit(job), Coordinators(post)

    def events(self, seconds: float) -> Sequence[Report | End]:
        deadline = time.monotonic() + seconds
        while True:
            events = [event for key in list(self._jobs) for event in self._events_of(key)]
            left = deadline - time.monotonic()
            if events or left <= 0:
                return events
            time.sleep(min(left, SECONDS_BETWEEN_LOOKS))

    def answer(self, key: str, verdict: Verdict) -> None:
        if key not in self._jobs:
            return
        handle, channel = self._jobs[key]
        channel.answer(verdict)
        if verdict.act == "stop" and not channel.begun:
            self.cancel(handle)  # nobody is there to hear it

    def kill(self, key: str) -> None:
        if key in self._jobs:
            self.cancel(self._jobs[key][0])

    def close(self) -> None:
        if self._pulse is not None:
            self._pulse.close()
            self._pulse = None

    def _events_of(self, key: str) -> list[Report | End]:
        """Looked at for its end first, so that nothing that it said before is missed."""
        handle, channel = self._jobs[key]
        death = self.ended(handle)
        said: list[Report | End] = [Report(key, *report) for report in channel.reports()]
        if death is not None:
            del self._jobs[key]
            channel.remove()
            if death.startswith(HALT):
                said.append(Report(key, "halt", {"reason": death.removeprefix(HALT)}))
            said.append(End(key, death))
        return said
