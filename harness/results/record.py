"""The record: all that a run leaves for others. Flat, typed, numeric, versioned, never edited.

Nested only under `config`; the other mappings go from a name to one value. A metric that is not a
number is None, and `reason` says why.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1
STATUSES = ("done", "failed", "pruned", "cancelled")
STAGES = ("run", "search", "confirm")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run. `started` is ISO 8601 in UTC; `seconds` is wall time from start to record."""

    schema: int = SCHEMA
    key: str
    status: str
    reason: str = ""
    plan: str
    arm: str
    dataset: str
    split: str
    seed: int
    trial: int | None = None
    stage: str = "run"
    protocol: str
    data_hash: str
    config: dict[str, Any]
    metrics: dict[str, float | None] = field(default_factory=dict)  # "test/top1": 0.87
    cost: dict[str, float | None] = field(default_factory=dict)  # "params", "macs", "seconds/fit"
    clips: dict[str, int] = field(default_factory=dict)  # "train", "val", "test", "quarantined"
    kernels: dict[str, str] = field(default_factory=dict)  # "spatial": "winograd (reference)"
    env: dict[str, str] = field(default_factory=dict)  # versions, commit, machine, device
    command: str
    started: str
    seconds: float

    def value(self, name: str) -> float | None:
        """Of a metric ("val/top1") or a cost ("cost/params"); None where it was not measured."""
        kind, _, cost = name.partition("/")
        return self.cost.get(cost) if kind == "cost" else self.metrics.get(name)

    def is_stale(self, videos: Collection[str]) -> bool:
        """Whether it was made with none of these, by their hashes.

        A failure is not, which is tried again when that is asked for, nor what never had any.
        """
        return self.status != "failed" and self.data_hash not in ("", *videos)
