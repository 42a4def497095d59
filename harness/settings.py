"""How to run, which changes no result: not part of any key."""

from dataclasses import dataclass

SECONDS_PER_FILE = 600.0  # after which a video is given up


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`workers`: trainings at once, each with `threads` torch threads; `wandb`, `media`: mirror."""

    device: str = "auto"
    wandb: str = "offline"
    media: tuple[str, ...] = ()
    workers: int = 1
    threads: int = 1
