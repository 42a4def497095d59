"""What a coordinator is asked from outside, also from another host: a file in the plan's folder."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.files import write_json


@dataclass(frozen=True)
class Cancel:
    """End these cells with a record; None: leave the whole plan as on Ctrl-C."""

    keys: tuple[str, ...] | None


def ask(folder: Path, keys: Sequence[str] | None) -> None:
    write_json(_box(folder) / f"{uuid.uuid4().hex}.json", {"cancel": keys})


def asked(folder: Path) -> list[Cancel]:
    """What was asked since the last look; each is told once."""
    found = []
    for path in sorted(_box(folder).glob("*.json")):
        keys = json.loads(path.read_text())["cancel"]
        path.unlink()
        found.append(Cancel(None if keys is None else tuple(keys)))
    return found


def _box(folder: Path) -> Path:
    return folder / ".asked"
