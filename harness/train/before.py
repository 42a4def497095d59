"""What became known of earlier attempts at a training, by the log of its cell."""

from dataclasses import dataclass
from pathlib import Path

from harness.files import read_json_lines
from harness.train.channel import Verdict


@dataclass(frozen=True)
class Before:
    """`epochs` that were reported; the `verdict` that it was killed on its way to a record with."""

    epochs: int = 0
    verdict: Verdict | None = None

    @classmethod
    def of(cls, folder: Path) -> "Before":
        """Nothing, where there is no checkpoint to go on from."""
        if not (folder / "last.ckpt").is_file():
            return NOTHING
        log = read_json_lines(folder / "log.jsonl")
        epochs = [line["epoch"] for line in log if line["event"] == "epoch"]
        told = [line for line in log if line["event"] == "verdict"]
        verdict = Verdict("end", told[-1]["status"], told[-1]["reason"]) if told else None
        return cls(max(epochs, default=0), verdict)


NOTHING = Before()
