"""The processes of one training: a worker, or as many ranks as share it."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from harness.train.rank import Rank


@dataclass
class Crew:
    """The ranks, of which the first is at the other end of the pipe.

    When the first has ended the others have nothing left to do, and when another has failed they
    cannot go on; so they all end. `code`: the exit code that tells how it came to that.
    """

    pipe: Connection
    processes: list[BaseProcess]
    gpus: list[str] = field(default_factory=list)  # as CUDA_VISIBLE_DEVICES has it
    meeting: str = ""
    code: int | None = None

    def __post_init__(self) -> None:
        self._at_work = dict(enumerate(self.processes))

    @property
    def sentinels(self) -> list[int]:
        """What becomes ready when a rank ends."""
        return [process.sentinel for process in self._at_work.values()]

    def kill(self) -> None:
        """All of them; nobody is left to meet."""
        for process in self._at_work.values():
            process.kill()
        if self.meeting:
            shutil.rmtree(Path(self.meeting).parent, ignore_errors=True)

    def ended(self, ready: Sequence[object]) -> bool:
        """Whether, with these that have, all ranks have ended."""
        gone = {n: process for n, process in self._at_work.items() if process.sentinel in ready}
        for number, process in gone.items():
            process.join()
            del self._at_work[number]
        codes = sorted(process.exitcode or 0 for process in gone.values())
        if self.code is None and (0 in gone or any(codes)):
            failed = [code for code in codes if code]  # one that was killed is why others fail
            self.code = failed[0] if failed else 0
            self.kill()
        return not self._at_work


def ranks(count: int) -> list[Rank]:
    """As many, who can meet."""
    meeting = Path(tempfile.mkdtemp(prefix="ranks-")) / "meeting" if count > 1 else ""
    return [Rank(number, count, str(meeting)) for number in range(count)]
