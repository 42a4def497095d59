"""Where things are on this machine; never part of a YAML file or of a result.

Each has an option on the command line and an environment variable; the option wins.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.errors import UserError


def _search_path() -> tuple[Path, ...]:
    text = os.environ.get("HARNESS_DATA", "data")
    return tuple(Path(part) for part in text.split(os.pathsep) if part)


@dataclass(frozen=True, kw_only=True)
class Places:
    """`data`: where videos are looked for; `cache`: decoded frames and flow; `runs`: records."""

    data: tuple[Path, ...] = field(default_factory=_search_path)
    cache: Path = field(default_factory=lambda: Path(os.environ.get("HARNESS_CACHE", "cache")))
    runs: Path = field(default_factory=lambda: Path(os.environ.get("HARNESS_RUNS", "runs")))

    def absolute(self) -> "Places":
        """The same places for a process that works in another folder."""
        data = tuple(root.absolute() for root in self.data)
        return Places(data=data, cache=self.cache.absolute(), runs=self.runs.absolute())

    def find(self, key: str, name: str, kind: Literal["file", "folder"] = "file") -> Path:
        """What the setting `key` names: relative to here, to the runs, or to a data root.

        Raises UserError, which tells where it was looked for, if there is nothing of that kind.
        """
        accept = {"file": Path.is_file, "folder": Path.is_dir}[kind]
        tried = [Path(name), self.runs / name, *(root / name for root in self.data)]
        for path in tried:
            if accept(path):
                return path
        where = ", ".join(str(path) for path in tried)
        raise UserError(f"{key}: no such {kind} {name!r}; put it where it is looked for: {where}")
