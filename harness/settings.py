"""How and where to run, which changes no result: not part of any key."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

SECONDS_PER_FILE = 600.0  # after which a video is given up


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`workers`: trainings at once, 0 for as many as there is room for; each with `threads` torch
    threads; `wandb`, `media`: mirror; `clocked`: trials of a search are timed, too.
    """

    device: str = "auto"
    wandb: str = "offline"
    media: tuple[str, ...] = ()
    workers: int = 1
    threads: int = 1
    clocked: bool = True


def _storage() -> str:
    return os.environ.get("HARNESS_STORAGE") or "journal"


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where trainings run, and where a search keeps its trials: a URL, which may hold a password.

    The coordinator's alone: no worker is told, and nothing of it is written down. `options` are the
    executor's, by name.
    """

    executor: str = "local"
    options: Mapping[str, object] = field(default_factory=dict)
    storage: str = field(default_factory=_storage, repr=False)
