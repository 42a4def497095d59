"""The epochs in a cell's log that its training rests on."""

from pathlib import Path
from typing import Any

from harness.files import read_json_lines


def epochs_of(log: Path, videos: str | None) -> list[dict[str, Any]]:
    """All but those on other videos than these, after which it began anew, or will.

    Each attempt logs the hash of what it trains on; None stands for whatever that is.
    """
    found, trained_on = list[dict[str, Any]](), None
    for line in read_json_lines(log):
        if line["event"] == "data":
            found = found if trained_on in (None, line["hash"]) else []
            trained_on = line["hash"]
        elif line["event"] == "epoch":
            found.append(line)
    return [] if videos and trained_on and trained_on != videos else found
