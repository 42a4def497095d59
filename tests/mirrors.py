"""Mirrors at work: opened, told, found among the processes of this machine."""

import time
from pathlib import Path

from left_cells import cell
from processes import who_holds
from searches import Notes

from harness.mirror.watcher import Mirror
from harness.places import Places
from harness.results.record import Record
from harness.results.store import load
from harness.settings import Settings

BOARD = (["arm", "top1"], [["conv", 0.9], ["none", None]])


def plan_folder(root: Path) -> Path:
    """Of a plan that is about to start."""
    place = root / "runs" / "left"
    place.mkdir(parents=True)
    return place


def opened(plan: Path, mode: str = "offline", media=()) -> tuple[Mirror, Notes]:
    notes, settings = Notes(), Settings(wandb=mode, media=media)
    return Mirror(plan, Places(runs=plan.parent), settings, notes), notes


def tell(mirror: Mirror, folder: Path) -> Record:
    record = load(folder / "record.json")
    mirror.finished(cell(record.key), record, reused=False)
    return record


def eventually(what) -> None:
    while not what():  # ends with the test's own limit
        time.sleep(0.02)


def fill(file: Path) -> None:
    """Take all the room there is, but for what a marker needs."""
    with file.open("wb", buffering=0) as taken:
        try:
            while True:
                taken.write(bytes(4096))
        except OSError:
            taken.truncate(file.stat().st_size - 8192)


def mirrors_of(plan: Path) -> list[int]:
    """The processes that hold the lock of the plan's mirror, without what they have just forked."""
    lock = (plan / ".mirror.lock").resolve()
    holders = who_holds(lambda link: link == lock)
    return [pid for pid in holders if not any(pid in children_of(other) for other in holders)]


def children_of(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:  # it has ended
        return []


def services_of(pid: int) -> list[int]:
    """The children of a process that are W&B's service."""
    named = {child: Path(f"/proc/{child}/comm").read_text() for child in children_of(pid)}
    return [child for child, name in named.items() if name.startswith("wandb")]
