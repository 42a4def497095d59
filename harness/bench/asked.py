"""What every command of `harness bench` is asked, whatever it times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.bench.ours import Variant

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How to time. `seconds` of wall time for each race; `memory`: in processes of their own."""

    variants: Sequence[Variant]
    batch: int = 1
    threads: int = 1
    seconds: float
    compiled: bool
    memory: bool = False
