"""What a sweep is: the typed contents of one file in sweeps/."""

from dataclasses import dataclass, field
from typing import Any, Literal

from harness.config.experiment import SEEDS
from harness.config.schema import Component
from harness.planning import PRUNERS, SAMPLERS
from harness.planning.budget import Budget
from harness.planning.metrics import MEASURED
from harness.planning.policy import Policy


@dataclass(kw_only=True)
class ArmSpec:
    """An experiment file, changed by `set`, once for every combination; see grid.py."""

    base: str
    name: str | None = None
    set: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    zip: dict[str, list[Any]] = field(default_factory=dict)
    include: list[dict[str, Any]] = field(default_factory=list)
    exclude: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def short(cls, base: str) -> dict[str, Any]:
        return {"base": base}


@dataclass(kw_only=True)
class Objective:
    """A validation metric or a cost, and which way is better: `val/top1` is {metric: val/top1}."""

    metric: str
    direction: Literal["maximize", "minimize"] = "maximize"

    @classmethod
    def short(cls, metric: str) -> dict[str, Any]:
        return {"metric": metric}


@dataclass(kw_only=True)
class Search:
    """A search per arm and data set, all of the same budget: `trials: 8` is {trials: 8}.

    See search/ledger.py for `duplicates`, docs/sweeps.md for all.

    `objective` and `direction` are short for one entry of `objectives`. Deterministic searches ask
    for `batch` trials at once, and for the next when all of them have ended.
    """

    space: dict[str, Any]
    trials: int | None = field(default=None, metadata={"ge": 1})
    budget: Budget | None = None
    objective: str = "val/top1"
    direction: Literal["maximize", "minimize"] = "maximize"
    objectives: list[Objective] = field(default_factory=list)
    constraints: dict[str, Any] = field(default_factory=dict)
    sampler: Component = field(
        default_factory=lambda: Component(name="tpe"), metadata={"table": SAMPLERS}
    )
    pruner: Component = field(
        default_factory=lambda: Component(name="none"), metadata={"table": PRUNERS}
    )
    enqueue: list[dict[str, Any]] = field(default_factory=list)
    duplicates: Literal["count", "reuse", "resample"] = "count"
    deterministic: bool = False
    batch: int = field(default=2, metadata={"ge": 1})

    @property
    def goals(self) -> list[Objective]:
        return self.objectives or [Objective(metric=self.objective, direction=self.direction)]

    @property
    def measures(self) -> bool:
        """Whether an objective or a constraint is a cost that must be measured."""
        return bool(self.measured)

    @property
    def measured(self) -> list[str]:
        """Those costs, as a record names them."""
        names = [*(goal.metric for goal in self.goals), *self.constraints]
        costs = [name.removeprefix("cost/") for name in names]
        return [name for name in costs if name in MEASURED]

    @property
    def limit(self) -> Budget:
        return self.budget or Budget(trials=self.trials)


@dataclass(kw_only=True)
class Confirm:
    """The best trials of every arm, trained again with fresh seeds, test split opened."""

    top_k: int = field(default=1, metadata={"ge": 1})
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3], metadata=SEEDS)


@dataclass(kw_only=True)
class Sweep:
    """Arms x data sets x seeds; with `search`, arms x data sets x trials, then `confirm`.

    `data` lays each of its entries over the data section of every arm; `set` changes all arms.
    """

    name: str = field(metadata={"folder": True})
    arms: list[ArmSpec] = field(metadata={"some": True})
    data: list[dict[str, Any]] = field(default_factory=list)
    set: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] | None = field(default=None, metadata=SEEDS)
    search: Search | None = None
    confirm: Confirm = field(default_factory=Confirm)
    policy: Policy = field(default_factory=Policy)
