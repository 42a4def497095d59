"""`mirror.json` in a cell's folder: what of it is in W&B. Written last, so it is true or absent."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.files import write_json
from harness.results.store import finished_cells

NAME = "mirror.json"
LOCK = ".mirror.lock"  # in the plan's folder: one process at a time writes its runs


@dataclass(frozen=True, kw_only=True)
class Marker:
    """`directory` holds the run's files, named from the plan's folder; `sent`: W&B has it all."""

    id: str
    mode: str
    sha256: str
    directory: str
    status: str
    media: tuple[str, ...] = ()
    sent: bool = False

    def write(self, folder: Path) -> None:
        write_json(folder / NAME, asdict(self))

    def stands(self, plan: Path) -> bool:
        """Whether W&B has the run, or its files are still there to be sent."""
        return self.sent or (plan / self.directory).is_dir()


def marker_of(folder: Path) -> Marker | None:
    """None if nothing is mirrored, or not by a version that this one understands."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return Marker(**{**content, "media": tuple(content["media"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def without_marker(plan: Path) -> Iterator[Path]:
    """The cells that are in W&B not at all; those that changed since, only a replay can tell."""
    return (folder for folder in finished_cells(plan) if not (folder / NAME).is_file())


def missing_line(why: str, missing: int, plan: str) -> str:
    runs = "1 run is" if missing == 1 else f"{missing} runs are"
    return f"W&B: {why}; {runs} missing there: `harness sync {plan}` writes what is missing"
