"""Real processes at work on real plans: who they are and how far they have come."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def workers_of(runs: Path) -> list[int]:
    """The processes that hold the lock file of a cell in this folder, and no others."""
    runs = runs.resolve()
    return who_holds(lambda link: link.name == ".lock" and link.is_relative_to(runs))


def who_holds(what: Callable[[Path], bool]) -> list[int]:
    """The processes that have such a file open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [fd.readlink() for fd in (process / "fd").iterdir()]
        except OSError:  # it has ended, or is somebody else's
            continue
        if any(map(what, links)):
            found.append(int(process.name))
    return found


def wait_for_epochs(runs: Path, more: int, process: subprocess.Popen) -> None:
    """Until so many epochs more have been logged, or the process has ended."""
    target = epochs_logged(runs) + more
    while epochs_logged(runs) < target and process.poll() is None:
        time.sleep(0.05)


def epochs_logged(runs: Path) -> int:
    logs = [path.read_text() for path in runs.glob("*/*/log.jsonl")]
    return sum(text.count('"event": "epoch"') for text in logs)
