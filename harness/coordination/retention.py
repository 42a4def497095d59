"""Which checkpoints of finished cells stay: the best of each arm, and no more than fit the quota.

A cell at work always keeps its checkpoint, and records and scores are never touched. Where cells
have no value to be ranked by, all of them stay until room is needed; `best: 0` keeps none of any.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.planning.policy import Policy
from harness.planning.quantities import size
from harness.results.record import Record
from harness.results.store import load

if TYPE_CHECKING:
    from harness.cell import Cell

METRIC = "val/top1"  # where there is no search, whose objective counts
SECONDS_BETWEEN_SUMS = 10.0
SHARE_OF_TIME = 0.05  # that adding up a large folder may take


@dataclass(frozen=True)
class Checkpoint:
    """Of a finished cell: whose it is, and how good that is; none is the worst."""

    path: Path
    group: tuple[str, ...]  # arm, data set, split, stage: trials are not held against winners
    value: float | None

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size

    def __lt__(self, other: "Checkpoint") -> bool:
        """The better one first; the key decides between equals."""
        return self._rank < other._rank

    @property
    def _rank(self) -> tuple[float, str]:
        return (inf if self.value is None else -self.value, self.path.parent.name)


@dataclass(frozen=True)
class Rule:
    """What the values of an arm's cells are, and how many of them keep their checkpoint."""

    best: int | None = None
    metric: str = METRIC
    sign: int = 1  # -1 where less is better

    def value(self, record: Record) -> float | None:
        """Of a cell that got to its end; what others measured is not of the whole training."""
        return record.value(self.metric) if record.status == "done" else None

    def better(self, one: float | None, other: float | None) -> float | None:
        """Of two values, each of which may be missing."""
        there = [value for value in (one, other) if value is not None]
        return max(there, key=lambda value: self.sign * value, default=None)

    def of(self, record: Record, folder: Path) -> Checkpoint:
        value = self.value(record)
        path = folder / record.key / "last.ckpt"
        group = (record.arm, record.dataset, record.split, record.stage)
        return Checkpoint(path, group, None if value is None else self.sign * value)

    def kept(self, folder: Path) -> list[Checkpoint]:
        """The checkpoints of finished cells that are there."""
        paths = sorted(path.parent / "record.json" for path in folder.glob("*/last.ckpt"))
        records = [load(path) for path in paths if _is_finished(path)]
        return [self.of(record, folder) for record in records]

    def surplus(self, checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
        """Those beyond the best of their arm on their data set, at their stage."""
        if self.best is None:
            return []
        return [checkpoint for rank, checkpoint in ranked(checkpoints) if rank >= self.best]


def ranked(checkpoints: Iterable[Checkpoint]) -> list[tuple[int, Checkpoint]]:
    """Each with its rank in its arm, from the worst rank down to the best.

    An arm without any value is not ranked by it: all of its checkpoints are the best.
    """
    groups: dict[tuple[str, ...], list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        groups.setdefault(checkpoint.group, []).append(checkpoint)
    found = [
        (rank if any(c.value is not None for c in group) else 0, checkpoint)
        for group in groups.values()
        for rank, checkpoint in enumerate(sorted(group))
    ]
    return sorted(found, key=lambda pair: (-pair[0], pair[1].value is not None, pair[1].path))


class Retention:
    """A watcher that removes checkpoints as cells finish, and stops a plan that outgrows its room.

    Raises:
        UserError: the plan's folder is beyond the quota, with no checkpoint left to go.
    """

    def __init__(self, folder: Path, policy: Policy, rule: Rule) -> None:
        self.folder, self.policy, self.rule = folder, policy, rule
        self._acts = rule.best is not None or policy.bytes is not None
        self._kept = rule.kept(folder) if self._acts else []
        self._remove(rule.surplus(self._kept))  # what a kill or a laxer rule left
        self._next_sum = 0.0

    def preparing(self, _done: int, _total: int, _what: str) -> None:
        """Caches are not in the plan's folder."""

    def note(self, _text: str) -> None:
        """For people."""

    def started(self, cell: "Cell") -> None:
        """A cell at work keeps its checkpoint, whatever an old record of it said."""
        self._kept = [kept for kept in self._kept if kept.path.parent.name != cell.key]

    def progress(self, _cell: "Cell", facts: dict[str, object]) -> None:
        if "epoch" in facts:
            self._fit()

    def finished(self, _cell: "Cell", record: Record, *, reused: bool) -> None:
        if not self._acts or reused:
            return
        checkpoint = self.rule.of(record, self.folder)
        if checkpoint.path.is_file():
            self._kept.append(checkpoint)
        self._remove(self.rule.surplus(self._kept))
        self._fit()

    def _fit(self) -> None:
        """Within the quota, looked at now and then, since adding up a folder takes its time."""
        quota, begun = self.policy.bytes, time.monotonic()
        if quota is None or begun < self._next_sum:
            return
        beyond = bytes_in(self.folder) - quota
        took = time.monotonic() - begun
        self._next_sum = begun + max(SECONDS_BETWEEN_SUMS, took / SHARE_OF_TIME)
        for _, checkpoint in ranked(self._kept):
            if beyond <= 0:
                break
            beyond -= checkpoint.bytes
            self._remove([checkpoint])
        if beyond > 0:
            raise UserError(
                f"{self.folder}: {size(beyond)} beyond policy.quota ({self.policy.quota}), and no "
                "checkpoint of a finished cell is left to go; raise it, or make room with "
                f"`harness gc {self.folder.name}`; the same command then goes on"
            )

    def _remove(self, checkpoints: list[Checkpoint]) -> None:
        for checkpoint in checkpoints:
            checkpoint.path.unlink(missing_ok=True)
            self._kept.remove(checkpoint)


def bytes_in(folder: Path) -> int:
    """What a folder holds; a file that goes away meanwhile holds nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).lstat().st_size
    return total


def _is_finished(record: Path) -> bool:
    return ".old-" not in record.parent.name and record.is_file()
