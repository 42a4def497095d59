"""A plan has one owner: who has its lock, and whether anybody has."""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.coordination.planlog import last_launch
from harness.errors import UserError
from harness.files import disk_errors, read_json_lines
from harness.registry import hint

SECONDS_OF_SILENCE = 60.0  # after which a coordinator on another host counts as gone
SECONDS_OF_A_LOOK = 0.5  # longer than anybody holds the lock who only looks whether it is held


@contextmanager
def owned(folder: Path, name: str) -> Iterator[None]:
    """Hold the plan's lock; UserError if another process has it, which names that process."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
        try:
            lock.acquire(timeout=SECONDS_OF_A_LOOK)
        except Timeout:
            raise UserError(
                f"{name}: another harness process is at work on {folder}{_who(folder)}; "
                f"`harness status {name}` shows it, `harness cancel {name}` ends it"
            ) from None
    try:
        yield
    finally:
        lock.release()


def folder_of_plan(runs: Path, name: str) -> Path:
    """Where a plan that was launched is; UserError if there is none of this name."""
    known = plan_names(runs)
    if name not in known:
        raise UserError(f"no plan {name!r} in {runs}; {hint(name, known)}")
    return runs / name


def plan_names(runs: Path) -> list[str]:
    return sorted({path.parent.name for path in runs.glob("*/plan.jsonl")})


def at_work(folder: Path) -> bool:
    """Whether a coordinator owns the plan: by its lock here, by its signs of life elsewhere."""
    launch = last_launch(read_json_lines(folder / "plan.jsonl"))
    if not launch or launch[-1]["event"] == "left":
        return False
    if launch[0]["host"] == platform.node():
        return _held(folder)
    return silence(folder) < SECONDS_OF_SILENCE


def silence(folder: Path) -> float:
    """Seconds since the coordinator's last sign of life; clocks of hosts may differ a little."""
    signs = [folder / name for name in ("alive.json", "plan.jsonl")]
    latest = max(sign.stat().st_mtime for sign in signs if sign.is_file())
    return max(0.0, time.time() - latest)


def _held(folder: Path) -> bool:
    if not (folder / ".plan.lock").is_file():
        return False
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / ".plan.lock")


def _who(folder: Path) -> str:
    launch = last_launch(read_json_lines(folder / "plan.jsonl"))
    if not launch or launch[-1]["event"] == "left":  # it has the lock and has not written yet
        return ""
    first = launch[0]
    return (
        f": pid {first['pid']} on {first['host']} since {first['time'][:16].replace('T', ' ')} UTC"
    )
