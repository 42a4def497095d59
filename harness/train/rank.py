"""Which of a training's processes this is. No torch: who starts them uses it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rank:
    """The `number`-th of `count`, from 0; they meet through a file at `meeting`, new each time.

    The first talks to the coordinator and writes all that is kept.
    """

    number: int = 0
    count: int = 1
    meeting: str = ""

    @property
    def first(self) -> bool:
        return self.number == 0

    @property
    def alone(self) -> bool:
        return self.count == 1


ALONE = Rank()
