"""How to run, which changes no result: not part of any key."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`workers`: trainings at once, each with `threads` torch threads; `wandb`: see tracking."""

    device: str = "auto"
    wandb: str = "offline"
    workers: int = 1
    threads: int = 1
