"""What the coordinator does about failures. It changes no result and is in no key."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Policy:
    """`retry`: how often a cell is started again after failures of each class.

    A lost process is worth another try; memory may have run out because of a neighbour. What is
    not a number, wrong or a bug will be so again.
    """

    retry: dict[str, int] = field(default_factory=lambda: {"preempted": 3, "oom": 1})

    def retries(self, kind: str) -> int:
        return self.retry.get(kind, 0)
