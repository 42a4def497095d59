"""Where Optuna keeps its trials: a journal beside the records."""

import json
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileOpenLock

from harness.planning.search.journal import Unsynced


def journal(folder: Path) -> BaseStorage:
    """The journal of a plan; a damaged one is set aside and filled again from the history."""
    path = folder / "study.journal"
    if path.is_file() and not _whole(path):
        _set_aside(path)
    return JournalStorage(Unsynced(str(path), lock_obj=JournalFileOpenLock(str(path))))


def _whole(path: Path) -> bool:
    """Whether every line can be read; a kill or a full disk may have cut the last one."""
    content = path.read_bytes()
    try:
        for line in content.splitlines():
            json.loads(line)
    except ValueError:
        return False
    return not content or content.endswith(b"\n")


def _set_aside(path: Path) -> None:
    number = 1
    while path.with_name(f"{path.name}.broken-{number}").exists():
        number += 1
    path.rename(path.with_name(f"{path.name}.broken-{number}"))
