"""A labelled video, and how long work on many of them reports how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One video of a data set's split; the file itself is opened by `prepare` alone.

    `id` is unique within the data set and names no machine's folder. Clips of one `group` share
    people or a background, so that a fair split never parts them. `subset` is "train" or "test".
    """

    id: str
    path: Path
    label: int
    group: str
    subset: str


# Told after each step: how many of how many are done, and of what.
Progress = Callable[[int, int, str], None]
