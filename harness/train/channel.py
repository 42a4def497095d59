"""What a training and the one who asked for it say to each other. No torch: both ends use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Verdict:
    """The answer to a report: go on, stop with the checkpoint kept, or end with a record.

    `status` and `reason` are those of the record of a training that ends before its last epoch.
    """

    act: Literal["go", "stop", "end"]
    status: str = ""
    reason: str = ""


GO, STOP = Verdict("go"), Verdict("stop")

# The coordinator's end: (event, facts) -> verdict. An "epoch" waits for it, a "step" does not.
Channel = Callable[[str, Mapping[str, object]], Verdict]


class StoppedError(Exception):
    """Asked to stop, or the one who asked for the training is gone; the checkpoint stays."""


class EndedError(Exception):
    """Told to end early: pruned, cancelled or out of time; `epochs` were whole by then."""

    def __init__(self, verdict: Verdict, epochs: int) -> None:
        super().__init__(verdict.reason)
        self.verdict, self.epochs = verdict, epochs
