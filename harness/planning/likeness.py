"""Records that tell what a task will take: those of the same arm, or of the same data set."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from harness.files import read_json_lines
from harness.places import Places
from harness.planning.parts import parts_of
from harness.planning.space import Dimension, free_keys
from harness.planning.task import Task
from harness.results.record import Record
from harness.results.store import folder_of, load_all

NEWEST = 50  # records that an estimate rests on at most


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of one cell, and what it rests on; None where there is no like record."""

    seconds: float | None = None
    bytes: float | None = None
    basis: str = "unknown"


class Likes:
    """The records under the runs folder: those of the plan first, the others only if needed."""

    def __init__(self, places: Places, own: Sequence[Record]) -> None:
        self.places, self._own = places, own

    @cached_property
    def _everything(self) -> list[Record]:
        return load_all(self.places.runs)

    def estimate(self, task: Task, space: Sequence[Dimension]) -> Estimate:
        for pool in (lambda: self._own, lambda: self._everything):
            found = self._same_arm(task, free_keys(space), pool())
            if found:
                return self._over(found, task, space, f"same arm ({len(found)})")
        found = self._same_data(task, self._everything)
        return self._over(found, task, space, f"same data set ({len(found)})")

    def _same_arm(self, task: Task, free: Collection[str], pool: Sequence[Record]) -> list[Record]:
        config, free = task.given(self.places).config, {*free, "train.epochs"}
        near = self._same_data(task, [record for record in pool if record.arm == task.arm])
        return [record for record in near if agrees(config, record.config, free)]

    def _same_data(self, task: Task, pool: Sequence[Record]) -> list[Record]:
        given = task.given(self.places)
        place = (given.dataset, given.split)
        found = [r for r in pool if r.status == "done" and (r.dataset, r.split) == place]
        return found[-NEWEST:]

    def _over(
        self, found: Sequence[Record], task: Task, space: Sequence[Dimension], basis: str
    ) -> Estimate:
        if not found:
            return Estimate()
        epochs = None if "train.epochs" in free_keys(space) else task.experiment.train.epochs
        clips = self._training_clips(task)
        return Estimate(
            seconds=median(self._scaled(record, epochs, clips) for record in found),
            bytes=median(self._size(record) for record in found),
            basis=basis,
        )

    def _training_clips(self, task: Task) -> float:
        data = task.experiment.data
        clips = task.reading.opened(data, self.places).clips
        share = data.val.share if data.val else 0.0
        return sum(clip.subset == "train" for clip in clips) * (1 - share)

    def _scaled(self, record: Record, epochs: int | None, clips: float) -> float:
        more = clips / record.clips["train"] if record.clips.get("train") and clips else 1.0
        longer = epochs / record.config["train"]["epochs"] if epochs else 1.0
        log = read_json_lines(self._folder(record) / "log.jsonl")
        return parts_of(record, log).scaled(longer, more)

    def _folder(self, record: Record) -> Path:
        return folder_of(self.places.runs, record.plan, record.key)

    def _size(self, record: Record) -> int:
        folder = self._folder(record)
        return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def agrees(wanted: Any, found: Any, free: Collection[str], at: str = "") -> bool:
    """Whether a record's configuration says the same wherever the wanted one says something.

    >>> agrees({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3, "d": 4}}, {"b.c"})
    True
    """
    if at in free:
        return True
    if not isinstance(wanted, Mapping):
        return bool(wanted == found)
    return isinstance(found, Mapping) and all(
        agrees(value, found.get(key), free, f"{at}.{key}" if at else key)
        for key, value in wanted.items()
    )
