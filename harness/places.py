"""Where things are on this machine; never part of a YAML file or of a result.

Each has an option on the command line and an environment variable; the option wins.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path


def _search_path() -> tuple[Path, ...]:
    text = os.environ.get("HARNESS_DATA", "data")
    return tuple(Path(part) for part in text.split(os.pathsep) if part)


@dataclass(frozen=True, kw_only=True)
class Places:
    """`data`: where videos are looked for; `cache`: decoded frames and flow; `runs`: records."""

    data: tuple[Path, ...] = field(default_factory=_search_path)
    cache: Path = field(default_factory=lambda: Path(os.environ.get("HARNESS_CACHE", "cache")))
    runs: Path = field(default_factory=lambda: Path(os.environ.get("HARNESS_RUNS", "runs")))
