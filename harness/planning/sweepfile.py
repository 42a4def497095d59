"""What a sweep is: the typed contents of one file in sweeps/."""

from dataclasses import dataclass, field
from typing import Any, Literal

from harness.config.schema import Component
from harness.errors import UserError
from harness.planning import SAMPLERS


@dataclass(kw_only=True)
class ArmSpec:
    """An experiment file, changed by `set`, once for every combination of `grid`."""

    base: str
    name: str | None = None
    set: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def short(cls, base: str) -> dict[str, Any]:
        return {"base": base}


@dataclass(kw_only=True)
class Search:
    """Trials per arm and data set; the objective may name validation metrics only."""

    trials: int = field(metadata={"ge": 1})
    space: dict[str, Any]
    objective: str = "val/top1"
    direction: Literal["maximize", "minimize"] = "maximize"
    sampler: Component = field(
        default_factory=lambda: Component(name="tpe"), metadata={"table": SAMPLERS}
    )
    enqueue: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        *stream, metric = self.objective.removeprefix("val/").split("/")
        known = metric in ("top1", "top5", "mean_class") and len(stream) < 2
        if not (self.objective.startswith("val/") and known):
            raise UserError(
                f"objective: {self.objective!r} is not a validation metric; the test split stays "
                "shut during a search (use val/top1, val/top5 or val/mean_class)"
            )


@dataclass(kw_only=True)
class Confirm:
    """The best trials of every arm, trained again with fresh seeds, test split opened."""

    top_k: int = field(default=1, metadata={"ge": 1})
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3], metadata={"ge": 0, "some": True})


@dataclass(kw_only=True)
class Sweep:
    """Arms x data sets x seeds; with `search`, arms x data sets x trials, then `confirm`.

    `data` lays each of its entries over the data section of every arm; `set` changes all arms.
    """

    name: str = field(metadata={"folder": True})
    arms: list[ArmSpec] = field(metadata={"some": True})
    data: list[dict[str, Any]] = field(default_factory=list)
    set: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] | None = field(default=None, metadata={"ge": 0, "some": True})
    search: Search | None = None
    confirm: Confirm = field(default_factory=Confirm)
