"""What a trial of ours costs beyond its train steps, read off the logs and the records.

A worker's log has the times of its start, first step, epochs and finish (the record is written).
Of a trial's overhead there are three parts, in seconds of wall time:

- between: from the finish of the trial before it, on that worker, to its start: the record is
  read, the study told, the next cell proposed and written down, a process forked;
- start: from its start to the end of its first step, less a step: W&B, cache, network, trainer;
- end: from its last epoch to its finish, less an evaluation pass: scores, cost, W&B, record.

What lies between first step and last epoch, less steps and passes, is told apart: fetching
batches, metrics, a checkpoint after each epoch. Steps and passes are as long as on the floor.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path
from statistics import median

from harness.results.store import load

Floor = Sequence[Mapping[str, float]]  # by trial: see sweep_floor.trial


@dataclass(frozen=True, kw_only=True)
class Times:
    """When a trial did what, in seconds since the epoch."""

    trial: int
    start: float
    step: float
    epoch: float
    finish: float
    epochs: int


def overheads(runs: Path, floor: Floor, steps: int, workers: int) -> dict[str, float]:
    """Medians over the trials, by part; the first trials of the workers have no trial before."""
    times = sorted((times_of(folder) for folder in cells(runs)), key=lambda t: t.start)
    ended = chain(repeat(None, workers), sorted(t.finish for t in times))
    parts = [
        parts_of(t, floor[t.trial], steps, before) for t, before in zip(times, ended, strict=False)
    ]
    return {name: median(p[name] for p in parts if name in p) for name in parts[-1]}


def parts_of(
    t: Times, floor: Mapping[str, float], steps: int, before: float | None
) -> dict[str, float]:
    trained = (steps - 1) * floor["step"] + t.epochs * floor["pass"]
    parts = {
        "start": t.step - t.start - floor["step"],
        "end": t.finish - t.epoch - floor["pass"],
        "per_epoch": (t.epoch - t.step - trained) / t.epochs,
    }
    if before is None:
        return parts
    between = t.start - before
    return parts | {"between": between, "total": parts["start"] + parts["end"] + between}


def cells(runs: Path) -> Sequence[Path]:
    return [path.parent for path in runs.glob("*/*/record.json")]


def times_of(folder: Path) -> Times:
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    at = {line["event"]: seconds(line["time"]) for line in log}  # the last of each
    return Times(
        trial=load(folder / "record.json").trial or 0,
        start=at["start"],
        step=at["step"],
        epoch=at["epoch"],
        finish=at["finish"],
        epochs=sum(line["event"] == "epoch" for line in log),
    )


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
